"""Loops of the CPU implementation where edges are few (see `gaugenet.kernels._cpu_edgewise`): one product per edge with
the weight as it is stored, in numba.

Arrays are flat unless a shape is given. Each thread runs one call, and nothing depends on how many there are.
"""

from __future__ import annotations

from typing import Any

from numba import njit

from gaugenet.kernels._blocked import INNER, UNIT
from gaugenet.kernels._dots import dots
from gaugenet.kernels._kept_loops import named_after
from gaugenet.kernels._slots import spread, times, turn
from gaugenet.kernels._team import team
from gaugenet.kernels._tiles import MAX_ROWS, claim, product, scale
from gaugenet.kernels._windows import Int32, Int64, Real, Signs, fill, powers, row_at, signs

_ROWS = MAX_ROWS[-1]
"""Rows of the weight gradient per pass: written one after the other, not column by column."""


@njit(inline="always")
def _weigh(
    n: int,
    slots: Int64,
    x: Real,
    scalars: Real,
    pre: Real,
    pre_flip: Signs,
    sign: Any,
    blocks: Int64,
    padded: int,
    table: Real,
    rows: Real,
    sums: Real,
) -> None:
    """sums[k, b, :] = scalars[e, b] Pre_e x[source_e] of the edge e in slot k."""
    edge, begin, n_scalars = slots[0], slots[1], scalars.shape[1]
    if pre.shape[0] > 0:
        powers(pre, n, slots, sign, table)
    flip = signs(pre_flip, n, slots, table)
    for b in range(n_scalars):
        for k in range(n):
            rows[0, k] = scalars[edge[k], b]
        to = sums[b * padded :]
        for block in range(blocks.shape[0]):
            order, parity, dim, m, column = blocks[block]
            angle = table[order if pre.shape[0] > 0 else 0]
            times(n, angle[0], rows[0], rows[1])
            if dim == 1:
                factor = flip if parity == 1 else table[0, 0]
                spread(n, m, x, begin, column, to, n_scalars * padded, rows[1], factor)
            else:
                times(n, angle[1], rows[0], rows[2])
                turn(n, m, x, begin, column, to, n_scalars * padded, rows[1], rows[2], flip)


@njit(inline="always")
def _turn_back(
    n: int,
    at: Int64,
    x: Real,
    flip: Real,
    forth: int,
    blocks: Int64,
    turned: int,
    table: Real,
    rows: Real,
    out_row: int,
    values: Real,
) -> None:
    """values[k, :] = Post_e x_k where `forth`, else Post_eᵀ x_k, of the edge e in slot k; x_k is x from at[k] on."""
    for block in range(blocks.shape[0]):
        order, parity, dim, m, column = blocks[block]
        angle = table[order if turned else 0]
        if dim == 1:
            spread(n, m, x, at, column, values, out_row, angle[0], flip if parity == 1 else table[0, 0])
        else:
            for k in range(n):
                rows[0, k] = flip[k] * angle[1, k] if forth else -angle[1, k]
            turn(n, m, x, at, column, values, out_row, angle[0], rows[0], flip)


@njit
def _take_ranges(
    ranges: Int64,
    claimed: Int64,
    scratch: Real,
    slots: Int64,
    lanes: int,
    x: Real,
    c_in: int,
    order: Int32,
    row_ptr: Int32,
    source: Int32,
    edge: Int32,
    scalars: Real,
    pre: Real,
    pre_flip: Signs,
    post: Real,
    post_flip: Signs,
    sign: Any,
    in_blocks: Int64,
    out_blocks: Int64,
    n_orders: int,
    padded: int,
    out_row: int,
    c_out: int,
    transposed: int,
    weight: Real,
    out: Real,
    grad: Real,
    weight_grad: Real,
) -> None:
    """For every range of rows that no other thread has taken, its edges, a chunk at a time, for the result, the weight
    gradient, or both.

    ranges, claimed, an empty `out`, `weight_grad` or order: as in `_blocked`. scratch, slots [·, 8, chunk]: a row for
    each thread. weight [B, c_out, padded] as it is stored, or, where `transposed`, [B, c_in, out_row]: rows are whole
    vectors. weight_grad has a row of that shape per range.
    """
    n_scalars, chunk = scalars.shape[1], slots.shape[2]
    wide, one = n_scalars * padded, sign * sign
    me = claim(claimed, 0)
    mine, window = scratch[me], slots[me]
    of_table, of_rows, of_sums, of_results = n_orders * 2 * chunk, 3 * chunk, chunk * wide, chunk * out_row
    table = mine[:of_table].reshape(n_orders, 2, chunk)
    mine = mine[of_table:]
    rows = mine[:of_rows].reshape(3, chunk)
    sums = mine[of_rows : of_rows + of_sums]
    values = mine[of_rows + of_sums :][:of_results]
    table[0, 0], table[0, 1] = 1, 0
    if padded > c_in:
        sums[:] = 0
    at, to = window[6], window[7]
    for k in range(chunk):
        at[k] = k * out_row
    w_rows, w_row = (c_in, out_row) if transposed else (c_out, padded)
    taken = claim(claimed, 1)
    while taken < ranges.shape[0]:
        start, stop = ranges[taken]
        partial = weight_grad[taken]
        if out.shape[0] > 0:
            for p in range(start, stop):
                row = row_at(order, p)
                if row_ptr[row] == row_ptr[row + 1]:
                    out[row * c_out : (row + 1) * c_out] = 0
        i, done, later = start, 0, False
        while True:
            n, n_rows, i, done = fill(
                i, done, stop, 0, chunk, order, row_ptr, source, edge, x, c_in, scalars, pre, post, window
            )
            if n == 0:
                break
            _weigh(n, window, x, scalars, pre, pre_flip, sign, in_blocks, padded, table, rows, sums)
            if post.shape[0] > 0:
                powers(post, n, window, sign, table)
            flip = signs(post_flip, n, window, table)
            turned = post.shape[0] > 0
            if out.shape[0] > 0:
                if transposed:
                    for b in range(n_scalars):
                        for k0 in range(0, w_rows, INNER):
                            product(
                                n,
                                out_row // lanes,
                                lanes,
                                min(INNER, w_rows - k0),
                                sums,
                                b * padded + k0,
                                wide,
                                UNIT,
                                weight,
                                (b * w_rows + k0) * w_row,
                                w_row,
                                values,
                                0,
                                out_row,
                                b + k0 > 0,
                            )
                else:
                    dots(
                        n,
                        w_rows,
                        n_scalars,
                        w_row,
                        sums,
                        0,
                        wide,
                        padded,
                        weight,
                        0,
                        w_row,
                        w_rows * w_row,
                        values,
                        0,
                        out_row,
                    )
                if turned or post_flip.shape[0] > 0:
                    _turn_back(n, at, values, flip, True, out_blocks, turned, table, rows, out_row, values)
                for r in range(n_rows):
                    o = row_at(order, window[2, r]) * c_out
                    for k in range(window[3, r], window[3, r] + window[4, r]):
                        if k == window[3, r] and window[5, r] == 0:
                            scale(c_out, values, k * out_row, out, o, one)
                        else:
                            for c in range(c_out):
                                out[o + c] += values[k * out_row + c]
            if partial.shape[0] > 0:
                for r in range(n_rows):
                    for k in range(window[3, r], window[3, r] + window[4, r]):
                        to[k] = row_at(order, window[2, r]) * c_out
                _turn_back(n, to, grad, flip, False, out_blocks, turned, table, rows, out_row, values)
                for b in range(n_scalars):
                    for r in range(0, w_rows, _ROWS):
                        left, a0, a_k, right, w0, w_k = values, r, out_row, sums, b * padded, wide
                        if transposed:
                            left, a0, a_k, right, w0, w_k = sums, b * padded + r, wide, values, 0, out_row
                        product(
                            min(_ROWS, w_rows - r),
                            w_row // lanes,
                            lanes,
                            n,
                            left,
                            a0,
                            UNIT,
                            a_k,
                            right,
                            w0,
                            w_k,
                            partial,
                            (b * w_rows + r) * w_row,
                            w_row,
                            later,
                        )
            later = True
        if not later:
            partial[:] = 0
        taken = claim(claimed, 1)


@njit(cache=True, nogil=True)
@named_after("_blocked.py", "_dots.py", "_slots.py", "_team.py", "_tiles.py", "_windows.py")
def run_ranges(
    parallel: int,
    threads: int,
    ranges: Int64,
    claimed: Int64,
    scratch: Real,
    slots: Int64,
    lanes: int,
    x: Real,
    c_in: int,
    order: Int32,
    row_ptr: Int32,
    source: Int32,
    edge: Int32,
    scalars: Real,
    pre: Real,
    pre_flip: Signs,
    post: Real,
    post_flip: Signs,
    sign: Any,
    in_blocks: Int64,
    out_blocks: Int64,
    n_orders: int,
    padded: int,
    out_row: int,
    c_out: int,
    transposed: int,
    weight: Real,
    out: Real,
    grad: Real,
    weight_grad: Real,
) -> None:
    """All ranges of rows, by `threads` threads: see `_take_ranges`."""
    arguments = (
        ranges,
        claimed,
        scratch,
        slots,
        lanes,
        x,
        c_in,
        order,
        row_ptr,
        source,
        edge,
        scalars,
        pre,
        pre_flip,
        post,
        post_flip,
        sign,
        in_blocks,
        out_blocks,
        n_orders,
        padded,
        out_row,
        c_out,
        transposed,
        weight,
        out,
        grad,
        weight_grad,
    )
    team(parallel, threads, _take_ranges, arguments)
