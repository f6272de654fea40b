"""The operator on a CPU: aggregate first, a chunk of targets at a time, contract the chunk while it is in the cache.

For each target p, A[p, τ, b, :] = Σ_e τ(e) scalars[e, b] Pre_e x[source_e] is summed over its edges, where τ runs over
the few functions that the post-rotation needs (`gaugenet.kernels._plan`); then out[p] is one matrix product per order.
Nothing of size edges × channels is ever in memory, and the matrix product runs once per target, not once per edge.

Threads are a pool of our own, as many as torch uses: numba's own layers either forbid calls from two threads at once or
break after a fork. Each row of the result is summed by one thread in the order of its edges; weight gradients are
summed per fixed segment of targets, then over the segments in order. So results are equal to the bit for any number of
threads.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gaugenet.kernels._plan import Plan, make_plan
from gaugenet.kernels._reference import EdgeArrays, TransportBlock

_CHUNK_BYTES = 384 << 10
"""Sums of one chunk of targets; with a panel of the weight they fit the second-level cache."""
_WINDOW_BYTES = 24 << 10
"""Transported sources of one window of edges; most of a first-level cache."""
_SEGMENT, _MAX_SEGMENTS = 1024, 16
"""Targets per partial weight gradient, at least; partial weight gradients, at most."""


def conv(
    x: Tensor,
    weight: Tensor,
    edges: EdgeArrays,
    in_blocks: Sequence[TransportBlock],
    out_blocks: Sequence[TransportBlock],
) -> Tensor:
    """`gaugenet.kernels._reference.conv`, to rounding."""
    return _run(x, weight, None, edges, _plan(edges, in_blocks, out_blocks))[0].to(x.dtype)


def weight_grad(
    x: Tensor,
    grad: Tensor,
    edges: EdgeArrays,
    in_blocks: Sequence[TransportBlock],
    out_blocks: Sequence[TransportBlock],
) -> Tensor:
    """`gaugenet.kernels._reference.weight_grad`, to rounding."""
    return _run(x, None, grad, edges, _plan(edges, in_blocks, out_blocks))[1].to(x.dtype)


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
    if reverse_plan.cost > 1.25 * plan.cost:
        to_x, _ = _run(grad, weight.mT, None, reverse, reverse_plan)
        return to_x.to(x.dtype), weight_grad(x, grad, edges, in_blocks, out_blocks)
    to_x, transposed = _run(grad, weight.mT, x, reverse, reverse_plan)
    return to_x.to(x.dtype), transposed.mT.contiguous().to(x.dtype)


def _run(x: Tensor, weight: Tensor | None, grad: Tensor | None, edges: EdgeArrays, plan: Plan) -> tuple[Tensor, Tensor]:
    """The result where `weight` is given, and the weight gradient where `grad` is (else empty)."""
    from gaugenet.kernels import _blocked

    dtype = edges.scalars.dtype
    n_target = edges.row_ptr.shape[0] - 1
    if 0 in (n_target, plan.c_in, plan.c_out, plan.n_scalars):
        weight_shape = (plan.n_scalars, plan.c_out, plan.c_in)
        return torch.zeros(n_target, plan.c_out, dtype=dtype), torch.zeros(weight_shape, dtype=dtype)
    arguments, scratch = _arguments(x, edges, plan)
    loop: Any = _blocked.run_range
    none = np.empty(0, _empty(0, dtype).dtype)
    out = none if weight is None else _empty(n_target * plan.c_out, dtype)
    packed = none if weight is None else plan.pack(weight.detach().to(dtype)).numpy()
    flat_grad = none if grad is None else grad.detach().to(dtype).contiguous().view(-1).numpy()
    if grad is None:
        threads = torch.get_num_threads()
        cuts = _cuts(n_target, 1 if threads == 1 else min(4 * threads, -(-n_target // int(arguments[0]))))
    else:
        cuts = _cuts(n_target, min(_MAX_SEGMENTS, n_target // _SEGMENT))
    partial = torch.zeros(len(cuts), 0 if grad is None else plan.size, dtype=dtype)
    views = {start: partial[i].numpy() for i, (start, _) in enumerate(cuts)}

    def run(start: int, stop: int) -> None:
        loop(start, stop, *arguments, *scratch(), packed, out, flat_grad, views[start])

    _in_parallel(run, cuts)
    result = torch.from_numpy(out).view(-1, plan.c_out) if weight is not None else torch.empty(0, dtype=dtype)
    if grad is None:
        return result, partial
    total = partial[0]
    for part in partial[1:]:
        total += part
    return result, plan.unpack(total)


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


def _arguments(x: Tensor, edges: EdgeArrays, plan: Plan) -> tuple[tuple[Any, ...], Callable[[], tuple[Any, ...]]]:
    """What the loop takes between the range of targets and their scratch, and a maker of that scratch."""
    from gaugenet.kernels._tiles import lanes
    from gaugenet.kernels._windows import WINDOW

    dtype, size = edges.scalars.dtype, edges.scalars.element_size()
    n_sums = len(plan.terms) + len(plan.extra)
    wide = n_sums * plan.n_scalars * plan.padded
    chunk = max(min(_CHUNK_BYTES // max(wide * size, 1) // 12 * 12, 96), 12)
    window = max(min(_WINDOW_BYTES // max(plan.padded * size, 1), WINDOW), 8)
    n_scratch = window * plan.padded + chunk * (wide + 2 * sum(p.columns for p in plan.products))
    stride = WINDOW + lanes(size)  # a power of two would send all rows of the factors to the same few cache sets
    arguments = (
        chunk,
        lanes(size),
        x.detach().to(dtype).contiguous().view(-1).numpy(),
        plan.c_in,
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
        plan.blocks,
        plan.terms,
        plan.extra,
        plan.product_table,
        plan.scatter_table,
        plan.gather_table,
        window,
        plan.padded,
        plan.c_out,
    )

    def scratch() -> tuple[Any, ...]:
        factors = _empty((len(plan.terms) + 1) * plan.n_scalars * stride, dtype)
        table = _empty((plan.max_order + 2) * 2 * WINDOW, dtype)
        return (
            factors.reshape(len(plan.terms) + 1, plan.n_scalars, stride),
            table.reshape(plan.max_order + 2, 2, WINDOW),
            np.empty((2, 6, WINDOW), np.int64),
            _empty(n_scratch, dtype),
        )

    return arguments, scratch


def _array(value: Tensor | None, dtype: torch.dtype, *shape: int) -> Any:
    """A numpy view; an empty array stands for None, since compiled loops want one type."""
    return (torch.empty(shape, dtype=dtype) if value is None else value.detach().contiguous()).numpy()


def _empty(size: int, dtype: torch.dtype) -> Any:
    """Memory whose content nothing may depend on; tests fill it with NaN."""
    return torch.empty(size, dtype=dtype).numpy()


def _cuts(n: int, parts: int) -> list[tuple[int, int]]:
    parts = max(parts, 1)
    return [(n * i // parts, n * (i + 1) // parts) for i in range(parts)]


_pools: dict[tuple[int, int], ThreadPoolExecutor] = {}


def _in_parallel(run: Callable[[int, int], None], cuts: list[tuple[int, int]]) -> None:
    threads = min(torch.get_num_threads(), len(cuts))
    if threads == 1:
        for start, stop in cuts:
            run(start, stop)
        return
    key = (os.getpid(), threads)  # a forked child inherits the dictionary, not the threads
    if key not in _pools:
        _pools[key] = ThreadPoolExecutor(threads, thread_name_prefix="transport_conv")
    for done in [_pools[key].submit(run, start, stop) for start, stop in cuts]:
        done.result()
