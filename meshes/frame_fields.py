"""Smoothest frame fields: N directions at every vertex that turn as little as can be.

A field of N arms (N-RoSy field) reduces the structure group to C_N, or to D_N on a one-sided surface: see
`gaugenet.meshes.structure`. Its singularities are where no frame along it exists. Fields that are given by the surface
or by space are in `gaugenet.meshes.given_fields`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from gaugenet.meshes.field_gauge import EdgeEnds, edge_ends, frames_to_geometry
from gaugenet.meshes.frame_field import Floats, FrameField, check_arms, finished_field
from gaugenet.meshes.mesh import TriangleMesh
from gaugenet.meshes.topology import face_components, next_in_face

if TYPE_CHECKING:
    from gaugenet.meshes.fans import CornerFans
    from gaugenet.meshes.geometry import MeshGeometry

__all__ = ["FrameField", "smoothest_frame_field"]

_ITERATIONS = 24
_SHIFT = 1e-8
"""Of the mean diagonal: far below the smallest eigenvalue that a curved surface has, far above rounding."""
_COTAN_RANGE = (1e-3, 1e2)
"""Positive weights keep the energy a sum of squares on obtuse triangles as well, and needles from ruling it."""


def smoothest_frame_field(
    mesh: TriangleMesh, n: int, *, geometry: MeshGeometry | None = None, seed: int = 0, aligned: bool = False
) -> FrameField:
    """The smoothest field of n arms (Knöppel, Crane, Pinkall, Schröder 2013, Globally Optimal Direction Fields, eq. 4):

        min Σ_{pq} w_pq |z_q - ρ_n(g_{q<-p}) z_p|²   with   Σ_p A_p |z_p|² = 1,     angle_p = arg(z_p) / n

    The sum is over the edges of the mesh; w are cotangent weights, kept positive; g_{q<-p} = (φ, flip) is parallel
    transport along the edge between the frames of p and q; ρ_n(φ, flip) = R(n φ) diag(1, flip), so that a flip
    conjugates z and one-sided surfaces need nothing else; A are vertex areas. It is the lowest eigenvector of the
    connection Laplacian, found for each component of the surface by inverse iterations, with a free boundary. Where
    the lowest eigenvalue is multiple (spheres), `seed` decides.

    With `aligned`, components with a boundary have their first arm along the inward normal there (the direction that
    halves the angle of a boundary vertex), and the harmonic field with these values: L z = 0 inside.

    Args:
        mesh: a validated surface, embedded or intrinsic, of any topology.
        n: number of arms, at least 1.
        geometry: of the same mesh; the field is then given in its frames, and as smooth as its transporters see it
            where it has the edges of the mesh. By default in the frames that `compute_geometry` uses unless it is given
            a handedness, reference or frame_direction.
        seed: of the first iterate.
        aligned: whether the field keeps to the boundary; no matter on closed components.

    Returns:
        FrameField; the angle of a vertex without faces is 0.

    Raises:
        ValueError: n is not positive, or the geometry is of another mesh.
    """
    from gaugenet.meshes.fans import build_fans, vertex_areas

    fans = build_fans(mesh)
    check_arms(n)
    ends = edge_ends(fans, geometry, None if geometry is None else frames_to_geometry(mesh, fans, geometry))
    matrix = _connection_laplacian(fans, ends, n)
    mass = vertex_areas(fans) / fans.unit**2
    mass[mass <= 0] = 1.0
    mass = np.repeat(mass / mass.mean(), 2)
    shift = _SHIFT * max(float(matrix.diagonal().mean()), 1.0)
    shifted = (matrix + _diagonal(shift * mass)).tocsc()
    solve = _solver(shifted, one_sided=bool((ends.flip < 0).any()))

    component = np.zeros(mesh.n_vertices, np.int64)
    component[fans.vertex] = np.repeat(face_components(mesh.twin)[1], 3)
    component = np.repeat(component, 2)
    z = np.random.default_rng(seed).standard_normal(2 * mesh.n_vertices)
    for _ in range(_ITERATIONS):
        z = solve(mass * z)
        # each component has eigenvalues of its own; together the lowest would drive out all others
        size = np.sqrt(np.bincount(component, weights=mass * z * z))
        z /= np.where(size > 0, size, 1.0)[component]
    if aligned and fans.boundary.any():
        z = _aligned_to_boundary(fans, matrix, z, n)
    angle = np.arctan2(z[1::2], z[::2]) / n
    angle[fans.total_angle == 0] = 0.0
    return finished_field(mesh, fans, angle, n, geometry)


def _solver(matrix: Any, one_sided: bool) -> Callable[[Floats], Floats]:
    """z -> matrix⁻¹ z, factored once; without flips it is complex linear, and has a quarter of the entries."""
    from scipy.sparse.linalg import splu

    if not one_sided:
        matrix = matrix[::2, ::2] + 1j * matrix[1::2, ::2]
    factors = splu(matrix.tocsc(), permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True})
    if one_sided:
        return lambda z: np.asarray(factors.solve(z))
    return lambda z: np.asarray(factors.solve(z.view(np.complex128)).view(np.float64))


def _connection_laplacian(fans: CornerFans, ends: EdgeEnds, n: int) -> Any:
    """Sparse symmetric [2 V, 2 V] over (Re z_0, Im z_0, Re z_1, …): the matrix of the energy."""
    from scipy.sparse import coo_matrix

    cotan = 0.5 / np.tan(np.clip(fans.corner_angle, 1e-6, math.pi - 1e-6))
    opposite = cotan[next_in_face(next_in_face(np.arange(len(cotan))))]
    across = fans.twin[ends.half_edge]
    w = opposite[ends.half_edge] + np.where(across >= 0, opposite[across], 0.0)
    w = np.clip(w, *_COTAN_RANGE)
    turn = n * ends.phi
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


def _aligned_to_boundary(fans: CornerFans, matrix: Any, z: Floats, n: int) -> Floats:
    """z [2 V] where a component has a boundary: exp(i n · half the angle of the fan) on it, and L z = 0 inside."""
    from scipy.sparse.csgraph import connected_components
    from scipy.sparse.linalg import splu

    normal = n * 0.5 * fans.total_angle * fans.scale
    values = np.stack([np.cos(normal), np.sin(normal)], 1).ravel()
    fixed = np.repeat(fans.boundary, 2)
    component = np.repeat(connected_components(abs(matrix[::2, ::2]) + abs(matrix[::2, 1::2]), directed=False)[1], 2)
    bounded = np.isin(component, component[fixed])
    free = np.flatnonzero(bounded & ~fixed)
    solved = np.where(fixed, values, z)
    if len(free):
        right = -(matrix[free] @ np.where(fixed, values, 0.0))
        factors = splu(matrix[free][:, free].tocsc(), permc_spec="MMD_AT_PLUS_A", options={"SymmetricMode": True})
        solved[free] = factors.solve(right)
    return solved
