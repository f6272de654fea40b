"""``gaugenet precompute``."""

from __future__ import annotations

import dataclasses
import functools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from gaugenet.cli.console import load_config, say, steps
from gaugenet.cli.surfaces import geometry_cache, prepared_sample
from gaugenet.config import DataConfig
from gaugenet.data.dataset import part_of
from gaugenet.data.parallel import available_cores, shared_work
from gaugenet.meshes.geometry import MeshGeometry
from gaugenet.meshes.io import SUFFIXES, load_mesh


@dataclass(frozen=True)
class _Prepared:
    """What became of one mesh."""

    vertices: int
    edges: int
    size: int
    not_finite: int
    hits: int
    notices: list[str]


def run_precompute(path: Path, config_file: Path | None, assignments: Sequence[str], workers: int = 0) -> None:
    """Fill the cache, and say how long it took, how much it holds, and whether a number in it is not one.

    Every mesh is written when it is done, so a run that is killed goes on where it stopped. A mesh that is refused
    stops none of the others; all of them are named at the end.

    Args:
        workers: processes that work at once; 0 for one per core.

    Raises:
        ValueError: a mesh was refused.
    """
    config = load_config(config_file, assignments).resolved().data
    if workers < 0:
        raise ValueError(f"--workers is a number of processes, or 0 for one per core; got {workers}")
    files = mesh_files(path)
    cache = geometry_cache(config)
    cache.clean()
    began = time.perf_counter()
    found: dict[Path, _Prepared] = {}
    errors: dict[Path, Exception] = {}
    there = functools.partial(_prepare, config)
    with steps("precompute") as step:

        def here(file: Path, threads: int) -> _Prepared:
            # of a single mesh, which may be large, the vertices are counted
            if len(files) == 1:
                return _prepare(config, file, threads, lambda done, of: step(done, of, file.name))
            return _prepare(config, file, threads, part_of(step, len(found) + len(errors), len(files), file.name))

        for done in shared_work(here, there, files, len(files), workers or available_cores()):
            if done.error is not None:
                errors[done.item] = done.error
            result = done.here or done.there
            if result is not None:
                found[done.item] = result
            if len(files) > 1:
                step(len(found) + len(errors), len(files), done.item.name)
    if len(files) == 1 and errors:
        raise errors[files[0]]
    seconds = time.perf_counter() - began
    _say_what_came_of_it(cache.folder, [found[f] for f in files if f in found], seconds)
    for file in files:
        if file in found and found[file].not_finite:
            say("not finite", f"{found[file].not_finite:,} numbers of {file}; look at it with gaugenet inspect")
    for file in sorted(errors):
        text = " ".join(str(errors[file]).split()) or type(errors[file]).__name__
        say("refused", text if str(file) in text else f"{file}: {text}")
    if errors:
        raise ValueError(f"{len(errors):,} of {len(files):,} meshes were refused (named above); the others are done")


def _prepare(
    config: DataConfig, file: Path, threads: int, progress: Callable[[int, int], None] | None = None
) -> _Prepared:
    cache = geometry_cache(config)
    sample = prepared_sample(load_mesh(file), config, cache, threads=threads, progress=progress)
    tensors = [*tensors_of(sample.geometry), sample.features]
    return _Prepared(
        vertices=sample.geometry.n_vertices,
        edges=sample.geometry.n_edges,
        size=sum(t.numel() * t.element_size() for t in tensors),
        not_finite=sum(int((~t.isfinite()).sum()) for t in tensors if t.is_floating_point()),
        hits=cache.hits,
        notices=cache.notices,
    )


def _say_what_came_of_it(folder: Path, done: Sequence[_Prepared], seconds: float) -> None:
    vertices = sum(one.vertices for one in done)
    say("meshes", f"{len(done):,} with {vertices:,} vertices and {sum(one.edges for one in done):,} edges")
    say("time", f"{seconds:.2f} s ({vertices / seconds:,.0f} vertices per second)")
    say("size", f"{sum(one.size for one in done) / 2**20:.1f} MiB")
    say("NaN", f"{sum(one.not_finite for one in done):,}")
    say("cache", f"{folder} ({sum(one.hits for one in done)} were in it)")
    for one in done:
        for notice in one.notices:
            say("cache", notice)


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
