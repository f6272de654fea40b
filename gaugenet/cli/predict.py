"""``gaugenet predict``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.markup import escape
from rich.table import Table

from gaugenet.checkpoint import Checkpoint
from gaugenet.cli.console import console, say
from gaugenet.cli.surfaces import geometry_cache, prepared_sample
from gaugenet.evaluation import check_sides, check_surfaces, predict
from gaugenet.meshes.io import load_mesh
from gaugenet.prediction import Prediction, draw_predictions
from gaugenet.training import WEIGHTS, build_model

_PICTURES = 12
"""Surfaces in the picture, at most."""


def run_predict(weights: Path, meshes: Sequence[Path], out: Path) -> None:
    """Label every mesh. Nothing is written before all meshes have been read and labelled."""
    file = weights / WEIGHTS if weights.is_dir() else weights
    checkpoint = Checkpoint.load(file)
    model = build_model(checkpoint.config, checkpoint.n_features, len(checkpoint.class_names))
    checkpoint.restore(model, file)
    config = checkpoint.config
    cache = geometry_cache(config.data)
    predictions = []
    for path, stem in zip(meshes, _distinct_stems(meshes)):
        mesh = load_mesh(path)
        check_sides(mesh, str(path), config.model.group, retrain=True)
        sample = prepared_sample(mesh, config.data, cache, checkpoint.label_kind)
        check_surfaces([sample], config.model.group, retrain=True)
        (logits,) = predict(model, [sample])
        predictions.append(
            Prediction(stem, sample.mesh, logits.argmax(1).numpy(), sample.label_kind, len(checkpoint.class_names))
        )
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
