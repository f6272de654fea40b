# mypy: ignore-errors
# ruff: noqa: RUF005  (Triton's compiler knows no starred expressions)
"""The kernels themselves. Triton must import; `gaugenet.kernels.dispatch` sees to that.

Written for Triton 3.6 to 3.9 and for its interpreter: every number is cast right after it is loaded (the interpreter
gets arithmetic in bfloat16 wrong), offsets that grow with vertices or edges times columns are int64, None arguments are
constants of the kernel, and no scalar boolean meets a vector of them.
"""

import triton
import triton.language as tl


@triton.jit
def _transport(
    pre_ptr,
    pre_flip_ptr,
    e,
    here,
    rotation,
    PRE_ORDER: tl.constexpr,
    CONJUGATE: tl.constexpr,
    ACC: tl.constexpr,
):
    """(a, b) -> (aa a + ab b, ba a + bb b) of each edge: its rotation by order·alpha after its flip.

    rotation is order, turns, flip_a, flip_b of the channel tile.
    """
    one = tl.full(e.shape, 1, ACC)
    scale_a = one
    scale_b = one
    if pre_flip_ptr is not None:
        flip = tl.load(pre_flip_ptr + e, mask=here, other=0).to(ACC)
        scale_a = tl.where(rotation[2] == 1, flip, one)
        scale_b = tl.where(rotation[3] == 1, flip, one)
    cos = one
    sin = one * 0
    if pre_ptr is not None:
        cos_1 = tl.load(pre_ptr + 2 * e, mask=here, other=0)
        sin_1 = tl.load(pre_ptr + 2 * e + 1, mask=here, other=0)
        if CONJUGATE:
            sin_1 = -sin_1
        cos_m = one
        sin_m = one * 0
        for m in tl.static_range(1, PRE_ORDER + 1):
            cos_next = cos_m * cos_1 - sin_m * sin_1
            sin_m = sin_m * cos_1 + cos_m * sin_1
            cos_m = cos_next
            cos = tl.where(rotation[0] == m, cos_m, cos)
            sin = tl.where(rotation[0] == m, sin_m, sin)
        sin = tl.where(rotation[1] == 1, sin, one * 0)
    return cos * scale_a, -sin * scale_b, sin * scale_a, cos * scale_b


@triton.jit
def _terms(
    post_ptr,
    post_flip_ptr,
    e,
    here,
    TERMS: tl.constexpr,
    POST_ORDER: tl.constexpr,
    CONJUGATE: tl.constexpr,
    ACC: tl.constexpr,
):
    """τ(e) for each code in TERMS, in order."""
    one = tl.full(e.shape, 1, ACC)
    cos_1 = one
    sin_1 = one * 0
    if post_ptr is not None:
        cos_1 = tl.load(post_ptr + 2 * e, mask=here, other=0)
        sin_1 = tl.load(post_ptr + 2 * e + 1, mask=here, other=0)
        if CONJUGATE:
            sin_1 = -sin_1
    flip = one
    if post_flip_ptr is not None:
        flip = tl.load(post_flip_ptr + e, mask=here, other=0).to(ACC)
    cos_m = one
    sin_m = one * 0
    terms = ()
    for code in tl.static_range(4 * POST_ORDER + 4):
        if code % 4 == 0 and code > 0:
            cos_next = cos_m * cos_1 - sin_m * sin_1
            sin_m = sin_m * cos_1 + cos_m * sin_1
            cos_m = cos_next
        if (TERMS >> code) & 1:
            term = cos_m
            if code % 4 == 1 or code % 4 == 2:
                term = sin_m
            if code % 4 >= 2:
                term = term * flip
            terms = terms + (term,)
    return terms


@triton.jit
def load_tile(tiles_ptr, tile, ALIGN: tl.constexpr):
    """Rotation, columns and widths of one channel tile of `gaugenet.kernels._triton_plan`."""
    tile_ptr = tiles_ptr + tile * 8
    rotation = (tl.load(tile_ptr), tl.load(tile_ptr + 1), tl.load(tile_ptr + 2), tl.load(tile_ptr + 3))
    column_a = tl.multiple_of(tl.load(tile_ptr + 4), ALIGN)
    column_b = tl.multiple_of(tl.load(tile_ptr + 5), ALIGN)
    width_a = tl.multiple_of(tl.load(tile_ptr + 6), ALIGN)
    width_b = tl.multiple_of(tl.load(tile_ptr + 7), ALIGN)
    return rotation, column_a, column_b, width_a, width_b


@triton.jit
def load_rows(row_ptr, order_ptr, slot, alive):
    """Target of each slot, its first edge and its number of edges; slots count targets in the order of visiting."""
    p = slot
    if order_ptr is not None:
        p = tl.load(order_ptr + slot, mask=alive, other=0)
    begin = tl.load(row_ptr + p, mask=alive, other=0)
    degree = tl.load(row_ptr + p + 1, mask=alive, other=0) - begin
    return p, begin, degree


@triton.jit
def _program(
    row_ptr,
    order_ptr,
    tiles_ptr,
    first,
    last,
    n_tiles,
    n_scalars,
    ALIGN: tl.constexpr,
    BLOCK_M: tl.constexpr,
    BLOCK_B: tl.constexpr,
):
    """What this program does: its channel tile, first scalar, slots and the edges of their targets."""
    pid = tl.program_id(0)
    rotation, column_a, column_b, width_a, width_b = load_tile(tiles_ptr, pid % n_tiles, ALIGN)
    n_groups = (n_scalars + BLOCK_B - 1) // BLOCK_B
    scalar = (pid // n_tiles % n_groups) * BLOCK_B
    slot = first + (pid // n_tiles // n_groups) * BLOCK_M + tl.arange(0, BLOCK_M)
    _, begin, degree = load_rows(row_ptr, order_ptr, slot, slot < last)
    return rotation, column_a, column_b, width_a, width_b, scalar, slot, begin, degree


@triton.jit
def add_up(
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
    TERMS: tl.constexpr,
    PRE_ORDER: tl.constexpr,
    POST_ORDER: tl.constexpr,
    CONJUGATE: tl.constexpr,
    ALIGN: tl.constexpr,
    BLOCK_M: tl.constexpr,
    BLOCK_C: tl.constexpr,
    BLOCK_B: tl.constexpr,
):
    """Σ_e τ(e) scalars[e, b] Pre_e x[source_e] for BLOCK_M rows, two ranges of BLOCK_C columns, BLOCK_B scalars and all
    TERMS, as a tuple: number 2 (t BLOCK_B + s) is term t with scalar s of the first range, the next one of the second.

    Each is added up in registers, in the order of the edges and in the dtype of `scalars`.
    """
    ACC: tl.constexpr = scalars_ptr.dtype.element_ty
    # a vector, because the interpreter of 3.9 turns a boolean into an integer when it splats it
    left = n_scalars - scalar + tl.full((BLOCK_M,), 0, tl.int32)
    sums = ()
    for code in tl.static_range(4 * POST_ORDER + 4):
        if (TERMS >> code) & 1:
            for _ in tl.static_range(2 * BLOCK_B):
                sums = sums + (tl.full((BLOCK_M, BLOCK_C), 0, ACC),)
    for j in range(0, tl.max(degree, 0)):
        here = j < degree
        e = begin + j
        row = tl.load(source_ptr + e, mask=here, other=0).to(tl.int64) * c_in
        row = tl.multiple_of(row, ALIGN)
        if edge_ptr is not None:
            e = tl.load(edge_ptr + e, mask=here, other=0)
        e = e.to(tl.int64)
        x_row = x_ptr + row[:, None] + c[None, :]
        a = tl.load(x_row + column_a, mask=here[:, None] & in_a[None, :], other=0).to(ACC)
        b = tl.load(x_row + column_b, mask=here[:, None] & in_b[None, :], other=0).to(ACC)
        if pre_ptr is not None or pre_flip_ptr is not None:
            aa, ab, ba, bb = _transport(pre_ptr, pre_flip_ptr, e, here, rotation, PRE_ORDER, CONJUGATE, ACC)
            moved_a = aa[:, None] * a + ab[:, None] * b
            moved_b = ba[:, None] * a + bb[:, None] * b
        else:
            moved_a = a
            moved_b = b
        weights = ()
        for s in tl.static_range(BLOCK_B):
            known = here & (s < left)
            weights = weights + (tl.load(scalars_ptr + e * n_scalars + scalar + s, mask=known, other=0),)
        terms = _terms(post_ptr, post_flip_ptr, e, here, TERMS, POST_ORDER, CONJUGATE, ACC)
        added = ()
        for t in tl.static_range(len(terms)):
            for s in tl.static_range(BLOCK_B):
                factor = (terms[t] * weights[s])[:, None]
                added = added + (sums[len(added)] + factor * moved_a,)
                added = added + (sums[len(added)] + factor * moved_b,)
        sums = added
    return sums


@triton.jit(do_not_specialize=["first", "last"])
def aggregate(
    x_ptr,
    sums_ptr,
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
    first,
    last,
    n_tiles,
    c_in,
    n_scalars,
    TERMS: tl.constexpr,
    PRE_ORDER: tl.constexpr,
    POST_ORDER: tl.constexpr,
    CONJUGATE: tl.constexpr,
    ALIGN: tl.constexpr,
    BLOCK_M: tl.constexpr,
    BLOCK_C: tl.constexpr,
    BLOCK_B: tl.constexpr,
):
    """sums[slot - first, τ, b, :] = Σ_{e in row p} τ(e) scalars[e, b] Pre_e x[source_e], p = order[slot], for
    first <= slot < last.

    One program: BLOCK_M targets, BLOCK_B scalars, one channel tile of `gaugenet.kernels._triton_plan`, all terms. Its
    sums stay in registers, in the dtype of `scalars`, and are written once. Each is added up in the order of the edges.
    """
    rotation, column_a, column_b, width_a, width_b, scalar, slot, begin, degree = _program(
        row_ptr, order_ptr, tiles_ptr, first, last, n_tiles, n_scalars, ALIGN, BLOCK_M, BLOCK_B
    )
    c = tl.arange(0, BLOCK_C)
    in_a = c < width_a
    in_b = c < width_b
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
    left = n_scalars - scalar + tl.full((BLOCK_M,), 0, tl.int32)
    # int64: a chunk of targets times its sums can pass 2^31 where one row is very long
    n_sums: tl.constexpr = len(sums) // 2
    place = tl.multiple_of((slot - first).to(tl.int64) * (n_sums // BLOCK_B * n_scalars * c_in), ALIGN)
    sums_row = sums_ptr + place[:, None] + c[None, :]
    for i in tl.static_range(n_sums):
        known = ((slot < last) & (i % BLOCK_B < left))[:, None]
        offset = tl.multiple_of((i // BLOCK_B * n_scalars + scalar + i % BLOCK_B) * c_in, ALIGN)
        tl.store(sums_row + offset + column_a, sums[2 * i], mask=known & in_a[None, :])
        tl.store(sums_row + offset + column_b, sums[2 * i + 1], mask=known & in_b[None, :])


@triton.jit(do_not_specialize=["first", "last"])
def aggregate_dot(
    x_ptr,
    sums_ptr,
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
    first,
    last,
    n_tiles,
    c_in,
    n_scalars,
    TERMS: tl.constexpr,
    PRE_ORDER: tl.constexpr,
    POST_ORDER: tl.constexpr,
    CONJUGATE: tl.constexpr,
    ALIGN: tl.constexpr,
    BLOCK_M: tl.constexpr,
    BLOCK_C: tl.constexpr,
    BLOCK_B: tl.constexpr,
    BLOCK_K: tl.constexpr,
    ROWS: tl.constexpr,
    N_TERMS: tl.constexpr,
    PRECISION: tl.constexpr,
):
    """The same sums for many edges per target: the scaled terms of BLOCK_K edges, a matrix of ROWS >= N_TERMS · BLOCK_B
    rows, times their transported sources. Never in float64.
    """
    rotation, column_a, column_b, width_a, width_b, scalar, slot, begin, degree = _program(
        row_ptr, order_ptr, tiles_ptr, first, last, n_tiles, n_scalars, ALIGN, BLOCK_M, BLOCK_B
    )
    c = tl.arange(0, BLOCK_C)
    in_a = (c < width_a)[None, None, :]
    in_b = (c < width_b)[None, None, :]
    i = tl.arange(0, ROWS)
    term_of = i // BLOCK_B
    scalar_of = scalar + i % BLOCK_B
    used = (term_of < N_TERMS) & (scalar_of < n_scalars)
    sums_a = tl.full((BLOCK_M, ROWS, BLOCK_C), 0, tl.float32)
    sums_b = tl.full((BLOCK_M, ROWS, BLOCK_C), 0, tl.float32)
    for start in range(0, tl.max(degree, 0), BLOCK_K):
        j = start + tl.arange(0, BLOCK_K)[None, :]
        here = j < degree[:, None]
        e = begin[:, None] + j
        row = tl.load(source_ptr + e, mask=here, other=0).to(tl.int64) * c_in
        row = tl.multiple_of(row, [ALIGN, ALIGN])
        if edge_ptr is not None:
            e = tl.load(edge_ptr + e, mask=here, other=0)
        e = e.to(tl.int64)
        x_row = x_ptr + row[:, :, None] + c[None, None, :]
        a = tl.load(x_row + column_a, mask=here[:, :, None] & in_a, other=0).to(tl.float32)
        b = tl.load(x_row + column_b, mask=here[:, :, None] & in_b, other=0).to(tl.float32)
        moved_a = a
        moved_b = b
        if pre_ptr is not None or pre_flip_ptr is not None:
            aa, ab, ba, bb = _transport(pre_ptr, pre_flip_ptr, e, here, rotation, PRE_ORDER, CONJUGATE, tl.float32)
            moved_a = aa[:, :, None] * a + ab[:, :, None] * b
            moved_b = ba[:, :, None] * a + bb[:, :, None] * b
        terms = _terms(post_ptr, post_flip_ptr, e, here, TERMS, POST_ORDER, CONJUGATE, tl.float32)
        known = here[:, None, :] & used[None, :, None]
        factors = tl.load(scalars_ptr + e[:, None, :] * n_scalars + scalar_of[None, :, None], mask=known, other=0)
        turned = tl.full((BLOCK_M, ROWS, BLOCK_K), 1, tl.float32) * terms[0][:, None, :]
        for t in tl.static_range(1, N_TERMS):
            turned = tl.where((term_of == t)[None, :, None], terms[t][:, None, :], turned)
        factors = factors * turned
        sums_a = tl.dot(factors, moved_a, sums_a, input_precision=PRECISION)
        sums_b = tl.dot(factors, moved_b, sums_b, input_precision=PRECISION)
    place = tl.multiple_of((slot - first).to(tl.int64) * (N_TERMS * n_scalars * c_in), ALIGN)
    offset = tl.multiple_of((term_of * n_scalars + scalar_of) * c_in, ALIGN)
    sums_row = sums_ptr + place[:, None, None] + offset[None, :, None] + c[None, None, :]
    known = (slot < last)[:, None, None] & used[None, :, None]
    tl.store(sums_row + column_a, sums_a, mask=known & in_a)
    tl.store(sums_row + column_b, sums_b, mask=known & in_b)
