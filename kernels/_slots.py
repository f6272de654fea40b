"""What the CPU loops do to a window of edges (see `gaugenet.kernels._windows`), as LLVM code inside numba.

One edge is a short piece of work: a few vectors of each block of its source. So a block is taken vector by vector, and
the edges are the inner loop, which has then no loop within.
"""

from __future__ import annotations

from typing import Any

from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from gaugenet.kernels._tiles import FLAGS, _Code, _data


def _typed_turn(
    typing: Any, n: Any, m: Any, x: Any, at: Any, column: Any, o: Any, o_row: Any, c: Any, s: Any, f: Any
) -> Any:
    """o_k[i] = c[k] x_k[i] - s[k] f[k] x_k[m + i] and o_k[m + i] = s[k] x_k[i] + c[k] f[k] x_k[m + i] for i < m, k < n,
    on flat arrays: x_k is x from at[k] + column on, and o_k is o from k o_row + column on."""
    integer = types.intp
    signature = types.void(integer, integer, x, at, integer, o, integer, c, s, f)

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        code = _Code(context, builder, x.dtype)
        m_ = args[1]
        c_, s_, f_ = (_data(context, builder, sig.args[i], args[i]) for i in (7, 8, 9))

        def one(k: Any, x0: Any, o0: Any, load: Any, store: Any, wide: Any) -> None:
            cos, sin, flip = (wide(code.number(row, k)) for row in (c_, s_, f_))
            x1, o1 = builder.add(x0, m_), builder.add(o0, m_)
            left, right = load(x0), builder.fmul(flip, load(x1))
            minus = builder.fneg(builder.fmul(sin, right, flags=FLAGS))
            store(code.multiply_add(cos, left, minus), o0)
            store(code.multiply_add(sin, left, builder.fmul(cos, right, flags=FLAGS)), o1)

        _emit_edges(code, sig, args, one)
        return context.get_dummy_value()

    return signature, emit


def _typed_spread(typing: Any, n: Any, m: Any, x: Any, at: Any, column: Any, o: Any, o_row: Any, c: Any, f: Any) -> Any:
    """o_k[i] = c[k] f[k] x_k[i] for i < m and k < n, in the words of `turn`."""
    integer = types.intp
    signature = types.void(integer, integer, x, at, integer, o, integer, c, f)

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        code = _Code(context, builder, x.dtype)
        c_, f_ = (_data(context, builder, sig.args[i], args[i]) for i in (7, 8))

        def one(k: Any, x0: Any, o0: Any, load: Any, store: Any, wide: Any) -> None:
            factor = builder.fmul(code.number(c_, k), code.number(f_, k))
            store(builder.fmul(wide(factor), load(x0)), o0)

        _emit_edges(code, sig, args, one)
        return context.get_dummy_value()

    return signature, emit


def _emit_edges(code: _Code, sig: Any, args: Any, one: Any) -> None:
    """`one` for every edge and every whole vector of a block, then for every number that is left."""
    context, builder = code.context, code.builder
    n, m, column, o_row = args[0], args[1], args[4], args[6]
    x, at, o = (_data(context, builder, sig.args[i], args[i]) for i in (2, 3, 5))
    width = code.const(code.vector.count)
    full = builder.mul(builder.sdiv(m, width), width)
    vector = (lambda i: code.load(x, i), lambda value, i: code.store(value, o, i), code.broadcast)
    number = (
        lambda i: code.number(x, i),
        lambda value, i: builder.store(value, code.address(o, i)),
        lambda value: value,
    )
    for start, stop, step, how in ((code.const(0), full, width, vector), (full, m, code.const(1), number)):
        with cgutils.for_range_slice(builder, start, stop, step, code.index) as (i, _):
            first = builder.add(column, i)
            with cgutils.for_range_slice(builder, code.const(0), n, code.const(1), code.index) as (k, _):
                begin = builder.load(builder.gep(at, [k], source_etype=code.index), typ=code.index)
                one(k, builder.add(begin, first), builder.add(builder.mul(k, o_row), first), *how)


def _typed_times(typing: Any, n: Any, a: Any, b: Any, o: Any) -> Any:
    """o[k] = a[k] b[k] for k < n, and on to the next whole vector."""
    signature = types.void(types.intp, a, b, o)

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        code = _Code(context, builder, a.dtype)
        a_, b_, o_ = (_data(context, builder, sig.args[i], args[i]) for i in (1, 2, 3))
        width = code.const(code.vector.count)
        with cgutils.for_range_slice(builder, code.const(0), args[0], width, code.index) as (k, _):
            code.store(builder.fmul(code.load(a_, k), code.load(b_, k)), o_, k)
        return context.get_dummy_value()

    return signature, emit


# numba's own types describe the typing function above, not what compiled code calls
turn: Any = intrinsic(_typed_turn)
spread: Any = intrinsic(_typed_spread)
times: Any = intrinsic(_typed_times)
