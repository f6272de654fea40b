"""The operator on a CPU: aggregate first, a chunk of targets at a time, contract the chunk while it is in the cache.

For each target p, A[p, τ, b, :] = Σ_e τ(e) scalars[e, b] Pre_e x[source_e] is summed over its edges, where τ runs over
the few functions that the post-rotation needs (`gaugenet.kernels._plan`); then out[p] is one matrix product per order.
Nothing of size edges × channels is ever in memory, and the matrix product runs once per target, not once per edge; only
where edges are few that is the slower way, and `gaugenet.kernels._cpu_edgewise` runs.

Threads are torch's own, as many as it uses (`gaugenet.kernels._threads`). Each row of the result is summed by one
thread in the order of its edges; weight gradients are summed per fixed segment of targets, then over the segments in
order. So results are equal to the bit for any number of threads.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gaugenet.kernels import _cpu_edgewise
from gaugenet.kernels._plan import Plan, make_plan
from gaugenet.kernels._reference import EdgeArrays, TransportBlock
from gaugenet.kernels._threads import in_parallel

_CHUNK_BYTES = 384 << 10
"""Sums of one chunk of targets; with a panel of the weight they fit the second-level cache."""
_LONG_CHUNK, _LARGE_WEIGHT = 48, 2 << 20
"""Targets of a chunk, at least, where it adds to a weight gradient of more than so many bytes: all of that is read and
written once per chunk, and then costs more than sums that do not fit the second-level cache."""
_WINDOW_BYTES = 24 << 10
"""Transported sources of one window of edges; most of a first-level cache."""
_APART = 64 << 10
"""Bytes between the scratch of two threads. Side by side, weight gradients cost two cores up to a third more time than
one; 8 KB apart, half of that; 64 KB apart, nothing: a core seems to read ahead of its own into what another writes."""
_WORTH_A_THREAD = 10**7
"""Multiply-adds, about 0.2 ms of a core, below which waking another is not worth it."""
_SEGMENT, _MAX_SEGMENTS = 768, 16
"""Targets per partial weight gradient, at least; partial weight gradients, at most."""


def conv(
    x: Tensor,
    weight: Tensor,
    edges: EdgeArrays,
    in_blocks: Sequence[TransportBlock],
    out_blocks: Sequence[TransportBlock],
) -> Tensor:
    """`gaugenet.kernels._reference.conv`, to rounding."""
    plan, transposed = _plan(edges, in_blocks, out_blocks), not weight.is_contiguous()
    if _cpu_edgewise.pays(edges, plan, transposed):
        return _cpu_edgewise.run(x, weight, None, edges, in_blocks, out_blocks, transposed)[0].to(x.dtype)
    return _run(x, weight, None, edges, plan)[0].to(x.dtype)


def weight_grad(
    x: Tensor,
    grad: Tensor,
    edges: EdgeArrays,
    in_blocks: Sequence[TransportBlock],
    out_blocks: Sequence[TransportBlock],
) -> Tensor:
    """`gaugenet.kernels._reference.weight_grad`, to rounding."""
    plan = _plan(edges, in_blocks, out_blocks)
    if _cpu_edgewise.pays(edges, plan, False):
        return _cpu_edgewise.run(x, None, grad, edges, in_blocks, out_blocks, False)[1].to(x.dtype)
    return _run(x, None, grad, edges, plan)[1].to(x.dtype)


def backward(
    x: Tensor,
    weight: Tensor,
    grad: Tensor,
    edges: EdgeArrays,
    reverse: EdgeArrays,
    in_blocks: Sequence[TransportBlock],
    out_blocks: Sequence[TransportBlock],
) -> tuple[Tensor, Tensor]:
    """Both gradients. The sums over the reversed edges give the weight gradient too, as the transposed operator's:
    dW_bᵀ = Σ_e scalars[e, b] (Pre_e x[source_e]) (Post_eᵀ grad[target_e])ᵀ. That is one aggregation less, unless the
    reversed edges have so many more terms that their products cost more than it saves."""
    plan, reverse_plan = _plan(edges, in_blocks, out_blocks), _plan(reverse, out_blocks, in_blocks)
    if _cpu_edgewise.pays(reverse, reverse_plan, True):
        both = _cpu_edgewise.run(grad, weight.mT, x, reverse, out_blocks, in_blocks, True)
        return both[0].to(x.dtype), both[1].to(x.dtype)
    if reverse_plan.cost > 1.25 * plan.cost:
        to_x, _ = _run(grad, weight.mT, None, reverse, reverse_plan)
        return to_x.to(x.dtype), weight_grad(x, grad, edges, in_blocks, out_blocks)
    to_x, to_weight = _run(grad, weight.mT, x, reverse, reverse_plan, transposed=True)
    return to_x.to(x.dtype), to_weight.to(x.dtype)


def _run(
    x: Tensor, weight: Tensor | None, grad: Tensor | None, edges: EdgeArrays, plan: Plan, transposed: bool = False
) -> tuple[Tensor, Tensor]:
    """The result where `weight` is given, and the weight gradient where `grad` is (else empty), or its transpose."""
    from gaugenet.kernels import _blocked
    from gaugenet.kernels._windows import WINDOW

    dtype = edges.scalars.dtype
    n_target = edges.row_ptr.shape[0] - 1
    if 0 in (n_target, plan.c_in, plan.c_out, plan.n_scalars):
        to_weight = torch.zeros(plan.n_scalars, plan.c_out, plan.c_in, dtype=dtype)
        return torch.zeros(n_target, plan.c_out, dtype=dtype), to_weight.mT if transposed else to_weight
    arguments, n_scratch = _arguments(x, edges, plan, grad is not None)
    loop: Any = _blocked.run_ranges
    none = _none(dtype, (0,))
    out = none if weight is None else _empty(n_target * plan.c_out, dtype)
    packed = none if weight is None else plan.pack(weight.to(dtype)).numpy()
    flat_grad = none if grad is None else grad.detach().to(dtype).contiguous().view(-1).numpy()
    work = n_target * plan.cost + edges.source.shape[0] * len(plan.terms) * plan.n_scalars * plan.padded
    threads = min(torch.get_num_threads(), max(work // _WORTH_A_THREAD, 1))
    if grad is None:
        ranges = _ranges(n_target, 1 if threads == 1 else min(16 * threads, -(-n_target // int(arguments[0]))), False)
    else:
        ranges = _ranges(n_target, min(_MAX_SEGMENTS, n_target // _SEGMENT), True)
    width = 0 if grad is None else plan.size
    partial = _empty(len(ranges) * width, dtype).reshape(len(ranges), width)
    threads = min(threads, len(ranges))
    in_parallel(
        loop,
        *(threads, ranges, np.zeros(2, np.int64)),
        *(_empty(threads * n_scratch, dtype).reshape(threads, -1), np.empty((threads, 2, 6, WINDOW), np.int64)),
        *(*arguments, packed, out, flat_grad, partial),
    )
    result = torch.from_numpy(out).view(-1, plan.c_out) if weight is not None else torch.empty(0, dtype=dtype)
    return result, torch.empty(0, dtype=dtype) if grad is None else plan.unpack(torch.from_numpy(partial), transposed)


def _plan(edges: EdgeArrays, in_blocks: Sequence[TransportBlock], out_blocks: Sequence[TransportBlock]) -> Plan:
    from gaugenet.kernels._tiles import lanes

    return make_plan(
        tuple(in_blocks),
        tuple(out_blocks),
        edges.scalars.shape[1],
        edges.post is not None,
        edges.post_flip is not None,
        lanes(edges.scalars.element_size()),
    )


def _arguments(x: Tensor, edges: EdgeArrays, plan: Plan, to_weight: bool) -> tuple[tuple[Any, ...], int]:
    """What the loop takes between its scratch and the weight, and how many numbers of scratch a thread needs."""
    from gaugenet.kernels._tiles import lanes
    from gaugenet.kernels._windows import WINDOW

    dtype, size = edges.scalars.dtype, edges.scalars.element_size()
    n_sums = len(plan.terms) + len(plan.extra)
    wide = n_sums * plan.n_scalars * plan.padded
    least = _LONG_CHUNK if to_weight and plan.size * size > _LARGE_WEIGHT else 12
    chunk = max(min(_CHUNK_BYTES // max(wide * size, 1) // 12 * 12, 96), least)
    window = max(min(_WINDOW_BYTES // max(plan.padded * size, 1), WINDOW), 8)
    n_orders, stride = plan.max_order + 2, WINDOW + lanes(size)
    n_scratch = (len(plan.terms) + 1) * plan.n_scalars * stride + n_orders * 2 * WINDOW
    n_scratch += window * plan.padded + chunk * (wide + 2 * sum(p.columns for p in plan.products))
    n_scratch += _APART // size
    arguments = (
        chunk,
        lanes(size),
        x.detach().to(dtype).contiguous().view(-1).numpy(),
        plan.c_in,
        *_edge_arguments(edges),
        plan.blocks,
        plan.terms,
        plan.extra,
        plan.product_table,
        plan.scatter_table,
        plan.gather_table,
        window,
        n_orders,
        plan.padded,
        plan.c_out,
    )
    return arguments, n_scratch


def _edge_arguments(edges: EdgeArrays) -> tuple[Any, ...]:
    """What the loops take of the edges, one after the other."""
    dtype = edges.scalars.dtype
    return (
        _array(edges.order, torch.int32, 0),
        edges.row_ptr.numpy(),
        edges.source.numpy(),
        _array(edges.edge, torch.int32, 0),
        edges.scalars.detach().contiguous().numpy(),
        _array(edges.pre, dtype, 0, 2),
        _array(edges.pre_flip, torch.int8, 0),
        _array(edges.post, dtype, 0, 2),
        _array(edges.post_flip, torch.int8, 0),
        np.dtype(str(dtype).removeprefix("torch.")).type(-1 if edges.conjugate else 1),
    )


def _array(value: Tensor | None, dtype: torch.dtype, *shape: int) -> Any:
    """A numpy view; an empty array stands for None, since compiled loops want one type."""
    return _none(dtype, shape) if value is None else value.detach().contiguous().numpy()


@functools.cache
def _none(dtype: torch.dtype, shape: tuple[int, ...]) -> Any:
    return torch.empty(shape, dtype=dtype).numpy()


def _empty(size: int, dtype: torch.dtype) -> Any:
    """Memory whose content nothing may depend on; tests fill it with NaN."""
    return torch.empty(size, dtype=dtype).numpy()


@functools.lru_cache(maxsize=64)
def _ranges(n: int, parts: int, falling: bool) -> Any:
    """int64 [parts, 2], of equal length or, where there may be few, the last a third of the first: threads that take
    one after the other are then done at nearly the same time."""
    weights = np.linspace(3, 1, max(parts, 1)) if falling else np.ones(max(parts, 1))
    cuts = np.round(n * np.concatenate([[0], weights.cumsum() / weights.sum()])).astype(np.int64)
    return np.stack([cuts[:-1], cuts[1:]], 1)
