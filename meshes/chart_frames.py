"""Frames in space at the pixels of an atlas whose surface is the sphere, to write vector fields as coefficients."""

from __future__ import annotations

import numpy as np

from gaugenet.meshes.charts import CELLS, ChartAtlas
from gaugenet.meshes.validation import Floats

_STEPS = {
    "square": ((0, 1), (1, 0), (0, -1), (-1, 0)),
    "hexagonal": ((0, 1), (1, 0), (1, -1), (0, -1), (-1, 0), (-1, 1)),
}
"""Neighbours (rows, columns), counterclockwise from the x axis of the frame."""


def chart_frames(atlas: ChartAtlas, points: Floats) -> Floats:
    """Right-handed frames (e_x, e_y, n) of the pixels, tangent to the unit sphere, n outwards:

        e_x ∝ Σ_k R_n(−2πk/N) t_k,    t_k = unit tangent at p towards its neighbour k of N, in the frame of the chart

    so that e_x is as close as can be to all N directions that the lattice says, and frames of neighbours agree with the
    transition functions as far as the sphere's curvature lets them. Rotations of the sphere that map pixels to pixels
    map these frames to each other up to the structure group. A neighbour that does not exist (at a corner) is left out.

    Args:
        atlas: of the icosahedron or the cube.
        points: [P, 3] its pixels in space, of any length.

    Returns:
        [P, 3, 3] rows e_x, e_y, n of each pixel; at cone points, where no frame is used, some frame.
    """
    n = points / np.linalg.norm(points, axis=1, keepdims=True)
    grid = np.meshgrid(np.arange(atlas.rows), np.arange(atlas.columns), np.arange(atlas.n_charts), indexing="ij")
    i, j, chart = (g.ravel() for g in grid)
    total = np.zeros_like(n)
    for di, dj in _STEPS[atlas.lattice]:
        pull = atlas.pull(chart, i + di, j + dj)
        t = n[pull.source.numpy()]
        t = t - (t * n).sum(1, keepdims=True) * n
        t = np.where(pull.inside.numpy()[:, None], t, 0.0)
        t = t / np.maximum(np.linalg.norm(t, axis=1, keepdims=True), 1e-12)
        a, b = CELLS[atlas.lattice]
        cos, sin = dj * a + di * b
        total += cos * t - sin * np.cross(n, t)
    holes = np.isin(np.arange(atlas.n_pixels), atlas.cones)
    some = np.eye(3)[np.abs(n).argmin(1)]
    total = np.where(holes[:, None], some - (some * n).sum(1, keepdims=True) * n, total)
    x = total / np.linalg.norm(total, axis=1, keepdims=True)
    frames: Floats = np.stack([x, np.cross(n, x), n], 1)
    return frames
