"""`compiled`: numba's compiler, with a cache on disk that notices changes of everything a function is made of."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from numba import njit

from gaugenet.meshes.code_version import code_version

_log = logging.getLogger(__name__)


def compiled(function: Callable[..., Any]) -> Any:
    """`function` compiled by numba, for threads, and kept on disk where there is a place to keep it.

    By itself numba compiles anew where the file of a function changes, and not where that of a function that it calls
    does, or of a constant; so what it keeps is named after `code_version`.
    """
    function.__qualname__ += f"_{code_version(function.__module__)}"
    try:
        return njit(cache=True, nogil=True)(function)
    except RuntimeError as error:
        # neither beside the source nor in the user's cache folder may anything be written
        _log.info("%s is compiled anew in every process: %s", function.__name__, error)
        return njit(nogil=True)(function)
