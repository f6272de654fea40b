"""`team`: compiled code on the threads of an OpenMP library, as LLVM code inside numba.

Python has no part in it: a thread that had to wait for the interpreter's lock would sleep, and wake too late.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic


def _typed_team(typing: Any, parallel: Any, threads: Any, loop: Any, arguments: Any) -> Any:
    """loop(*arguments) once in each of `threads` threads; returns when all have.

    parallel: the address of GOMP_parallel; unused for one thread. `loop` is compiled, raises and returns nothing.
    """
    signature = types.void(types.intp, types.intp, loop, arguments)

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        pointer, unsigned = ir.IntType(8).as_pointer(), ir.IntType(32)
        passed = cgutils.alloca_once_value(builder, args[3])  # type: ignore[no-untyped-call]
        body = ir.Function(builder.module, ir.FunctionType(ir.VoidType(), [pointer]), f"{builder.function.name}.body")
        body.linkage = "internal"
        inner = ir.IRBuilder(body.append_basic_block("entry"))
        given = inner.load(inner.bitcast(body.args[0], passed.type), typ=args[3].type)
        inner_signature = types.void(*arguments.types)
        compiled = context.compile_subroutine(builder, loop.dispatcher.py_func, inner_signature)
        values = [inner.extract_value(given, i) for i in range(len(arguments.types))]
        context.call_internal_no_propagate(inner, compiled.fndesc, inner_signature, values)
        inner.ret_void()
        data = builder.bitcast(passed, pointer)
        with builder.if_else(builder.icmp_signed("<", args[1], ir.Constant(args[1].type, 2))) as (alone, together):
            with alone:
                builder.call(body, [data])
            with together:
                kind = ir.FunctionType(ir.VoidType(), [body.type, pointer, unsigned, unsigned])
                call = builder.inttoptr(args[0], kind.as_pointer())
                builder.call(call, [body, data, builder.trunc(args[1], unsigned), ir.Constant(unsigned, 0)])
        return context.get_dummy_value()

    return signature, emit


# numba's own types describe the typing function above, not what compiled code calls
team: Any = intrinsic(_typed_team)
