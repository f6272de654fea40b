"""The grids of an atlas with their halo filled by transport, in the two orders that correlations want."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from gaugenet.field_type import FieldType
from gaugenet.kernels.linear_map import LinearMap
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
    cuts: list[int]
    """Between them the cells of the margin read no pixel twice: the transpose adds part by part, so that the order of
    additions at a pixel is always the same."""
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
    return LinearMap(partial(_filled, halo, images), partial(_added_back, halo, images))(x)


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
    out = LinearMap(partial(_reordered, back), partial(_reordered, there))(images.reshape(-1, images.shape[-1]))
    return out.view(atlas.n_pixels, n, images.shape[-1])


class _Order(NamedTuple):
    read: Tensor
    """int64 [P · N] the row that each row reads."""
    holes: Tensor
    """int64 rows that are 0."""


def _reordered(order: _Order, x: Tensor, _: Tensor | None) -> Tensor:
    out = x.index_select(0, order.read)
    return out.index_fill_(0, order.holes, 0.0) if len(order.holes) else out


def _filled(halo: _Halo, images: bool, x: Tensor, _: Tensor | None) -> Tensor:
    """One selection of short contiguous rows, which is faster than a copy between two orders of axes, and of the
    margin before."""
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


def _added_back(halo: _Halo, images: bool, grad: Tensor, _: Tensor | None) -> Tensor:
    """The transpose of `_filled`."""
    n, c = grad.shape[0 if images else 2] // halo.shape[2], grad.shape[3]
    _, reader = halo.maps(n, images)
    rows = grad.reshape(-1, c) if images else grad.reshape(halo.cell.numel(), n, c)
    read = rows.index_select(0, reader).view(halo.n_pixels + len(halo.margin.source), n, c)
    out, margin = read.tensor_split([halo.n_pixels])
    if len(halo.holes):
        out.index_fill_(0, halo.holes, 0.0)
    back = halo.back.turn(margin)
    for source, part in zip(halo.margin.source.tensor_split(halo.cuts), back.tensor_split(halo.cuts)):
        out.index_add_(0, source, part)
    return out


def _halo(atlas: ChartAtlas, field_type: FieldType, radius: int, values: bool, x: Tensor) -> _Halo:
    pull = atlas.halo(radius)
    shape = (atlas.rows + 2 * radius, atlas.columns + 2 * radius, atlas.n_charts)
    within = torch.zeros(shape, dtype=torch.bool)
    within[radius : radius + atlas.rows, radius : radius + atlas.columns] = True
    within = within.flatten()
    margin = torch.nonzero(~within & pull.inside).flatten()
    rank = _occurrence(pull.source[margin])
    margin = margin[rank.argsort(stable=True)]
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
        rank.bincount().cumsum(0)[:-1].tolist(),
        torch.tensor(atlas.cones, dtype=torch.int64, device=x.device),
        {},
    )


def _occurrence(number: Tensor) -> Tensor:
    """int64 [n] how many entries before have the same number, of int64 [n]."""
    order, place = number.argsort(stable=True), torch.arange(len(number))
    again = number[order].diff(prepend=torch.tensor([-1])) == 0
    rank = place - place.masked_fill(again, 0).cummax(0).values
    return torch.empty_like(rank).index_copy(0, order, rank)
