"""Reductions over segments of entries, as pooling and attention need them: sum, mean, largest norm, softmax.

With R(p) the entries of segment p, in the order of their indices:

    sum:      out[p] = Σ_{e in R(p)} values[e]                       mean: the same over |R(p)|
    largest:  out[p] = values[e*], e* the first of R(p) with the largest Σ_d values[e, d]²
    softmax:  out[e] = exp(values[e] - m_p) / Σ_{e' in R(p)} exp(values[e'] - m_p), m_p the largest of p

Two operators close under differentiation: `gaugenet::segment_sum` and its transpose `gaugenet::segment_spread`
(out[e] = values[p], e in R(p)). Everything else is built from them, so all are differentiable any number of times, and
none adds with atomics: entries of a segment are added one after the other, equal to the bit in every run, on a GPU too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from gaugenet.kernels.csr import row_of_each_edge

_HALF = (torch.bfloat16, torch.float16)


@dataclass(frozen=True, eq=False)
class Segments:
    """Which entries make up each segment. Build with `from_row_ptr` or `from_index`."""

    row_ptr: Tensor
    """int64 [T + 1]"""
    row: Tensor
    """int64 [E] the segment of each entry."""
    entry: Tensor | None = None
    """int64 [E] entries sorted by segment, those of one segment in their old order; None: they are sorted."""

    @classmethod
    def from_row_ptr(cls, row_ptr: Tensor) -> Segments:
        """Segments of sorted entries: those of segment p are row_ptr[p] .. row_ptr[p + 1] - 1.

        Args:
            row_ptr: int [T + 1], from 0 and not decreasing.

        Raises:
            ValueError: it is not that.
        """
        if row_ptr.dim() != 1 or not len(row_ptr) or row_ptr.dtype not in (torch.int32, torch.int64):
            raise ValueError(f"row_ptr: expected int32 or int64 [T + 1], got {row_ptr.dtype} {tuple(row_ptr.shape)}")
        if int(row_ptr[0]) != 0 or bool((row_ptr[1:] < row_ptr[:-1]).any()):
            raise ValueError("row_ptr must start at 0 and must not decrease")
        return cls(row_ptr.long(), row_of_each_edge(row_ptr, int(row_ptr[-1])))

    @classmethod
    def from_index(cls, index: Tensor, n_segments: int) -> Segments:
        """Segments of entries in any order.

        Args:
            index: int [E], the segment of each entry, in 0 .. n_segments - 1.

        Raises:
            ValueError: an index is out of range, or they are no integers.
        """
        if index.dim() != 1 or index.dtype not in (torch.int32, torch.int64):
            raise ValueError(f"index: expected int32 or int64 [E], got {index.dtype} {tuple(index.shape)}")
        if index.numel() and not 0 <= int(index.min()) <= int(index.max()) < n_segments:
            raise ValueError(
                f"index: segments are 0 .. {n_segments - 1}, got {int(index.min())} .. {int(index.max())}; "
                "was n_segments meant to be larger?"
            )
        index = index.long()
        row_ptr = torch.zeros(n_segments + 1, dtype=torch.int64, device=index.device)
        row_ptr[1:] = torch.bincount(index, minlength=n_segments).cumsum(0)
        return cls(row_ptr, index, torch.argsort(index, stable=True))

    @property
    def counts(self) -> Tensor:
        """int64 [T] entries per segment."""
        return self.row_ptr[1:] - self.row_ptr[:-1]


def segment_sum(values: Tensor, segments: Segments) -> Tensor:
    """[E, ...] -> [T, ...] in the dtype of `values`, added up in at least float32; 0 where a segment is empty.

    Raises:
        ValueError: `values` are not real, or not one per entry.
    """
    _check(values, segments)
    out: Tensor = torch.ops.gaugenet.segment_sum(values, segments.row_ptr, segments.row, segments.entry)
    return out


def segment_mean(values: Tensor, segments: Segments) -> Tensor:
    """[E, ...] -> [T, ...], the sum over the number of entries; 0 where a segment is empty."""
    counts = segments.counts.clamp_min(1).view(-1, *[1] * (values.dim() - 1))
    return segment_sum(values, segments) / counts.to(values.dtype)


def segment_spread(values: Tensor, segments: Segments) -> Tensor:
    """[T, ...] -> [E, ...]: to each entry what its segment has; the transpose of `segment_sum`."""
    out: Tensor = torch.ops.gaugenet.segment_spread(values, segments.row_ptr, segments.row, segments.entry)
    return out


def segment_largest(values: Tensor, segments: Segments) -> Tensor:
    """Per segment and channel, the whole vector of the largest norm; of equal ones the first; 0 where it is empty.

    It commutes with rotations and reflections of the vectors, entry by entry the same: they change no norm. So values
    must stand in one frame per segment. Where two norms differ by rounding alone, the choice may depend on the gauge.

    Args:
        values: [E, D, C], C vectors of D components; D = 1 for scalars and sign fields, which keep their sign.

    Returns:
        [T, D, C]. Gradients go to the chosen entries. NaN counts as largest.
    """
    if values.dim() != 3:
        raise ValueError(f"values: expected [E, D, C], got {tuple(values.shape)}")
    _check(values, segments)
    detached = values.detach()
    key = (detached.float() if detached.dtype in _HALF else detached).square().sum(1)
    chosen = torch.ops.gaugenet.segment_first_largest(key, segments.row_ptr, segments.row, segments.entry)
    if values.shape[0] == 0:
        return values.new_zeros(chosen.shape[0], *values.shape[1:])
    at = chosen.clamp_min(0)[:, None].expand(-1, values.shape[1], -1)
    taken = torch.gather(values, 0, at)
    return torch.where(chosen[:, None] >= 0, taken, taken.new_zeros(()))


def segment_softmax(values: Tensor, segments: Segments) -> Tensor:
    """[E, ...] -> [E, ...], positive and of sum 1 over each segment; in the dtype of `values`, inside float32 at least.

    The largest value of a segment is subtracted first, so nothing overflows.
    """
    _check(values, segments)
    inner = values.float() if values.dtype in _HALF else values
    top = torch.ops.gaugenet.segment_max(inner.detach(), segments.row_ptr, segments.row, segments.entry)
    exp = torch.exp(inner - segment_spread(top, segments))
    return (exp / segment_spread(segment_sum(exp, segments), segments)).to(values.dtype)


def _check(values: Tensor, segments: Segments) -> None:
    if values.dim() < 1 or values.shape[0] != segments.row.shape[0] or not values.is_floating_point():
        raise ValueError(
            f"values: expected real numbers, one row per entry [{segments.row.shape[0]}, ...], got {values.dtype} "
            f"{tuple(values.shape)}"
        )


_SCHEMA = "(Tensor values, Tensor row_ptr, Tensor row, Tensor? entry) -> Tensor"


def _reduced(values: Tensor, row_ptr: Tensor, entry: Tensor | None, how: str, empty: float) -> Tensor:
    """One row after the other of each segment, in at least float32."""
    n = row_ptr.shape[0] - 1
    inner = values.float() if values.dtype in _HALF else values
    flat = inner.reshape(values.shape[0], values.shape[1:].numel())
    if flat.numel() == 0 or n == 0:
        return inner.new_full((n, *values.shape[1:]), empty)
    flat = flat.contiguous() if entry is None else flat.index_select(0, entry)
    out = torch.segment_reduce(flat, how, offsets=row_ptr, axis=0, unsafe=True, initial=empty)
    return out.reshape(n, *values.shape[1:])


@torch.library.custom_op("gaugenet::segment_sum", mutates_args=(), schema=_SCHEMA)
def _sum_op(values: Tensor, row_ptr: Tensor, row: Tensor, entry: Tensor | None) -> Tensor:
    return _reduced(values, row_ptr, entry, "sum", 0.0).to(values.dtype)


@torch.library.custom_op("gaugenet::segment_max", mutates_args=(), schema=_SCHEMA)
def _max_op(values: Tensor, row_ptr: Tensor, row: Tensor, entry: Tensor | None) -> Tensor:
    return _reduced(values, row_ptr, entry, "max", -torch.inf).to(values.dtype)


@torch.library.custom_op("gaugenet::segment_spread", mutates_args=(), schema=_SCHEMA)
def _spread_op(values: Tensor, row_ptr: Tensor, row: Tensor, entry: Tensor | None) -> Tensor:
    return values.index_select(0, row).contiguous()


@torch.library.custom_op("gaugenet::segment_first_largest", mutates_args=(), schema=_SCHEMA)
def _first_largest_op(values: Tensor, row_ptr: Tensor, row: Tensor, entry: Tensor | None) -> Tensor:
    """int64 [T, ...]: the first entry that has the largest value of its segment; -1 where a segment is empty."""
    key = values.nan_to_num(nan=torch.inf, posinf=torch.inf, neginf=-torch.inf)
    top = _reduced(key, row_ptr, entry, "max", -torch.inf).index_select(0, row)
    number = torch.arange(len(row), dtype=torch.float64, device=row.device).view(-1, *[1] * (values.dim() - 1))
    first = _reduced(torch.where(key == top, number, torch.inf), row_ptr, entry, "min", torch.inf)
    return torch.where(first.isfinite(), first, -1.0).long()


@_sum_op.register_fake
@_max_op.register_fake
def _(values: Tensor, row_ptr: Tensor, row: Tensor, entry: Tensor | None) -> Tensor:
    return values.new_empty(row_ptr.shape[0] - 1, *values.shape[1:])


@_spread_op.register_fake
def _(values: Tensor, row_ptr: Tensor, row: Tensor, entry: Tensor | None) -> Tensor:
    return values.new_empty(row.shape[0], *values.shape[1:])


@_first_largest_op.register_fake
def _(values: Tensor, row_ptr: Tensor, row: Tensor, entry: Tensor | None) -> Tensor:
    return values.new_empty(row_ptr.shape[0] - 1, *values.shape[1:], dtype=torch.int64)


def _setup(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    ctx.save_for_backward(*inputs[1:])


def _sum_backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    return torch.ops.gaugenet.segment_spread(grad, *ctx.saved_tensors), None, None, None


def _spread_backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    return torch.ops.gaugenet.segment_sum(grad, *ctx.saved_tensors), None, None, None


_sum_op.register_autograd(_sum_backward, setup_context=_setup)
_spread_op.register_autograd(_spread_backward, setup_context=_setup)
