"""Loops of the CPU implementation (see `gaugenet.kernels._cpu`): a range of targets, a chunk at a time, in numba.

Arrays are flat unless a shape is given. One thread runs one call, and nothing depends on how many there are.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from gaugenet.kernels._tiles import mix, product, scale

Real = NDArray[Any]
Signs = NDArray[np.int8]
Int32 = NDArray[np.int32]
Int64 = NDArray[np.int64]

# Not literals: numba would compile the tiles once more for each.
UNIT, NONE = np.int64(1), np.int64(0)
WINDOW = 128
"""Edges whose factors are computed at once, so that the arithmetic runs along edges in vector registers."""
_INNER = 160
"""Rows of the right factor per pass: together with a panel of columns they stay in the first-level cache."""


@njit(inline="always")
def _powers(cos_sin: Real, e0: int, n: int, edge: Int32, sign: Any, table: Real) -> None:
    """table[m, :, i] = (cos mα, sin mα) for α = sign · (angle of edge e0 + i), by recurrence; m = 0 included."""
    cos, sin = table[1, 0], table[1, 1]
    for i in range(n):
        e = edge[e0 + i] if edge.shape[0] > 0 else e0 + i
        cos[i] = cos_sin[e, 0]
        sin[i] = sign * cos_sin[e, 1]
    for m in range(2, table.shape[0]):
        c, s, c_next, s_next = table[m - 1, 0], table[m - 1, 1], table[m, 0], table[m, 1]
        for i in range(n):
            c_next[i] = c[i] * cos[i] - s[i] * sin[i]
            s_next[i] = s[i] * cos[i] + c[i] * sin[i]


@njit(inline="always")
def _factors(
    e0: int,
    n: int,
    edge: Int32,
    scalars: Real,
    post: Real,
    post_flip: Signs,
    sign: Any,
    terms: Int64,
    table: Real,
    factors: Real,
) -> None:
    """factors[τ, b, i] = τ(e0 + i) scalars[e0 + i, b]; factors [terms + 1, B, >= n]."""
    if post.shape[0] > 0:
        _powers(post, e0, n, edge, sign, table)
    n_scalars = scalars.shape[1]
    for b in range(n_scalars):
        scalar = factors[terms.shape[0], b]
        for i in range(n):
            scalar[i] = scalars[edge[e0 + i] if edge.shape[0] > 0 else e0 + i, b]
        for t in range(terms.shape[0]):
            factor, angular = factors[t, b], table[terms[t, 0], terms[t, 1]]
            if terms[t, 0] == 0:
                for i in range(n):
                    factor[i] = scalar[i]
            else:
                for i in range(n):
                    factor[i] = scalar[i] * angular[i]
            if terms[t, 2] == 1:
                for i in range(n):
                    factor[i] *= post_flip[edge[e0 + i] if edge.shape[0] > 0 else e0 + i]


@njit(inline="always")
def _transport(
    x: Real, at: int, out: Real, start: int, blocks: Int64, table: Real, i: int, rotated: bool, flip: Any, one: Any
) -> None:
    """out[start:] = Pre x[at:]: rotate and reflect the columns of one source."""
    for k in range(blocks.shape[0]):
        order, parity, dim, m, column = blocks[k, 0], blocks[k, 1], blocks[k, 2], blocks[k, 3], blocks[k, 4]
        c, s = one, one - one
        if rotated and order > 0:
            c, s = table[order, 0, i], table[order, 1, i]
        if dim == 1:
            scale(m, x, at + column, out, start + column, c * flip if parity == 1 else c)
        else:
            mix(m, x, at + column, at + column + m, out, start + column, c, -s * flip)
            mix(m, x, at + column, at + column + m, out, start + column + m, s, c * flip)


@njit(inline="always")
def _aggregate(
    p0: int,
    p1: int,
    lanes: int,
    x: Real,
    c_in: int,
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
    batch: int,
    padded: int,
    transported: Real,
    factors: Real,
    table: Real,
    sums: Real,
) -> None:
    """sums[p - p0, τ, b, :] = Σ_e τ(e) scalars[e, b] Pre_e x[source_e]: itself a small product, factors · transported.

    τ runs over `terms` (order, 0 cos or 1 sin, 1 if times post_flip), then over `extra`, sums of two of those before.
    Edges go by in windows, those of one target in batches; however they are cut, they are summed in their order.
    """
    n_scalars, one = scalars.shape[1], sign * sign
    n_rows = terms.shape[0] * n_scalars
    wide = (terms.shape[0] + extra.shape[0]) * n_scalars * padded
    flat_factors = factors.reshape(-1)
    for p in range(p0, p1):
        if row_ptr[p] == row_ptr[p + 1]:
            sums[(p - p0) * wide : (p - p0) * wide + n_rows * padded] = 0
    p = p0
    for e0 in range(row_ptr[p0], row_ptr[p1], WINDOW):
        e1 = min(e0 + WINDOW, int(row_ptr[p1]))
        _factors(e0, e1 - e0, edge, scalars, post, post_flip, sign, terms, table, factors)
        if pre.shape[0] > 0:
            _powers(pre, e0, e1 - e0, edge, sign, table)
        while p < p1 and row_ptr[p] < e1:
            first, stop = max(e0, int(row_ptr[p])), min(e1, int(row_ptr[p + 1]))
            for start in range(first, stop, batch):
                count = min(batch, stop - start)
                for k in range(start, start + count):
                    flip = one
                    if pre_flip.shape[0] > 0:
                        flip = one * pre_flip[edge[k] if edge.shape[0] > 0 else k]
                    _transport(
                        x,
                        source[k] * c_in,
                        transported,
                        (k - start) * padded,
                        blocks,
                        table,
                        k - e0,
                        pre.shape[0] > 0,
                        flip,
                        one,
                    )
                product(
                    n_rows,
                    padded // lanes,
                    lanes,
                    count,
                    flat_factors,
                    start - e0,
                    factors.shape[2],
                    UNIT,
                    transported,
                    NONE,
                    padded,
                    sums,
                    (p - p0) * wide,
                    padded,
                    start > row_ptr[p],
                )
            if row_ptr[p + 1] > e1:
                break
            p += 1
    size = n_scalars * padded
    for p in range(p1 - p0):
        for k in range(extra.shape[0]):
            to = p * wide + (terms.shape[0] + k) * size
            mix(size, sums, p * wide + extra[k, 0] * size, p * wide + extra[k, 1] * size, sums, to, one, one)


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
    out: Real,
    c_out: int,
) -> None:
    """out[p0 + p] for p < n: the products of one chunk of sums, their columns copied or added into place."""
    one = out.dtype.type(1)
    for q in range(products.shape[0]):
        a0, inner, w0, columns, before = products[q]
        for k0 in range(0, inner, _INNER):
            product(
                n,
                columns // lanes,
                lanes,
                min(_INNER, inner - k0),
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
            o = (p0 + p) * c_out + to
            if q2 < 0:
                scale(width, contracted, at + p * products[q, 3], out, o, one)
            else:
                mix(width, contracted, at + p * products[q, 3], at2 + p * products[q2, 3], out, o, one, one)


@njit(inline="always")
def _outer(
    p0: int,
    n: int,
    chunk: int,
    lanes: int,
    wide: int,
    sums: Real,
    grad: Real,
    c_out: int,
    products: Int64,
    gather: Int64,
    gathered: Real,
    weight_grad: Real,
) -> None:
    """weight_grad += sumsᵀ grad[p0 : p0 + n] of one chunk, in the packed layout of the weight."""
    one = grad.dtype.type(1)
    for r in range(gather.shape[0]):
        q, column, width, g, g2 = gather[r]
        at = chunk * products[q, 4] + column
        for p in range(n):
            row = (p0 + p) * c_out
            if g2 < 0:
                scale(width, grad, row + g, gathered, at + p * products[q, 3], one)
            else:
                mix(width, grad, row + g, row + g2, gathered, at + p * products[q, 3], one, one)
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
            n > 0,
        )


def with_tiles_in_its_name(loop: Callable[..., None]) -> Callable[..., None]:
    """Names what numba keeps on disk for `loop` after the content of `_tiles.py` too: by itself, numba compiles anew
    where the file of a function changes, and not where that of a function that it calls does."""
    digest = hashlib.sha256(Path(__file__).with_name("_tiles.py").read_bytes()).hexdigest()
    loop.__qualname__ += f"_{digest[:12]}"
    return loop


@njit(cache=True, nogil=True)
@with_tiles_in_its_name
def run_range(
    start: int,
    stop: int,
    chunk: int,
    lanes: int,
    x: Real,
    c_in: int,
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
    batch: int,
    padded: int,
    c_out: int,
    factors: Real,
    table: Real,
    scratch: Real,
    weight: Real,
    out: Real,
    grad: Real,
    weight_grad: Real,
) -> None:
    """Targets start .. stop - 1: aggregate a chunk, then use it for the result, the weight gradient, or both.

    An empty `out` or `weight_grad` (and `weight`, `grad` with it) is left alone.
    products [·, 5]: offset in a row of sums, inner dimension, offset in `weight`, columns (a multiple of `lanes`),
    columns of the products before. scatter [·, 6]: column of the result, width, then product and column of one or two
    contributions (second product -1: none). gather [·, 5]: product, its column, width, then one or two columns of
    `grad` to add (second -1: none).
    """
    wide = (terms.shape[0] + extra.shape[0]) * scalars.shape[1] * padded
    transported = scratch[: batch * padded]
    sums = scratch[batch * padded : batch * padded + chunk * wide]
    columns = scratch[batch * padded + chunk * wide :]
    gathered = columns[columns.shape[0] // 2 :]
    transported[:] = 0
    gathered[:] = 0
    for p0 in range(start, stop, chunk):
        p1 = min(p0 + chunk, stop)
        _aggregate(
            p0,
            p1,
            lanes,
            x,
            c_in,
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
            batch,
            padded,
            transported,
            factors,
            table,
            sums,
        )
        if out.shape[0] > 0:
            _contract(p0, p1 - p0, chunk, lanes, wide, sums, weight, products, scatter, columns, out, c_out)
        if weight_grad.shape[0] > 0:
            _outer(p0, p1 - p0, chunk, lanes, wide, sums, grad, c_out, products, gather, gathered, weight_grad)
