"""The house: one import path, nothing heavy at import, every package in the wheel."""

import ast
import re
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


PROJECT = {"skimage": "scikit-image", "sklearn": "scikit-learn", "torch_geometric": "torch-geometric"}
COMES_WITH = {"llvmlite": "numba", "mpl_toolkits": "matplotlib", "triton": "torch"}
"""Packages by the name under which they are imported; llvmlite is part of numba's interface, torch brings Triton."""


def imported(path: Path) -> set[str]:
    """Top-level names of all modules that a file imports, wherever it does."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.split(".")[0])
    return found


@pytest.mark.parametrize("rooms", [("gaugenet", "kernels", "meshes"), ("examples",)])
def test_every_import_is_a_dependency_or_in_an_extra(rooms):
    """Development tools (the extra test) do not count."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = [names for extra, names in project["optional-dependencies"].items() if extra != "test"]
    declared = {re.match(r"[\w-]+", name)[0] for names in (project["dependencies"], *extras) for name in names}
    for path in (path for room in rooms for path in (ROOT / room).rglob("*.py")):
        beside = {p.stem for p in path.parent.glob("*.py")} if rooms == ("examples",) else set()
        for name in imported(path) - beside - set(sys.stdlib_module_names) - {"gaugenet", "numpy", "torch"}:
            name = COMES_WITH.get(name, name)
            assert PROJECT.get(name, name) in declared, f"{path.relative_to(ROOT)} imports {name}"
