"""Mean and Gaussian curvature of a mesh, at several scales, squashed so that no corner dominates."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from gaugenet.data.features.laplacian import Laplacian
from gaugenet.meshes.mesh import TriangleMesh

Array = NDArray[np.float64]

SCALES = (0.0, 0.02, 0.06)
"""Widths over which curvature is averaged, in square roots of the total area; 0 stands for half an edge."""


def mean_curvature(mesh: TriangleMesh, laplacian: Laplacian, *, signed: bool) -> Array:
    """asinh(H sqrt(A) / sqrt(4 pi)) at each of `SCALES`, [V, 3], from 2 H n = M^-1 L x.

    A: total area; n: normal to the left of which the faces wind, so that a sphere that winds outward has H > 0 (and
    asinh 1 here). Signed, H changes its sign with the winding. Unsigned, and on one-sided surfaces always, it is |H|.

    Raises:
        ValueError: the mesh has no positions.
    """
    if mesh.vertices is None:
        raise ValueError(
            f"{mesh.name or 'this mesh'}: mean curvature needs positions, and it has edge lengths only; "
            "use hks16 or gauss as features"
        )
    used = laplacian.mass > 0
    points = np.where(used[:, None], mesh.vertices, 0.0)
    centre = laplacian.mass @ points / laplacian.total_area
    points = np.where(used[:, None], points - centre, 0.0)  # far from the origin L x would lose its digits
    bend = 0.5 * np.asarray(laplacian.stiffness @ points)  # H n times the vertex area
    if signed and not mesh.twin_flipped.any():
        integrated = (bend * _normals(points, mesh.faces)).sum(1)
    else:
        integrated = np.linalg.norm(bend, axis=1)
    return np.arcsinh(_averaged(integrated, mesh, laplacian) * math.sqrt(laplacian.total_area / (4.0 * math.pi)))


def gaussian_curvature(mesh: TriangleMesh, laplacian: Laplacian) -> Array:
    """asinh(K A / 4 pi) / 2 at each of `SCALES`, [V, 3], from the angle defect; 0 defect on the boundary.

    A: total area. Depends on edge lengths only.
    """
    from gaugenet.meshes.fans import corner_angles
    from gaugenet.meshes.topology import boundary_vertices

    angle = np.bincount(mesh.faces.ravel(), corner_angles(mesh.edge_lengths).ravel(), minlength=mesh.n_vertices)
    inside = (laplacian.mass > 0) & ~boundary_vertices(mesh)
    defect = np.where(inside, 2.0 * math.pi - angle, 0.0)
    return 0.5 * np.arcsinh(_averaged(defect, mesh, laplacian) * laplacian.total_area / (4.0 * math.pi))


def principal_curvatures(mesh: TriangleMesh, laplacian: Laplacian) -> Array:
    """asinh(k sqrt(A) / sqrt(4 pi)) of k1 >= k2 at each of `SCALES`, [V, 6], k = H +- sqrt(H^2 - K).

    H and K as averaged by `mean_curvature` (signed) and `gaussian_curvature`; where their errors make H^2 < K, k1 = k2.

    Raises:
        ValueError: the mesh has no positions.
    """
    mean = np.sinh(mean_curvature(mesh, laplacian, signed=True))
    gauss = np.sinh(2.0 * gaussian_curvature(mesh, laplacian))
    root = np.sqrt(np.maximum(mean**2 - gauss, 0.0))
    return np.asarray(np.arcsinh(np.hstack([mean + root, mean - root])))


def unit_normals(mesh: TriangleMesh, laplacian: Laplacian) -> Array:
    """[V, 3] unit normals, to the left of which the faces wind; 0 at isolated vertices.

    Raises:
        ValueError: the mesh has no positions, or one side only.
    """
    if mesh.vertices is None or mesh.twin_flipped.any():
        problem = "has edge lengths only" if mesh.vertices is None else "is one-sided"
        raise ValueError(f"{mesh.name or 'this mesh'}: it {problem}, so normals are not defined; leave them out")
    return _normals(np.where((laplacian.mass > 0)[:, None], mesh.vertices, 0.0), mesh.faces)


def _normals(points: Array, faces: NDArray[np.int64]) -> Array:
    """[V, 3] unit normals, the mean of the faces' weighted by area; 0 where there is none."""
    a, b, c = (points[faces[:, k]] for k in range(3))
    normal = np.cross(b - a, c - a)
    total = np.stack([np.bincount(faces.ravel(), np.repeat(normal[:, k], 3), len(points)) for k in range(3)], 1)
    return np.asarray(total / np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-300))


def _averaged(integrated: Array, mesh: TriangleMesh, laplacian: Laplacian) -> Array:
    """Densities [V, 3] of what is integrated over vertex areas, at each of `SCALES`."""
    half_edge = 0.5 * float(mesh.edge_lengths.mean())
    widths = (scale * math.sqrt(laplacian.total_area) if scale else half_edge for scale in SCALES)
    return np.stack([laplacian.averaged(integrated, width) for width in widths], 1)
