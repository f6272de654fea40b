"""Frame fields: N directions at every vertex, as smooth as can be, or given by the surface or by space.

A field of N arms (N-RoSy field) reduces the structure group to C_N, or to D_N on a one-sided surface: see
`gaugenet.meshes.structure`. Its singularities are where no frame along it exists.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gaugenet.meshes.frames import direction_angles, extrinsic_frames
from gaugenet.meshes.mesh import TriangleMesh
from gaugenet.meshes.topology import face_components, next_in_face

if TYPE_CHECKING:
    from gaugenet.meshes.fans import CornerFans
    from gaugenet.meshes.geometry import MeshGeometry

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_ITERATIONS = 24
_SHIFT = 1e-8
"""Of the mean diagonal: far below the smallest eigenvalue that a curved surface has, far above rounding."""
_COTAN_RANGE = (1e-3, 1e2)
"""Positive weights keep the energy a sum of squares on obtuse triangles as well, and needles from ruling it."""


@dataclass(frozen=True, eq=False)
class FrameField:
    """At every vertex the n directions ``angle + 2 π k / n``, k = 0 … n - 1."""

    angle: Floats
    """[V] radians in [-π/n, π/n] or any other of its n arms, from the x axis of the frame of the vertex towards y."""
    n: int
    """Number of arms: 1 a vector field, 2 a line field, 4 a cross field."""
    face_index: Floats
    """[F] the index k/n of the singularity in each face, 0 where there is none. On a closed surface they sum to χ."""
    near_singularity: NDArray[np.bool_]
    """[V] the vertices of singular faces."""

    @property
    def singular_faces(self) -> Ints:
        """[S] the faces whose index is not 0."""
        return np.flatnonzero(self.face_index)


def smoothest_frame_field(
    mesh: TriangleMesh, n: int, *, geometry: MeshGeometry | None = None, seed: int = 0
) -> FrameField:
    """The smoothest field of n arms (Knöppel, Crane, Pinkall, Schröder 2013, Globally Optimal Direction Fields, eq. 4):

        min Σ_{pq} w_pq |z_q - ρ_n(g_{q<-p}) z_p|²   with   Σ_p A_p |z_p|² = 1,     angle_p = arg(z_p) / n

    The sum is over the edges of the mesh; w are cotangent weights, kept positive; g_{q<-p} = (φ, flip) is parallel
    transport along the edge between the frames of p and q; ρ_n(φ, flip) = R(n φ) diag(1, flip), so that a flip
    conjugates z and one-sided surfaces need nothing else; A are vertex areas. It is the lowest eigenvector of the
    connection Laplacian, found for each component of the surface by inverse iterations, with a free boundary. Where
    the lowest eigenvalue is multiple (spheres), `seed` decides.

    Args:
        mesh: a validated surface, embedded or intrinsic, of any topology.
        n: number of arms, at least 1.
        geometry: of the same mesh; the field is then given in its frames. By default in the frames that
            `compute_geometry` uses unless it is given a handedness, reference or frame_direction.

    Returns:
        FrameField; the angle of a vertex without faces is 0.

    Raises:
        ValueError: n is not positive, or the geometry is of another mesh.
    """
    from scipy.sparse.linalg import splu

    from gaugenet.meshes.fans import build_fans, vertex_areas

    fans = build_fans(mesh)
    _check_arms(n)
    matrix = _connection_laplacian(fans, n)
    mass = vertex_areas(fans) / fans.unit**2
    mass[mass <= 0] = 1.0
    mass = np.repeat(mass / mass.mean(), 2)
    shift = _SHIFT * max(float(matrix.diagonal().mean()), 1.0)
    shifted = (matrix + _diagonal(shift * mass)).tocsc()
    factors = splu(shifted, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True})

    component = np.zeros(mesh.n_vertices, np.int64)
    component[fans.vertex] = np.repeat(face_components(mesh.twin)[1], 3)
    component = np.repeat(component, 2)
    z = np.random.default_rng(seed).standard_normal(2 * mesh.n_vertices)
    for _ in range(_ITERATIONS):
        z = factors.solve(mass * z)
        # each component has eigenvalues of its own; together the lowest would drive out all others
        size = np.sqrt(np.bincount(component, weights=mass * z * z))
        z /= np.where(size > 0, size, 1.0)[component]
    angle = np.arctan2(z[1::2], z[::2]) / n
    angle[fans.total_angle == 0] = 0.0
    return _finished(mesh, fans, angle, n, geometry)


def direction_field(
    mesh: TriangleMesh, direction: ArrayLike, n: int = 1, *, geometry: MeshGeometry | None = None
) -> FrameField:
    """The field along the projection of given vectors on the tangent planes, e.g. (0, 0, -1) for gravity.

    Args:
        mesh: an embedded surface.
        direction: [3], the same everywhere, or [V, 3]: vectors in space. Where nothing is left of a projection the
            angle is that of the frame; the faces around it are singular as the field requires.
        n: number of arms; the first is along the direction.
        geometry: see `smoothest_frame_field`.

    Raises:
        ValueError: the mesh has no positions, or an argument is not as described.
    """
    from gaugenet.meshes.fans import build_fans

    _check_arms(n)
    positions = _positions(mesh)
    fans = build_fans(mesh)
    vectors = np.asarray(direction, np.float64)
    if vectors.shape == (3,):
        vectors = np.broadcast_to(vectors, (mesh.n_vertices, 3))
    return _finished(mesh, fans, direction_angles(extrinsic_frames(positions, fans), vectors), n, geometry)


def principal_curvature_field(mesh: TriangleMesh, geometry: MeshGeometry, n: int = 4) -> FrameField:
    """The field along the principal directions of curvature, in the frames of the geometry.

    Weighted least squares over the neighbours q of p of the quadric

        n_p·(x_q - x_p) = u·v + r² (H + a cos 2θ + b sin 2θ) / 2,   v = r (cos θ, sin θ),   angle_p = arg(a + i b) / 2

    with (r, θ) the logarithmic map of q, u the tilt that the normal n_p has, and H, a, b by Euler's formula for normal
    curvatures. Give five neighbours or more. At umbilics (planes, spheres) the direction is arbitrary.

    Args:
        mesh: an embedded surface.
        geometry: of the same mesh; a wider neighbourhood smooths more.
        n: 4 for the cross of both directions, which knows no side of the surface; 2 for the line of the larger normal
            curvature, counted positive where the surface bends towards the normal of the frame: defined on two-sided
            surfaces only.

    Raises:
        ValueError: there are no positions or frames in space, the sizes disagree, or n is neither 2 nor 4.
    """
    from gaugenet.meshes.fans import build_fans

    if n not in (2, 4):
        raise ValueError(f"principal directions make a field of 2 or 4 arms, got n = {n}")
    positions = _positions(mesh)
    fans = build_fans(mesh)
    turn, sign = _frames_to_geometry(mesh, fans, geometry)
    if geometry.frame is None:
        raise ValueError("the geometry has no frames in space; compute it from this mesh")
    p, q = geometry.target.cpu().numpy(), geometry.source.cpu().numpy()
    theta, weight = geometry.theta.double().cpu().numpy(), geometry.weight.double().cpu().numpy()
    radius = np.maximum(geometry.radius.double().cpu().numpy(), np.finfo(float).tiny)[p]
    r = geometry.r.double().cpu().numpy() / radius
    normal = geometry.frame[:, 2].double().cpu().numpy()
    height = (normal[p] * (positions[q] - positions[p])).sum(1) / radius
    half = r * r / 2
    row = np.stack([r * np.cos(theta), r * np.sin(theta), half, half * np.cos(2 * theta), half * np.sin(2 * theta)], 1)
    squares, right = np.zeros((mesh.n_vertices, 5, 5)), np.zeros((mesh.n_vertices, 5))
    np.add.at(squares, p, weight[:, None, None] * row[:, :, None] * row[:, None, :])
    np.add.at(right, p, (weight * height)[:, None] * row)
    fit = np.linalg.solve(squares + 1e-12 * np.eye(5), right[:, :, None])[:, :, 0]
    angle = np.arctan2(fit[:, 4], fit[:, 3]) / 2
    return _finished(mesh, fans, sign * (angle - turn), n, geometry)


def field_arrows(
    mesh: TriangleMesh, geometry: MeshGeometry, field: FrameField, length: float | None = None
) -> tuple[Floats, Floats]:
    """The arms of a field as arrows in space, to be drawn or exported.

    Args:
        mesh: an embedded surface.
        geometry: of the same mesh; `field` must be in its frames.
        length: of the arrows, in the unit of the mesh; by default 0.4 mean edge lengths.

    Returns:
        points [V n, 3] where the arrows start and vectors [V n, 3] along them; those of a vertex follow each other.

    Raises:
        ValueError: there are no positions or frames in space, or the sizes disagree.
    """
    positions = _positions(mesh)
    if geometry.frame is None or geometry.n_vertices != len(positions) or len(field.angle) != len(positions):
        raise ValueError(
            f"expected a geometry with frames and a field on the {len(positions)} vertices of the mesh, got "
            f"{geometry} and a field on {len(field.angle)}; compute both from this mesh"
        )
    size = 0.4 * float(mesh.edge_lengths.mean()) if length is None else length
    frame = geometry.frame.double().cpu().numpy()
    angle = field.angle[:, None] + 2 * math.pi / field.n * np.arange(field.n)
    vectors = np.cos(angle)[..., None] * frame[:, None, 0] + np.sin(angle)[..., None] * frame[:, None, 1]
    return np.repeat(positions, field.n, axis=0), size * vectors.reshape(-1, 3)


class _EdgeEnds(NamedTuple):
    """The edges, once each: the half-edge [E], its end vertices [E], the directions [E] of the edge at both of them
    (scaled radians, each pointing to the other), and flip [E] = -1 where their handedness differs."""

    half_edge: Ints
    tail: Ints
    head: Ints
    at_tail: Floats
    at_head: Floats
    flip: Floats


def _edge_ends(fans: CornerFans) -> _EdgeEnds:
    h = np.arange(len(fans.vertex))
    h = h[(fans.twin < 0) | (h < fans.twin)]
    after = next_in_face(h)
    scaled = fans.scale[fans.vertex]
    back = (fans.direction + fans.corner_sign * fans.corner_angle) * scaled
    sign = fans.corner_sign.astype(np.float64)
    return _EdgeEnds(
        h, fans.vertex[h], fans.vertex[after], (fans.direction * scaled)[h], back[after], sign[h] * sign[after]
    )


def _connection_laplacian(fans: CornerFans, n: int) -> Any:
    """Sparse symmetric [2 V, 2 V] over (Re z_0, Im z_0, Re z_1, …): the matrix of the energy."""
    from scipy.sparse import coo_matrix

    ends = _edge_ends(fans)
    cotan = 0.5 / np.tan(np.clip(fans.corner_angle, 1e-6, math.pi - 1e-6))
    opposite = cotan[next_in_face(next_in_face(np.arange(len(cotan))))]
    across = fans.twin[ends.half_edge]
    w = opposite[ends.half_edge] + np.where(across >= 0, opposite[across], 0.0)
    w = np.clip(w, *_COTAN_RANGE)
    turn = n * (ends.at_head + math.pi - ends.flip * ends.at_tail)
    c, s = np.cos(turn), np.sin(turn)
    transport = np.stack([c, -ends.flip * s, s, ends.flip * c])  # row-major R(turn) diag(1, flip)
    i, j = np.array([0, 0, 1, 1])[:, None], np.array([0, 1, 0, 1])[:, None]
    rows = (2 * ends.head + i).ravel()
    columns = (2 * ends.tail + j).ravel()
    values = (-w * transport).ravel()
    size = 2 * fans.n_vertices
    coupling = coo_matrix((values, (rows, columns)), (size, size)).tocsr()
    degree = np.bincount(np.concatenate([ends.tail, ends.head]), np.concatenate([w, w]), fans.n_vertices)
    return coupling + coupling.T + _diagonal(np.repeat(degree, 2))


def _diagonal(values: Floats) -> Any:
    from scipy.sparse import diags

    return diags(values).tocsr()


def _finished(mesh: TriangleMesh, fans: CornerFans, angle: Floats, n: int, geometry: MeshGeometry | None) -> FrameField:
    """The field with its singularities, from its angles in the frames of the fans."""
    index = _face_indices(fans, angle, n)
    near = np.zeros(mesh.n_vertices, bool)
    near[mesh.faces[index != 0]] = True
    if geometry is not None:
        turn, sign = _frames_to_geometry(mesh, fans, geometry)
        angle = turn + sign * angle
    return FrameField((angle + math.pi) % (2 * math.pi) - math.pi, n, index, near)


def _face_indices(fans: CornerFans, angle: Floats, n: int) -> Floats:
    """[F] the index k/n of each face (Knöppel et al. 2013, section 6.1.3, there for n-direction fields):

        k = (Σ_edges ω_pq + n Ω) / 2π,     ω_pq = n (angle_q - angle_p - φ_pq) in [-π, π),     Ω = Σ_corners α s - π

    in the handedness of the face, with φ the transport along the edge and Ω the curvature in the face: corner angles α
    scaled by s = 2π/Θ. The ω of an edge cancel between its two faces and Σ Ω = 2πχ, so the indices sum to χ.
    """
    sign = fans.corner_sign.astype(np.float64)
    after = next_in_face(np.arange(len(sign)))
    scaled = fans.scale[fans.vertex]
    arm = sign * angle[fans.vertex]
    outward = sign * fans.direction * scaled
    back = outward + fans.corner_angle * scaled
    residual = n * (arm[after] - arm - (back[after] + math.pi - outward))
    residual = (residual + math.pi) % (2 * math.pi) - math.pi
    # rounding must not let both faces of an edge have +π
    second = (fans.twin >= 0) & (fans.twin < np.arange(len(sign)))
    residual = np.where(second, -residual[fans.twin], residual)
    curvature = (fans.corner_angle * scaled).reshape(-1, 3).sum(1) - math.pi
    turns = (residual.reshape(-1, 3).sum(1) + n * curvature) / (2 * math.pi)
    return np.asarray(np.rint(turns) / n)


def _frames_to_geometry(mesh: TriangleMesh, fans: CornerFans, geometry: MeshGeometry) -> tuple[Floats, Floats]:
    """The gauge transformation (angle [V], sign [V]) from the frames of the fans to those of a geometry."""
    if geometry.n_vertices != mesh.n_vertices:
        raise ValueError(
            f"the geometry has {geometry.n_vertices} vertices and the mesh {mesh.n_vertices}: give the geometry that "
            "was computed from this mesh"
        )
    if geometry.frame is not None and mesh.vertices is not None:
        old, new = extrinsic_frames(mesh.vertices, fans), geometry.frame.double().cpu().numpy()
        along = np.einsum("vij,vj->vi", new, old[:, 0])
        return np.arctan2(along[:, 1], along[:, 0]), np.where((old[:, 2] * new[:, 2]).sum(1) < 0, -1.0, 1.0)
    # without frames in space: from the directions of the edges of the mesh, which both know
    ends = _edge_ends(fans)
    p, q = np.concatenate([ends.tail, ends.head]), np.concatenate([ends.head, ends.tail])
    mine = np.concatenate([ends.at_tail, ends.at_head])
    length = np.tile(fans.length[ends.half_edge] * fans.unit, 2)
    n_vertices = mesh.n_vertices
    key = geometry.target.cpu().numpy() * n_vertices + geometry.source.cpu().numpy()
    order = np.argsort(key, kind="stable")
    at = np.searchsorted(key[order], p * n_vertices + q).clip(max=max(len(key) - 1, 0))
    edge = order[at] if len(key) else np.zeros(len(p), np.int64)
    known = (key[edge] == p * n_vertices + q) if len(key) else np.zeros(len(p), bool)
    r, theta = geometry.r.double().cpu().numpy(), geometry.theta.double().cpu().numpy()
    # another, shorter path between the same vertices is seen in another direction
    known[known] &= np.abs(r[edge[known]] - length[known]) <= 1e-5 * length[known]
    p, mine, theirs = p[known], mine[known], theta[edge[known]]
    fits = []
    for sign in (1, -1):
        term = np.exp(1j * (theirs - sign * mine))
        fits.append(np.bincount(p, term.real, n_vertices) + 1j * np.bincount(p, term.imag, n_vertices))
    mirrored = np.abs(fits[1]) > np.abs(fits[0]) + 1e-9
    return np.angle(np.where(mirrored, fits[1], fits[0])), np.where(mirrored, -1.0, 1.0)


def _check_arms(n: int) -> None:
    if n < 1:
        raise ValueError(f"a frame field has at least 1 arm per vertex, got n = {n}")


def _positions(mesh: TriangleMesh) -> Floats:
    if mesh.vertices is None:
        raise ValueError("this needs vertex positions in space, and the mesh is intrinsic; use smoothest_frame_field")
    return mesh.vertices
