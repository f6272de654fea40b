"""Loops of the CPU implementation (see `gaugenet.kernels._cpu`): ranges of targets, a chunk at a time, in numba.

Arrays are flat unless a shape is given. Each thread runs one call, and nothing depends on how many there are.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from gaugenet.kernels._kept_loops import named_after
from gaugenet.kernels._team import team
from gaugenet.kernels._tiles import claim, mix, product, scale
from gaugenet.kernels._windows import WINDOW, Int32, Int64, Real, Signs, fill, row_at, transport, weigh

# Not a literal: numba would compile the tiles once more for it.
UNIT = np.int64(1)
INNER = 160
"""Rows of the right factor per pass: together with a panel of columns they stay in the first-level cache."""


@njit(inline="always")
def _aggregate(
    p0: int,
    p1: int,
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
    blocks: Int64,
    terms: Int64,
    extra: Int64,
    window: int,
    padded: int,
    transported: Real,
    factors: Real,
    table: Real,
    slots: Int64,
    sums: Real,
) -> None:
    """sums[p - p0, τ, b, :] = Σ_e τ(e) scalars[e, b] Pre_e x[source_e]: itself a small product, factors · transported.

    τ runs over `terms` (order, 0 cos or 1 sin, 1 if times post_flip), then over `extra`, sums of two of those before.
    Edges go by in windows; however they are cut, those of one target are summed in their order.
    """
    n_scalars, one = scalars.shape[1], sign * sign
    n_rows = terms.shape[0] * n_scalars
    wide = (terms.shape[0] + extra.shape[0]) * n_scalars * padded
    flat_factors = factors.reshape(-1)
    for p in range(p0, p1):
        row = row_at(order, p)
        if row_ptr[row] == row_ptr[row + 1]:
            sums[(p - p0) * wide : (p - p0 + 1) * wide] = 0
    now, ahead, size = slots[0], slots[1], n_scalars * padded
    n, rows, i, done = fill(p0, 0, p1, p0, window, order, row_ptr, source, edge, x, c_in, scalars, pre, post, now)
    while n > 0:
        cut = done > 0
        n_next, rows_next, i, done = fill(
            i, done, p1, p0, window, order, row_ptr, source, edge, x, c_in, scalars, pre, post, ahead
        )
        weigh(n, now, scalars, post, post_flip, sign, terms, table, factors)
        transport(x, n, now, pre, pre_flip, sign, blocks, table, padded, transported)
        for r in range(rows):
            product(
                n_rows,
                padded // lanes,
                lanes,
                now[4, r],
                flat_factors,
                now[3, r],
                factors.shape[2],
                UNIT,
                transported,
                now[3, r] * padded,
                padded,
                sums,
                now[2, r] * wide,
                padded,
                now[5, r] > 0,
            )
            if r < rows - 1 or not cut:  # all of its edges are summed, and lie in the first-level cache
                at = now[2, r] * wide
                for k in range(extra.shape[0]):
                    left, right = at + extra[k, 0] * size, at + extra[k, 1] * size
                    mix(size, sums, left, right, sums, at + (terms.shape[0] + k) * size, one, one)
        n, rows, now, ahead = n_next, rows_next, ahead, now


@njit(inline="always")
def _contract(
    p0: int,
    n: int,
    chunk: int,
    lanes: int,
    wide: int,
    sums: Real,
    weight: Real,
    products: Int64,
    scatter: Int64,
    contracted: Real,
    order: Int32,
    out: Real,
    c_out: int,
) -> None:
    """The n rows of `out` visited from the p0-th on: the products of one chunk of sums, copied or added into place."""
    one = out.dtype.type(1)
    for q in range(products.shape[0]):
        a0, inner, w0, columns, before = products[q]
        for k0 in range(0, inner, INNER):
            product(
                n,
                columns // lanes,
                lanes,
                min(INNER, inner - k0),
                sums,
                a0 + k0,
                wide,
                UNIT,
                weight,
                w0 + k0 * columns,
                columns,
                contracted,
                chunk * before,
                columns,
                k0 > 0,
            )
    for r in range(scatter.shape[0]):
        to, width, q, column, q2, column2 = scatter[r]
        at, at2 = chunk * products[q, 4] + column, chunk * products[q2, 4] + column2
        for p in range(n):
            o = row_at(order, p0 + p) * c_out + to
            if q2 < 0:
                scale(width, contracted, at + p * products[q, 3], out, o, one)
            else:
                mix(width, contracted, at + p * products[q, 3], at2 + p * products[q2, 3], out, o, one, one)


@njit(inline="always")
def _outer(
    start: int,
    p0: int,
    n: int,
    chunk: int,
    lanes: int,
    wide: int,
    sums: Real,
    order: Int32,
    row_ptr: Int32,
    grad: Real,
    c_out: int,
    products: Int64,
    gather: Int64,
    gathered: Real,
    weight_grad: Real,
) -> None:
    """weight_grad += sumsᵀ grad of the n rows visited from the p0-th on, in the packed layout; for p0 = start, =.

    What stands in `grad` at a row without edges is not used: it may be no number, which 0 does not make one.
    """
    one = grad.dtype.type(1)
    for r in range(gather.shape[0]):
        q, column, width, g, g2 = gather[r]
        at = chunk * products[q, 4] + column
        for p in range(n):
            row = row_at(order, p0 + p) * c_out
            if g2 < 0:
                scale(width, grad, row + g, gathered, at + p * products[q, 3], one)
            else:
                mix(width, grad, row + g, row + g2, gathered, at + p * products[q, 3], one, one)
    for p in range(n):
        i = row_at(order, p0 + p)
        if row_ptr[i] == row_ptr[i + 1]:
            for q in range(products.shape[0]):
                to = chunk * products[q, 4] + p * products[q, 3]
                gathered[to : to + products[q, 3]] = 0
    for q in range(products.shape[0]):
        a0, inner, w0, columns, before = products[q]
        product(
            inner,
            columns // lanes,
            lanes,
            n,
            sums,
            a0,
            UNIT,
            wide,
            gathered,
            chunk * before,
            columns,
            weight_grad,
            w0,
            columns,
            p0 > start,
        )


@njit
def _take_ranges(
    ranges: Int64,
    claimed: Int64,
    scratch: Real,
    slots: Int64,
    chunk: int,
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
    blocks: Int64,
    terms: Int64,
    extra: Int64,
    products: Int64,
    scatter: Int64,
    gather: Int64,
    window: int,
    n_orders: int,
    padded: int,
    c_out: int,
    weight: Real,
    out: Real,
    grad: Real,
    weight_grad: Real,
) -> None:
    """For every range that no other thread has taken: its rows in the order of visiting, aggregate a chunk, then use it
    for the result, the weight gradient, or both.

    ranges [·, 2], none empty: first row visited, and the first after them. claimed [2]: threads that have come, and
    ranges taken, so that they share the work without waking each other. scratch, slots: a row for each thread. An empty
    `out` or `weight_grad` (and `weight`, `grad` with it) is left alone; weight_grad has a row per range.
    products [·, 5]: offset in a row of sums, inner dimension, offset in `weight`, columns (a multiple of `lanes`),
    columns of the products before. scatter [·, 6]: column of the result, width, then product and column of one or two
    contributions (second product -1: none). gather [·, 5]: product, its column, width, then one or two columns of
    `grad` to add (second -1: none).
    """
    n_scalars, stride = scalars.shape[1], WINDOW + lanes  # a power of two: all rows would fall to the same cache sets
    wide = (terms.shape[0] + extra.shape[0]) * n_scalars * padded
    me = claim(claimed, 0)
    of_factors, of_table = (terms.shape[0] + 1) * n_scalars * stride, n_orders * 2 * WINDOW
    of_sources, of_sums = window * padded, chunk * wide
    mine = scratch[me]
    factors = mine[:of_factors].reshape(terms.shape[0] + 1, n_scalars, stride)
    table = mine[of_factors : of_factors + of_table].reshape(n_orders, 2, WINDOW)
    mine = mine[of_factors + of_table :]
    transported = mine[:of_sources]
    sums = mine[of_sources : of_sources + of_sums]
    columns = mine[of_sources + of_sums :]
    gathered = columns[columns.shape[0] // 2 :]
    transported[:] = 0
    table[0, 0], table[0, 1] = 1, 0
    gathered[:] = 0
    taken = claim(claimed, 1)
    while taken < ranges.shape[0]:
        start, stop = ranges[taken]
        partial = weight_grad[taken]
        for p0 in range(start, stop, chunk):
            n = min(chunk, stop - p0)
            _aggregate(
                p0,
                p0 + n,
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
                blocks,
                terms,
                extra,
                window,
                padded,
                transported,
                factors,
                table,
                slots[me],
                sums,
            )
            if out.shape[0] > 0:
                _contract(p0, n, chunk, lanes, wide, sums, weight, products, scatter, columns, order, out, c_out)
            if partial.shape[0] > 0:
                _outer(
                    start,
                    p0,
                    n,
                    chunk,
                    lanes,
                    wide,
                    sums,
                    order,
                    row_ptr,
                    grad,
                    c_out,
                    products,
                    gather,
                    gathered,
                    partial,
                )
        taken = claim(claimed, 1)


@njit(cache=True, nogil=True)
@named_after("_slots.py", "_team.py", "_tiles.py", "_windows.py")
def run_ranges(
    parallel: int,
    threads: int,
    ranges: Int64,
    claimed: Int64,
    scratch: Real,
    slots: Int64,
    chunk: int,
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
    blocks: Int64,
    terms: Int64,
    extra: Int64,
    products: Int64,
    scatter: Int64,
    gather: Int64,
    window: int,
    n_orders: int,
    padded: int,
    c_out: int,
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
        chunk,
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
        blocks,
        terms,
        extra,
        products,
        scatter,
        gather,
        window,
        n_orders,
        padded,
        c_out,
        weight,
        out,
        grad,
        weight_grad,
    )
    team(parallel, threads, _take_ranges, arguments)
