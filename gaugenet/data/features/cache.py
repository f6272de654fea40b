"""Features on disk: computed once per surface and specification."""

from __future__ import annotations

import hashlib
import logging
import os
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from gaugenet.data.features.spec import FeatureSpec
from gaugenet.meshes.code_version import code_version
from gaugenet.meshes.mesh import TriangleMesh
from gaugenet.meshes.tensor_file import load_tensors, save_tensors

_SPECIFICATION = FeatureSpec.__module__
"""Where all features are computed from."""

_log = logging.getLogger(__name__)


class FeatureCache:
    """A folder of safetensors files, named by a hash of the surface, the specification and the code's version.

    Files are written atomically. One that is damaged, or of another surface, is computed anew; that, and a folder that
    cannot be written to, costs a warning in ``logging`` (and in `notices`), no more.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)
        self.hits = 0
        self.misses = 0
        self.notices: list[str] = []
        """What was wrong with entries that could not be used, or with the folder."""

    def get(self, mesh: TriangleMesh, features: str | FeatureSpec) -> Tensor:
        """float32 [V, n]: the features of the mesh, from the folder or computed and put there.

        Raises:
            ValueError: the specification is not understood, or needs positions that the mesh does not have.
        """
        spec = FeatureSpec.parse(features)
        key = content_key(mesh, str(spec))
        path = self.folder / f"{key}.safetensors"
        values = self._read(path, key, (mesh.n_vertices, spec.n_features))
        if values is not None:
            self.hits += 1
            return values
        self.misses += 1
        values = spec.compute(mesh)
        self._write(path, key, values)
        return values

    def _read(self, path: Path, key: str, shape: tuple[int, int]) -> Tensor | None:
        try:
            return _load(path, key, shape)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, ValueError) as error:
            self._notice(f"features in {path.name} cannot be used and are computed anew: {error}")
            return None

    def _write(self, path: Path, key: str, values: Tensor) -> None:
        try:
            save_tensors(path, {"features": values}, {"key": key})
        except OSError as error:
            self._notice(f"the features were computed but could not be kept in {self.folder}: {error}")

    def _notice(self, text: str) -> None:
        self.notices.append(text)
        _log.warning(text)


def content_key(mesh: TriangleMesh, specification: str) -> str:
    """Hexadecimal hash of all of a mesh that features depend on. Its name and its file's order are no part of it."""
    digest = hashlib.sha256(f"{code_version(_SPECIFICATION)} {specification} {mesh.n_vertices}".encode())
    for array in (mesh.faces, mesh.edge_lengths, mesh.twin, mesh.twin_flipped, mesh.vertices):
        if array is not None:
            digest.update(f"{array.dtype} {array.shape}".encode())
            digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()[:40]


def _load(path: Path, key: str, shape: tuple[int, int]) -> Tensor:
    """The tensor in a file.

    Raises:
        ValueError: the content is not what was written for that key.
        OSError: it cannot be read.
    """
    tensors, stored = load_tensors(path)
    if stored.get("key") != key or tensors.keys() != {"features"}:
        raise ValueError("it belongs to another surface or to other features")
    values = tensors["features"]
    if values.dtype != torch.float32 or values.shape != shape:
        raise ValueError(f"expected float32 {list(shape)}, got {values.dtype} {list(values.shape)}")
    return values
