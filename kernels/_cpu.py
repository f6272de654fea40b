"""The operator on a CPU: aggregate first, a chunk of targets at a time, contract the chunk while it is in the cache.

For each target p, A[p, τ, b, :] = Σ_e τ(e) scalars[e, b] Pre_e x[source_e] is summed over its edges, where τ runs over
the few functions that the post-rotation needs (`gaugenet.kernels._plan`); then out[p] is one matrix product per order.
Nothing of size edges × channels is ever in memory, and the matrix product runs once per target, not once per edge.

Threads are a pool of our own, as many as torch uses: numba's own layers either forbid calls from two threads at once or
break after a fork. Each row of the result is summed by one thread in the order of its edges; weight gradients are summed
per fixed segment of targets, then over the segments in order. So results are equal to the bit for any number of threads.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gaugenet.kernels._plan import Plan, make_plan
from gaugenet.kernels._reference import EdgeArrays, TransportBlock

_CHUNK_BYTES = 384 << 10
"""Sums of one chunk of targets; with a panel of the weight they fit the second-level cache."""
_BATCH_BYTES = 24 << 10
"""Transported sources of one batch of edges; half a first-level cache."""
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
    from gaugenet.kernels._blocked import conv_range

    dtype = edges.scalars.dtype
    plan = _plan(edges, in_blocks, out_blocks)
    n_target = edges.row_ptr.shape[0] - 1
    out = _empty(n_target * plan.c_out, dtype)
    packed = plan.pack(weight.detach().to(dtype)).numpy()
    arguments, scratch = _arguments(x, edges, plan, plan.scatter_table)

    def run(start: int, stop: int) -> None:
        conv_range(start, stop, *arguments, *scratch(), packed, out, plan.c_out)

    n_parts = min(4 * torch.get_num_threads(), -(-n_target // int(arguments[0]))) if torch.get_num_threads() > 1 else 1
    _in_parallel(run, _cuts(n_target, n_parts))
    return torch.from_numpy(out).view(n_target, plan.c_out).to(x.dtype)


def weight_grad(
    x: Tensor,
    grad: Tensor,
    edges: EdgeArrays,
    in_blocks: Sequence[TransportBlock],
    out_blocks: Sequence[TransportBlock],
) -> Tensor:
    """`gaugenet.kernels._reference.weight_grad`, to rounding."""
    from gaugenet.kernels._blocked import weight_grad_range

    dtype = edges.scalars.dtype
    plan = _plan(edges, in_blocks, out_blocks)
    n_target = edges.row_ptr.shape[0] - 1
    cuts = _cuts(n_target, min(_MAX_SEGMENTS, n_target // _SEGMENT))
    partial = torch.zeros(len(cuts), plan.size, dtype=dtype)
    views = {start: partial[i].numpy() for i, (start, _) in enumerate(cuts)}
    flat_grad = grad.detach().to(dtype).contiguous().view(-1).numpy()
    arguments, scratch = _arguments(x, edges, plan, plan.gather_table)

    def run(start: int, stop: int) -> None:
        weight_grad_range(start, stop, *arguments, *scratch(), views[start], flat_grad, plan.c_out)

    _in_parallel(run, cuts)
    total = partial[0]
    for part in partial[1:]:
        total += part
    return plan.unpack(total).to(x.dtype)


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


def _arguments(
    x: Tensor, edges: EdgeArrays, plan: Plan, copies: NDArray[np.int64]
) -> tuple[tuple[Any, ...], Callable[[], tuple[Any, Any, Any]]]:
    """What both loops take between the range of targets and their scratch, and a maker of that scratch."""
    from gaugenet.kernels._blocked import WINDOW
    from gaugenet.kernels._tiles import lanes

    dtype, size = edges.scalars.dtype, edges.scalars.element_size()
    n_sums = len(plan.terms) + len(plan.extra)
    wide = n_sums * plan.n_scalars * plan.padded
    chunk = max(min(_CHUNK_BYTES // max(wide * size, 1) // 12 * 12, 96), 12)
    batch = max(min(_BATCH_BYTES // max(plan.padded * size, 1), WINDOW), 8)
    n_scratch = batch * plan.padded + chunk * (wide + sum(p.columns for p in plan.products))
    arguments = (
        chunk,
        lanes(size),
        x.detach().to(dtype).contiguous().view(-1).numpy(),
        plan.c_in,
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
        copies,
        batch,
        plan.padded,
    )

    def scratch() -> tuple[Any, Any, Any]:
        factors = _empty((len(plan.terms) + 1) * plan.n_scalars * WINDOW, dtype)
        table = _empty((plan.max_order + 2) * 2 * WINDOW, dtype)
        return (
            factors.reshape(len(plan.terms) + 1, plan.n_scalars, WINDOW),
            table.reshape(plan.max_order + 2, 2, WINDOW),
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
