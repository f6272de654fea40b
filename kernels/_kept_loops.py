"""Names of the compiled loops that numba keeps on disk."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any


def named_after(*files: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Names what numba keeps of a loop on disk after the content of these `files` of this folder, whose functions it
    calls: by itself, numba compiles anew where the file of a function changes, and not where that of a function that it
    calls does."""
    digest = hashlib.sha256(b"".join(Path(__file__).with_name(name).read_bytes() for name in files)).hexdigest()[:12]

    def named(loop: Callable[..., Any]) -> Callable[..., Any]:
        loop.__qualname__ += f"_{digest}"
        return loop

    return named
