"""An atlas of pixels as a `MeshGeometry`: the same surface for the operator on meshes."""

from __future__ import annotations

import math

import numpy as np
import torch

from gaugenet.meshes.chart_corners import Corners, check_corners, check_reach, corner_pairs
from gaugenet.meshes.charts import CELLS, ChartAtlas, Pull
from gaugenet.meshes.geometry import MeshGeometry


def chart_geometry(
    atlas: ChartAtlas, radius: int, *, corners: Corners = "zero", dtype: torch.dtype = torch.float64
) -> MeshGeometry:
    """Pixels as vertices, one edge for every other pixel of the (2 radius + 1)² kernel (on the hexagonal lattice of its
    hexagon) that exists: log_p q is the place of q in the kernel, the transporter the transition to its chart.

    Distances in sides of a cell. All edges of a target have one weight, and `radius` is the farthest place of the
    kernel. Beyond a border, at a hole and across the corner of a cone point there is no edge; with corners "mean" there
    are two of half the weight, from the neighbours beside that place, as if they lay there.

    Args:
        atlas: the charts and how they are glued.
        radius: of the kernel, in pixels.
        corners: "zero" or "mean" (`gaugenet.meshes.chart_corners`), the latter for radius 1.
        dtype: of the result.

    Raises:
        ValueError: the radius is negative, or above 1 where cone points are pixels or corners are to be filled.
    """
    check_corners(corners)
    if radius < 0:
        raise ValueError(f"expected a radius of 0 pixels or more, got {radius}")
    if corners != "zero" and radius != 1:
        raise ValueError(f"corners are filled for kernels of radius 1, not {radius}")
    check_reach(atlas, radius)
    steps = [(a, b) for a in range(-radius, radius + 1) for b in range(-radius, radius + 1) if (a, b) != (0, 0)]
    if atlas.lattice == "hexagonal":
        steps = [(a, b) for a, b in steps if abs(a + b) <= radius]
    grid = np.meshgrid(np.arange(atlas.rows), np.arange(atlas.columns), np.arange(atlas.n_charts), indexing="ij")
    i, j, chart = (np.repeat(g.ravel(), len(steps)) for g in grid)
    di, dj = (np.tile(d, atlas.n_pixels) for d in np.array(steps, np.int64).reshape(-1, 2).T)
    pull = atlas.pull(chart, i + di, j + dj)
    holes = np.isin(np.arange(atlas.n_pixels), atlas.cones)
    inside = pull.inside.numpy() & ~np.repeat(holes, len(steps))
    kept = torch.from_numpy(inside)
    step = torch.from_numpy(np.stack([di, dj], 1)[inside])
    target = torch.arange(atlas.n_pixels).repeat_interleave(len(steps))[kept]
    pull = Pull(*(part[kept] for part in pull))
    part = torch.ones(len(target), dtype=torch.float64)
    if corners == "mean":
        pairs = corner_pairs(atlas)
        target = torch.cat([target, pairs.pixel, pairs.pixel])
        step = torch.cat([step, pairs.step, pairs.step])
        pull = Pull(*(torch.cat(parts) for parts in zip(pull, pairs.left, pairs.right)))
        part = torch.cat([part, torch.full((2 * len(pairs.pixel),), 0.5, dtype=torch.float64)])
        order = torch.argsort(target, stable=True)
        target, step, part = target[order], step[order], part[order]
        pull = Pull(*(p[order] for p in pull))
    a, b = CELLS[atlas.lattice]
    place = step[:, 1:] * torch.from_numpy(a) + step[:, :1] * torch.from_numpy(b)
    degree = torch.bincount(target, minlength=atlas.n_pixels)
    total = torch.zeros(atlas.n_pixels, dtype=torch.float64).index_add_(0, target, part)
    row_ptr = torch.nn.functional.pad(degree.cumsum(0), (1, 0))
    reach = max((math.hypot(*(s[1] * a + s[0] * b)) for s in steps), default=1.0)
    return MeshGeometry(
        row_ptr=row_ptr.int(),
        source=pull.source.int(),
        r=place.norm(dim=1).to(dtype),
        theta=torch.atan2(place[:, 1], place[:, 0]).to(dtype),
        phi=pull.angle.to(dtype),
        flip=pull.flip,
        weight=(part / total[target]).to(dtype),
        radius=torch.full((atlas.n_pixels,), reach, dtype=dtype),
        area=torch.full((atlas.n_pixels,), float(abs(np.linalg.det(CELLS[atlas.lattice]))), dtype=dtype),
        boundary=total < len(steps),
        mesh_ptr=torch.tensor([0, atlas.n_pixels]),
        rotation_order=atlas.rotation_order,
    )
