"""An atlas of pixels as a `MeshGeometry`: the same surface for the operator on meshes."""

from __future__ import annotations

import math

import numpy as np
import torch

from gaugenet.meshes.charts import CELLS, ChartAtlas
from gaugenet.meshes.geometry import MeshGeometry


def chart_geometry(atlas: ChartAtlas, radius: int, *, dtype: torch.dtype = torch.float64) -> MeshGeometry:
    """Pixels as vertices, one edge for every other pixel of the (2 radius + 1)² kernel (on the hexagonal lattice of its
    hexagon) that exists: log_p q is the place of q in the kernel, the transporter the transition to its chart.

    Distances in sides of a cell. All edges of a target have one weight, and `radius` is the farthest place of the
    kernel. Beyond a border, at a
    hole and across the corner of a cone point there is no edge.

    Args:
        atlas: the charts and how they are glued.
        radius: of the kernel, in pixels.
        dtype: of the result.
    """
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
    a, b = CELLS[atlas.lattice]
    place = torch.from_numpy((dj[:, None] * a + di[:, None] * b)[inside])
    degree = torch.from_numpy(inside.reshape(atlas.n_pixels, -1).sum(1))
    row_ptr = torch.nn.functional.pad(degree.cumsum(0), (1, 0))
    reach = max((math.hypot(*(s[1] * a + s[0] * b)) for s in steps), default=1.0)
    return MeshGeometry(
        row_ptr=row_ptr.int(),
        source=pull.source[kept].int(),
        r=place.norm(dim=1).to(dtype),
        theta=torch.atan2(place[:, 1], place[:, 0]).to(dtype),
        phi=pull.angle[kept].to(dtype),
        flip=pull.flip[kept],
        weight=(1.0 / degree.clamp_min(1).double()).repeat_interleave(degree).to(dtype),
        radius=torch.full((atlas.n_pixels,), reach, dtype=dtype),
        area=torch.full((atlas.n_pixels,), float(abs(np.linalg.det(CELLS[atlas.lattice]))), dtype=dtype),
        boundary=degree < len(steps),
        mesh_ptr=torch.tensor([0, atlas.n_pixels]),
        rotation_order=atlas.rotation_order,
    )
