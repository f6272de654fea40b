"""The house: one import path, nothing heavy at import, every package in the wheel."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


HEAVY = ("numba", "trimesh", "scipy", "skimage", "matplotlib", "typer", "rich", "potpourri3d", "triton", "igl")


def modules_after(statements: str) -> set[str]:
    """Modules that the statements load on top of torch, in a fresh interpreter; it must stay silent."""
    code = f"import sys, torch; before = set(sys.modules); {statements}; print(*sorted(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stderr == ""
    return set(done.stdout.split())


def test_import_is_light():
    assert not modules_after("import gaugenet").intersection(HEAVY)


def test_every_public_name_is_found_and_no_other():
    import gaugenet

    for name in gaugenet.__all__:
        assert getattr(gaugenet, name).__name__ == name
    assert set(gaugenet.__all__) <= set(dir(gaugenet))
    assert set(gaugenet._HOME) == set(gaugenet.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = gaugenet.nonsense


def test_every_package_is_declared():
    declared = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"])
    found = {
        ".".join(init.parent.relative_to(ROOT).parts)
        for init in (ROOT / "gaugenet").rglob("__init__.py")
        if "__pycache__" not in init.parts
    } | {"gaugenet.kernels", "gaugenet.meshes"}
    assert declared == found


def test_top_level_rooms_are_imported_under_one_name_only():
    loaded = modules_after("import gaugenet.kernels.transport_conv, gaugenet.meshes.geometry")
    assert not {name for name in loaded if name.split(".")[0] in ("kernels", "meshes")}


def test_rooms_do_not_reach_into_each_other():
    for room, forbidden in {"meshes": ("kernels",), "kernels": ("meshes",)}.items():
        for path in (ROOT / room).glob("*.py"):
            for line in path.read_text().splitlines():
                if not line.lstrip().startswith(("import gaugenet", "from gaugenet")):
                    continue
                name = line.split()[1]
                assert name.startswith(f"gaugenet.{room}"), f"{path.name}: {line.strip()}"
                assert not name.startswith(tuple(f"gaugenet.{f}" for f in forbidden))


def test_room_packages_hold_a_docstring_only():
    for room in ("meshes", "kernels"):
        lines = [x for x in (ROOT / room / "__init__.py").read_text().splitlines() if x.strip()]
        assert len(lines) == 1
        assert lines[0].startswith('"""')
