"""Geometries on disk, found by the content of the mesh and the parameters that they were computed with."""

from __future__ import annotations

import hashlib
import logging
import os
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gaugenet.meshes.atomic import write_atomically
from gaugenet.meshes.geometry import MeshGeometry
from gaugenet.meshes.mesh import TriangleMesh
from gaugenet.meshes.neighborhoods import Nearest, Neighborhood
from gaugenet.meshes.precompute import Mode, Reference, compute_geometry

CODE_VERSION = 1
"""To be raised with every change that alters what `compute_geometry` returns: older entries are then not found."""

ENVIRONMENT_VARIABLE = "GAUGENET_CACHE"

_TENSORS = (
    "row_ptr",
    "source",
    "r",
    "theta",
    "phi",
    "flip",
    "weight",
    "radius",
    "area",
    "boundary",
    "mesh_ptr",
    "frame",
)

_log = logging.getLogger(__name__)


def default_folder() -> Path:
    """``$GAUGENET_CACHE``, or ``gaugenet`` in ``$XDG_CACHE_HOME``, or ``~/.cache/gaugenet``."""
    chosen = os.environ.get(ENVIRONMENT_VARIABLE)
    if chosen:
        return Path(chosen)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "gaugenet"


class GeometryCache:
    """Computes each geometry once and keeps it in a folder.

    An entry is a safetensors file named by a sha256 of the mesh's arrays, the parameters and `CODE_VERSION`, with
    a checksum of its content. It is written beside its place and moved there, so several processes may share a folder:
    the worst that happens is that two of them compute the same. An entry that cannot be read or whose checksum is wrong
    is reported through ``logging`` (and in `notices`) and computed anew.
    """

    def __init__(self, folder: str | Path | None = None) -> None:
        """
        Args:
            folder: created when first written to; None for `default_folder`.
        """
        self.folder = default_folder() if folder is None else Path(folder)
        self.hits = 0
        self.misses = 0
        self.notices: list[str] = []
        """What was wrong with entries that could not be used, or with the folder, in this cache's lifetime."""

    def get(
        self,
        mesh: TriangleMesh,
        neighborhood: Neighborhood = Nearest(24),  # noqa: B008  (immutable)
        *,
        mode: Mode = "smooth",
        handedness: NDArray[np.int64] | None = None,
        reference: Reference | None = None,
        frame_direction: NDArray[np.float64] | None = None,
        dtype: torch.dtype = torch.float32,
        threads: int | None = None,
    ) -> MeshGeometry:
        """`compute_geometry` of the same arguments, from the folder where it is known."""
        halfedge, angle = (None, None) if reference is None else reference
        key = _key(
            f"{CODE_VERSION} {neighborhood!r} {mode} {dtype}",
            mesh.faces,
            mesh.edge_lengths,
            mesh.twin,
            mesh.twin_flipped,
            np.array(mesh.n_vertices),
            mesh.vertices,
            handedness,
            halfedge,
            angle,
            frame_direction,
        )
        path = self.folder / f"{key}.safetensors"
        known = self._read(path)
        if known is not None:
            self.hits += 1
            return known
        self.misses += 1
        geometry = compute_geometry(
            mesh,
            neighborhood,
            mode=mode,
            handedness=handedness,
            reference=reference,
            frame_direction=frame_direction,
            dtype=dtype,
            threads=threads,
        )
        try:
            save_geometry(geometry, path)
        except OSError as error:
            self._notice(f"the geometry was computed but could not be kept in {self.folder}: {error}")
        return geometry

    def _read(self, path: Path) -> MeshGeometry | None:
        if not path.exists():
            return None
        try:
            return load_geometry(path)
        except (OSError, ValueError) as error:
            self._notice(f"cache entry {path.name} cannot be used and is computed anew: {error}")
            return None

    def _notice(self, text: str) -> None:
        self.notices.append(text)
        _log.warning(text)


def save_geometry(geometry: MeshGeometry, path: Path) -> None:
    """Write a geometry to one safetensors file, atomically: the file is whole or not there."""
    from safetensors.torch import save

    tensors = {
        name: value.detach().cpu().contiguous() for name in _TENSORS if (value := getattr(geometry, name)) is not None
    }
    metadata = {"rotation_order": str(geometry.rotation_order), "sha256": _checksum(tensors, geometry.rotation_order)}
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, save(tensors, metadata))


def load_geometry(path: Path) -> MeshGeometry:
    """Read a geometry that `save_geometry` wrote.

    Raises:
        ValueError: the file is cut, altered or no geometry.
        OSError: it cannot be read.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (not a dict)
    except SafetensorError as error:
        raise ValueError(f"not a whole safetensors file ({error})") from error
    order = metadata.get("rotation_order", "")
    if not order.isdecimal() or set(tensors) | {"frame"} != set(_TENSORS):
        raise ValueError("it holds no geometry")
    if _checksum(tensors, int(order)) != metadata.get("sha256"):
        raise ValueError("its checksum is wrong")
    return MeshGeometry(**tensors, rotation_order=int(order))


def _checksum(tensors: dict[str, Tensor], rotation_order: int) -> str:
    return _key(str(rotation_order), *(tensors[name].numpy() for name in _TENSORS if name in tensors))


def _key(text: str, *arrays: NDArray[np.generic] | None) -> str:
    """sha256 of a text and of arrays: their dtypes, shapes and bytes."""
    digest = hashlib.sha256(text.encode())
    for array in arrays:
        if array is None:
            digest.update(b"\0none")
            continue
        array = np.ascontiguousarray(array)
        digest.update(f"\0{array.dtype.str}{array.shape}".encode())
        digest.update(array.reshape(-1).view(np.uint8).data)
    return digest.hexdigest()
