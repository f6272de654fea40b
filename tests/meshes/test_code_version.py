"""The version of a computation follows every file that it reaches, and no other."""

import subprocess
import sys

import pytest

from gaugenet.meshes.code_version import code_version

CODE = """
import sys
sys.path.insert(0, sys.argv[1])
from gaugenet.meshes.code_version import code_version
import pack
before = set(sys.modules)
print(code_version("pack.top"))
assert set(sys.modules) == before, "something was imported"
"""

FILES = {
    "pack/__init__.py": "",
    "pack/top.py": "from pack.deep.inner import f\n",
    "pack/deep/__init__.py": "",
    "pack/deep/inner.py": "def f():\n    from pack import late\n    import pack.other\n",
    "pack/late.py": "raise ImportError('never imported')",
    "pack/other.py": "import pack.top",
    "pack/unrelated.py": "",
    "outside.py": "",
}


def version(folder):
    done = subprocess.run([sys.executable, "-c", CODE, str(folder)], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_every_reached_file_counts_and_no_other(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", ":".join(sys.path))
    for name, content in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    first = version(tmp_path)
    assert version(tmp_path) == first
    changed = {}
    for name, content in FILES.items():
        (tmp_path / name).write_text(content + "\n# changed")
        changed[name] = version(tmp_path) != first
        (tmp_path / name).write_text(content)
    assert {name for name, yes in changed.items() if yes} == {
        "pack/__init__.py",
        "pack/top.py",
        "pack/deep/inner.py",
        "pack/late.py",
        "pack/other.py",
    }


def test_the_geometry_is_made_of_what_one_expects():
    from gaugenet.meshes.code_version import _reached

    files = {name.rpartition(".")[2] for name in _reached("gaugenet.meshes.precompute")}
    assert {"precompute", "log_map", "unfolding", "transport", "fans", "frames", "quadrature", "geometry"} <= files
    assert not {"io", "cache", "shapes"} & files
    assert "spectrum" in {name.rpartition(".")[2] for name in _reached("gaugenet.data.features.spec")}


def test_a_module_that_is_not_there_is_refused():
    with pytest.raises(ValueError, match=r"gaugenet\.meshes\.nowhere"):
        code_version("gaugenet.meshes.nowhere")
