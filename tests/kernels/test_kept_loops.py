"""Loops that numba keeps on disk are compiled anew where a file that they call changes."""

import re
from pathlib import Path

import pytest

pytest.importorskip("numba")

from gaugenet.kernels import _blocked, _dots, _edgewise, _kept_loops, _packing

KEPT = [
    (_blocked.run_ranges, ("_slots.py", "_team.py", "_tiles.py", "_windows.py")),
    (
        _edgewise.run_ranges,
        ("_blocked.py", "_dots.py", "_slots.py", "_team.py", "_tiles.py", "_windows.py"),
    ),
    (_dots.dots, ("_tiles.py",)),
    (_packing.pack, ("_tiles.py", "_windows.py")),
    (_packing.unpack, ("_tiles.py", "_windows.py")),
    (_packing._move, ("_tiles.py", "_windows.py")),
    (_packing._row, ("_tiles.py", "_windows.py")),
]


@pytest.mark.parametrize(("loop", "files"), KEPT, ids=[loop.py_func.__name__ for loop, _ in KEPT])
def test_the_name_depends_on_each_file_that_is_called(loop, files, monkeypatch, tmp_path):
    def digest():
        def function():
            pass

        return _kept_loops.named_after(*files)(function).__qualname__.rpartition("_")[2]

    before = digest()
    assert loop.py_func.__qualname__ == f"{loop.py_func.__name__}_{before}"
    folder = Path(_kept_loops.__file__).parent
    monkeypatch.setattr(_kept_loops, "__file__", str(tmp_path / "_kept_loops.py"))
    for changed in files:
        for name in files:
            (tmp_path / name).write_bytes((folder / name).read_bytes())
        assert digest() == before
        (tmp_path / changed).write_text("# another")
        assert digest() != before


def test_every_kept_loop_is_above():
    """But `product`, which calls nothing of another file."""
    found = {
        (file.stem, name)
        for file in Path(_kept_loops.__file__).parent.glob("*.py")
        for name in re.findall(r"@njit\(cache=True.*\n(?:@.*\n)*def (\w+)", file.read_text())
    }
    above = {(loop.py_func.__module__.rpartition(".")[2], loop.py_func.__name__) for loop, _ in KEPT}
    assert found - above == {("_tiles", "product")}
