"""From settings to surfaces that a network can read: the data set, its cached geometry, its features."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from gaugenet.cli.console import say, steps
from gaugenet.config import AUTO, EMBEDDED, AugmentConfig, DataConfig, TrainConfig
from gaugenet.data.articulated import ArticulatedDataset
from gaugenet.data.augmentation import Augmentation, changes_surface, without_effect
from gaugenet.data.background import BackgroundPreparation, PendingSurfaces
from gaugenet.data.dataset import Plan, SurfaceDataset, SurfaceSample, prepare, prepare_mesh
from gaugenet.data.features import FeatureSpec
from gaugenet.data.folders import open_folder
from gaugenet.data.labelled import LabelKind, LabelledMesh
from gaugenet.data.parallel import available_cores
from gaugenet.data.quantities import Quantities
from gaugenet.data.regression import RegressionFolder
from gaugenet.evaluation import check_sides, check_surfaces
from gaugenet.meshes.cache import GeometryCache
from gaugenet.meshes.mesh import TriangleMesh
from gaugenet.meshes.neighborhoods import Nearest, Neighborhood, Radius
from gaugenet.meshes.precompute import Mode
from gaugenet.training import SurfaceData, World
from gaugenet.training.order import first_places


def dataset_of(config: DataConfig) -> SurfaceDataset:
    """The surfaces with labels or numbers that the settings name; they are read later.

    Raises:
        DatasetError: the folder holds nothing to learn, or not what `config.task` wants.
    """
    if config.path == EMBEDDED:
        if config.task not in (AUTO, "segmentation") or config.targets:
            raise ValueError("the generated set has labels of vertices only: give a folder of your own for other tasks")
        return ArticulatedDataset(
            n_train=config.train_meshes,
            n_test=config.test_meshes,
            n_vertices=config.vertices,
            seed=config.seed,
        )
    return open_folder(config.path, config.task, targets=config.targets, normal_part=config.normal_part)


def neighborhood_of(config: DataConfig) -> Neighborhood:
    """What a convolution sees."""
    return Radius(config.radius) if config.radius else Nearest(config.neighbors)


def geometry_cache(config: DataConfig) -> GeometryCache:
    """The cache that the settings name, else that of the user."""
    return GeometryCache(Path(config.cache).expanduser() if config.cache else None)


def say_notices(cache: GeometryCache) -> None:
    """What was wrong with the cache, each thing once."""
    for notice in dict.fromkeys(cache.notices):
        say("cache", notice)


class _Checked:
    """A data set whose surfaces are refused as soon as they are read if the structure group does not admit them."""

    def __init__(self, dataset: SurfaceDataset, group: str) -> None:
        self._dataset, self._group = dataset, group

    def __getattr__(self, name: str) -> Any:
        return getattr(self._dataset, name)

    def meshes(self, split: str) -> Iterator[LabelledMesh]:
        for surface in self._dataset.meshes(split):
            check_sides(surface.mesh, str(surface.path or surface.name), self._group)
            yield surface


def prepared_data(config: DataConfig, group: str, augment: AugmentConfig | None = None) -> SurfaceData:
    """All training, validation and test surfaces with geometry and features, from the cache where they are in it.

    Raises:
        ValueError: a file, its labels or its surface (which `group` must admit) are refused; the error names it.
    """
    spec = FeatureSpec.parse(config.features)
    dataset = dataset_of(config)
    quantities = dataset.quantities if isinstance(dataset, RegressionFolder) else None
    splits = [s for s in ("train", "val", "test") if s in dataset.splits]
    sizes = ", ".join(f"{dataset.size(s)} {s}" for s in splits)
    what = f"{dataset.n_classes} classes" if quantities is None else ", ".join(quantities.names)
    say("data", f"{dataset.name}: {sizes} surfaces, {what} per {dataset.label_kind}")
    say("features", f"{spec.describe()}: in brackets what changes them")
    cache = geometry_cache(config)
    augmentation = _augmentation(config, augment, cache, quantities)
    if config.background:
        samples = _pending(config, group, dataset, splits)
    else:
        samples = _now(config, group, dataset, splits, cache)
    data = SurfaceData(
        samples["train"],
        samples.get("test", []),
        dataset.class_names,
        dataset.class_values,
        samples.get("val", []),
        augment=augmentation,
        quantities=quantities,
    ).set_aside(config.validation, config.seed)
    if config.validation:
        say("validation", f"{len(data.validation)} of {len(samples['train'])} training surfaces are set aside")
    for sentence in data.notices():
        say("classes", sentence)
    return data


def _now(
    config: DataConfig, group: str, dataset: SurfaceDataset, splits: Sequence[str], cache: GeometryCache
) -> Mapping[str, Sequence[SurfaceSample]]:
    began = time.perf_counter()
    with steps("preparing") as step:
        samples = prepare(
            cast(SurfaceDataset, _Checked(dataset, group)),
            neighborhood_of(config),
            mode=_mode(config),
            features=config.features,
            cache=cache,
            splits=splits,
            progress=step,
            workers=available_cores(),
        )
    say(
        "geometry",
        f"{cache.misses} computed, {cache.hits} from {cache.folder} ({time.perf_counter() - began:.1f} s)",
    )
    say_notices(cache)
    return samples


def _pending(
    config: DataConfig, group: str, dataset: SurfaceDataset, splits: Sequence[str]
) -> Mapping[str, Sequence[SurfaceSample]]:
    surfaces: list[LabelledMesh] = []
    places: dict[str, range] = {}
    for split in splits:
        first = len(surfaces)
        surfaces += _Checked(dataset, group).meshes(split)
        places[split] = range(first, len(surfaces))
    plan = Plan(
        neighborhood_of(config), _mode(config), FeatureSpec.parse(config.features), geometry_cache(config).folder
    )
    preparation = BackgroundPreparation(surfaces, plan, lambda sample: check_surfaces([sample], group))
    return {split: PendingSurfaces(preparation, places[split]) for split in splits}


def start_background(data: SurfaceData, config: TrainConfig, world: World) -> BackgroundPreparation | None:
    """Start the helpers, if the surfaces are to be prepared by them: first what this process learns from in the first
    epoch, in its order, then the others' share, then what is validated and tested on.

    Each of several processes has helpers of its own. They meet in the cache: what one has prepared the others read.
    """
    if not isinstance(data.train, PendingSurfaces):
        return None
    order = data.train.chosen(first_places(len(data.train), config, world)).places
    for rest in (data.validation, data.test):
        places = rest.places if isinstance(rest, PendingSurfaces) else []
        order += [
            places[i] for r in range(world.size) for i in range((world.rank + r) % world.size, len(places), world.size)
        ]
    workers = min(max(available_cores() // world.size - 1, 1), len(order))
    data.train.preparation.start(order, workers)
    each = " of each process" if world.size > 1 else ""
    say("geometry", f"is prepared by {workers} helper process{'es' if workers > 1 else ''}{each} while training begins")
    return data.train.preparation


def _augmentation(
    config: DataConfig, augment: AugmentConfig | None, cache: GeometryCache, quantities: Quantities | None
) -> Augmentation | None:
    if augment is not None and quantities is not None and changes_surface(augment):
        raise ValueError(
            "augment: what scale, stretch, noise, remesh and coarsen do to the numbers to be predicted depends on what "
            "these mean; leave all but rotation at 0"
        )
    if augment is None or not (changes_surface(augment) or augment.rotation != "off"):
        return None
    features = FeatureSpec.parse(config.features)
    for sentence in without_effect(augment, features, config.radius):
        say("augment", sentence)

    def prepare_variant(surface: LabelledMesh) -> SurfaceSample:
        return prepare_mesh(
            surface.mesh,
            neighborhood_of(config),
            mode=_mode(config),
            features=features,
            cache=cache,
            labels=surface.labels,
            label_kind=surface.label_kind,
            name=surface.name,
            path=surface.path,
        )

    return Augmentation(augment, features, prepare_variant)


def prepared_sample(
    mesh: TriangleMesh,
    config: DataConfig,
    cache: GeometryCache,
    label_kind: LabelKind = "vertex",
    threads: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> SurfaceSample:
    """One mesh, prepared as the settings say; `threads` and `progress` as in `prepare_mesh`."""
    return prepare_mesh(
        mesh,
        neighborhood_of(config),
        mode=_mode(config),
        features=config.features,
        cache=cache,
        label_kind=label_kind,
        threads=threads,
        progress=progress,
    )


def _mode(config: DataConfig) -> Mode:
    # the configuration has checked that it is one of the two
    return "polyhedral" if config.mode == "polyhedral" else "smooth"
