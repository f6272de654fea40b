"""Frame fields that the surface or space gives: a direction, principal curvature, parallel fields of flat surfaces."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gaugenet.meshes.field_gauge import frames_to_geometry
from gaugenet.meshes.frame_field import FrameField, check_arms, embedded_positions, finished_field
from gaugenet.meshes.frames import direction_angles, extrinsic_frames
from gaugenet.meshes.mesh import TriangleMesh

if TYPE_CHECKING:
    from gaugenet.meshes.geometry import MeshGeometry

_PARALLEL = 1e-6
"""Radians; a geometry of float32 is flat to about this."""


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

    check_arms(n)
    positions = embedded_positions(mesh)
    fans = build_fans(mesh)
    vectors = np.asarray(direction, np.float64)
    if vectors.shape == (3,):
        vectors = np.broadcast_to(vectors, (mesh.n_vertices, 3))
    return finished_field(mesh, fans, direction_angles(extrinsic_frames(positions, fans), vectors), n, geometry)


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
    positions = embedded_positions(mesh)
    fans = build_fans(mesh)
    gauge = frames_to_geometry(mesh, fans, geometry)
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
    return finished_field(mesh, fans, gauge.sign * (angle - gauge.angle), n, geometry)


def parallel_field(
    mesh: TriangleMesh, geometry: MeshGeometry, n: int, *, leave_out: NDArray[np.bool_] | None = None
) -> FrameField:
    """The field of n arms that every transporter carries to itself, on a surface that is flat but for cone points:

        n (φ + flip α_q) = n α_p  mod 2π    on every edge between vertices that are not left out.

    A direction is chosen at one vertex of each component and carried along a spanning tree; it comes back turned by a
    multiple of 2π/n round every loop if and only if all cone angles are multiples of 2π/n. On the flat icosahedron,
    with `mode="polyhedral"`, n = 6 and its 12 cone points left out, C6 holds all transporters of the other vertices:
    `reduce_structure_group(geometry, field, mask_singular=True)`.

    Args:
        mesh: the surface. geometry: of it; polyhedral where there are cone points.
        n: number of arms.
        leave_out: bool [V] the cone points. They get an arbitrary angle and are marked (`near_singularity`); the
            singularities being vertices, no face has an index.

    Raises:
        ValueError: there is no such field, or an argument is not as described.
    """
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import breadth_first_order, connected_components

    check_arms(n)
    size = geometry.n_vertices
    out = np.zeros(size, bool) if leave_out is None else np.asarray(leave_out, bool)
    if mesh.n_vertices != size or out.shape != (size,):
        raise ValueError(
            f"expected a geometry of the {mesh.n_vertices} vertices of the mesh and leave_out [V], got {geometry} and "
            f"{list(out.shape)}"
        )
    p, q = geometry.target.cpu().numpy(), geometry.source.cpu().numpy().astype(np.int64)
    phi, flip = geometry.phi.double().cpu().numpy(), geometry.flip.cpu().numpy().astype(np.float64)
    used = np.flatnonzero(~(out[p] | out[q]))
    # (number of the edge + 1) where p sees q, so that the tree names edges
    graph = coo_matrix((used + 1.0, (p[used], q[used])), (size, size)).tocsr()
    angle = np.zeros(size)
    _, component = connected_components(graph, directed=False)
    for root in np.unique(component, return_index=True)[1]:
        order, before = breadth_first_order(graph, root, directed=False)
        for v in order[1:].tolist():
            u = int(before[v])
            e = int(graph[u, v]) - 1
            if e >= 0:
                angle[v] = flip[e] * (angle[u] - phi[e])
            else:
                e = int(graph[v, u]) - 1
                angle[v] = phi[e] + flip[e] * angle[u]
    miss = n * (phi + flip * angle[q] - angle[p])[used]
    worst = float(np.abs(np.angle(np.exp(1j * miss))).max(initial=0.0)) / n
    if worst > _PARALLEL:
        raise ValueError(
            f"there is no parallel field of {n} arms: round some loop it turns by {worst:.3g} rad more than "
            f"a multiple of 2π/{n}; leave out the cone points, give a multiple of {n}, or take smoothest_frame_field"
        )
    return FrameField((angle + math.pi) % (2 * math.pi) - math.pi, n, np.zeros(mesh.n_faces), out.copy(), mesh)
