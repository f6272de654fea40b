# mypy: ignore-errors
# ruff: noqa: RUF005  (Triton's compiler knows no starred expressions)
"""Kernels that contract the sums while they are in registers; see `gaugenet.kernels._triton_kernels` for the rules.

Both take some *pieces* of the contraction (`gaugenet.kernels._triton_fused`): piece i is the block of out columns that
PIECES[3 i : 3 i + 3] = (its first term among TERMS, its number of terms, its width in registers) and five numbers in
memory describe: first packed number of its matrix, columns of that matrix, first column in it, columns, first column
of the result.
"""

import triton
import triton.language as tl

from gaugenet.kernels._triton_kernels import add_up, load_rows, load_tile


@triton.jit
def _piece(pieces_ptr, i, ALIGN_N: tl.constexpr):
    start = tl.multiple_of(tl.load(pieces_ptr + 5 * i), ALIGN_N)
    stride = tl.multiple_of(tl.load(pieces_ptr + 5 * i + 1), ALIGN_N)
    column = tl.multiple_of(tl.load(pieces_ptr + 5 * i + 2), ALIGN_N)
    width = tl.multiple_of(tl.load(pieces_ptr + 5 * i + 3), ALIGN_N)
    out = tl.multiple_of(tl.load(pieces_ptr + 5 * i + 4), ALIGN_N)
    return start + column, stride, width, out


@triton.jit
def fused(
    x_ptr,
    packed_ptr,
    out_ptr,
    order_ptr,
    row_ptr,
    source_ptr,
    edge_ptr,
    scalars_ptr,
    pre_ptr,
    pre_flip_ptr,
    post_ptr,
    post_flip_ptr,
    tiles_ptr,
    pieces_ptr,
    n_target,
    n_tiles,
    c_in,
    c_out,
    n_scalars,
    TERMS: tl.constexpr,
    PIECES: tl.constexpr,
    PRE_ORDER: tl.constexpr,
    POST_ORDER: tl.constexpr,
    CONJUGATE: tl.constexpr,
    ALIGN: tl.constexpr,
    ALIGN_N: tl.constexpr,
    BLOCK_M: tl.constexpr,
    BLOCK_C: tl.constexpr,
    BLOCK_B: tl.constexpr,
    PRECISION: tl.constexpr,
):
    """out[p, columns] = Σ_{τ, b, c} A[p, τ, b, c] matrix[(τ, b, c), columns] for the pieces given; A is never stored.

    One program: BLOCK_M targets, all channel tiles one after the other. Never in float64.
    """
    slot = tl.program_id(0) * BLOCK_M + tl.arange(0, BLOCK_M)
    alive = slot < n_target
    p, begin, degree = load_rows(row_ptr, order_ptr, slot, alive)
    c = tl.arange(0, BLOCK_C)
    results = ()
    for i in tl.static_range(len(PIECES) // 3):
        results = results + (tl.full((BLOCK_M, PIECES[3 * i + 2]), 0, tl.float32),)
    for tile in range(0, n_tiles):
        rotation, column_a, column_b, width_a, width_b = load_tile(tiles_ptr, tile, ALIGN)
        in_a = c < width_a
        in_b = c < width_b
        for scalar in range(0, n_scalars, BLOCK_B):
            sums = add_up(
                x_ptr,
                source_ptr,
                edge_ptr,
                scalars_ptr,
                pre_ptr,
                pre_flip_ptr,
                post_ptr,
                post_flip_ptr,
                rotation,
                column_a,
                column_b,
                in_a,
                in_b,
                c,
                scalar,
                begin,
                degree,
                c_in,
                n_scalars,
                TERMS,
                PRE_ORDER,
                POST_ORDER,
                CONJUGATE,
                ALIGN,
                BLOCK_M,
                BLOCK_C,
                BLOCK_B,
            )
            left = n_scalars - scalar + tl.full((BLOCK_C,), 0, tl.int32)
            contracted = ()
            for i in tl.static_range(len(PIECES) // 3):
                start, stride, width, _out = _piece(pieces_ptr, i, ALIGN_N)
                n = tl.arange(0, PIECES[3 * i + 2])
                inside = (n < width)[None, :]
                total = results[i]
                for j in tl.static_range(PIECES[3 * i + 1] * BLOCK_B):
                    known = j % BLOCK_B < left
                    first = (j // BLOCK_B * n_scalars + scalar + j % BLOCK_B) * c_in
                    rows = packed_ptr + start + first * stride + n[None, :]
                    for half in tl.static_range(2):
                        here = known & in_a if half == 0 else known & in_b
                        row = c + column_a if half == 0 else c + column_b
                        matrix = tl.load(rows + row[:, None] * stride, mask=here[:, None] & inside, other=0)
                        part = sums[2 * (PIECES[3 * i] * BLOCK_B + j) + half]
                        total = tl.dot(part, matrix, total, input_precision=PRECISION)
                contracted = contracted + (total,)
            results = contracted
    # not of c_out, which is a constant of the kernel where it is 1
    out_row = out_ptr + tl.multiple_of(p.to(tl.int64) * c_out, ALIGN_N)[:, None]
    for i in tl.static_range(len(PIECES) // 3):
        _start, _stride, width, out = _piece(pieces_ptr, i, ALIGN_N)
        n = tl.arange(0, PIECES[3 * i + 2])
        value = results[i].to(out_ptr.dtype.element_ty)
        tl.store(out_row + out + n[None, :], value, mask=alive[:, None] & (n < width)[None, :])


@triton.jit
def fused_weight_grad(
    x_ptr,
    grad_ptr,
    partial_ptr,
    order_ptr,
    row_ptr,
    source_ptr,
    edge_ptr,
    scalars_ptr,
    pre_ptr,
    pre_flip_ptr,
    post_ptr,
    post_flip_ptr,
    tiles_ptr,
    pieces_ptr,
    n_target,
    n_tiles,
    c_in,
    c_out,
    n_scalars,
    slice_length,
    packed_size,
    TERMS: tl.constexpr,
    PIECES: tl.constexpr,
    PRE_ORDER: tl.constexpr,
    POST_ORDER: tl.constexpr,
    CONJUGATE: tl.constexpr,
    ALIGN: tl.constexpr,
    ALIGN_N: tl.constexpr,
    BLOCK_M: tl.constexpr,
    BLOCK_C: tl.constexpr,
    BLOCK_B: tl.constexpr,
    PRECISION: tl.constexpr,
):
    """partial[slice, (τ, b, c), columns] = Σ_{p in slice} A[p, τ, b, c] grad[p, columns] for the pieces given.

    One program: the `slice_length` targets of one slice (a multiple of BLOCK_M), BLOCK_B scalars, one channel tile. The
    caller adds the slices up in order.
    """
    pid = tl.program_id(0)
    rotation, column_a, column_b, width_a, width_b = load_tile(tiles_ptr, pid % n_tiles, ALIGN)
    n_groups = (n_scalars + BLOCK_B - 1) // BLOCK_B
    scalar = (pid // n_tiles % n_groups) * BLOCK_B
    which = pid // n_tiles // n_groups
    c = tl.arange(0, BLOCK_C)
    in_a = c < width_a
    in_b = c < width_b
    products = ()
    for i in tl.static_range(len(PIECES) // 3):
        for _copy in tl.static_range(2 * PIECES[3 * i + 1] * BLOCK_B):
            products = products + (tl.full((BLOCK_C, PIECES[3 * i + 2]), 0, tl.float32),)
    for first in range(which * slice_length, min((which + 1) * slice_length, n_target), BLOCK_M):
        slot = first + tl.arange(0, BLOCK_M)
        alive = slot < n_target
        p, begin, degree = load_rows(row_ptr, order_ptr, slot, alive)
        sums = add_up(
            x_ptr,
            source_ptr,
            edge_ptr,
            scalars_ptr,
            pre_ptr,
            pre_flip_ptr,
            post_ptr,
            post_flip_ptr,
            rotation,
            column_a,
            column_b,
            in_a,
            in_b,
            c,
            scalar,
            begin,
            degree,
            c_in,
            n_scalars,
            TERMS,
            PRE_ORDER,
            POST_ORDER,
            CONJUGATE,
            ALIGN,
            BLOCK_M,
            BLOCK_C,
            BLOCK_B,
        )
        used = alive & (degree > 0)  # without edges the gradient may be no number, which sums of 0 do not make one
        grad_row = grad_ptr + tl.multiple_of(p.to(tl.int64) * c_out, ALIGN_N)[:, None]
        added = ()
        for i in tl.static_range(len(PIECES) // 3):
            _start, _stride, width, out = _piece(pieces_ptr, i, ALIGN_N)
            n = tl.arange(0, PIECES[3 * i + 2])
            known = used[:, None] & (n < width)[None, :]
            grad = tl.load(grad_row + out + n[None, :], mask=known, other=0).to(tl.float32)
            for j in tl.static_range(PIECES[3 * i + 1] * BLOCK_B):
                for half in tl.static_range(2):
                    part = tl.trans(sums[2 * (PIECES[3 * i] * BLOCK_B + j) + half])
                    added = added + (tl.dot(part, grad, products[len(added)], input_precision=PRECISION),)
        products = added
    slice_ptr = partial_ptr + which.to(tl.int64) * packed_size
    left = n_scalars - scalar + tl.full((BLOCK_C,), 0, tl.int32)
    written = ()
    for i in tl.static_range(len(PIECES) // 3):
        start, stride, width, _out = _piece(pieces_ptr, i, ALIGN_N)
        n = tl.arange(0, PIECES[3 * i + 2])
        inside = (n < width)[None, :]
        for j in tl.static_range(PIECES[3 * i + 1] * BLOCK_B):
            known = j % BLOCK_B < left
            row = (j // BLOCK_B * n_scalars + scalar + j % BLOCK_B) * c_in
            rows = slice_ptr + start + row * stride + n[None, :]
            at_a = rows + (column_a + c)[:, None] * stride
            at_b = rows + (column_b + c)[:, None] * stride
            tl.store(at_a, products[len(written)], mask=(known & in_a)[:, None] & inside)
            tl.store(at_b, products[len(written) + 1], mask=(known & in_b)[:, None] & inside)
            written = written + (0, 0)
