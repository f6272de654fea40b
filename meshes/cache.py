"""Geometries on disk, found by the content of the mesh and the parameters that they were computed with."""

from __future__ import annotations

import dataclasses
import hashlib
import inspect
import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch

from gaugenet.meshes.atomic import remove_partial_files
from gaugenet.meshes.coarsening import build_hierarchy
from gaugenet.meshes.code_version import code_version
from gaugenet.meshes.geometry import MeshGeometry
from gaugenet.meshes.geometry_file import load_geometry, save_geometry
from gaugenet.meshes.hierarchy import Hierarchy
from gaugenet.meshes.hierarchy_file import load_hierarchy, save_hierarchy
from gaugenet.meshes.mesh import TriangleMesh
from gaugenet.meshes.neighborhoods import Nearest, Neighborhood
from gaugenet.meshes.precompute import compute_geometry

_T = TypeVar("_T")

ENVIRONMENT_VARIABLE = "GAUGENET_CACHE"

_WITHOUT_EFFECT = {"threads", "progress"}
"""Parameters on which the result does not depend."""

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

    An entry is a safetensors file named by a sha256 of the mesh's arrays, of all parameters of `compute_geometry`
    and of the source code that it runs (`code_version`), with a checksum of its content. It is written beside its place
    and moved there, so several processes may share a folder: the worst that happens is that two of them compute the
    same. An entry that cannot be read, that was altered or that belongs to another mesh is reported through ``logging``
    (and in `notices`) and computed anew; so is a folder that cannot be written to.
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
        **parameters: Any,
    ) -> MeshGeometry:
        """`compute_geometry` of the same arguments, from the folder where it is known.

        Raises:
            ValueError: as `compute_geometry`.
            TypeError: it has no such parameter.
        """
        key = geometry_key(mesh, neighborhood, **parameters)
        return self._kept(
            key, load_geometry, save_geometry, lambda: compute_geometry(mesh, neighborhood, **parameters), "geometry"
        )

    def get_hierarchy(
        self,
        mesh: TriangleMesh,
        neighborhood: Neighborhood | Sequence[Neighborhood] = Nearest(16),  # noqa: B008  (immutable)
        **parameters: Any,
    ) -> Hierarchy:
        """`build_hierarchy` of the same arguments, from the folder where it is known.

        Raises:
            ValueError: as `build_hierarchy`.
            TypeError: it has no such parameter.
        """
        key = _key(build_hierarchy, mesh, neighborhood, parameters)
        return self._kept(
            key, load_hierarchy, save_hierarchy, lambda: build_hierarchy(mesh, neighborhood, **parameters), "hierarchy"
        )

    def _kept(
        self,
        key: str,
        load: Callable[[Path, str], _T],
        save: Callable[[_T, Path, str], None],
        compute: Callable[[], _T],
        what: str,
    ) -> _T:
        path = self.folder / f"{key}.safetensors"
        known = self._read(path, key, load)
        if known is not None:
            self.hits += 1
            return known
        self.misses += 1
        value = compute()
        try:
            save(value, path, key)
        except OSError as error:
            self._notice(f"the {what} was computed but could not be kept in {self.folder}: {error}")
        return value

    def clean(self) -> None:
        """Remove what processes that were killed while they wrote have left in the folder and below it."""
        remove_partial_files(self.folder)

    def _read(self, path: Path, key: str, load: Callable[[Path, str], _T]) -> _T | None:
        try:
            return load(path, key)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, ValueError) as error:
            self._notice(f"cache entry {path.name} cannot be used and is computed anew: {error}")
            return None

    def _notice(self, text: str) -> None:
        self.notices.append(text)
        _log.warning(text)


def geometry_key(mesh: TriangleMesh, neighborhood: Neighborhood, **parameters: Any) -> str:
    """Hexadecimal sha256 of all that `compute_geometry` of these arguments depends on.

    Raises:
        TypeError: there is no such parameter.
    """
    return _key(compute_geometry, mesh, neighborhood, parameters)


def _key(compute: Callable[..., Any], mesh: TriangleMesh, neighborhood: object, parameters: Mapping[str, Any]) -> str:
    given = inspect.signature(compute).bind(mesh, neighborhood, **parameters)
    given.apply_defaults()
    surface = (mesh.faces, mesh.edge_lengths, mesh.twin, mesh.twin_flipped, mesh.n_vertices, mesh.vertices)
    chosen = {n: v for n, v in given.arguments.items() if n != "mesh" and n not in _WITHOUT_EFFECT}
    digest = hashlib.sha256(code_version(compute.__module__).encode())
    for part in (*_parts(surface), *_parts(sorted(chosen.items()))):
        digest.update(part)
    return digest.hexdigest()


def _parts(value: Any) -> Iterator[bytes | memoryview]:
    """The bytes of a value, no two values giving the same: arrays with dtype and shape, others as they print."""
    if isinstance(value, torch.Tensor):
        value = value.numpy()
    if isinstance(value, np.ndarray):
        array = np.ascontiguousarray(value)
        yield f"\0array {array.dtype.str} {array.shape}\0".encode()
        yield array.reshape(-1).view(np.uint8).data
    elif isinstance(value, (list, tuple)):
        yield f"\0{len(value)} values\0".encode()
        for one in value:
            yield from _parts(one)
    elif (
        value is None
        or isinstance(value, (str, int, float, np.generic, torch.dtype))
        or dataclasses.is_dataclass(value)
    ):
        yield f"\0{value!r}\0".encode()
    else:
        raise TypeError(f"a {type(value).__name__} has no place in the name of a cache entry: {value!r}")
