"""Register tiles: small matrix products and row operations on vector registers, as LLVM code inside numba.

LLVM does not keep a two-dimensional tile of sums in registers by itself, and torch.mm reaches a third of what a core
can do on the thin matrices of this operator. A tile holds mr × nv vectors of sums while it walks along the inner
dimension once; every sum is taken in the order of that dimension, whatever the tile, so results do not depend on how
the rows were cut.
"""

from __future__ import annotations

from typing import Any

import llvmlite.binding as llvm  # type: ignore[import-untyped]
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

_FEATURES = llvm.get_host_cpu_features()
VECTOR_BYTES = 64 if _FEATURES.get("avx512f") else 32 if _FEATURES.get("avx2") else 16
# Rows of a tile for 1, 2, .. vectors of columns: mr·nv sums, nv vectors of the right factor and one broadcast must fit
# into 32 registers (AVX-512, and Neon with its shorter vectors) or 16 (AVX2, SSE).
_FEW_REGISTERS = VECTOR_BYTES == 32 or (VECTOR_BYTES == 16 and llvm.get_default_triple().startswith("x86"))
MAX_ROWS = (14, 6) if _FEW_REGISTERS else (16, 12)
MAX_VECTORS = len(MAX_ROWS)
FLAGS = ("contract",)


def lanes(itemsize: int) -> int:
    """Numbers in one vector register."""
    return VECTOR_BYTES // itemsize


class _Code:
    """Emits vector code on arrays of one element type."""

    def __init__(self, context: Any, builder: Any, element: Any) -> None:
        self.context, self.builder = context, builder
        self.scalar = context.get_value_type(element)
        self.itemsize = int(element.bitwidth) // 8
        self.vector = ir.VectorType(self.scalar, lanes(self.itemsize))
        self.index = context.get_value_type(types.intp)

    def const(self, value: int) -> ir.Constant:
        return ir.Constant(self.index, value)

    def address(self, base: Any, offset: Any) -> Any:
        return self.builder.gep(base, [offset], source_etype=self.scalar)

    def load(self, base: Any, offset: Any) -> Any:
        pointer = self.builder.bitcast(self.address(base, offset), self.vector.as_pointer())
        return self.builder.load(pointer, align=self.itemsize, typ=self.vector)

    def number(self, base: Any, offset: Any) -> Any:
        return self.builder.load(self.address(base, offset), align=self.itemsize, typ=self.scalar)

    def store(self, value: Any, base: Any, offset: Any) -> None:
        pointer = self.builder.bitcast(self.address(base, offset), self.vector.as_pointer())
        self.builder.store(value, pointer, align=self.itemsize)

    def broadcast(self, value: Any) -> Any:
        one = self.builder.insert_element(ir.Constant(self.vector, ir.Undefined), value, ir.Constant(ir.IntType(32), 0))
        mask = ir.Constant(ir.VectorType(ir.IntType(32), self.vector.count), [0] * self.vector.count)
        return self.builder.shuffle_vector(one, ir.Constant(self.vector, ir.Undefined), mask)

    def multiply_add(self, a: Any, b: Any, c: Any) -> Any:
        return self.builder.fadd(self.builder.fmul(a, b, flags=FLAGS), c, flags=FLAGS)


def _data(context: Any, builder: Any, array_type: Any, value: Any) -> Any:
    return context.make_array(array_type)(context, builder, value).data


def _typed_tile(
    typing: Any,
    mr: Any,
    nv: Any,
    k: Any,
    a: Any,
    a0: Any,
    a_row: Any,
    a_k: Any,
    w: Any,
    w0: Any,
    w_k: Any,
    o: Any,
    o0: Any,
    o_row: Any,
    accumulate: Any,
) -> Any:
    integer = types.intp
    signature = types.void(
        integer,
        integer,
        integer,
        a,
        integer,
        integer,
        integer,
        w,
        integer,
        integer,
        o,
        integer,
        integer,
        types.boolean,
    )

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        code = _Code(context, builder, a.dtype)
        mr_, nv_, k_, _, a0_, a_row_, a_k_, _, w0_, w_k_, _, o0_, o_row_, accumulate_ = args
        bases = [_data(context, builder, sig.args[i], args[i]) for i in (3, 7, 10)]
        done = builder.append_basic_block("done")
        unknown = builder.append_basic_block("unknown")
        switch = builder.switch(builder.add(builder.mul(nv_, code.const(64)), mr_), unknown)
        for n_vectors, rows in enumerate(MAX_ROWS, 1):
            for n_rows in range(1, rows + 1):
                block = builder.append_basic_block(f"tile_{n_rows}_{n_vectors}")
                switch.add_case(code.const(n_vectors * 64 + n_rows), block)
                builder.position_at_end(block)
                _emit_tile(
                    code,
                    n_rows,
                    n_vectors,
                    k_,
                    bases[0],
                    a0_,
                    a_row_,
                    a_k_,
                    bases[1],
                    w0_,
                    w_k_,
                    bases[2],
                    o0_,
                    o_row_,
                    accumulate_,
                )
                builder.branch(done)
        builder.position_at_end(unknown)
        builder.branch(done)
        builder.position_at_end(done)
        return context.get_dummy_value()

    return signature, emit


def _emit_tile(
    code: _Code,
    mr: int,
    nv: int,
    k: Any,
    a: Any,
    a0: Any,
    a_row: Any,
    a_k: Any,
    w: Any,
    w0: Any,
    w_k: Any,
    o: Any,
    o0: Any,
    o_row: Any,
    accumulate: Any,
) -> None:
    builder = code.builder
    column = [code.const(j * code.vector.count) for j in range(nv)]
    out = [builder.add(o0, builder.mul(o_row, code.const(i))) for i in range(mr)]
    a_offset = [builder.mul(a_row, code.const(i)) for i in range(mr)]
    zero = ir.Constant(code.vector, None)
    start = builder.block
    with builder.if_then(accumulate):
        loaded = [[code.load(o, builder.add(out[i], column[j])) for j in range(nv)] for i in range(mr)]
        loading = builder.block
    first = [[builder.phi(code.vector) for _ in range(nv)] for _ in range(mr)]
    for i in range(mr):
        for j in range(nv):
            first[i][j].add_incoming(zero, start)
            first[i][j].add_incoming(loaded[i][j], loading)
    before = builder.block
    head, body, end = (builder.append_basic_block(name) for name in ("head", "body", "end"))
    builder.branch(head)
    builder.position_at_end(head)
    step = builder.phi(code.index)
    a_at, w_at = builder.phi(code.index), builder.phi(code.index)
    sums = [[builder.phi(code.vector) for _ in range(nv)] for _ in range(mr)]
    builder.cbranch(builder.icmp_signed("<", step, k), body, end)
    builder.position_at_end(body)
    right = [code.load(w, builder.add(w_at, column[j])) for j in range(nv)]
    updated = []
    for i in range(mr):
        left = builder.load(code.address(a, builder.add(a_at, a_offset[i])), align=code.itemsize, typ=code.scalar)
        left = code.broadcast(left)
        updated.append([code.multiply_add(left, right[j], sums[i][j]) for j in range(nv)])
    for phi, init, value in (
        (step, code.const(0), builder.add(step, code.const(1))),
        (a_at, a0, builder.add(a_at, a_k)),
        (w_at, w0, builder.add(w_at, w_k)),
    ):
        phi.add_incoming(init, before)
        phi.add_incoming(value, builder.block)
    for i in range(mr):
        for j in range(nv):
            sums[i][j].add_incoming(first[i][j], before)
            sums[i][j].add_incoming(updated[i][j], builder.block)
    builder.branch(head)
    builder.position_at_end(end)
    for i in range(mr):
        for j in range(nv):
            code.store(sums[i][j], o, builder.add(out[i], column[j]))


def _typed_mix(typing: Any, n: Any, x: Any, x0: Any, x1: Any, o: Any, o0: Any, a: Any, b: Any) -> Any:
    """o[o0 + c] = a x[x0 + c] + b x[x1 + c] for c < n, on flat arrays."""
    integer = types.intp
    signature = types.void(integer, x, integer, integer, o, integer, x.dtype, x.dtype)

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        code = _Code(context, builder, x.dtype)
        n_, _, x0_, x1_, _, o0_, a_, b_ = args
        x_, o_ = _data(context, builder, sig.args[1], args[1]), _data(context, builder, sig.args[4], args[4])
        va, vb, width = code.broadcast(a_), code.broadcast(b_), code.const(code.vector.count)
        full = builder.mul(builder.sdiv(n_, width), width)
        with cgutils.for_range_slice(builder, code.const(0), full, width, code.index) as (c, _):
            left, right = code.load(x_, builder.add(x0_, c)), code.load(x_, builder.add(x1_, c))
            value = code.multiply_add(va, left, builder.fmul(vb, right, flags=FLAGS))
            code.store(value, o_, builder.add(o0_, c))
        with cgutils.for_range_slice(builder, full, n_, code.const(1), code.index) as (c, _):
            left = builder.load(code.address(x_, builder.add(x0_, c)), typ=code.scalar)
            right = builder.load(code.address(x_, builder.add(x1_, c)), typ=code.scalar)
            value = code.multiply_add(a_, left, builder.fmul(b_, right, flags=FLAGS))
            builder.store(value, code.address(o_, builder.add(o0_, c)))
        return context.get_dummy_value()

    return signature, emit


def _typed_prefetch(typing: Any, x: Any, first: Any, n: Any) -> Any:
    """Ask for n numbers from row `first` of x on (its first-th number where it is flat) to be in the second-level cache
    soon. It reads nothing, so x may be shorter."""
    signature = types.void(x, types.intp, types.intp)

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        code = _Code(context, builder, x.dtype)
        array = context.make_array(x)(context, builder, args[0])
        start = args[1]
        if x.ndim == 2:
            start = builder.mul(start, builder.extract_value(array.shape, 1))
        pointer, flag = ir.IntType(8).as_pointer(), ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [pointer, flag, flag, flag])
        ask = builder.module.declare_intrinsic("llvm.prefetch", (pointer,), kind)
        line = code.const(64 // code.itemsize)
        with cgutils.for_range_slice(builder, code.const(0), args[2], line, code.index) as (i, _):
            address = builder.bitcast(code.address(array.data, builder.add(start, i)), pointer)
            builder.call(ask, [address, *(ir.Constant(flag, value) for value in (0, 2, 1))])
        return context.get_dummy_value()

    return signature, emit


def _typed_claim(typing: Any, counter: Any, at: Any) -> Any:
    """Takes counter[at] and adds one to it, at once for all threads."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        code = _Code(context, builder, counter.dtype)
        where = code.address(_data(context, builder, counter, args[0]), args[1])
        return builder.atomic_rmw("add", where, code.const(1), "monotonic")

    return types.intp(counter, types.intp), emit


def _typed_scale(typing: Any, n: Any, x: Any, x0: Any, o: Any, o0: Any, a: Any) -> Any:
    """o[o0 + c] = a x[x0 + c] for c < n, on flat arrays."""
    integer = types.intp
    signature = types.void(integer, x, integer, o, integer, x.dtype)

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        code = _Code(context, builder, x.dtype)
        n_, _, x0_, _, o0_, a_ = args
        x_, o_ = _data(context, builder, sig.args[1], args[1]), _data(context, builder, sig.args[3], args[3])
        va, width = code.broadcast(a_), code.const(code.vector.count)
        full = builder.mul(builder.sdiv(n_, width), width)
        with cgutils.for_range_slice(builder, code.const(0), full, width, code.index) as (c, _):
            code.store(builder.fmul(va, code.load(x_, builder.add(x0_, c))), o_, builder.add(o0_, c))
        with cgutils.for_range_slice(builder, full, n_, code.const(1), code.index) as (c, _):
            value = builder.load(code.address(x_, builder.add(x0_, c)), typ=code.scalar)
            builder.store(builder.fmul(a_, value), code.address(o_, builder.add(o0_, c)))
        return context.get_dummy_value()

    return signature, emit


# numba's own types describe the typing function above, not what compiled code calls
_tile: Any = intrinsic(_typed_tile)
mix: Any = intrinsic(_typed_mix)
scale: Any = intrinsic(_typed_scale)
prefetch: Any = intrinsic(_typed_prefetch)
claim: Any = intrinsic(_typed_claim)


@njit(cache=True, nogil=True)
def product(m, n_vectors, lanes, k, a, a0, a_row, a_k, w, w0, w_k, o, o0, o_row, accumulate):  # type: ignore[no-untyped-def]
    """o[i, j] = (o[i, j] if accumulate) + Σ_κ a[i, κ] w[κ, j], on flat arrays with an offset and strides each.

    The m rows are cut into tiles of nearly equal height; columns are `n_vectors` · `lanes`.
    """
    j = 0
    while j < n_vectors:
        nv = min(MAX_VECTORS, n_vectors - j)
        if n_vectors - j == MAX_VECTORS + 1:
            nv = (MAX_VECTORS + 2) // 2
        parts = (m + MAX_ROWS[nv - 1] - 1) // MAX_ROWS[nv - 1]
        i = 0
        for part in range(parts):
            mr = (m - i + parts - part - 1) // (parts - part)
            _tile(
                mr,
                nv,
                k,
                a,
                a0 + i * a_row,
                a_row,
                a_k,
                w,
                w0 + j * lanes,
                w_k,
                o,
                o0 + i * o_row + j * lanes,
                o_row,
                accumulate,
            )
            i += mr
        j += nv
