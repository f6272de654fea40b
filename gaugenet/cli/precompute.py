"""``gaugenet precompute``."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from pathlib import Path

from torch import Tensor

from gaugenet.cli.console import load_config, say, steps
from gaugenet.cli.surfaces import geometry_cache, prepared_sample
from gaugenet.meshes.geometry import MeshGeometry
from gaugenet.meshes.io import SUFFIXES, load_mesh


def run_precompute(path: Path, config_file: Path | None, assignments: Sequence[str]) -> None:
    """Fill the cache, and say how long it took, how much it holds, and whether a number in it is not one."""
    config = load_config(config_file, assignments).resolved()
    files = mesh_files(path)
    cache = geometry_cache(config.data)
    began = time.perf_counter()
    vertices = edges = size = bad = 0
    with steps("precompute") as step:
        for i, file in enumerate(files, 1):
            sample = prepared_sample(load_mesh(file), config.data, cache)
            geometry = sample.geometry
            tensors = [*tensors_of(geometry), sample.features]
            vertices += geometry.n_vertices
            edges += geometry.n_edges
            size += sum(t.numel() * t.element_size() for t in tensors)
            n = sum(int((~t.isfinite()).sum()) for t in tensors if t.is_floating_point())
            if n:
                say("not finite", f"{n:,} numbers of {file}; look at it with gaugenet inspect")
            bad += n
            step(i, len(files), file.name)
    seconds = time.perf_counter() - began
    say("meshes", f"{len(files):,} with {vertices:,} vertices and {edges:,} edges")
    say("time", f"{seconds:.2f} s ({vertices / seconds:,.0f} vertices per second)")
    say("size", f"{size / 2**20:.1f} MiB")
    say("NaN", f"{bad:,}")
    say("cache", f"{cache.folder} ({cache.hits} were in it)")


def mesh_files(path: Path) -> list[Path]:
    """A mesh file, or all in a folder and below, in order of their names.

    Raises:
        FileNotFoundError: there is nothing at `path`.
        ValueError: the folder holds no mesh.
    """
    if not path.exists():
        raise FileNotFoundError(f"there is no file or folder {path}; check the path")
    if not path.is_dir():
        return [path]
    files = sorted(p for p in path.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
    if not files:
        raise ValueError(f"{path} holds no mesh; expected files of type {' '.join(SUFFIXES)}")
    return files


def tensors_of(geometry: MeshGeometry) -> list[Tensor]:
    """The tensors of a geometry."""
    values = [getattr(geometry, f.name) for f in dataclasses.fields(geometry)]
    return [v for v in values if isinstance(v, Tensor)]
