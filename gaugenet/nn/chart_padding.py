"""The grids of an atlas with their halo filled by transport, in the two orders that correlations want."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from gaugenet.field_type import FieldType
from gaugenet.meshes.charts import ChartAtlas, Pull
from gaugenet.meshes.memo import remembered
from gaugenet.nn.chart_transport import MOST_BATCHES, ChartTransport, chart_transport


class _Halo(NamedTuple):
    """A grid is read from the pixels [P], the margin [h] transported before, and a zero, in this order."""

    shape: tuple[int, int, int]
    """Rows, columns and charts with their margin."""
    n_pixels: int
    """P"""
    cell: Tensor
    """int64 [rows, columns, charts] what is read by each cell."""
    reader: Tensor
    """int64 [P + h] the cell that reads it, as ((row · columns) + column) · charts + chart."""
    radius: int
    nowhere: Tensor
    """int64 cells that read the zero."""
    margin: ChartTransport
    """From pixels to those cells of the margin that are pixels."""
    back: ChartTransport
    """Its `turn` is the transpose of that of `margin`."""
    holes: Tensor
    """int64 pixels that are never read."""
    memo: dict[int, tuple[Tensor, Tensor]]
    """The two maps for N images, in either order; of a few N."""

    def maps(self, n: int, images: bool) -> tuple[Tensor, Tensor]:
        """int64: for every row [C] of the grid the one of [P + h + 1, N, C] that it reads; with `images` these are
        rows of pixels and images, else of pixels alone. For every row of [P + h, N, C] the one of the grid."""
        if not images:
            return self.cell.flatten(), self.reader
        return remembered(self.memo, n, lambda: self._of_images(n), "an atlas", most=MOST_BATCHES)

    def _of_images(self, n: int) -> tuple[Tensor, Tensor]:
        rows, columns, charts = self.shape
        image = torch.arange(n, device=self.cell.device)
        read = self.cell.permute(2, 0, 1)[:, None] * n + image[:, None, None]
        place, chart = self.reader // charts, self.reader % charts
        reader = (chart[:, None] * n + image) * (rows * columns) + place[:, None]
        return read.flatten(), reader.flatten()


def padded(
    x: Tensor, atlas: ChartAtlas, field_type: FieldType, radius: int, *, values: bool, images: bool = False
) -> Tensor:
    """[P, N, C] → [rows + 2 radius, columns + 2 radius, n_charts · N, C]: the halo filled by transport, borders and
    holes 0. With `images` [n_charts · N, rows + 2 radius, columns + 2 radius, C] instead."""
    key = ("padding", radius, str(field_type), values, x.dtype, x.device)
    halo = atlas.remember(key, lambda: _halo(atlas, field_type, radius, values, x))
    # found before, where a compiler may look them up
    halo.maps(x.shape[1], images)
    halo.margin.pieces(x.shape[1])
    out: Tensor = _Padding.apply(x, halo, images)  # type: ignore[no-untyped-call]
    return out


def cropped(images: Tensor, atlas: ChartAtlas) -> Tensor:
    """The other way for charts without a margin: [n_charts · N, rows, columns, C] → [P, N, C], 0 at holes."""
    n = images.shape[0] // atlas.n_charts

    def build() -> tuple[_Order, _Order]:
        place = torch.arange(atlas.n_pixels * n, device=images.device)
        there = place.view(atlas.rows, atlas.columns, atlas.n_charts, n).permute(2, 3, 0, 1).flatten()
        back = torch.argsort(there)
        holes = place.view(atlas.n_pixels, n)[list(atlas.cones)].flatten()
        return _Order(there, back[holes]), _Order(back, holes)

    of_batches: dict[int, tuple[_Order, _Order]] = atlas.remember(("images", images.device), lambda: {})
    there, back = remembered(of_batches, n, build, "an atlas", most=MOST_BATCHES)
    out: Tensor = _Reordered.apply(images.reshape(-1, images.shape[-1]), back, there)  # type: ignore[no-untyped-call]
    return out.view(atlas.n_pixels, n, images.shape[-1])


class _Order(NamedTuple):
    read: Tensor
    """int64 [P · N] the row that each row reads."""
    holes: Tensor
    """int64 rows that are 0."""


class _Reordered(torch.autograd.Function):
    """Rows in another order; `back` is the transpose."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, order: _Order, back: _Order) -> Tensor:
        ctx.order, ctx.back = order, back
        out = x.index_select(0, order.read)
        return out.index_fill_(0, order.holes, 0.0) if len(order.holes) else out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        out: Tensor = _Reordered.apply(grad, ctx.back, ctx.order)  # type: ignore[no-untyped-call]
        return out, None, None


class _Padding(torch.autograd.Function):
    """One selection of short contiguous rows, which is faster than a copy between two orders of axes, and of the
    margin before."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, halo: _Halo, images: bool) -> Tensor:
        ctx.halo, ctx.images = halo, images
        n, c = x.shape[1:]
        rows, columns, charts = halo.shape
        if images:
            pixels = torch.cat([x, halo.margin(x), x.new_zeros(1, n, c)])
            read, _ = halo.maps(n, images)
            return pixels.view(-1, c).index_select(0, read).view(charts * n, rows, columns, c)
        # in this order rows of a chart stay together
        out = x.new_empty(rows, columns, charts * n, c)
        edge = halo.radius
        within = out[edge : rows - edge, edge : columns - edge]
        within.copy_(x.reshape(within.shape))
        cells = out.view(rows * columns * charts, n, c)
        cells.index_copy_(0, halo.reader[halo.n_pixels :], halo.margin(x))
        cells.index_fill_(0, halo.nowhere, 0.0)
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        out: Tensor = _PaddingTransposed.apply(grad, ctx.halo, ctx.images)  # type: ignore[no-untyped-call]
        return out, None, None


class _PaddingTransposed(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, grad: Tensor, halo: _Halo, images: bool) -> Tensor:
        ctx.halo, ctx.images = halo, images
        n, c = grad.shape[0 if images else 2] // halo.shape[2], grad.shape[3]
        _, reader = halo.maps(n, images)
        rows = grad.reshape(-1, c) if images else grad.reshape(halo.cell.numel(), n, c)
        read = rows.index_select(0, reader).view(halo.n_pixels + len(halo.margin.source), n, c)
        out, margin = read.tensor_split([halo.n_pixels])
        if len(halo.holes):
            out.index_fill_(0, halo.holes, 0.0)
        return out.index_add_(0, halo.margin.source, halo.back.turn(margin))

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        out: Tensor = _Padding.apply(grad, ctx.halo, ctx.images)  # type: ignore[no-untyped-call]
        return out, None, None


def _halo(atlas: ChartAtlas, field_type: FieldType, radius: int, values: bool, x: Tensor) -> _Halo:
    pull = atlas.halo(radius)
    shape = (atlas.rows + 2 * radius, atlas.columns + 2 * radius, atlas.n_charts)
    within = torch.zeros(shape, dtype=torch.bool)
    within[radius : radius + atlas.rows, radius : radius + atlas.columns] = True
    within = within.flatten()
    margin = torch.nonzero(~within & pull.inside).flatten()
    n_pixels, zero = atlas.n_pixels, atlas.n_pixels + len(margin)
    cell = torch.full((len(within),), zero).where(~(within & pull.inside), pull.source)
    cell[margin] = torch.arange(n_pixels, zero)
    # a hole is read by no cell; which one stands for it does not matter
    reader = torch.zeros(zero + 1, dtype=torch.int64).index_copy(0, cell, torch.arange(len(cell)))[:zero]
    pull = Pull(*(part[margin] for part in pull))
    # (R(a) F)⁻¹ = F R(−a) = R(−f a) F
    inverse = pull._replace(source=torch.arange(len(margin)), angle=-pull.angle * pull.flip)

    def transport(pull: Pull) -> ChartTransport:
        return chart_transport(pull, field_type, values=values, dtype=x.dtype, device=x.device)

    return _Halo(
        shape,
        n_pixels,
        cell.view(shape).to(x.device),
        reader.to(x.device),
        radius,
        torch.nonzero(cell == zero).flatten().to(x.device),
        transport(pull),
        transport(inverse),
        torch.tensor(atlas.cones, dtype=torch.int64, device=x.device),
        {},
    )
