"""What training sees: `SurfaceSample`s, and the way to them from any data set of labelled meshes."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor

from gaugenet.data.features import FeatureCache, FeatureSpec
from gaugenet.data.labelled import IGNORED, LabelKind, LabelledMesh
from gaugenet.data.parallel import shared_work
from gaugenet.meshes.cache import GeometryCache
from gaugenet.meshes.geometry import MeshGeometry
from gaugenet.meshes.mesh import TriangleMesh
from gaugenet.meshes.neighborhoods import Nearest, Neighborhood

if TYPE_CHECKING:
    from gaugenet.data.quantities import SurfaceTargets
    from gaugenet.data.targets import VertexTargets
    from gaugenet.meshes.precompute import Mode

Progress = Callable[[int, int, str], None]
"""Called after each surface with the number done, the number in all, and the surface's name."""

LARGE = 20_000
"""Vertices from which the progress within a surface is told."""


@dataclass(frozen=True, eq=False)
class SurfaceSample:
    """One surface, ready for a network."""

    name: str
    geometry: MeshGeometry
    features: Tensor
    """float32 [V, n_features], scalars at the vertices of the mesh."""
    labels: Tensor
    """int64 [V], [F] where faces are labelled, [1] where the surface is: class indices, `IGNORED` for none."""
    label_kind: LabelKind
    faces: Tensor | None
    """int64 [F, 3] where faces are labelled, else None."""
    mesh: TriangleMesh
    """With the way back to the vertices and faces of the file."""
    path: Path | None = None
    targets: VertexTargets | SurfaceTargets | None = None
    """What a regression predicts; its `coefficients` are in the frames of `geometry`."""

    def replace(self, **changes: Any) -> SurfaceSample:
        """A copy with some fields changed."""
        return dataclasses.replace(self, **changes)


@runtime_checkable
class SurfaceDataset(Protocol):
    """Named splits of labelled meshes with one set of classes: `ArticulatedDataset`, `FolderDataset`."""

    @property
    def name(self) -> str: ...

    @property
    def label_kind(self) -> LabelKind: ...

    @property
    def class_names(self) -> tuple[str, ...]: ...

    @property
    def class_values(self) -> tuple[int, ...]:
        """The label by which files mean each class."""
        ...

    @property
    def n_classes(self) -> int: ...

    @property
    def splits(self) -> tuple[str, ...]:
        """Those that are there, of train, val, test."""
        ...

    def size(self, split: str) -> int: ...

    def meshes(self, split: str) -> Iterator[LabelledMesh]: ...


def prepare(
    dataset: SurfaceDataset,
    neighborhood: Neighborhood = Nearest(24),  # noqa: B008  (immutable)
    *,
    mode: Mode = "smooth",
    features: str | FeatureSpec = "hks16+curvature",
    cache: GeometryCache | None = None,
    splits: Iterable[str] | None = None,
    progress: Progress | None = None,
    workers: int = 1,
) -> dict[str, list[SurfaceSample]]:
    """Geometry and features of all surfaces of a data set, by split, in its order.

    Args:
        dataset: labelled meshes.
        neighborhood, mode: as of `compute_geometry`.
        features: e.g. ``"hks16+curvature"``; see `FeatureSpec`.
        cache: where geometry is kept between runs, and features in its folder ``features``; None for nowhere.
        splits: which; None for all there are.
        progress: called after each surface, as they are done, and now and then within a large one (`part_of`).
        workers: processes that work at once where there is much to do and a cache through which they hand over what
            they computed. With more than 1 a script must stand under ``if __name__ == "__main__":``.

    Raises:
        ValueError: a mesh or its labels are refused, or the features do not exist on it; the error names the file.
    """
    spec = FeatureSpec.parse(features)
    wanted = tuple(dataset.splits if splits is None else splits)
    total = sum(dataset.size(split) for split in wanted)
    surfaces = ((split, surface) for split in wanted for surface in dataset.meshes(split))
    plan = Plan(neighborhood, mode, spec, None if cache is None else Path(cache.folder))

    found: list[tuple[int, str, SurfaceSample]] = []

    def here(item: tuple[str, LabelledMesh], threads: int) -> SurfaceSample:
        surface = item[1]
        within = None if progress is None else part_of(progress, len(found), total, surface.name)
        return plan.sample(surface, cache, threads if workers > 1 else None, within)

    for done in shared_work(here, plan.fill, surfaces, total, workers if cache is not None else 1):
        if done.error is not None:
            raise done.error
        split, surface = done.item
        sample = done.here
        if sample is None:
            assert cache is not None
            assert done.there is not None
            done.there.add_to(cache)
            sample = plan.sample(surface, GeometryCache(cache.folder), None)
        found.append((done.place, split, sample))
        if progress is not None:
            progress(len(found), total, surface.name)
    found.sort(key=lambda one: one[0])
    return {split: [sample for _, of, sample in found if of == split] for split in wanted}


def part_of(progress: Progress, done: int, total: int, name: str) -> Callable[[int, int], None]:
    """To call with (vertices done, V) of one of several surfaces: tells `progress` of it where there are many, and that
    the features are next where it has all."""

    def within(vertices: int, of: int) -> None:
        if of >= LARGE:
            progress(done, total, f"{name} features" if vertices == of else f"{name} {100 * vertices // of} %")

    return within


@dataclass(frozen=True)
class Filled:
    """What a helper did to the cache."""

    hits: int
    misses: int
    notices: list[str]

    def add_to(self, cache: GeometryCache) -> None:
        """Count it as done by this cache."""
        cache.hits += self.hits
        cache.misses += self.misses
        cache.notices += self.notices


@dataclass(frozen=True)
class Plan:
    """What is made of every surface; goes to the helpers."""

    neighborhood: Neighborhood
    mode: Mode
    features: FeatureSpec
    folder: Path | None

    def sample(
        self,
        surface: LabelledMesh,
        cache: GeometryCache | None,
        threads: int | None,
        progress: Callable[[int, int], None] | None = None,
    ) -> SurfaceSample:
        return prepare_mesh(
            surface.mesh,
            self.neighborhood,
            mode=self.mode,
            features=self.features,
            cache=cache,
            labels=surface.labels,
            label_kind=surface.label_kind,
            name=surface.name,
            path=surface.path,
            threads=threads,
            progress=progress,
        ).replace(targets=surface.targets)

    def fill(self, item: tuple[str, LabelledMesh], threads: int) -> Filled:
        cache = GeometryCache(self.folder)
        self.sample(item[1], cache, threads)
        return Filled(cache.hits, cache.misses, cache.notices)


def prepare_mesh(
    mesh: TriangleMesh,
    neighborhood: Neighborhood = Nearest(24),  # noqa: B008  (immutable)
    *,
    mode: Mode = "smooth",
    features: str | FeatureSpec = "hks16+curvature",
    cache: GeometryCache | None = None,
    labels: np.ndarray[Any, Any] | None = None,
    label_kind: LabelKind = "vertex",
    name: str = "",
    path: Path | None = None,
    threads: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> SurfaceSample:
    """One surface, ready for a network; without labels all are `IGNORED`. Arguments as of `prepare`.

    Args:
        threads: for the geometry; None for all that the process may use.
        progress: of the geometry, where it is computed: called from time to time with (vertices done, V).

    Raises:
        ValueError: the features do not exist on the mesh, or the labels have another length than it.
    """
    by_face = label_kind == "face"
    n = {"vertex": mesh.n_vertices, "face": mesh.n_faces, "surface": 1}[label_kind]
    if labels is None:
        labels = np.full(n, IGNORED)
    if labels.shape != (n,):
        raise ValueError(f"{name or mesh.name}: expected one label per {label_kind}, {n} in all; got {len(labels)}")
    if cache is None:
        from gaugenet.meshes.precompute import compute_geometry

        geometry = compute_geometry(mesh, neighborhood, mode=mode, threads=threads, progress=progress)
        values = FeatureSpec.parse(features).compute(mesh)
    else:
        geometry = cache.get(mesh, neighborhood, mode=mode, threads=threads, progress=progress)
        kept = FeatureCache(Path(cache.folder) / "features")
        values = kept.get(mesh, features)
        cache.notices += kept.notices
    return SurfaceSample(
        name=name or mesh.name,
        geometry=geometry,
        features=values,
        labels=torch.from_numpy(np.ascontiguousarray(labels, np.int64)),
        label_kind=label_kind,
        faces=torch.tensor(mesh.faces, dtype=torch.int64) if by_face else None,
        mesh=mesh,
        path=path,
    )
