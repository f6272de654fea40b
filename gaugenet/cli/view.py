"""``gaugenet view`` and ``gaugenet report``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gaugenet.cli.console import say
from gaugenet.config import DataConfig
from gaugenet.data.label_files import label_kinds
from gaugenet.data.labelled import LabelKind, LabelledMesh
from gaugenet.data.layouts import source_beside
from gaugenet.data.surface_files import load_surface
from gaugenet.meshes.mesh import TriangleMesh

if TYPE_CHECKING:
    from gaugenet.data.dataset import SurfaceSample
    from gaugenet.tasks import Task

_SURFACES = 3
"""Surfaces of a run that are drawn."""


@dataclass(frozen=True)
class ViewOptions:
    """What to draw of a mesh; at most one of them is given."""

    labels: Path | None = None
    feature: str = ""
    field: int = 0
    transport: int | None = None
    weights: int | None = None
    frames: bool = False
    values: bool = False

    def __post_init__(self) -> None:
        given = [
            name
            for name, value in vars(self).items()
            if value not in (None, "", False) and not (name == "field" and value == 0)
        ]
        if len(given) > 1:
            raise ValueError(f"--{given[0]} and --{given[1]} are two pictures: give one of them at a time")


def run_view(path: Path, out: Path | None, options: ViewOptions, up: str, window: bool) -> None:
    """Draw a mesh or a run into a PNG, or show a mesh in a window."""
    try:
        _view(path, out, options, up, window)
    except ImportError as error:
        raise ValueError(str(error)) from error


def _view(path: Path, out: Path | None, options: ViewOptions, up: str, window: bool) -> None:
    if path.is_dir():
        if window:
            raise ValueError("a run is drawn, not shown in a window: leave out --window, or give a mesh")
        for name, file in draw_run(path, out, up).items():
            say(name.lower(), file)
        return
    mesh = load_surface(path)
    if mesh.vertices is None:
        raise ValueError(f"{path}: it has edge lengths only and cannot be drawn")
    if window:
        _show(mesh, path, options)
        return
    file = out or Path(f"{path.stem}.png")
    file.parent.mkdir(parents=True, exist_ok=True)
    _draw_mesh(file, mesh, path, options, up)
    say("picture", file)


def draw_run(run: Path, out: Path | None, up: str) -> dict[str, Path]:
    """Curves and, where the data are there, predictions beside labels; files by heading.

    Args:
        out: a PNG for the predictions; the curves lie beside it. None for the folder of the run.

    Raises:
        ValueError: it is no folder of a run.
    """
    from gaugenet.predicted_numbers import PredictedNumbers, draw_numbers
    from gaugenet.tasks import ClassTask, NumberTask
    from gaugenet.visualize_training import draw_curves, read_log
    from gaugenet.visualize_values import Comparison, draw_comparisons

    if not (run / "log.jsonl").is_file():
        raise ValueError(f"{run}: there is no log.jsonl in it; give a mesh, or the folder of a run (gaugenet train)")
    comparisons = out or run / "errors.png"
    comparisons.parent.mkdir(parents=True, exist_ok=True)
    curves = comparisons.with_name("curves.png")
    draw_curves(curves, read_log(run / "log.jsonl"), run.resolve().name)
    pictures = {"Training": curves}
    task, found = _predicted(run)
    if isinstance(task, ClassTask) and found:
        draw_comparisons(
            comparisons,
            [
                Comparison(s.name, s.mesh.vertices, s.mesh.faces, s.labels.numpy(), out.argmax(1).numpy())
                for s, out in found
                if s.mesh.vertices is not None
            ],
            task.n_classes,
            up=up,
        )
        pictures["Predictions on test surfaces"] = comparisons
    elif isinstance(task, NumberTask) and found:
        numbers = [PredictedNumbers.of(s.name, s, out, task.quantities) for s, out in found]
        for file in draw_numbers(comparisons.parent, numbers, up):
            pictures[f"Predictions on test surfaces: {file.stem}"] = file
    return pictures


def run_report(run: Path, out: Path | None, up: str) -> None:
    """Write the report of a run, with its pictures."""
    from gaugenet.report_run import write_report

    try:
        pictures = draw_run(run, None, up)
    except ImportError as error:  # without matplotlib the numbers are worth a report, too
        say("pictures", error)
        pictures = {}
    say("report", write_report(run, pictures, out))


def _predicted(run: Path) -> tuple[Task, list[tuple[SurfaceSample, Tensor]]]:
    """The task of a run; the first test surfaces (training surfaces where there are none) that can be drawn, each with
    the output of the network. None of a task whose output has no place on them."""
    from gaugenet.checkpoint import Checkpoint
    from gaugenet.cli.surfaces import dataset_of, geometry_cache, prepared_sample
    from gaugenet.evaluation import predict
    from gaugenet.training import WEIGHTS, build_model

    file = run / WEIGHTS
    checkpoint = Checkpoint.load(file)
    config, task = checkpoint.config, checkpoint.task
    if task.of_surfaces:
        return task, []
    dataset = dataset_of(config.data)
    split = "test" if dataset.size("test") else "train"
    surfaces = [s for s in islice(dataset.meshes(split), _SURFACES) if s.mesh.vertices is not None]
    cache = geometry_cache(config.data)
    samples = [
        prepared_sample(s.mesh, config.data, cache, checkpoint.label_kind).replace(
            name=s.name, labels=torch.from_numpy(s.labels), targets=s.targets
        )
        for s in surfaces
    ]
    model = build_model(config, checkpoint.n_features, task)
    checkpoint.restore(model, file)
    return task, list(zip(samples, predict(model, samples)))


def _draw_mesh(file: Path, mesh: TriangleMesh, path: Path, options: ViewOptions, up: str) -> None:
    from gaugenet.visualize import draw_segmentation
    from gaugenet.visualize_fields import draw_field
    from gaugenet.visualize_values import draw_values
    from gaugenet.visualize_vectors import draw_edge_values, draw_transport, draw_vectors

    assert mesh.vertices is not None
    name = path.name
    if options.field:
        from gaugenet.meshes.frame_fields import smoothest_frame_field

        geometry = _geometry(mesh)
        every = max(mesh.n_vertices // 1500, 1)
        field = smoothest_frame_field(mesh, options.field, geometry=geometry)
        length = 0.4 * float(mesh.edge_lengths.mean()) * every**0.5
        draw_field(file, mesh, geometry, field, every=every, length=length, up=up)
    elif options.transport is not None:
        draw_transport(file, mesh, _geometry(mesh), options.transport, up=up)
    elif options.weights is not None:
        geometry = _geometry(mesh)
        draw_edge_values(file, mesh, geometry, options.weights, geometry.weight, "quadrature weights of", up=up)
    elif options.frames:
        draw_vectors(file, mesh, _first_axes(mesh), f"{name}: first axis of the frames", up=up)
    elif options.values:
        _draw_targets(file, mesh, path, up)
    elif options.feature:
        column, values = _feature(mesh, options.feature)
        draw_values(file, mesh.vertices, mesh.faces, values, f"{name}: {column}", up=up)
    else:
        found = _labels(mesh, path, options.labels)
        labels, n_classes, what = found if found is not None else (np.full(mesh.n_faces, -1), 1, "")
        draw_segmentation(file, [(mesh.vertices, mesh.faces, labels, f"{name}{what}")], n_classes, up=up)


def _draw_targets(file: Path, mesh: TriangleMesh, path: Path, up: str) -> None:
    """The numbers to be predicted: the first scalar as colours, or the first vector as arrows where there is none."""
    from gaugenet.data.targets import read_targets
    from gaugenet.visualize_values import draw_values
    from gaugenet.visualize_vectors import draw_vectors

    targets = read_targets(path, mesh)
    names = ", ".join(targets.quantities.names)
    if targets.scalar_names:
        assert mesh.vertices is not None
        title = f"{path.name}: {targets.scalar_names[0]}" + (
            f" (of {names})" if names != targets.scalar_names[0] else ""
        )
        draw_values(file, mesh.vertices, mesh.faces, targets.scalars[:, 0], title, up=up)
    else:
        draw_vectors(file, mesh, targets.vectors[:, 0], f"{path.name}: {targets.vector_names[0]}", up=up)


def _show(mesh: TriangleMesh, path: Path, options: ViewOptions) -> None:
    from gaugenet.visualize import segmentation_colors
    from gaugenet.visualize_window import show

    if options.field or options.values or options.transport is not None or options.weights is not None:
        raise ValueError("in a window there are labels, features and frames; leave out --window for the other pictures")
    found = _labels(mesh, path, options.labels)
    show(
        mesh,
        colors={"labels": segmentation_colors(found[0], found[1])} if found is not None else {},
        values=dict([_feature(mesh, options.feature)]) if options.feature else {},
        vectors={"first axis of the frames": _first_axes(mesh)} if options.frames else {},
    )


def _labels(mesh: TriangleMesh, path: Path, file: Path | None) -> tuple[NDArray[np.int64], int, str] | None:
    """Class indices on the mesh, their number, and what to say of them; None if it has no labels."""
    if file is not None:
        kinds: Sequence[LabelKind] = ("vertex", "face")
        sources = [source_beside(path, file, kind) for kind in kinds]
    else:
        sources = [source_beside(path, where, kind) for kind, where in label_kinds(path).items()]
    sizes = {"vertex": len(mesh.vertex_of_file), "face": len(mesh.face_of_file)}
    for source in sources:
        values = source.read()
        if len(values) == sizes[source.kind]:
            classes, labels = np.unique(values, return_inverse=True)
            labelled = LabelledMesh.from_file_labels(path.stem, mesh, labels.reshape(-1), source.kind)
            return labelled.labels, len(classes), f": {len(classes)} classes"
    if sources:
        raise ValueError(
            f"{sources[0].file}: expected {sizes['vertex']} labels (vertices) or {sizes['face']} (triangles), got "
            f"{len(sources[0].read())}"
        )
    return None


def _feature(mesh: TriangleMesh, text: str) -> tuple[str, NDArray[Any]]:
    """Name and values of a column: ``curvature`` is the first, ``curvature:H_0.06`` or ``curvature:2`` another."""
    from gaugenet.data.features import FeatureSpec

    term, _, which = text.partition(":")
    spec = FeatureSpec.parse(term)
    names = spec.feature_names
    index = names.index(which) if which in names else int(which or 0) if (which or "0").isdigit() else -1
    if not 0 <= index < len(names):
        raise ValueError(f"--feature {text}: there is no column {which!r}; {term} has {', '.join(names)}")
    return names[index], spec.compute(mesh)[:, index].numpy()


def _first_axes(mesh: TriangleMesh) -> NDArray[np.float64]:
    from gaugenet.visualize_vectors import vectors_in_space

    geometry = _geometry(mesh)
    return vectors_in_space(torch.tensor([[1.0, 0.0]]).expand(mesh.n_vertices, 2), geometry)


def _geometry(mesh: TriangleMesh) -> Any:
    from gaugenet.cli.surfaces import neighborhood_of
    from gaugenet.meshes.precompute import compute_geometry

    return compute_geometry(mesh, neighborhood_of(DataConfig()))
