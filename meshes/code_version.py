"""Which code computed a value: the source files behind it, so that what is kept on disk is never of another version."""

from __future__ import annotations

import ast
import functools
import hashlib
import sys
from collections.abc import Iterator
from pathlib import Path


@functools.cache
def code_version(module: str) -> str:
    """Digest of the source of a module and of all of this package that it imports, at its top or in a function.

    It changes with each of these files and with nothing else, comments included: a computation done once too often
    costs seconds, and a version to be raised by hand is one that somebody forgets to raise.

    Args:
        module: its full name; the package is the first part of it.

    Raises:
        ValueError: there is no such module, or its source is not there.
    """
    digest = hashlib.sha256()
    for name in sorted(_reached(module)):
        source = _source(name)
        if source is None:
            raise ValueError(f"expected a module with its source, got {module!r}")
        content = source.read_bytes()
        digest.update(f"{name} {len(content)}\0".encode() + content)
    return digest.hexdigest()[:16]


def _reached(module: str) -> set[str]:
    found, waiting = {module}, [module]
    while waiting:
        new = _imports(waiting.pop()) - found
        found |= new
        waiting += new
    return found


@functools.cache
def _imports(module: str) -> frozenset[str]:
    package = module.partition(".")[0]
    source = _source(module)
    content = source.read_bytes() if source is not None else b""
    return frozenset(
        name for name in _names(content) if name.partition(".")[0] == package and _source(name) is not None
    )


def _names(content: bytes) -> Iterator[str]:
    """All that may be a module in the imports of a file; relative imports are not used in this package."""
    for node in ast.walk(ast.parse(content)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@functools.cache
def _source(module: str) -> Path | None:
    """Its file. Found by name, since asking for the specification of a module executes what it lies in."""
    parent, _, leaf = module.rpartition(".")
    for folder in _folders(parent) if parent else [Path(p) for p in sys.path]:
        for path in (folder / f"{leaf}.py", folder / leaf / "__init__.py"):
            if path.is_file():
                return path
    return None


def _folders(package: str) -> list[Path]:
    """Where the modules of a package are: as it says itself if it is loaded (an editable installation may put them
    anywhere), else in the folder of its name."""
    if package in sys.modules:
        return [Path(p) for p in getattr(sys.modules[package], "__path__", ())]
    parent, _, leaf = package.rpartition(".")
    return [folder / leaf for folder in _folders(parent)] if parent else [Path(p) / leaf for p in sys.path]
