"""Grids of 28 × 28 vertices, flat or with hills, one vertex to a pixel."""

from __future__ import annotations

import numpy as np

import gaugenet as gn
from gaugenet.meshes.coarsening import build_hierarchy
from gaugenet.meshes.hierarchy import Hierarchy
from gaugenet.meshes.shapes import flat_patch

SIZE = 28
SURFACES = ("flat", "hills")
_HILLS, _HEIGHT, _BREADTH = 12, 2.0, 3.0
"""Number, standard deviation of the height and breadth of the hills, in pixels."""


def surface(name: str, seed: int = 0) -> tuple[gn.TriangleMesh, np.ndarray]:
    """A surface, and for each of its vertices the pixel, row · SIZE + column.

    Args:
        name: "flat", or "hills": the same grid raised by a sum of Gaussians.
        seed: of the hills.
    """
    flat = flat_patch(SIZE - 1, SIZE - 1, length=SIZE - 1, width=SIZE - 1).mesh
    points = np.array(flat.vertices)
    column, row = np.rint(points[:, 0]), np.rint((SIZE - 1) / 2 - points[:, 1])
    if name == "hills":
        rng = np.random.default_rng(seed)
        for x, y, height in zip(*rng.uniform(0, SIZE - 1, (2, _HILLS)), _HEIGHT * rng.standard_normal(_HILLS)):
            y -= (SIZE - 1) / 2
            points[:, 2] += height * np.exp(-((points[:, :2] - (x, y)) ** 2).sum(1) / (2 * _BREADTH**2))
    pixel = (row * SIZE + column).astype(np.int64)
    return gn.mesh_from_arrays(points, flat.faces, name=name), pixel


def hierarchy_of(mesh: gn.TriangleMesh) -> Hierarchy:
    """784, 196 and 49 vertices, with 24 neighbours on the finest level and 16 on the others."""
    return build_hierarchy(mesh, [gn.Nearest(24), gn.Nearest(16), gn.Nearest(16)], ratios=(4, 4))
