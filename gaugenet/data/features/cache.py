"""Features on disk: computed once per surface and specification."""

from __future__ import annotations

import hashlib
import logging
import os
from pathlib import Path

import numpy as np
from torch import Tensor

from gaugenet.data.features.spec import FeatureSpec
from gaugenet.meshes.atomic import write_atomically
from gaugenet.meshes.mesh import TriangleMesh

_VERSION = 1
"""To be raised with every change of what any feature computes."""

_log = logging.getLogger(__name__)


class FeatureCache:
    """A folder of safetensors files, named by a hash of the surface, the specification and the code's version.

    Files are written atomically. One that is damaged fails its checksum and is computed anew; a folder that cannot be
    written to costs a warning in ``logging``, no more.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)

    def get(self, mesh: TriangleMesh, features: str | FeatureSpec) -> Tensor:
        """float32 [V, n]: the features of the mesh, from the folder or computed and put there.

        Raises:
            ValueError: the specification is not understood, or needs positions that the mesh does not have.
        """
        spec = FeatureSpec.parse(features)
        path = self.folder / f"{content_key(mesh, str(spec))}.safetensors"
        values = _read(path, (mesh.n_vertices, spec.n_features))
        if values is None:
            values = spec.compute(mesh)
            self._write(path, values)
        return values

    def _write(self, path: Path, values: Tensor) -> None:
        from safetensors.torch import save

        content = save({"features": values}, {"checksum": _checksum(values)})
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            write_atomically(path, content)
        except OSError as error:
            _log.warning("the features were computed but could not be kept in %s: %s", self.folder, error)


def content_key(mesh: TriangleMesh, specification: str) -> str:
    """Hexadecimal hash of all of a mesh that features depend on. Its name and its file's order are no part of it."""
    digest = hashlib.sha256(f"{_VERSION} {specification} {mesh.n_vertices}".encode())
    for array in (mesh.faces, mesh.edge_lengths, mesh.twin, mesh.twin_flipped, mesh.vertices):
        if array is not None:
            digest.update(f"{array.dtype} {array.shape}".encode())
            digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()[:40]


def _read(path: Path, shape: tuple[int, int]) -> Tensor | None:
    """The tensor in a file; None where there is no file, or its content is not what was written."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as file:
            values: Tensor = file.get_tensor("features")
            checksum = (file.metadata() or {}).get("checksum")
    except (OSError, SafetensorError):
        return None
    return values if values.shape == shape and checksum == _checksum(values) else None


def _checksum(values: Tensor) -> str:
    return hashlib.sha256(values.contiguous().numpy().data).hexdigest()
