"""Inner products with rows as they are stored: a small matrix product that needs no layout of its own.

A tile of sums walks along a piece of both rows in vectors, adds up each vector by halves, and then the pieces in turn;
every sum is taken in the same order whatever the tile, so results do not depend on how the rows were cut.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from gaugenet.kernels._kept_loops import named_after
from gaugenet.kernels._tiles import _FEW_REGISTERS, VECTOR_BYTES, _Code, _data, prefetch

LEFT, RIGHT = (2 if _FEW_REGISTERS else 4), 4
"""Rows of a tile on both sides, at most: their product and their sum must fit into the registers."""
_NEAR = 48
"""Left rows per pass over the right ones, so that they stay in the second-level cache."""
_PIECE = 64
"""Vectors of a piece: those of a tile's rows stay in the first-level cache."""


def _typed_tile(
    typing: Any,
    n: Any,
    m: Any,
    parts: Any,
    k: Any,
    x: Any,
    x0: Any,
    x_row: Any,
    x_part: Any,
    w: Any,
    w0: Any,
    w_row: Any,
    w_part: Any,
    o: Any,
    o0: Any,
    o_row: Any,
    add: Any,
) -> Any:
    """o[i, j] = (o[i, j] if add) + Σ_p Σ_κ x[i, p, κ] w[j, p, κ]"""
    integer = types.intp
    signature = types.void(*(integer,) * 4, x, *(integer,) * 3, w, *(integer,) * 3, o, integer, integer, types.boolean)

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        code = _Code(context, builder, x.dtype)
        bases = {at: _data(context, builder, sig.args[at], args[at]) for at in (4, 8, 12)}
        sums = [[cgutils.alloca_once(builder, code.vector) for _ in range(RIGHT)] for _ in range(LEFT)]  # type: ignore[no-untyped-call]
        done, unknown = (builder.append_basic_block(name) for name in ("done", "unknown"))
        switch = builder.switch(builder.add(builder.mul(args[0], code.const(16)), args[1]), unknown)
        for left in range(1, LEFT + 1):
            for right in range(1, RIGHT + 1):
                block = builder.append_basic_block(f"dots_{left}_{right}")
                switch.add_case(code.const(16 * left + right), block)
                builder.position_at_end(block)
                _emit_tile(code, [row[:right] for row in sums[:left]], args, bases)
                builder.branch(done)
        builder.position_at_end(unknown)
        builder.branch(done)
        builder.position_at_end(done)
        return context.get_dummy_value()

    return signature, emit


def _emit_tile(code: _Code, sums: list[list[Any]], args: Any, bases: dict[int, Any]) -> None:
    builder = code.builder
    _, _, parts, k, _, x0, x_row, x_part, _, w0, w_row, w_part, _, o0, o_row, add = args
    zero, width, right = ir.Constant(code.vector, None), code.const(code.vector.count), len(sums[0])
    for row in sums:
        for place in row:
            builder.store(zero, place)
    start, one = code.const(0), code.const(1)
    with cgutils.for_range_slice(builder, start, parts, one, code.index) as (part, _):
        x_at, w_at = (builder.add(at, builder.mul(part, step)) for at, step in ((x0, x_part), (w0, w_part)))
        x_rows = [builder.add(x_at, builder.mul(x_row, code.const(i))) for i in range(len(sums))]
        w_rows = [builder.add(w_at, builder.mul(w_row, code.const(j))) for j in range(right)]
        with cgutils.for_range_slice(builder, start, k, width, code.index) as (c, _):
            others = [code.load(bases[8], builder.add(at, c)) for at in w_rows]
            for at, row in zip(x_rows, sums):
                left = code.load(bases[4], builder.add(at, c))
                for place, other in zip(row, others):
                    builder.store(code.multiply_add(left, other, builder.load(place, typ=code.vector)), place)
    for i, row in enumerate(sums):
        vectors = [builder.load(place, typ=code.vector) for place in row]
        totals = _totals(code, [*vectors, *[zero] * (RIGHT - right)])
        at = builder.add(o0, builder.mul(o_row, code.const(i)))
        for j in range(right):
            address = code.address(bases[12], builder.add(at, code.const(j)))
            total = builder.extract_element(totals, ir.Constant(ir.IntType(32), j))
            before = builder.select(add, builder.load(address, typ=code.scalar), ir.Constant(code.scalar, 0))
            builder.store(builder.fadd(before, total), address)


def _totals(code: _Code, vectors: list[Any]) -> Any:
    """The sums of `RIGHT` vectors as one: the halves of each are added until one number is left. Halves of several are
    added at once, side by side."""
    width = code.vector.count
    while width > 1 and len(vectors) > 1:
        vectors = [_halved(code, pair, width) for pair in zip(vectors[::2], vectors[1::2])]
        width //= 2
    while len(vectors) > 1:
        every = list(range(2 * vectors[0].type.count))
        vectors = [code.builder.shuffle_vector(*pair, _mask(every)) for pair in zip(vectors[::2], vectors[1::2])]
    while width > 1:
        vectors = [_halved(code, (vectors[0], ir.Constant(vectors[0].type, ir.Undefined)), width, one=True)]
        width //= 2
    return vectors[0]


def _halved(code: _Code, pair: tuple[Any, Any], width: int, one: bool = False) -> Any:
    """Of two vectors, or only of the first, groups of `width` numbers: the first half of each plus the second."""
    groups = range(0, (1 if one else 2) * pair[0].type.count, width)
    low = [start + i for start in groups for i in range(width // 2)]
    first = code.builder.shuffle_vector(*pair, _mask(low))
    return code.builder.fadd(first, code.builder.shuffle_vector(*pair, _mask([at + width // 2 for at in low])))


def _mask(lanes: list[int]) -> ir.Constant:
    return ir.Constant(ir.VectorType(ir.IntType(32), len(lanes)), lanes)


# numba's own types describe the typing function above, not what compiled code calls
_tile: Any = intrinsic(_typed_tile)


@njit(cache=True, nogil=True)
@named_after("_tiles.py")
def dots(n, m, parts, k, x, x0, x_row, x_part, w, w0, w_row, w_part, o, o0, o_row):  # type: ignore[no-untyped-def]
    """o[i, j] = Σ_p Σ_κ x[i, p, κ] w[j, p, κ] for i < n, j < m, p < parts, κ < k, whole vectors of them, on flat arrays
    with an offset and strides each."""
    lanes = VECTOR_BYTES // x.itemsize
    together = max(_PIECE * lanes // k, 1)
    pieces = -(-k // (_PIECE * lanes))
    piece = -(-k // (pieces * lanes)) * lanes
    for near in range(0, n, _NEAR):
        stop = min(near + _NEAR, n)
        for p in range(0, parts, together):
            for k0 in range(0, k, piece):
                some, length = min(together, parts - p), min(piece, k - k0)
                share = -(-length * LEFT // (stop - near))
                for j in range(0, m, RIGHT):
                    for i in range(near, stop, LEFT):
                        if stop - near > LEFT:  # else the rows ahead are as near as these
                            for r in range(j + RIGHT, min(j + 2 * RIGHT, m)):
                                for q in range(p, p + some):
                                    prefetch(w, w0 + r * w_row + q * w_part + k0 + (i - near) // LEFT * share, share)
                        _tile(
                            min(LEFT, stop - i),
                            min(RIGHT, m - j),
                            some,
                            length,
                            x,
                            x0 + i * x_row + p * x_part + k0,
                            x_row,
                            x_part,
                            w,
                            w0 + j * w_row + p * w_part + k0,
                            w_row,
                            w_part,
                            o,
                            o0 + i * o_row + j,
                            o_row,
                            p + k0 > 0,
                        )
