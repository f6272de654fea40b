"""The cache of compiled functions follows the files that they call into."""

import re
from pathlib import Path

from gaugenet.meshes import compiled, edge_distance


def test_every_file_with_compiled_functions_counts():
    folder = Path(compiled.__file__).parent
    using = {p.name for p in folder.glob("*.py") if re.search(r"^@(compiled|njit)", p.read_text(), re.MULTILINE)}
    assert using == set(compiled.SOURCES)


def test_a_change_in_one_file_is_a_new_name_for_all(tmp_path):
    for name in compiled.SOURCES:
        (tmp_path / name).write_text("")
    before = compiled.digest.__wrapped__(tmp_path)
    (tmp_path / compiled.SOURCES[-1]).write_text("# changed")
    assert compiled.digest.__wrapped__(tmp_path) != before
    assert edge_distance.grown.py_func.__qualname__ == f"grown_{compiled.digest()}"
