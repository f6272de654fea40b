"""The weight in the layout that the CPU loops read, and back: `pack` and `unpack` of a plan, in numba.

A weight [B, C_out, C_in] is flat here, with its three strides, so that a transposed one needs no copy. Each row of
`parts` is some rows of the weight with a sign, and where they stand: place of the first number, columns of its matrix,
first row, number of rows, sign, and two marks: 1 where an earlier part stands in the same place, and 1 where an earlier
one has the same rows. The b-th matrix of a part has `padded` rows, of which the first `c_in` are used.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba import njit, types
from numba.extending import intrinsic

from gaugenet.kernels._kept_loops import named_after
from gaugenet.kernels._tiles import VECTOR_BYTES, _Code, _data
from gaugenet.kernels._windows import Int64, Real


def _typed_turned(
    typing: Any, x: Any, x0: Any, x_row: Any, o: Any, o0: Any, o_row: Any, factor: Any, again: Any
) -> Any:
    """o[o0 + i o_row + j] = factor · x[x0 + j x_row + i], or += where `again`, for i, j < lanes, on flat arrays.

    In registers: for s = 1, 2, 4, .. the s-th bits of row and column trade places."""
    integer = types.intp
    signature = types.void(x, integer, integer, o, integer, integer, x.dtype, integer)

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        code = _Code(context, builder, x.dtype)
        n = code.vector.count
        _, x0_, x_row_, _, o0_, o_row_, factor_, again_ = args
        x_, o_ = _data(context, builder, sig.args[0], args[0]), _data(context, builder, sig.args[3], args[3])
        rows = [code.load(x_, builder.add(x0_, builder.mul(code.const(j), x_row_))) for j in range(n)]
        for s in (1 << bit for bit in range(n.bit_length() - 1)):
            low = [n + c - s if c & s else c for c in range(n)]
            high = [n + c if c & s else c + s for c in range(n)]
            masks = [ir.Constant(ir.VectorType(ir.IntType(32), n), mask) for mask in (low, high)]
            for r in (r for r in range(n) if not r & s):
                pair = rows[r], rows[r + s]
                rows[r], rows[r + s] = (builder.shuffle_vector(*pair, mask) for mask in masks)
        wide = code.broadcast(factor_)
        places = [builder.add(o0_, builder.mul(code.const(i), o_row_)) for i in range(n)]
        with builder.if_else(builder.icmp_signed("!=", again_, code.const(0))) as (added, set_):
            with added:
                for row, place in zip(rows, places):
                    code.store(code.multiply_add(wide, row, code.load(o_, place)), o_, place)
            with set_:
                for row, place in zip(rows, places):
                    code.store(builder.fmul(wide, row), o_, place)
        return context.get_dummy_value()

    return signature, emit


# numba's own types describe the typing function above, not what compiled code calls
_turned: Any = intrinsic(_typed_turned)


@njit(cache=True, nogil=True)
@named_after("_tiles.py", "_windows.py")
def pack(weight: Real, strides: Int64, n_scalars: int, c_in: int, padded: int, parts: Int64, packed: Real) -> None:
    """packed = the sum of all parts; zero elsewhere."""
    by_b, by_row, by_column = strides
    covered = 0
    for r in range(parts.shape[0]):
        covered += (1 - parts[r, 5]) * parts[r, 3]
    if covered * n_scalars * c_in < packed.shape[0]:
        packed[:] = 0
    for r in range(parts.shape[0]):
        to, columns, row, width, sign, again, _ = parts[r]
        factor = packed.dtype.type(sign)
        for b in range(n_scalars):
            at, start = b * by_b + row * by_row, to + b * padded * columns
            _move(weight[at:], by_row, by_column, packed[start:], 1, columns, width, c_in, factor, again)


@njit(cache=True, nogil=True)
@named_after("_tiles.py", "_windows.py")
def unpack(partial: Real, strides: Int64, n_scalars: int, c_in: int, padded: int, parts: Int64, weight: Real) -> None:
    """The transpose of `pack`, of the sum of the rows of `partial` in their order, which the first of them becomes."""
    total = partial[0]
    for k in range(1, partial.shape[0]):
        other = partial[k]
        for j in range(total.shape[0]):
            total[j] += other[j]
    by_b, by_row, by_column = strides
    for r in range(parts.shape[0]):
        to, columns, row, width, sign, _, again = parts[r]
        factor = weight.dtype.type(sign)
        for b in range(n_scalars):
            at, start = b * by_b + row * by_row, to + b * padded * columns
            _move(total[start:], 1, columns, weight[at:], by_row, by_column, width, c_in, factor, again)


@njit(cache=True, nogil=True)
@named_after("_tiles.py", "_windows.py")
def _move(
    x: Real, x_j: int, x_i: int, o: Real, o_j: int, o_i: int, width: int, height: int, factor: Any, again: int
) -> None:
    """o[j o_j + i o_i] = factor · x[j x_j + i x_i], or += where `again`, for j < width and i < height.

    One of o_j and o_i is 1, and so is one of x_j and x_i."""
    if x_j == 1 and o_j == 1:
        for i in range(height):
            _row(x[i * x_i : i * x_i + width], o[i * o_i : i * o_i + width], factor, again)
        return
    # From here on i counts rows of o, and j runs along them.
    if o_j == 1:
        x_row, o_row, n_rows, n = x_j, o_i, height, width
    else:
        x_row, o_row, n_rows, n = x_i, o_j, width, height
    step = VECTOR_BYTES // x.itemsize
    for i0 in range(0, n_rows, step):
        for j0 in range(0, n, step):
            if i0 + step <= n_rows and j0 + step <= n:
                _turned(x, j0 * x_row + i0, x_row, o, i0 * o_row + j0, o_row, factor, again)
            else:
                for i in range(i0, min(i0 + step, n_rows)):
                    for j in range(j0, min(j0 + step, n)):
                        before = o[i * o_row + j] if again else o.dtype.type(0)
                        o[i * o_row + j] = before + factor * x[j * x_row + i]


@njit(cache=True, nogil=True)
@named_after("_tiles.py", "_windows.py")
def _row(x: Real, o: Real, factor: Any, again: int) -> None:
    if again:
        for j in range(o.shape[0]):
            o[j] += factor * x[j]
    else:
        for j in range(o.shape[0]):
            o[j] = factor * x[j]
