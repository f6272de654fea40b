"""Threads for compiled loops that share their work by themselves: torch's own where they can be had, else a pool.

torch's threads wait for its next operation awake, for some milliseconds: a second pool fights with them for the same
cores. And threads that sleep are slow to come; there are schedulers that wake them on the core of the one who called,
where they wait for it to be done. So loops run in the OpenMP team that torch itself uses, entered as a compiler would
(GOMP_parallel of GCC's libgomp, which LLVM's and Intel's libraries offer too).
"""

from __future__ import annotations

import ctypes
import functools
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import torch

_process = os.getpid()
"""That imported this. A forked child has none of its threads, and an OpenMP team would wait for them forever."""


def in_parallel(loop: Callable[..., None], threads: int, *arguments: Any) -> None:
    """loop(parallel, threads, \\*arguments) as `gaugenet.kernels._team.team` wants it; or, where there is no OpenMP,
    loop(0, 1, \\*arguments) in that many threads, this one among them. Returns when all are done."""
    parallel = _openmp() if threads > 1 and os.getpid() == _process else 0
    if threads < 2 or parallel:
        loop(parallel, threads, *arguments)
        return
    pool = _pool(os.getpid(), threads - 1)
    others = [pool.submit(loop, 0, 1, *arguments) for _ in range(threads - 1)]
    loop(0, 1, *arguments)
    for other in others:
        other.result()


@functools.cache
def _openmp() -> int:
    """The address of GOMP_parallel in the library that torch is linked to; 0 where there is none."""
    if not torch.backends.openmp.is_available():  # type: ignore[no-untyped-call]
        return 0
    for library in sorted((Path(torch.__file__).parent / "lib").glob("libtorch_cpu.*")):
        try:
            parallel = ctypes.CDLL(str(library)).GOMP_parallel  # looked up in what the library itself is linked to
        except (OSError, AttributeError):
            continue
        return ctypes.cast(parallel, ctypes.c_void_p).value or 0
    return 0


@functools.cache
def _pool(process: int, threads: int) -> ThreadPoolExecutor:
    """Of this process: a forked child inherits the cache, not the threads."""
    return ThreadPoolExecutor(threads, thread_name_prefix="transport_conv")
