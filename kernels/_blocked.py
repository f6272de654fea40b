"""Loops of the CPU implementation (see `gaugenet.kernels._cpu`): a range of targets, a chunk at a time, in numba.

All arrays are flat unless a shape is given; one thread runs one call; nothing here depends on how many there are.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from gaugenet.kernels._tiles import mix, product, scale

Real = NDArray[Any]
Int32 = NDArray[np.int32]
Int64 = NDArray[np.int64]

_INNER = 160
"""Rows of the right factor per pass: together with a panel of columns they stay in the first-level cache."""


@njit(cache=True, nogil=True, inline="always")  # type: ignore[untyped-decorator, unused-ignore]
def _powers(cos_sin: Real, e: int, sign: Any, table: Real) -> None:
    """table[n] = (cos nα, sin nα) for the angle α = sign · that of edge e, by recurrence."""
    c, s = cos_sin[e, 0], sign * cos_sin[e, 1]
    table[1, 0], table[1, 1] = c, s
    for n in range(2, table.shape[0]):
        table[n, 0] = table[n - 1, 0] * c - table[n - 1, 1] * s
        table[n, 1] = table[n - 1, 1] * c + table[n - 1, 0] * s


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator, unused-ignore]
def _transport(
    x: Real, at: int, out: Real, start: int, blocks: Int64, table: Real, rotated: bool, flip: Any, one: Any
) -> None:
    """out[start:] = Pre x[at:]: rotate and reflect the columns of one source."""
    for k in range(blocks.shape[0]):
        order, parity, dim, m, column = blocks[k, 0], blocks[k, 1], blocks[k, 2], blocks[k, 3], blocks[k, 4]
        c, s = one, one - one
        if rotated and order > 0:
            c, s = table[order, 0], table[order, 1]
        if dim == 1:
            scale(m, x, at + column, out, start + column, c * flip if parity == 1 else c)
        else:
            mix(m, x, at + column, at + column + m, out, start + column, c, -s * flip)
            mix(m, x, at + column, at + column + m, out, start + column + m, s, c * flip)


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator, unused-ignore]
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
    pre_flip: NDArray[np.int8],
    post: Real,
    post_flip: NDArray[np.int8],
    sign: Any,
    blocks: Int64,
    terms: Int64,
    transported: Real,
    batch: int,
    padded: int,
    factors: Real,
    table: Real,
    sums: Real,
) -> None:
    """sums[p - p0, τ, b, :] = Σ_e τ(e) scalars[e, b] Pre_e x[source_e]: itself a small product, factorsᵀ · transported.

    τ runs over `terms` (order, 0 cos or 1 sin, 1 if times post_flip). The edges of a target go by in batches.
    """
    n_scalars = scalars.shape[1]
    n_rows = terms.shape[0] * n_scalars
    one = sign * sign
    for p in range(p0, p1):
        first, last = row_ptr[p], row_ptr[p + 1]
        start = first
        while True:
            stop = min(start + batch, last)
            for k in range(start, stop):
                e = edge[k] if edge.shape[0] > 0 else k
                i = k - start
                if post.shape[0] > 0:
                    _powers(post, e, sign, table)
                for t in range(terms.shape[0]):
                    value = one
                    if terms[t, 0] > 0:
                        value = table[terms[t, 0], terms[t, 1]]
                    if terms[t, 2] == 1:
                        value = value * post_flip[e]
                    for b in range(n_scalars):
                        factors[i * n_rows + t * n_scalars + b] = value * scalars[e, b]
                if pre.shape[0] > 0:
                    _powers(pre, e, sign, table)
                flip = one
                if pre_flip.shape[0] > 0:
                    flip = one * pre_flip[e]
                at = np.int64(source[k]) * c_in
                _transport(x, at, transported, i * padded, blocks, table, pre.shape[0] > 0, flip, one)
            product(
                n_rows,
                padded // lanes,
                lanes,
                stop - start,
                factors,
                0,
                1,
                n_rows,
                transported,
                0,
                padded,
                sums,
                (p - p0) * n_rows * padded,
                padded,
                start > first,
            )
            start = stop
            if start >= last:
                break


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator, unused-ignore]
def conv_range(
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
    pre_flip: NDArray[np.int8],
    post: Real,
    post_flip: NDArray[np.int8],
    sign: Any,
    blocks: Int64,
    terms: Int64,
    products: Int64,
    runs: Int64,
    batch: int,
    padded: int,
    scratch: Real,
    table: Real,
    weight: Real,
    out: Real,
    c_out: int,
) -> None:
    """Rows start .. stop - 1 of the result: aggregate a chunk of targets, contract it, and copy the columns out.

    products [·, 4]: offset in a row of sums, inner dimension, offset in `weight`, columns (a multiple of `lanes`).
    runs [·, 4]: product, its column, column of the result, width.
    """
    n_rows = terms.shape[0] * scalars.shape[1]
    wide = n_rows * padded
    transported = scratch[: batch * padded]
    factors = scratch[batch * padded : batch * (padded + n_rows)]
    sums = scratch[batch * (padded + n_rows) : batch * (padded + n_rows) + chunk * wide]
    contracted = scratch[batch * (padded + n_rows) + chunk * wide :]
    transported[:] = 0
    one = sign * sign
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
            transported,
            batch,
            padded,
            factors,
            table,
            sums,
        )
        at = 0
        for q in range(products.shape[0]):
            a0, inner, w0, columns = products[q, 0], products[q, 1], products[q, 2], products[q, 3]
            for k0 in range(0, inner, _INNER):
                product(
                    p1 - p0,
                    columns // lanes,
                    lanes,
                    min(_INNER, inner - k0),
                    sums,
                    a0 + k0,
                    wide,
                    1,
                    weight,
                    w0 + k0 * columns,
                    columns,
                    contracted,
                    at,
                    columns,
                    k0 > 0,
                )
            for r in range(runs.shape[0]):
                if runs[r, 0] == q:
                    for p in range(p0, p1):
                        scale(
                            runs[r, 3],
                            contracted,
                            at + (p - p0) * columns + runs[r, 1],
                            out,
                            p * c_out + runs[r, 2],
                            one,
                        )
            at += chunk * columns


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator, unused-ignore]
def weight_grad_range(
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
    pre_flip: NDArray[np.int8],
    post: Real,
    post_flip: NDArray[np.int8],
    sign: Any,
    blocks: Int64,
    terms: Int64,
    products: Int64,
    runs: Int64,
    batch: int,
    padded: int,
    scratch: Real,
    table: Real,
    weight: Real,
    grad: Real,
    c_out: int,
) -> None:
    """weight += Σ over targets start .. stop - 1 of sumsᵀ grad, in the packed layout of `conv_range`."""
    n_rows = terms.shape[0] * scalars.shape[1]
    wide = n_rows * padded
    transported = scratch[: batch * padded]
    factors = scratch[batch * padded : batch * (padded + n_rows)]
    sums = scratch[batch * (padded + n_rows) : batch * (padded + n_rows) + chunk * wide]
    gathered = scratch[batch * (padded + n_rows) + chunk * wide :]
    transported[:] = 0
    gathered[:] = 0
    one = sign * sign
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
            transported,
            batch,
            padded,
            factors,
            table,
            sums,
        )
        at = 0
        for q in range(products.shape[0]):
            a0, inner, w0, columns = products[q, 0], products[q, 1], products[q, 2], products[q, 3]
            for r in range(runs.shape[0]):
                if runs[r, 0] == q:
                    for p in range(p0, p1):
                        scale(
                            runs[r, 3],
                            grad,
                            p * c_out + runs[r, 2],
                            gathered,
                            at + (p - p0) * columns + runs[r, 1],
                            one,
                        )
            product(
                inner,
                columns // lanes,
                lanes,
                p1 - p0,
                sums,
                a0,
                1,
                wide,
                gathered,
                at,
                columns,
                weight,
                w0,
                columns,
                True,
            )
            at += chunk * columns
