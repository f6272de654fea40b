"""A surface through the points of a cloud, so that whatever works on meshes works on a scan.

Each point has its Delaunay star in its own tangent plane (`gaugenet.meshes.point_stars`); the triangles on which the
stars agree, with those of the others that fit between them, are a `TriangleMesh` whose vertices are the points. Where
points are dense against the curvature and the noise the stars agree nearly everywhere (Boissonnat & Flötotto 2004, A
coordinate system associated with points scattered on a surface). No normals are needed: neighbouring
triangles are wound alike afterwards, and a one-sided surface is noticed as on any mesh.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gaugenet.meshes.geometry import MeshGeometry
from gaugenet.meshes.holes import small_holes
from gaugenet.meshes.mesh import MeshError, Repair, TriangleMesh
from gaugenet.meshes.neighborhoods import Nearest, Neighborhood
from gaugenet.meshes.precompute import compute_geometry
from gaugenet.meshes.repair import mesh_from_arrays
from gaugenet.meshes.topology import Ints, corner_fans, face_components, glue
from gaugenet.meshes.validation import Floats, checked_vertices

_NEIGHBORS = 24
_JITTER = 1e-5
"""Of the spacing: moves points of a regular grid, for the choice of triangles only, so that four of them are never on
one circle and all stars choose the same diagonal."""
_THINNEST = 1e-3
"""Height over longest edge of a triangle that is left out: three points on a straight boundary."""
_LARGEST_HOLE = 12
"""Edges round a hole that is closed. Larger ones are taken to be holes of the surface."""


def point_cloud_geometry(
    points: ArrayLike,
    neighborhood: Neighborhood = Nearest(24),  # noqa: B008  (immutable)
    *,
    normals: ArrayLike | None = None,
    **options: Any,
) -> MeshGeometry:
    """Neighbourhoods, logarithmic maps and transporters of a point cloud: all that a layer needs of it.

    Vertex i of the geometry is point i. Distances, directions and transport are those of the surface that
    `mesh_from_points` lays through the points; areas are thirds of its triangles. A point that no triangle uses has an
    empty row.

    Args:
        points: [N, 3] positions in any unit.
        neighborhood: `Nearest(k)` or `Radius(...)`.
        normals: see `mesh_from_points`.
        options: further arguments of `gaugenet.meshes.precompute.compute_geometry`: dtype, frame_direction, ...

    Raises:
        MeshError: the points are no surface. ValueError: another argument is wrong.
    """
    return compute_geometry(mesh_from_points(points, normals=normals), neighborhood, **options)


def mesh_from_points(points: ArrayLike, *, normals: ArrayLike | None = None, name: str = "") -> TriangleMesh:
    """A triangulated surface whose vertices are the points, in their order.

    Args:
        points: [N, 3] positions, at least three.
        normals: [N, 3] of any length; they fix the tangent planes and the side that is up. None: tangent planes are
            fitted to the nearest points, and a component without boundary has its outside up.
        name: stands in the report and in errors.

    Returns:
        A mesh; its `report` says how many triangles all three stars agreed on and how many points were left alone.

    Raises:
        MeshError: an array has another shape or holds NaN or inf, or no triangle is found.
    """
    positions = checked_vertices(points, name)
    if len(positions) < 3 or not np.isfinite(positions).all():
        raise MeshError(
            f"expected at least three points with finite coordinates, got {len(positions)}"
            if len(positions) < 3
            else f"{int((~np.isfinite(positions).all(1)).sum())} points have no finite coordinates",
            "remove them or give more",
            name,
        )
    size = float(np.ptp(positions, axis=0).max())
    if size == 0:
        raise MeshError("all points are at one position", "check the file", name)
    place = (positions - positions.min(0)) / size
    # points at one position: the first stands for all
    _, first = np.unique(place, axis=0, return_index=True)
    first = np.sort(first)
    up = None if normals is None else _checked_normals(normals, len(positions), name)[first]
    local = _agreed(place[first], up)
    if len(local[0]) == 0:
        raise MeshError("no triangle fits through these points", "are they on a surface?", name)
    faces = first[local[0]]
    mesh = mesh_from_arrays(place, faces, merge_vertices=False)
    fill = small_holes(mesh, _LARGEST_HOLE)
    if len(fill):
        faces = np.concatenate([mesh.faces, fill])
        mesh = mesh_from_arrays(place, faces, merge_vertices=False)
    mesh = _wound(mesh, place, None if normals is None else _checked_normals(normals, len(positions), name))
    report = [Repair("triangles laid through points", len(faces))]
    if len(fill):
        report.append(Repair("of them to close small holes", len(fill)))
    if local[1]:
        report.append(Repair("of them not in the star of all three corners", local[1], "sample more densely"))
    if len(first) < len(positions):
        report.append(Repair("points at the position of another left alone", len(positions) - len(first)))
    alone = len(positions) - len(np.unique(faces)) - (len(positions) - len(first))
    if alone:
        report.append(Repair("points that no triangle uses", alone, "remove outliers, or sample more densely"))
    kept = [r for r in mesh.report if "winds one way" not in r.kind and "isolated" not in r.kind]
    return dataclasses.replace(
        mesh, vertices=positions, edge_lengths=mesh.edge_lengths * size, report=(*report, *kept), name=name
    )


def _agreed(place: Floats, up: Floats | None) -> tuple[Ints, int]:
    """The triangles [F, 3] to keep, and how many of them are not in all three stars."""
    from scipy.spatial import cKDTree

    from gaugenet.meshes.point_stars import compatible, stars

    n = len(place)
    k = min(_NEIGHBORS, n - 1)
    if k < 2:
        return np.empty((0, 3), np.int64), 0
    distance, index = cKDTree(place).query(place, k + 1)
    # the point itself is not always the first of equals
    own = index == np.arange(n)[:, None]
    own[~own.any(1), -1] = True
    index, distance = index[~own].reshape(n, k), distance[~own].reshape(n, k)
    spacing = distance[:, min(5, k - 1)]
    normal = _fitted_normals(place, index, distance) if up is None else up
    moved = place + np.random.default_rng(0).uniform(-_JITTER, _JITTER, (n, 3)) * spacing[:, None]
    found = stars(moved, normal, np.ascontiguousarray(index, np.int64), spacing)
    if len(found) == 0:
        return found, 0
    _, where, votes = np.unique(np.sort(found, axis=1), axis=0, return_index=True, return_counts=True)
    triangles = found[where]
    sides = place[np.roll(triangles, -1, axis=1)] - place[triangles]
    longest = np.linalg.norm(sides, axis=2).max(1)
    proper = np.linalg.norm(np.cross(sides[:, 0], sides[:, 1]), axis=1) > _THINNEST * longest**2
    triangles, longest, votes, where = triangles[proper], longest[proper], votes[proper], where[proper]
    order = np.lexsort((where, longest, -votes))
    triangles, votes = triangles[order], np.minimum(votes[order], 3)
    pairs = np.sort(np.stack([triangles, np.roll(triangles, -1, axis=1)], 2), axis=2).reshape(-1, 2)
    edges, number = np.unique(pairs, axis=0, return_inverse=True)
    kept = compatible(moved, triangles, number.reshape(-1, 3), len(edges), votes)
    triangles, votes = triangles[kept], votes[kept]
    while len(triangles):
        extra = _second_fans(triangles)
        if not extra.any():
            break
        triangles, votes = triangles[~extra], votes[~extra]
    return triangles, int((votes < 3).sum())


def _second_fans(triangles: Ints) -> NDArray[np.bool_]:
    """[F] the triangles at a point whose triangles form several fans, but for the largest fan."""
    twin, flipped, _ = glue(triangles)
    n_fans, fan = corner_fans(twin, flipped)
    vertex_of, size = np.empty(n_fans, np.int64), np.bincount(fan, minlength=n_fans)
    vertex_of[fan] = triangles.ravel()
    order = np.lexsort((np.arange(n_fans), -size, vertex_of))
    largest = np.ones(n_fans, bool)
    largest[order[1:]] = vertex_of[order[1:]] != vertex_of[order[:-1]]
    return np.asarray(~largest[fan].reshape(-1, 3).all(1), bool)


def _fitted_normals(place: Floats, index: Ints, distance: Floats) -> Floats:
    """[N, 3] the direction of least variance of the nearest points, with weights that fall to 0 at the last."""
    offset = place[index] - place[:, None]
    weight = np.maximum(1.0 - (distance / distance[:, -1:]) ** 2, 1e-3)
    offset -= (weight[..., None] * offset).sum(1, keepdims=True) / weight.sum(1)[:, None, None]
    covariance = np.einsum("nk,nki,nkj->nij", weight, offset, offset)
    scale = np.trace(covariance, axis1=1, axis2=2)[:, None, None]
    return np.ascontiguousarray(np.linalg.eigh(covariance / np.where(scale > 0, scale, 1.0))[1][:, :, 0])


def _wound(mesh: TriangleMesh, place: Floats, up: Floats | None) -> TriangleMesh:
    """Each component wound counterclockwise about the normals, most of them; or without normals so that it encloses a
    positive volume as seen from its middle."""
    n, component = face_components(mesh.twin)
    corners = place[mesh.faces]
    across = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    if up is None:
        count = np.maximum(np.bincount(component, minlength=n), 1)[:, None]
        middle = np.stack([np.bincount(component, corners.mean(1)[:, i], n) for i in range(3)], 1) / count
        outside = corners.mean(1) - middle[component]
    else:
        outside = up[mesh.faces].sum(1)
    volume = np.asarray(np.bincount(component, (across * outside).sum(1), n))
    wrong: NDArray[np.bool_] = np.asarray(volume[component] < 0)
    if not wrong.any():
        return mesh
    return mesh_from_arrays(place, np.where(wrong[:, None], mesh.faces[:, ::-1], mesh.faces), merge_vertices=False)


def _checked_normals(normals: ArrayLike, n: int, name: str) -> Floats:
    up = np.asarray(normals, np.float64)
    length = np.linalg.norm(up, axis=1, keepdims=True) if up.shape == (n, 3) else np.zeros(1)
    if up.shape != (n, 3) or not np.isfinite(length).all() or not (length > 0).all():
        raise MeshError(
            f"expected a finite normal that is not 0 for each of the {n} points, got {list(up.shape)}",
            "leave the normals out, they are not needed",
            name,
        )
    return np.asarray(up / length)
