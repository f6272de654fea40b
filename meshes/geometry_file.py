"""A geometry in a file, checked when read."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import torch
from torch import Tensor

from gaugenet.meshes.geometry import MeshGeometry
from gaugenet.meshes.tensor_file import load_keyed, save_tensors

_FIELDS = {f.name: f for f in dataclasses.fields(MeshGeometry) if f.name != "memo"}
_NEEDED = {name for name, f in _FIELDS.items() if f.default is dataclasses.MISSING}


def save_geometry(geometry: MeshGeometry, path: Path, key: str = "") -> None:
    """Write a geometry to one file, whole or not at all. The same geometry and key give the same bytes.

    Args:
        key: kept in the file, to be compared by `load_geometry`.

    Raises:
        OSError: it cannot be written.
    """
    values = {name: getattr(geometry, name) for name in _FIELDS}
    tensors = {n: v for n, v in values.items() if isinstance(v, Tensor)}
    save_tensors(path, tensors, {"key": key, **{n: v for n, v in values.items() if v is not None and n not in tensors}})


def load_geometry(path: Path, key: str = "") -> MeshGeometry:
    """Read a geometry that `save_geometry` wrote.

    Args:
        key: what it was saved with; empty for whatever that was.

    Raises:
        ValueError: the file is cut, altered, no geometry or one of another key, or its indices lead out of it.
        OSError: it cannot be read; `FileNotFoundError` where it is not there.
    """
    tensors, values = load_keyed(path, key)
    values |= tensors
    unknown, missing = values.keys() - _FIELDS.keys(), _NEEDED - values.keys()
    if unknown or missing:
        said = [f"{what} {', '.join(sorted(names))}" for what, names in (("has", unknown), ("lacks", missing)) if names]
        raise ValueError(f"it holds no geometry of this version: it {' and '.join(said)}")
    geometry = MeshGeometry(**values)
    check_indices(geometry)
    return geometry


def check_indices(geometry: MeshGeometry) -> None:
    """That no loop over the edges leaves the tensors; shapes and dtypes have been looked at."""
    row_ptr, source = geometry.row_ptr, geometry.source
    n_edges = len(source)
    if int(row_ptr[0]) != 0 or int(row_ptr[-1]) != n_edges or bool((row_ptr[1:] < row_ptr[:-1]).any()):
        raise ValueError(f"its row_ptr does not divide {n_edges} edges among {geometry.n_vertices} vertices")
    if n_edges and not 0 <= int(source.min()) <= int(source.max()) < geometry.n_sources:
        raise ValueError(f"its edges come from vertices beyond the {geometry.n_sources} there are")
    mesh_ptr, source_ptr, order = geometry.mesh_ptr, geometry.source_ptr, geometry.visit_order
    n = geometry.n_vertices
    if mesh_ptr.ndim != 1 or len(mesh_ptr) == 0:
        raise ValueError(f"its mesh_ptr should be [M + 1], it is {list(mesh_ptr.shape)}")
    if int(mesh_ptr[0]) != 0 or int(mesh_ptr[-1]) != n or bool((mesh_ptr[1:] < mesh_ptr[:-1]).any()):
        raise ValueError(f"its mesh_ptr does not divide {n} vertices among {geometry.n_meshes} surfaces")
    if source_ptr is not None and (int(source_ptr[0]) != 0 or bool((source_ptr[1:] < source_ptr[:-1]).any())):
        raise ValueError(f"its source_ptr does not divide the sources among {geometry.n_meshes} surfaces")
    # executors write the rows it names, so each must be there once
    if order is not None and not torch.equal(order.long().sort().values, torch.arange(n, device=order.device)):
        raise ValueError(f"its visit_order is no permutation of {n} vertices")
