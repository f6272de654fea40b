"""Inner products with rows as they are stored: a small matrix product that needs no layout of its own.

A tile of sums walks along both rows in vectors and adds up each vector at the end, by halves; every sum is taken in the
same order whatever the tile, so results do not depend on how the rows were cut.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from gaugenet.kernels._tiles import _FEW_REGISTERS, _Code, _data

LEFT, RIGHT = (2 if _FEW_REGISTERS else 4), 4
"""Rows of a tile on both sides, at most: their product and their sum must fit into the registers."""
_NEAR = 48
"""Left rows per pass over the right ones, so that they stay in the second-level cache."""


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
) -> Any:
    integer = types.intp
    signature = types.void(*(integer,) * 4, x, *(integer,) * 3, w, *(integer,) * 3, o, integer, integer)

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
    _, _, parts, k, _, x0, x_row, x_part, _, w0, w_row, w_part, _, o0, o_row = args
    for row in sums:
        for place in row:
            builder.store(ir.Constant(code.vector, None), place)
    start, one, width = code.const(0), code.const(1), code.const(code.vector.count)
    with cgutils.for_range_slice(builder, start, parts, one, code.index) as (part, _):
        x_at, w_at = (builder.add(a, builder.mul(part, step)) for a, step in ((x0, x_part), (w0, w_part)))
        x_rows = [builder.add(x_at, builder.mul(x_row, code.const(i))) for i in range(len(sums))]
        w_rows = [builder.add(w_at, builder.mul(w_row, code.const(j))) for j in range(len(sums[0]))]
        with cgutils.for_range_slice(builder, start, k, width, code.index) as (c, _):
            right = [code.load(bases[8], builder.add(at, c)) for at in w_rows]
            for at, row in zip(x_rows, sums):
                left = code.load(bases[4], builder.add(at, c))
                for place, other in zip(row, right):
                    builder.store(code.multiply_add(left, other, builder.load(place, typ=code.vector)), place)
    for i, row in enumerate(sums):
        for j, place in enumerate(row):
            at = builder.add(builder.add(o0, builder.mul(o_row, code.const(i))), code.const(j))
            builder.store(_total(code, builder.load(place, typ=code.vector)), code.address(bases[12], at))


def _total(code: _Code, vector: Any) -> Any:
    """The sum of a vector: halves are added until one number is left."""
    n = code.vector.count
    while n > 1:
        n //= 2
        halves = [ir.Constant(ir.VectorType(ir.IntType(32), n), list(range(at, at + n))) for at in (0, n)]
        low, high = (code.builder.shuffle_vector(vector, ir.Constant(vector.type, ir.Undefined), h) for h in halves)
        vector = code.builder.fadd(low, high)
    return code.builder.extract_element(vector, ir.Constant(ir.IntType(32), 0))


# numba's own types describe the typing function above, not what compiled code calls
_tile: Any = intrinsic(_typed_tile)


@njit(cache=True, nogil=True)
def dots(n, m, parts, k, x, x0, x_row, x_part, w, w0, w_row, w_part, o, o0, o_row):  # type: ignore[no-untyped-def]
    """o[i, j] = Σ_p Σ_κ x[i, p, κ] w[j, p, κ] for i < n, j < m, p < parts, κ < k, whole vectors of them, on flat arrays
    with an offset and strides each."""
    for near in range(0, n, _NEAR):
        stop = min(near + _NEAR, n)
        for j in range(0, m, RIGHT):
            for i in range(near, stop, LEFT):
                _tile(
                    min(LEFT, stop - i),
                    min(RIGHT, m - j),
                    parts,
                    k,
                    x,
                    x0 + i * x_row,
                    x_row,
                    x_part,
                    w,
                    w0 + j * w_row,
                    w_row,
                    w_part,
                    o,
                    o0 + i * o_row + j,
                    o_row,
                )
