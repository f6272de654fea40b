"""What is compiled is named after all that it is made of, and does without a place to keep it."""

import logging

import numba
import pytest

from gaugenet.meshes import compiled as module
from gaugenet.meshes import edge_distance, log_map
from gaugenet.meshes.code_version import code_version


def test_names_follow_the_files_that_a_function_reaches():
    assert edge_distance.grown.py_func.__qualname__ == f"grown_{code_version('gaugenet.meshes.edge_distance')}"
    name = log_map._map_chunk.py_func.__qualname__
    assert name == f"_map_chunk_{code_version('gaugenet.meshes.log_map')}"
    # constants that are compiled in come from files without any compiled function
    from gaugenet.meshes.code_version import _reached

    assert "gaugenet.meshes.neighborhoods" in _reached("gaugenet.meshes.log_map")


def test_without_a_place_to_keep_it_a_function_is_compiled_all_the_same(monkeypatch, caplog):
    def nowhere(*, cache=False, nogil):
        if cache:
            raise RuntimeError("cannot cache function: no locator available")
        return numba.njit(nogil=nogil)

    monkeypatch.setattr(module, "njit", nowhere)

    def twice(x):
        return 2 * x

    twice.__module__ = "gaugenet.meshes.compiled"
    with caplog.at_level(logging.INFO):
        assert module.compiled(twice)(4) == 8
    assert "no locator" in caplog.text


def test_numba_still_refuses_like_that(monkeypatch):
    namespace = {"__name__": "nowhere"}
    exec(compile("def f(x):\n    return x\n", "<nowhere>", "exec"), namespace)
    with pytest.raises(RuntimeError, match="cannot cache"):
        numba.njit(cache=True)(namespace["f"])
