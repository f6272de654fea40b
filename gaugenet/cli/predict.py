"""``gaugenet predict``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.markup import escape
from rich.table import Table
from torch import Tensor

from gaugenet.checkpoint import Checkpoint
from gaugenet.cli.console import console, say
from gaugenet.cli.outcomes import write_outcomes
from gaugenet.cli.surfaces import geometry_cache, prepared_sample, say_notices
from gaugenet.data.dataset import SurfaceSample
from gaugenet.data.surface_files import load_surface
from gaugenet.evaluation import check_sides, check_surfaces, predict
from gaugenet.prediction import Prediction, draw_predictions
from gaugenet.tasks import ClassTask
from gaugenet.training import WEIGHTS, build_model

_PICTURES = 12
"""Surfaces in the picture, at most."""


def run_predict(weights: Path, meshes: Sequence[Path], out: Path) -> None:
    """Predict on every mesh. Nothing is written before all meshes have been read and all is predicted."""
    file = weights / WEIGHTS if weights.is_dir() else weights
    checkpoint = Checkpoint.load(file)
    task = checkpoint.task
    model = build_model(checkpoint.config, checkpoint.n_features, task)
    checkpoint.restore(model, file)
    config = checkpoint.config
    cache = geometry_cache(config.data)
    stems = _distinct_stems(meshes)
    samples: list[SurfaceSample] = []
    outputs: list[Tensor] = []
    for path in meshes:
        mesh = load_surface(path)
        check_sides(mesh, str(path), config.model.group, retrain=True)
        sample = prepared_sample(mesh, config.data, cache, checkpoint.label_kind)
        check_surfaces([sample], config.model.group, retrain=True)
        samples.append(sample)
        outputs += predict(model, [sample])
    say_notices(cache)
    if not isinstance(task, ClassTask) or task.of_surfaces:
        names = [_distinct_name(meshes, i) for i in range(len(meshes))] if task.of_surfaces else stems
        for file in write_outcomes(out, task, checkpoint.class_names, names, samples, outputs, _PICTURES):
            say("prediction", file)
        return
    predictions = [
        Prediction(stem, s.mesh, logits.argmax(1).numpy(), s.label_kind, task.n_classes)
        for stem, s, logits in zip(stems, samples, outputs)
    ]
    out.mkdir(parents=True, exist_ok=True)
    for path, prediction in zip(meshes, predictions):
        labels = out / f"{prediction.name}.labels.txt"
        prediction.write_labels(labels, checkpoint.label_values)
        say("labels", f"{labels} (one line per {checkpoint.label_kind} of {path.name})")
        if prediction.mesh.vertices is not None:
            prediction.write_ply(out / f"{prediction.name}.ply")
            say("coloured", out / f"{prediction.name}.ply")
    shown = [p for p in predictions if p.mesh.vertices is not None][:_PICTURES]
    if shown:
        try:
            draw_predictions(out / "predictions.png", shown, [p.name for p in shown])
            say("picture", out / "predictions.png")
        except ImportError as error:
            say("picture", error)
    counts = sum(np.bincount(p.on_file(), minlength=p.n_classes) for p in predictions)
    _print_legend(checkpoint, np.asarray(counts))


def _distinct_stems(meshes: Sequence[Path]) -> list[str]:
    stems: list[str] = []
    for path in meshes:
        stem, n = path.stem, 2
        while stem in stems:
            stem, n = f"{path.stem}_{n}", n + 1
        stems.append(stem)
    return stems


def _distinct_name(meshes: Sequence[Path], place: int) -> str:
    """The name of a file; with its folders where another has the same."""
    name = meshes[place].name
    return name if [m.name for m in meshes].count(name) == 1 else str(meshes[place])


def _print_legend(checkpoint: Checkpoint, counts: NDArray[np.int64]) -> None:
    from gaugenet.visualize import segmentation_colors

    colors = segmentation_colors(np.arange(len(counts)), len(counts))
    table = Table(box=None, pad_edge=False)
    for heading in ("", "label", "class", "elements", "share"):
        table.add_column(heading, justify="left" if heading in ("", "class") else "right")
    for i, name in enumerate(checkpoint.class_names):
        if counts[i]:
            swatch = "[rgb({},{},{})]██[/]".format(*colors[i])
            share = f"{100 * counts[i] / counts.sum():.1f} %"
            table.add_row(swatch, str(checkpoint.label_values[i]), escape(name), f"{counts[i]:,}", share)
    console.print(table)
