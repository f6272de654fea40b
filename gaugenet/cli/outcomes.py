"""What the commands write of predictions that are no labels of vertices or faces."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from rich.table import Table
from torch import Tensor

from gaugenet.cli.console import console, say
from gaugenet.data.quantities import LIST
from gaugenet.predicted_numbers import PredictedNumbers, draw_numbers, write_classes, write_surface_values
from gaugenet.tasks import ClassTask, NumberTask, Task

if TYPE_CHECKING:
    from gaugenet.data.dataset import SurfaceSample

_LINES = 20
"""Surfaces of which a line is said."""


def write_outcomes(
    folder: Path,
    task: Task,
    class_names: Sequence[str],
    names: Sequence[str],
    samples: Sequence[SurfaceSample],
    outputs: Sequence[Tensor],
    shown: int,
) -> list[Path]:
    """Classes or numbers of surfaces in one file; numbers at vertices in an npz file each, with pictures.

    Args:
        names: distinct ones, of the files.
        outputs: of the network.
        shown: surfaces in a picture, at most.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if isinstance(task, ClassTask):
        _say_classes(class_names, names, samples, torch.cat(list(outputs)))
        return write_classes(folder, names, torch.cat(list(outputs)), class_names)
    assert isinstance(task, NumberTask)
    if task.of_surfaces:
        write_surface_values(folder / LIST, names, torch.cat(list(outputs)), task.quantities)
        _say_values(task, names, samples, torch.cat(list(outputs)))
        return [folder / LIST]
    predictions = [PredictedNumbers.of(n, s, out, task.quantities) for n, s, out in zip(names, samples, outputs)]
    written = []
    for prediction in predictions:
        written.append(folder / f"{prediction.name}.npz")
        prediction.write(written[-1])
    try:
        return [*written, *draw_numbers(folder, predictions[:shown])]
    except ImportError as error:
        say("picture", error)
        return written


def _say_classes(
    class_names: Sequence[str], names: Sequence[str], samples: Sequence[SurfaceSample], logits: Tensor
) -> None:
    table = Table("surface", "class", "probability", "label", box=None, pad_edge=False, header_style="cyan")
    for name, sample, row in list(zip(names, samples, torch.softmax(logits, 1)))[:_LINES]:
        label = int(sample.labels[0])
        known = "" if label < 0 else class_names[label]
        table.add_row(name, class_names[int(row.argmax())], f"{100 * float(row.max()):.1f} %", known)
    console.print(table)


def _say_values(task: NumberTask, names: Sequence[str], samples: Sequence[SurfaceSample], values: Tensor) -> None:
    quantities = task.quantities.scalars
    columns = [c for q in quantities for c in ([q, f"{q} known"] if samples[0].targets is not None else [q])]
    table = Table("surface", *columns, box=None, pad_edge=False, header_style="cyan")
    for name, sample, row in list(zip(names, samples, values.tolist()))[:_LINES]:
        known = None if sample.targets is None else sample.targets.coefficients(sample.geometry)[0].tolist()
        cells = row if known is None else [value for pair in zip(row, known) for value in pair]
        table.add_row(name, *(f"{value:.5g}" for value in cells))
    console.print(table)
