"""What stands in for a neighbour that does not exist: at the corners of the icosahedron and the cube.

A pixel next to a corner lacks one neighbour, the cone point itself or the pixel beyond the corner, while those to the
left and to the right of that place exist. Read as 0 it changes what a layer computes there by as much as the signal
itself, at every resolution; the mean of the two beside it,

    (ρ(g_left) f[left] + ρ(g_right) f[right]) / 2,

is off by the spacing of pixels times the gradient. It is the same rule at every corner, seen from every pixel, and
commutes with gauge transformations and with the symmetries of the surface. At borders two and more neighbours in a row
do not exist, and nothing stands in for them.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from gaugenet.meshes.charts import CELLS, ChartAtlas, Pull

Corners = Literal["zero", "mean"]


class CornerPairs(NamedTuple):
    """K pairs of a pixel and a place of its 3 × 3 pixels at which there is none, ordered by place."""

    pixel: Tensor
    """int64 [K]"""
    step: Tensor
    """int64 [K, 2] rows and columns to that place, from −1 to 1."""
    left: Pull
    """[K] the neighbour before it, counterclockwise."""
    right: Pull
    """[K] the one after it."""


def check_corners(corners: str) -> None:
    """Raise a ValueError for an unknown rule."""
    if corners not in ("zero", "mean"):
        raise ValueError(f'expected corners "zero" or "mean", got {corners!r}')


def check_reach(atlas: ChartAtlas, radius: int) -> None:
    """Raise a ValueError where neighbours at so many pixels would not be those of the surface.

    Two pixels that see each other past a cone point do so along one side of it. A pixel of a margin is one for all that
    read it, from either side; which pairs of pixels lie in a margin depends on where a surface was cut into charts.
    """
    if atlas.cones and radius > 1:
        raise ValueError(
            f"{atlas!r} has cone points that are pixels: what lies {radius} pixels away behind them would depend on "
            "the chart, and a layer would not be equivariant. Take kernels of 3 × 3 pixels, several in a row"
        )


def corner_pairs(atlas: ChartAtlas) -> CornerPairs:
    """All of them; none on surfaces without cone points. Found once per atlas."""
    return atlas.remember("corner pairs", lambda: _corner_pairs(atlas))


def _corner_pairs(atlas: ChartAtlas) -> CornerPairs:
    steps = [(a, b) for a in (-1, 0, 1) for b in (-1, 0, 1) if (a, b) != (0, 0)]
    if atlas.lattice == "hexagonal":
        steps = [(a, b) for a, b in steps if abs(a + b) <= 1]
    x, y = CELLS[atlas.lattice]
    around = sorted(steps, key=lambda s: np.arctan2(*(s[1] * x + s[0] * y)[::-1]))
    grid = np.meshgrid(np.arange(atlas.rows), np.arange(atlas.columns), np.arange(atlas.n_charts), indexing="ij")
    i, j, chart = (g.ravel() for g in grid)
    found = {s: atlas.pull(chart, i + s[0], j + s[1]) for s in around}
    alive = torch.ones(atlas.n_pixels, dtype=torch.bool)
    alive[list(atlas.cones)] = False
    pixels, places, lefts, rights = [], [], [], []
    for step in steps:
        k = around.index(step)
        left, right = found[around[k - 1]], found[around[(k + 1) % len(around)]]
        pixel = torch.nonzero(alive & ~found[step].inside & left.inside & right.inside).flatten()
        pixels.append(pixel)
        places.append(torch.tensor(step).expand(len(pixel), 2))
        lefts.append(Pull(*(part[pixel] for part in left)))
        rights.append(Pull(*(part[pixel] for part in right)))
    return CornerPairs(torch.cat(pixels), torch.cat(places), _joined(lefts), _joined(rights))


def _joined(pulls: list[Pull]) -> Pull:
    return Pull(*(torch.cat(part) for part in zip(*pulls)))
