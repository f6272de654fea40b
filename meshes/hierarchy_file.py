"""A hierarchy in a file, checked when read."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from torch import Tensor

from gaugenet.meshes.geometry import MeshGeometry
from gaugenet.meshes.geometry_file import check_indices
from gaugenet.meshes.hierarchy import Hierarchy
from gaugenet.meshes.tensor_file import load_keyed, save_tensors

_GEOMETRIES = ("levels", "pool", "unpool")
_INDICES = ("kept", "parent")


def save_hierarchy(hierarchy: Hierarchy, path: Path, key: str = "") -> None:
    """Write a hierarchy to one file, whole or not at all. The same hierarchy and key give the same bytes.

    Args:
        key: kept in the file, to be compared by `load_hierarchy`.

    Raises:
        OSError: it cannot be written.
    """
    tensors: dict[str, Tensor] = {}
    values: dict[str, Any] = {"key": key, "n_levels": hierarchy.n_levels}
    for part in _GEOMETRIES:
        for i, geometry in enumerate(getattr(hierarchy, part)):
            for field in dataclasses.fields(geometry):
                value = getattr(geometry, field.name)
                if isinstance(value, Tensor):
                    tensors[f"{part}.{i}.{field.name}"] = value
                elif field.name != "memo" and value is not None:
                    values[f"{part}.{i}.{field.name}"] = value
    for part in _INDICES:
        tensors |= {f"{part}.{i}": value for i, value in enumerate(getattr(hierarchy, part))}
    save_tensors(path, tensors, values)


def load_hierarchy(path: Path, key: str = "") -> Hierarchy:
    """Read a hierarchy that `save_hierarchy` wrote.

    Args:
        key: what it was saved with; empty for whatever that was.

    Raises:
        ValueError: the file is cut, altered, no hierarchy or one of another key, or its indices lead out of it.
        OSError: it cannot be read; `FileNotFoundError` where it is not there.
    """
    tensors, values = load_keyed(path, key)
    n_levels = values.pop("n_levels", None)
    if not isinstance(n_levels, int) or n_levels < 1:
        raise ValueError("it holds no hierarchy")
    everything = {**values, **tensors}

    def geometry(part: str, i: int) -> MeshGeometry:
        prefix = f"{part}.{i}."
        given = {name.removeprefix(prefix): v for name, v in everything.items() if name.startswith(prefix)}
        made = MeshGeometry(**given)
        check_indices(made)
        return made

    steps = range(n_levels - 1)
    try:
        levels = tuple(geometry("levels", i) for i in range(n_levels))
        pool, unpool = (tuple(geometry(part, i) for i in steps) for part in ("pool", "unpool"))
        kept, parent = (tuple(tensors[f"{part}.{i}"] for i in steps) for part in _INDICES)
    except (KeyError, TypeError) as error:
        raise ValueError(f"it holds no hierarchy of this version ({error})") from error
    hierarchy = Hierarchy(levels, pool, unpool, kept, parent)
    for step in steps:
        down, up = kept[step], parent[step]
        for index, n in ((down, len(up)), (up, len(down))):
            if len(index) and not 0 <= int(index.min()) <= int(index.max()) < n:
                raise ValueError(f"its vertices between levels {step} and {step + 1} are beyond the {n} there are")
    return hierarchy
