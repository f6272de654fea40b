"""Scalar signals on the sphere carried between grids of latitudes and longitudes, sphere atlases, meshes and points.

A signal given at nodes is continued by interpolation, and read where it is wanted; both together are one sparse matrix,

    out[m] = Σ_s A[m, s] x[s],      A ≥ 0,   Σ_s A[m, s] = 1

Between latitudes and longitudes interpolation is bilinear; a pole without a row of its own has the mean of the row next
to it, and one with a row the mean of that. Between the pixels of an atlas and the vertices of a mesh it is linear on
triangles, those of the convex hull of the pixels' directions, which knows no borders of charts; at a hole or a pole of
`icosahedral_atlas` the value is the mean of the five pixels around. All of it is continuous, exact for constants and of
second order in the spacing of the nodes. What is finer than the nodes at which it is read is aliased: average it first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from gaugenet.meshes.charts import ChartAtlas
from gaugenet.meshes.grids import hull_faces
from gaugenet.meshes.mesh import MeshError, TriangleMesh
from gaugenet.meshes.sphere_atlases import cube_atlas, cube_points, icosahedral_atlas, icosahedral_points
from gaugenet.meshes.sphere_location import locate
from gaugenet.meshes.validation import Floats

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix


@dataclass(frozen=True, eq=False)
class LatLonGrid:
    """Latitudes × longitudes, for signals [..., R, C]; (x, y, z) = (cos φ cos λ, cos φ sin λ, sin φ).

    Raises:
        ValueError: latitudes are not monotone and from −90 to 90, or longitudes not ascending within one turn.
    """

    latitude: Floats
    """[R] φ in degrees, from south to north or from north to south."""
    longitude: Floats
    """[C] λ in degrees, from west to east; the last is followed by the first."""

    def __post_init__(self) -> None:
        phi, lam = (np.asarray(a, np.float64) for a in (self.latitude, self.longitude))
        steps = np.diff(phi) if phi.ndim == 1 else np.zeros(1)
        if not phi.size or not ((steps > 0).all() or (steps < 0).all()) or not np.abs(phi).max() <= 90 + 1e-9:
            raise ValueError(
                f"expected latitudes [R] in degrees from −90 to 90, all ascending or descending, got {phi}"
            )
        if lam.ndim != 1 or not lam.size or not (np.diff(lam) > 0).all() or not lam[-1] - lam[0] < 360 - 1e-9:
            raise ValueError(
                f"expected longitudes [C] in degrees, ascending and all within one turn (0 without 360), got {lam}"
            )
        object.__setattr__(self, "latitude", phi)
        object.__setattr__(self, "longitude", lam)

    @staticmethod
    def regular(n_latitudes: int, n_longitudes: int) -> LatLonGrid:
        """Equal cells: latitudes of their middles from north to south, longitudes from 0.

        Args:
            n_latitudes: R.
            n_longitudes: C.
        """
        phi = 90 - 180 * (np.arange(n_latitudes) + 0.5) / n_latitudes
        return LatLonGrid(phi, 360 * np.arange(n_longitudes) / n_longitudes)

    @property
    def shape(self) -> tuple[int, int]:
        """(R, C)"""
        return len(self.latitude), len(self.longitude)

    @property
    def directions(self) -> Floats:
        """[R · C, 3] unit vectors, row by row."""
        phi, lam = np.meshgrid(np.radians(self.latitude), np.radians(self.longitude), indexing="ij")
        unit: Floats = np.stack([np.cos(phi) * np.cos(lam), np.cos(phi) * np.sin(lam), np.sin(phi)], -1).reshape(-1, 3)
        return unit

    def __repr__(self) -> str:
        return f"LatLonGrid({self.shape[0]} × {self.shape[1]})"


@dataclass(frozen=True, eq=False)
class SphereResampling:
    """The linear map of `resample_sphere`; differentiable, on any device."""

    matrix: Tensor
    """A, sparse float64 [M, S]."""
    source_grid: tuple[int, int] | None
    """(R, C) where the source is a `LatLonGrid`."""
    target_grid: tuple[int, int] | None
    """(R, C) where the target is one."""

    def __call__(self, x: Tensor) -> Tensor:
        """Signals at the nodes of the source, at those of the target. With any further axes "...": [..., R, C] on a
        `LatLonGrid` and [P, ...] everywhere else, so that [N, C, R, C'] becomes the [P, N, C] of `ChartConv`.

        Args:
            x: floating; scalars, since components of vectors have no meaning in another frame.

        Raises:
            ValueError: x does not have the shape of the source, or is not floating.
        """
        n, grid = self.matrix.shape[1], self.source_grid
        expected = f"[..., {grid[0]}, {grid[1]}]" if grid else f"[{n}, ...]"
        if not x.is_floating_point() or (tuple(x.shape[-2:]) != grid if grid else x.shape[:1] != (n,)):
            raise ValueError(f"expected floating signals {expected}, got {list(x.shape)} of {x.dtype}")
        rest = x.shape[:-2] if grid else x.shape[1:]
        rows = x.reshape(-1, n).T if grid else x.reshape(n, -1)
        out: Tensor = torch.sparse.mm(self.matrix.to(x), rows)
        return out.T.reshape(*rest, *self.target_grid) if self.target_grid else out.reshape(len(out), *rest)

    def __repr__(self) -> str:
        return f"SphereResampling({self.matrix.shape[1]:,} → {self.matrix.shape[0]:,} values)"


def resample_sphere(
    source: LatLonGrid | ChartAtlas | TriangleMesh, target: LatLonGrid | ChartAtlas | TriangleMesh | ArrayLike
) -> SphereResampling:
    """The map that takes scalar signals on the sphere from one set of nodes to another; see
    `gaugenet.meshes.sphere_sampling`. A signal in closed form needs none: evaluate it at `pixel_directions`.

    Args:
        source: where the signal is given: latitudes and longitudes, the pixels of `icosahedral_atlas` or `cube_atlas`,
            or the vertices of a mesh that every ray from the origin meets once, e.g. an icosphere.
        target: where it is wanted: one of these, or directions [M, 3] of any length but 0.

    Raises:
        ValueError: an atlas is not one of the sphere, or a direction is 0 or not finite.
        MeshError: a mesh has no positions, or a direction meets none of its faces.
    """
    where = _directions(target)
    if isinstance(source, LatLonGrid):
        matrix = _from_grid(source, where)
    elif isinstance(source, ChartAtlas):
        matrix = _from_atlas(source, where)
    else:
        matrix = _from_mesh(source, where)
    matrix.sum_duplicates()
    coo = matrix.tocoo()
    place = torch.from_numpy(np.stack([coo.row, coo.col]).astype(np.int64))
    sparse = torch.sparse_coo_tensor(
        place, torch.from_numpy(coo.data), coo.shape, is_coalesced=True, check_invariants=True
    )
    grids = (p.shape if isinstance(p, LatLonGrid) else None for p in (source, target))
    return SphereResampling(sparse, *grids)


def pixel_directions(atlas: ChartAtlas) -> Floats:
    """[P, 3] unit vectors: where the pixels of `icosahedral_atlas` or `cube_atlas` lie on the sphere.

    Args:
        atlas: one of these two, with or without transitions.

    Raises:
        ValueError: it is another atlas.
    """
    points = _pixel_points(atlas)
    unit: Floats = points / np.linalg.norm(points, axis=1, keepdims=True)
    return unit


def _pixel_points(atlas: ChartAtlas) -> Floats:
    n, level = atlas.rows, atlas.rows.bit_length() - 1
    if atlas.lattice == "hexagonal" and 1 <= level <= 9 and _glued_like(atlas, icosahedral_atlas(level)):
        return icosahedral_points(level)
    if atlas.lattice == "square" and atlas.n_charts == 6 and _glued_like(atlas, cube_atlas(n)):
        return cube_points(n)
    raise ValueError(f"expected icosahedral_atlas or cube_atlas, which cover the sphere; got {atlas!r}")


def _glued_like(atlas: ChartAtlas, other: ChartAtlas) -> bool:
    """Whether both have the same pixels and neighbours, with or without transitions."""
    one, two = atlas.without_transitions(), other.without_transitions()
    return (one.rows, one.columns, one.sides, one.cones) == (two.rows, two.columns, two.sides, two.cones)


def pixel_areas(atlas: ChartAtlas) -> Floats:
    """[P] solid angle of the pixels of `icosahedral_atlas` or `cube_atlas`, which sum to 4π, and 0 at holes:

        a_p ∝ 1 / |x_p|³,    x_p the pixel on its flat face,

    since all pixels are equal on faces that have one distance from the centre. A mean that is weighted by them is, for
    smooth signals, the integral over the sphere up to second order in the spacing of pixels; an unweighted one is the
    integral with another density, and changes when the signal is turned.

    Args:
        atlas: one of these two, with or without transitions.

    Raises:
        ValueError: it is another atlas.
    """
    density: Floats = 1 / np.linalg.norm(_pixel_points(atlas), axis=1) ** 3
    density[list(atlas.cones)] = 0
    area: Floats = 4 * np.pi * density / density.sum()
    return area


def _directions(target: LatLonGrid | ChartAtlas | TriangleMesh | ArrayLike) -> Floats:
    if isinstance(target, LatLonGrid):
        return target.directions
    if isinstance(target, ChartAtlas):
        return pixel_directions(target)
    points = _positions(target) if isinstance(target, TriangleMesh) else np.asarray(target, np.float64)
    length = np.linalg.norm(points, axis=1) if points.ndim == 2 and points.shape[1] == 3 else np.zeros(1)
    if not (np.isfinite(length) & (length > 0)).all():
        raise ValueError(f"expected directions [M, 3], finite and none of them 0, got {list(points.shape)}")
    unit: Floats = points / length[:, None]
    return unit


def _positions(mesh: TriangleMesh) -> Floats:
    if mesh.vertices is None:
        raise MeshError("the mesh has no positions", "give an embedded one, e.g. an icosphere", mesh.name)
    return mesh.vertices


def _from_grid(grid: LatLonGrid, where: Floats) -> csr_matrix:
    from scipy import sparse

    rows, columns = grid.shape
    order = np.argsort(grid.latitude)
    inner = order[np.abs(grid.latitude[order]) < 90 - 1e-9]
    # nodes by latitude: the south pole, the rows between, the north pole
    south, north = rows * columns, rows * columns + 1
    phi = np.concatenate([[-90], grid.latitude[inner], [90]])
    start = np.concatenate([[south], inner * columns, [north]])
    step = np.concatenate([[0], np.ones(len(inner), np.int64), [0]])
    at = np.degrees(np.arctan2(where[:, 2], np.hypot(where[:, 0], where[:, 1])))
    k = np.clip(np.searchsorted(phi, at, side="right") - 1, 0, len(phi) - 2)
    t = np.clip((at - phi[k]) / (phi[k + 1] - phi[k]), 0, 1)
    turn = np.degrees(np.arctan2(where[:, 1], where[:, 0])) - grid.longitude[0]
    turn = turn % 360
    lam = np.append(grid.longitude - grid.longitude[0], 360)
    c = np.clip(np.searchsorted(lam, turn, side="right") - 1, 0, columns - 1)
    u = np.clip((turn - lam[c]) / (lam[c + 1] - lam[c]), 0, 1)
    found = [
        (start[row] + step[row] * column, a * b)
        for row, a in ((k, 1 - t), (k + 1, t))
        for column, b in ((c, 1 - u), ((c + 1) % columns, u))
    ]
    poles = [sparse.identity(rows * columns, format="csr")]
    for end in (order[0], order[-1]):
        mean = np.zeros((1, rows * columns))
        mean[0, end * columns : (end + 1) * columns] = 1 / columns
        poles.append(sparse.csr_matrix(mean))
    return _matrix(found, rows * columns + 2) @ sparse.vstack(poles, format="csr")


def _from_mesh(mesh: TriangleMesh, where: Floats) -> csr_matrix:
    face, weight = locate(_positions(mesh), mesh.faces, where, mesh.name or "this mesh")
    return _matrix([(mesh.faces[face, k], weight[:, k]) for k in range(3)], mesh.n_vertices)


def _from_atlas(atlas: ChartAtlas, where: Floats) -> csr_matrix:
    from scipy import sparse

    points, n = pixel_directions(atlas), atlas.n_pixels
    corners = np.array(atlas.cones, np.int64)
    if atlas.lattice == "hexagonal":
        points = np.concatenate([points, [[0.0, 0.0, 1.0], [0.0, 0.0, -1.0]]])
        corners = np.append(corners, [n, n + 1])
    faces = hull_faces(points)
    face, weight = locate(points, faces, where, repr(atlas))
    found = _matrix([(faces[face, k], weight[:, k]) for k in range(3)], len(points))
    # of every node: itself, or at a corner of the icosahedron the mean of its neighbours
    tail, head = faces.ravel(), np.roll(faces, -1, axis=1).ravel()
    side = np.isin(tail, corners) & ~np.isin(head, corners)
    around = sparse.csr_matrix((np.ones(side.sum()), (tail[side], head[side])), (len(points), len(points)))
    around.data[:] = 1
    around = sparse.diags(1 / np.maximum(np.asarray(around.sum(1)).ravel(), 1)) @ around
    stays = np.ones(len(points))
    stays[corners] = 0
    return (found @ (sparse.diags(stays) + around)).tocsr()[:, :n]


def _matrix(entries: list[tuple[np.ndarray, Floats]], n: int) -> csr_matrix:
    from scipy import sparse

    row = np.tile(np.arange(len(entries[0][0])), len(entries))
    column, weight = (np.concatenate(part) for part in zip(*entries))
    matrix = sparse.csr_matrix((weight, (row, column)), (len(entries[0][0]), n))
    matrix.eliminate_zeros()
    return matrix
