"""Pooling over squares of pixels of an atlas."""

from __future__ import annotations

from functools import partial, reduce
from typing import Any

import torch
from torch import Tensor, nn

from gaugenet.field_type import FieldType
from gaugenet.kernels.functions import apply, one_by_one
from gaugenet.kernels.linear_map import LinearMap
from gaugenet.meshes.charts import ChartAtlas
from gaugenet.nn.chart_transport import check_features
from gaugenet.nn.value_basis import from_values, has_values, to_values


class ChartMaxPool(nn.Module):
    """The largest of window × window pixels of one chart, for each copy on its own:

        scalars, values: max x,     other irreps: the x of largest ‖x‖

    Regular and quotient fields of finite groups are pooled value by value. The pixels of a window share one frame, so
    there is nothing to transport, and the layer is exactly equivariant; isometries commute with it where they map
    windows to windows. `atlas.coarser(window)` is where the result lives.

    Args:
        field_type: of input and output.
        window: pixels of its side.
        values: whether fields are in the basis of `gaugenet.nn.value_basis` already.

    Raises:
        ValueError: the window has no pixel.
    """

    def __init__(self, field_type: FieldType, *, window: int = 2, values: bool = False) -> None:
        super().__init__()
        if window < 1:
            raise ValueError(f"expected a window of at least one pixel, got {window}")
        self.field_type, self.window, self.values = field_type, window, values
        self._runs = _runs(field_type)
        self._changes_basis = not values and any(has_values(term) for term in field_type.terms)

    def forward(self, x: Tensor, atlas: ChartAtlas) -> Tensor:
        """[P, N, dim] on `atlas` → [P / window², N, dim] on `atlas.coarser(window)`

        Raises:
            ValueError: x has the wrong shape, or windows do not fit into the charts of the atlas.
        """
        check_features(x, atlas, self.field_type)
        coarse, k, n = atlas.coarser(self.window), self.window, x.shape[1]
        if self._changes_basis:
            x = to_values(self.field_type, x[..., None])[..., 0]
        grid = x.reshape(coarse.rows, k, coarse.columns, k, atlas.n_charts * n, x.shape[2])
        parts = []
        for start, stop, kind, copies in self._runs:
            part = grid[..., start:stop]
            if kind == "plain":
                parts.append(_largest(part, k))
            elif kind == "signed":
                high, low = _largest(part, k), -_largest(-part, k)
                parts.append(torch.where(high >= -low, high, low))
            else:
                windows = part.permute(0, 2, 4, 5, 1, 3).flatten(4)
                windows = windows.reshape(*windows.shape[:3], 2, copies, k * k)
                best = windows.square().sum(3, keepdim=True).argmax(5, keepdim=True)
                parts.append(windows.gather(5, best.expand(*windows.shape[:5], 1))[..., 0].flatten(3))
        out = parts[0] if len(parts) == 1 else torch.cat(parts, -1)
        out = out.reshape(coarse.n_pixels, n, x.shape[2])
        return from_values(self.field_type, out[..., None])[..., 0] if self._changes_basis else out

    def extra_repr(self) -> str:
        return f"{self.field_type}, {self.window} × {self.window}"


def _largest(grid: Tensor, k: int) -> Tensor:
    """Maximum over axes 1 and 3 of [rows, k, columns, k, N, C]."""
    out: Tensor
    out, _ = apply(_Largest, _LargestTangent, grid, k)
    return out


class _Largest(torch.autograd.Function):
    """Maxima of whole slices, which are cheaper than a reduction of short axes, and at which of them; the gradient goes
    to the first that is largest."""

    @staticmethod
    def forward(grid: Tensor, k: int) -> tuple[Tensor, Tensor]:
        out = grid[:, 0, :, 0].clone()
        at = torch.zeros_like(out, dtype=torch.uint8 if k <= 16 else torch.int32)
        for a in range(1, k * k):
            x = grid[:, a // k, :, a % k]
            at.masked_fill_(x > out, a)
            torch.maximum(out, x, out=out)
        return out, at

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
        _, ctx.k = inputs
        ctx.set_materialize_grads(False)
        ctx.mark_non_differentiable(output[1])
        ctx.save_for_backward(output[1])
        ctx.save_for_forward(output[1])

    @staticmethod
    def backward(ctx: Any, grad: Tensor | None, _: Any) -> tuple[Tensor | None, None]:
        (at,) = ctx.saved_tensors
        return None if grad is None else _picking(ctx.k).transposed(grad, at), None


class _LargestTangent(_Largest):
    """The same in forward mode and for vmap; a compiler refuses functions that define these."""

    @staticmethod
    def jvp(ctx: Any, of_grid: Tensor, _: None) -> tuple[Tensor, None]:
        (at,) = ctx.saved_tensors
        return _picking(ctx.k)(of_grid, at), None

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], *args: Any) -> Any:
        return one_by_one(_LargestTangent.apply, info, in_dims, args)


def _picking(k: int) -> LinearMap:
    return LinearMap(partial(_picked, k), partial(_put_back, k))


def _picked(k: int, grid: Tensor, at: Tensor | None) -> Tensor:
    """Pixel `at` of windows of k × k."""
    terms = (grid[:, a // k, :, a % k] * (at == a) for a in range(k * k))
    return reduce(torch.add, terms)


def _put_back(k: int, x: Tensor, at: Tensor | None) -> Tensor:
    """[rows, columns, N, C] to pixel `at` of windows of k × k, 0 elsewhere: the transpose."""
    out = x.new_empty(x.shape[0], k, x.shape[1], k, *x.shape[2:])
    for a in range(k * k):
        out[:, a // k, :, a % k].copy_(x).mul_(at == a)
    return out


def _runs(field_type: FieldType) -> list[tuple[int, int, str, int]]:
    """(start, stop, kind, copies) of columns that are pooled alike, adjacent ones together; values are plain."""
    runs: list[tuple[int, int, str, int]] = []
    for block in field_type.blocks:
        plain = block.irrep.is_invariant or has_values(field_type.terms[block.term])
        kind = "plain" if plain else "signed" if block.irrep.dim == 1 else "plane"
        if runs and runs[-1][2] == kind and kind != "plane":
            start, _, _, copies = runs.pop()
            runs.append((start, block.stop, kind, copies + block.multiplicity))
        else:
            runs.append((block.start, block.stop, kind, block.multiplicity))
    return runs
