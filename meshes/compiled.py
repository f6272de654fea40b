"""`compiled`: numba's compiler, with a cache on disk that notices changes of everything compiled here."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from numba import njit

SOURCES = ("edge_distance.py", "fans.py", "log_map.py", "transport.py", "unfolding.py")
"""Files whose compiled functions call each other."""


@functools.cache
def digest(folder: Path = Path(__file__).parent) -> str:
    """Of the content of all `SOURCES`."""
    return hashlib.sha256(b"".join((folder / name).read_bytes() for name in SOURCES)).hexdigest()[:12]


def compiled(function: Callable[..., Any]) -> Any:
    """`function` compiled by numba, for threads, and kept on disk.

    By itself numba compiles anew where the file of a function changes, and not where that of a function that it calls
    does; so what it keeps is named after the content of all `SOURCES`.
    """
    function.__qualname__ += f"_{digest()}"
    return njit(cache=True, nogil=True)(function)
