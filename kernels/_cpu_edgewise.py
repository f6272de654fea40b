"""The operator on a CPU where edges are few: one product per edge, with the weight as it is stored.

Aggregating first (`gaugenet.kernels._cpu`) takes one product per target, of a weight that is first brought into another
layout. It does not pay where a target has hardly more than one edge, since with a post-rotation its product is the
larger one; nor where all is a few edges and a large weight, which then is moved about for longer than it is used. Here
each edge, transported and scaled, is one row of a product with the stored weight, whose result is turned back and added
to its target; a chunk of edges at a time, and nothing of size edges × channels is in memory.

Each row of the result is summed in the order of its edges, and weight gradients per fixed segment of targets, then over
the segments in order: results are equal to the bit for any number of threads.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gaugenet.kernels._plan import Plan
from gaugenet.kernels._reference import EdgeArrays, TransportBlock
from gaugenet.kernels._threads import in_parallel

_FEW = 64
"""Edges up to which it does not matter how well the product runs."""
_LONG = 512
"""Numbers in a row of the stored weight, over all scalars, from which on inner products run well."""
_PACKING = 48
"""Multiply-adds that take as long as to pack one number of a weight."""
_CHUNK, _CHUNK_BYTES = 256, 2 << 20
"""Edges at a time, at most, and bytes of them: a large weight gradient is read and written once per chunk."""
_ROWS = 48
"""Targets per range of a thread, at least."""


def pays(edges: EdgeArrays, plan: Plan, transposed: bool) -> bool:
    """Whether it takes less time than to aggregate first."""
    n_edges, n_target = edges.source.shape[0], edges.row_ptr.shape[0] - 1
    if n_edges > _FEW and plan.n_scalars * (plan.c_out if transposed else plan.c_in) < _LONG:
        return False
    one = plan.n_scalars * plan.c_in * plan.c_out
    return 0 < n_edges * one <= n_target * plan.cost + _PACKING * plan.size


def run(
    x: Tensor,
    weight: Tensor | None,
    grad: Tensor | None,
    edges: EdgeArrays,
    in_blocks: Sequence[TransportBlock],
    out_blocks: Sequence[TransportBlock],
    transposed: bool,
) -> tuple[Tensor, Tensor]:
    """The result where `weight` is given, and the weight gradient where `grad` is (else empty), or its transpose.

    transposed: `weight` is stored as [B, C_in, C_out]."""
    from gaugenet.kernels import _cpu, _edgewise
    from gaugenet.kernels._tiles import lanes

    dtype, size = edges.scalars.dtype, edges.scalars.element_size()
    width, n_scalars = lanes(size), edges.scalars.shape[1]
    in_table, out_table = _table(in_blocks), _table(out_blocks)
    c_in, c_out = (sum(b.width for b in blocks) for blocks in (in_blocks, out_blocks))
    padded, out_row = (-(-c // width) * width for c in (c_in, c_out))
    stored = (n_scalars, c_in, c_out) if transposed else (n_scalars, c_out, c_in)
    row = out_row if transposed else padded
    n_target, n_edges = edges.row_ptr.shape[0] - 1, edges.source.shape[0]
    none = _cpu._none(dtype, (0,))
    given = none
    if weight is not None:
        weight = (weight.mT if transposed else weight).detach().to(dtype).contiguous()
        if row > stored[2]:
            weight = torch.nn.functional.pad(weight, (0, row - stored[2]))
        given = weight.view(-1).numpy()
    flat_grad = none if grad is None else grad.detach().to(dtype).contiguous().view(-1).numpy()
    out = none if weight is None else _cpu._empty(n_target * c_out, dtype)
    chunk = min(_CHUNK, max(_ROWS, _CHUNK_BYTES // (n_scalars * padded * size)), n_edges)
    chunk = -(-chunk // 16) * 16
    n_orders = max([0, *(b.order for b in (*in_blocks, *out_blocks))]) + 2
    n_scratch = chunk * (2 * n_orders + 3 + n_scalars * padded + out_row) + _cpu._APART // size
    threads = min(torch.get_num_threads(), max(n_edges * n_scalars * c_in * c_out // _cpu._WORTH_A_THREAD, 1))
    if grad is None:
        ranges = _cpu._ranges(n_target, 1 if threads == 1 else min(16 * threads, -(-n_target // _ROWS)), False)
    else:
        ranges = _cpu._ranges(n_target, min(_cpu._MAX_SEGMENTS, n_target // _cpu._SEGMENT), True)
    of_grad = 0 if grad is None else n_scalars * stored[1] * row
    partial = _cpu._empty(len(ranges) * of_grad, dtype).reshape(len(ranges), of_grad)
    threads = min(threads, len(ranges))
    in_parallel(
        _edgewise.run_ranges,
        *(threads, ranges, np.zeros(2, np.int64)),
        *(_cpu._empty(threads * n_scratch, dtype).reshape(threads, -1), np.empty((threads, 8, chunk), np.int64)),
        *(width, x.detach().to(dtype).contiguous().view(-1).numpy(), c_in),
        *_cpu._edge_arguments(edges),
        *(in_table, out_table, n_orders, padded, out_row, c_out, int(transposed), given, out, flat_grad, partial),
    )
    result = torch.from_numpy(out).view(-1, c_out) if weight is not None else torch.empty(0, dtype=dtype)
    if grad is None:
        return result, torch.empty(0, dtype=dtype)
    total = partial[0]
    for other in partial[1:]:
        total += other
    return result, torch.from_numpy(total).view(*stored[:2], row)[..., : stored[2]].contiguous()


def _table(blocks: Sequence[TransportBlock]) -> Any:
    starts = np.cumsum([0, *(b.width for b in blocks)])
    return np.array([[*b, s] for b, s in zip(blocks, starts)], np.int64).reshape(-1, 5)
