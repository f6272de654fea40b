"""Correlation on an atlas whose transpose is a correlation as well.

Of a steerable kernel on an atlas whose transition functions are isometries, with q(p, t) the pixel at place t from p,

    out[p] = Σ_t K_t ρ_in(g_{p←q(p, t)}) x[q(p, t)]
    grad_x[q] = Σ_s K_{−s}ᵀ ρ_out(g_{q←p(q, s)}) grad[p(q, s)]

since p lies at s = −h t from q with h = g_{q←p}, and K_{h t} = ρ_out(h) K_t ρ_in(h)ᵀ. The transpose that autograd finds
computes a gradient on the margin of every chart, which it then adds to the pixels that were copied there: on charts of
4 × 8 pixels 60 of them instead of 32.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gaugenet.field_type import FieldType
from gaugenet.kernels.functions import apply, one_by_one
from gaugenet.kernels.grid_conv import Cells, direct, gradients, taps_gradient, taps_sum
from gaugenet.meshes.charts import CELLS, SAME_TURN, ChartAtlas, Ints
from gaugenet.nn.chart_padding import cropped, padded
from gaugenet.nn.chart_transport import holes_and_rest
from gaugenet.steerable.tap_basis import taps


@dataclass(frozen=True)
class Between:
    """What a correlation maps, and by kernels of which size. No tuple: ``torch.func`` would take its parts for
    arguments."""

    atlas: ChartAtlas
    in_type: FieldType
    out_type: FieldType
    values: bool
    """Whether fields are values on the group."""
    size: int
    cells: tuple[tuple[int, int], ...]
    """Row and column of every pixel of the kernel; the last is opposite to the first, and so on."""

    @property
    def back(self) -> Between:
        """Of the transpose."""
        return Between(self.atlas, self.out_type, self.in_type, self.values, self.size, self.cells)


def correlated(x: Tensor, weight: Tensor, bias: Tensor | None, between: Between) -> Tensor:
    """The equation at the top of this file on an atlas that `has_transpose`, and 0 at holes: x [P, N, C_in], weight
    [T, C_in, C_out] of a steerable kernel, bias [C_out] → [P, N, C_out]."""
    out: Tensor
    out, _ = apply(_Correlation, _CorrelationTangent, x, weight, bias, between)
    return out


class _Correlation(torch.autograd.Function):
    """out, and the grid it was computed from, which is not differentiated."""

    @staticmethod
    def forward(x: Tensor, weight: Tensor, bias: Tensor | None, between: Between) -> tuple[Tensor, Tensor]:
        grid = _grid(x, between)
        return _sum(grid, weight, bias, between), grid

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
        x, weight, bias, ctx.between = inputs
        ctx.set_materialize_grads(False)
        ctx.mark_non_differentiable(output[1])
        ctx.save_for_backward(x, weight, bias, output[1])
        ctx.save_for_forward(x, weight)

    @staticmethod
    def backward(ctx: Any, grad: Tensor | None, _: Any) -> tuple[Tensor | None, ...]:
        if grad is None:
            return None, None, None, None
        x, weight, bias, grid = ctx.saved_tensors
        between: Between = ctx.between
        if torch.is_grad_enabled():
            return *gradients(partial(_by_conv2d, between), (x, weight, bias), ctx.needs_input_grad, grad), None
        edge = between.size // 2
        # holes are 0 in it, which they are not in the gradient
        there = _grid(grad, between.back)
        grad_x = grad_weight = grad_bias = None
        if ctx.needs_input_grad[0]:
            grad_x = _sum(there, weight.flip(0).transpose(1, 2), None, between.back)
        if ctx.needs_input_grad[1]:
            grad_weight = taps_gradient(grid, there, between.cells, between.size, edge)
        if ctx.needs_input_grad[2]:
            rows, columns = between.atlas.rows, between.atlas.columns
            grad_bias = there[edge : edge + rows, edge : edge + columns].sum((0, 1, 2))
        return grad_x, grad_weight, grad_bias, None


class _CorrelationTangent(_Correlation):
    """The same in forward mode and for vmap; a compiler refuses functions that define these."""

    @staticmethod
    def jvp(
        ctx: Any, of_x: Tensor | None, of_weight: Tensor | None, of_bias: Tensor | None, _: None
    ) -> tuple[Tensor | None, None]:
        x, weight = ctx.saved_tensors
        between: Between = ctx.between
        out = None if of_x is None else correlated(of_x, weight, None, between)
        if of_weight is not None or of_bias is not None:
            more = correlated(x, torch.zeros_like(weight) if of_weight is None else of_weight, of_bias, between)
            out = more if out is None else out + more
        return out, None

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], *args: Any) -> Any:
        return one_by_one(_CorrelationTangent.apply, info, in_dims, args)


def _grid(x: Tensor, between: Between) -> Tensor:
    return padded(x, between.atlas, between.in_type, between.size // 2, values=between.values)


def _sum(grid: Tensor, weight: Tensor, bias: Tensor | None, between: Between) -> Tensor:
    # no view of another tensor, so that what follows may write into it
    out = grid.new_empty(between.atlas.n_pixels, grid.shape[2] // between.atlas.n_charts, weight.shape[2])
    taps_sum(grid, weight, bias, between.cells, between.size, out)
    if between.atlas.cones:
        out.index_fill_(0, holes_and_rest(between.atlas, out.device)[0], 0.0)
    return out


def _by_conv2d(between: Between, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """The same in steps that torch can differentiate again."""
    square = Cells(between.cells, between.size).square(weight)
    grid = padded(x, between.atlas, between.in_type, between.size // 2, values=between.values, images=True)
    return cropped(direct(grid, square, bias), between.atlas)


def has_transpose(atlas: ChartAtlas, radius: int) -> bool:
    """Whether the equation holds on this atlas for kernels of so many pixels to each side: what is seen at t from p
    through g sees p at −g⁻¹ t through g⁻¹. Not so without transitions."""
    return atlas.remember(("has transpose", radius), lambda: _has_transpose(atlas, radius))


def _has_transpose(atlas: ChartAtlas, radius: int) -> bool:
    steps, places = (t.numpy() for t in taps(2 * radius + 1, atlas.lattice))
    pixel = np.setdiff1d(np.arange(atlas.n_pixels), atlas.cones)
    i, j, chart = _coordinates(atlas, pixel)
    a, b = CELLS[atlas.lattice]
    to_cells = np.linalg.inv(np.stack([b, a], 1))
    for (row, column), place in zip(steps - radius, places):
        there = atlas.pull(chart, i + row, j + column)
        angle, flip = there.angle.numpy(), there.flip.numpy()
        # g⁻¹ v of g = R(angle) F is F R(−angle) v
        cos, sin = np.cos(angle), np.sin(angle)
        x, y = cos * place[0] + sin * place[1], flip * (cos * place[1] - sin * place[0])
        back = np.rint(-(to_cells @ np.stack([x, y]))).astype(np.int64)
        i_there, j_there, chart_there = _coordinates(atlas, there.source.numpy())
        found = atlas.pull(chart_there, i_there + back[0], j_there + back[1])
        turned = torch.cos(found.angle + there.angle * there.flip) > SAME_TURN
        same = found.inside & (found.source == torch.from_numpy(pixel)) & (found.flip == there.flip) & turned
        if not bool((same | ~there.inside).all()):
            return False
    return True


def _coordinates(atlas: ChartAtlas, pixel: Ints) -> tuple[Ints, Ints, Ints]:
    place, chart = np.divmod(pixel, atlas.n_charts)
    i, j = np.divmod(place, atlas.columns)
    return i, j, chart
