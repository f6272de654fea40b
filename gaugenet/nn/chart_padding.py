"""The grids of an atlas with their halo filled by transport, in the two orders that correlations want."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from gaugenet.field_type import FieldType
from gaugenet.meshes.charts import ChartAtlas, Pull
from gaugenet.nn.chart_transport import ChartTransport, chart_transport


class _Halo(NamedTuple):
    """What is not a plain copy: the margin, and holes of the surface within, which are read as 0."""

    radius: int
    shape: tuple[int, int, int]
    """Rows, columns and charts of the atlas."""
    cell: Tensor
    """int64 [h] number of the cell, (row, column) in one chart with its margin."""
    chart: Tensor
    """int64 [h]"""
    forward: ChartTransport
    """From pixels to those cells."""
    back: ChartTransport
    """Its `turn` is the transpose of that of `forward`."""
    holes: Tensor
    """int64 pixels that are never read."""


def padded(
    x: Tensor, atlas: ChartAtlas, field_type: FieldType, radius: int, *, values: bool, images: bool = False
) -> Tensor:
    """[P, N, C] → [rows + 2 radius, columns + 2 radius, n_charts · N, C]: the halo filled by transport, borders and
    holes 0. With `images` [n_charts · N, rows + 2 radius, columns + 2 radius, C] instead."""
    key = ("padding", radius, str(field_type), values, x.dtype, x.device)
    halo = atlas.remember(key, lambda: _halo(atlas, field_type, radius, values, x))
    out: Tensor = _Padding.apply(x, halo, images)  # type: ignore[no-untyped-call]
    return out


class _Padding(torch.autograd.Function):
    """Charts are copied as a whole, and only the margin goes through indices; backward is the same the other way."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, halo: _Halo, images: bool) -> Tensor:
        ctx.halo, ctx.images = halo, images
        rows, columns, charts = halo.shape
        height, width, (n, c) = rows + 2 * halo.radius, columns + 2 * halo.radius, x.shape[1:]
        out = x.new_empty((charts, n, height, width, c) if images else (height, width, charts, n, c))
        _inside(out, halo, images).copy_(x.view(rows, columns, charts, n, c))
        out.view(-1, c).index_copy_(0, _places(halo, n, images), halo.forward(x).view(-1, c))
        return out.flatten(0, 1) if images else out.flatten(2, 3)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        halo, images, c = ctx.halo, ctx.images, grad.shape[-1]
        charts = halo.shape[2]
        grad = grad.contiguous()
        shape = grad.shape
        whole = grad.view(charts, -1, *shape[1:]) if images else grad.view(*shape[:2], charts, -1, c)
        inside = _inside(whole, halo, images)
        n = inside.shape[3]
        # a copy also where the margin is empty: the gradient must stay as it is
        out = inside.clone(memory_format=torch.contiguous_format).view(-1, n, c)
        if len(halo.holes):
            out.index_fill_(0, halo.holes, 0.0)
        margin = grad.view(-1, c).index_select(0, _places(halo, n, images)).view(-1, n, c)
        return out.index_add_(0, halo.forward.source, halo.back.turn(margin)), None, None


def _inside(grid: Tensor, halo: _Halo, images: bool) -> Tensor:
    """The charts without their margin: a view [rows, columns, n_charts, N, C]."""
    rows, columns, _ = halo.shape
    grid = grid.permute(2, 3, 0, 1, 4) if images else grid
    return grid[halo.radius : halo.radius + rows, halo.radius : halo.radius + columns]


def _places(halo: _Halo, n: int, images: bool) -> Tensor:
    """int64 [h · N] where the cells of the margin lie among all [.., C]."""
    rows, columns, charts = halo.shape
    cells = (rows + 2 * halo.radius) * (columns + 2 * halo.radius)
    image = torch.arange(n, device=halo.cell.device)
    if images:
        return ((halo.chart * (n * cells) + halo.cell)[:, None] + image * cells).flatten()
    return (((halo.cell * charts + halo.chart) * n)[:, None] + image).flatten()


def _halo(atlas: ChartAtlas, field_type: FieldType, radius: int, values: bool, x: Tensor) -> _Halo:
    pull = atlas.halo(radius)
    inside = torch.zeros(atlas.rows + 2 * radius, atlas.columns + 2 * radius, atlas.n_charts, dtype=torch.bool)
    inside[radius : radius + atlas.rows, radius : radius + atlas.columns] = True
    number = torch.nonzero(~(inside.flatten() & pull.inside)).flatten()
    pull = Pull(*(part[number] for part in pull))
    # (R(a) F)⁻¹ = F R(−a) = R(−f a) F
    inverse = pull._replace(source=torch.arange(len(number)), angle=-pull.angle * pull.flip)

    def transport(pull: Pull) -> ChartTransport:
        return chart_transport(pull, field_type, values=values, dtype=x.dtype, device=x.device)

    return _Halo(
        radius,
        (atlas.rows, atlas.columns, atlas.n_charts),
        (number // atlas.n_charts).to(x.device),
        (number % atlas.n_charts).to(x.device),
        transport(pull),
        transport(inverse),
        torch.tensor(atlas.cones, dtype=torch.int64, device=x.device),
    )
