"""Windows of edges for the CPU loops (see `gaugenet.kernels._blocked`): gathered, their factors and sources in SIMD.

A window is a few dozen edges of rows visited one after the other. What belongs to one edge lies in one column, its
slot, so that arithmetic runs along slots in vector registers; its transported sources stay in the first-level cache.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from gaugenet.kernels._slots import spread, times, turn
from gaugenet.kernels._tiles import prefetch

Real = NDArray[Any]
Signs = NDArray[np.int8]
Int32 = NDArray[np.int32]
Int64 = NDArray[np.int64]

WINDOW = 128
"""Slots of a window, at most."""


@njit(inline="always")
def row_at(order: Int32, i: int) -> int:
    """The row visited as the i-th."""
    return int(order[i]) if order.shape[0] > 0 else i


@njit(inline="always")
def fill(
    i: int,
    done: int,
    stop: int,
    start: int,
    size: int,
    order: Int32,
    row_ptr: Int32,
    source: Int32,
    edge: Int32,
    x: Real,
    c_in: int,
    scalars: Real,
    pre: Real,
    post: Real,
    slots: Int64,
) -> tuple[int, int, int, int]:
    """The next edges, those of the i-th row from its `done`-th on, up to `size` of them or to the `stop`-th row.

    What will be read of them is asked for here, a window ahead of its use: the memory answers meanwhile.

    slots [6, WINDOW]: position of each edge in the stored arrays; first number of its source in `x`; then for each
    row in the window: row - `start`, first slot, number of slots, and whether the row began in a window before.

    Returns:
        slots, rows, and where to go on: i and done.
    """
    n = rows = 0
    scattered = edge.shape[0] > 0 or order.shape[0] > 0
    while i < stop and n < size:
        row = row_at(order, i)
        begin, end = int(row_ptr[row]), int(row_ptr[row + 1])
        first, count = begin + done, min(end - begin - done, size - n)
        for k in range(count):
            at = source[first + k] * c_in
            slots[0, n + k] = edge[first + k] if edge.shape[0] > 0 else first + k
            slots[1, n + k] = at
            prefetch(x, at, c_in)
            if scattered:
                prefetch(scalars, slots[0, n + k], 1)
                prefetch(pre, slots[0, n + k], 1)
                prefetch(post, slots[0, n + k], 1)
        if count > 0:
            slots[2, rows], slots[3, rows], slots[4, rows], slots[5, rows] = i - start, n, count, done > 0
            rows += 1
        n += count
        done += count
        if first + count == end:
            i, done = i + 1, 0
    return n, rows, i, done


@njit(inline="always")
def powers(cos_sin: Real, n: int, slots: Int64, sign: Any, table: Real) -> None:
    """table[m, :, k] = (cos mα, sin mα) for α = sign · (angle of the edge in slot k), by recurrence; the first row, of
    order 0, stands already, and the last is of no order."""
    edge, last = slots[0], table.shape[0] - 1
    if last < 2:
        return
    cos, sin = table[1, 0], table[1, 1]
    for k in range(n):
        e = edge[k]
        cos[k] = cos_sin[e, 0]
        sin[k] = sign * cos_sin[e, 1]
    for m in range(2, last):
        c, s, c_next, s_next = table[m - 1, 0], table[m - 1, 1], table[m, 0], table[m, 1]
        for k in range(n):
            c_next[k] = c[k] * cos[k] - s[k] * sin[k]
            s_next[k] = s[k] * cos[k] + c[k] * sin[k]


@njit(inline="always")
def signs(flip: Signs, n: int, slots: Int64, table: Real) -> Any:
    """The ±1 of each slot, in the last row of the table; 1 where there are none."""
    if flip.shape[0] == 0:
        return table[0, 0]
    edge, row = slots[0], table[table.shape[0] - 1, 0]
    for k in range(n):
        row[k] = flip[edge[k]]
    return row


@njit(inline="always")
def weigh(
    n: int,
    slots: Int64,
    scalars: Real,
    post: Real,
    post_flip: Signs,
    sign: Any,
    terms: Int64,
    table: Real,
    factors: Real,
) -> None:
    """factors[τ, b, k] = τ(e) scalars[e, b] of the edge e in slot k; factors [terms + 1, B, >= n]."""
    edge, last = slots[0], factors[terms.shape[0]]
    for k in range(n):
        e = edge[k]
        for b in range(scalars.shape[1]):
            last[b, k] = scalars[e, b]
    if post.shape[0] > 0:
        powers(post, n, slots, sign, table)
    flip = signs(post_flip, n, slots, table)
    for t in range(terms.shape[0]):
        for b in range(scalars.shape[1]):
            times(n, last[b], table[terms[t, 0], terms[t, 1]], factors[t, b])
            if terms[t, 2] == 1:
                times(n, factors[t, b], flip, factors[t, b])


@njit(inline="always")
def transport(
    x: Real,
    n: int,
    slots: Int64,
    pre: Real,
    pre_flip: Signs,
    sign: Any,
    blocks: Int64,
    table: Real,
    padded: int,
    transported: Real,
) -> None:
    """transported[k, :] = Pre_e x[source_e] of the edge e in slot k: rotated and reflected block by block."""
    if pre.shape[0] > 0:
        powers(pre, n, slots, sign, table)
    flip, begin = signs(pre_flip, n, slots, table), slots[1]
    for block in range(blocks.shape[0]):
        order, parity, dim = blocks[block, 0], blocks[block, 1], blocks[block, 2]
        m, column = blocks[block, 3], blocks[block, 4]
        angle = table[order if pre.shape[0] > 0 else 0]
        if dim == 1:
            spread(n, m, x, begin, column, transported, padded, angle[0], flip if parity == 1 else table[0, 0])
        else:
            turn(n, m, x, begin, column, transported, padded, angle[0], angle[1], flip)
