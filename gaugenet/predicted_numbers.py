"""Predicted numbers and classes of surfaces, on their way back to a person's files."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gaugenet.data.quantities import Quantities
from gaugenet.meshes.atomic import write_atomically
from gaugenet.visualize_numbers import NumberComparison, draw_number_comparisons
from gaugenet.visualize_vectors import draw_vectors

if TYPE_CHECKING:
    from gaugenet.data.dataset import SurfaceSample

CLASSES = "surface_labels.txt"
"""Classes of surfaces, a line ``FILE CLASS`` for each."""


@dataclass(frozen=True, eq=False)
class PredictedNumbers:
    """Numbers that were predicted at the vertices of one surface."""

    name: str
    sample: SurfaceSample
    values: dict[str, NDArray[np.float64]]
    """By quantity, scalars [V] and vectors in space [V, 3]."""

    @classmethod
    def of(cls, name: str, sample: SurfaceSample, output: Tensor, quantities: Quantities) -> PredictedNumbers:
        """From the output [V, n_columns] of a network, in the frames of the sample."""
        scalars, vectors = (part.double().numpy() for part in quantities.in_space(output, sample.geometry))
        values = {key: scalars[:, i] for i, key in enumerate(quantities.scalars)}
        return cls(name, sample, values | {key: vectors[:, i] for i, key in enumerate(quantities.vectors)})

    def write(self, path: Path) -> None:
        """An npz file with ``v`` and ``f`` and an array of each quantity: [V_file] or [V_file, 3], in the file's order.

        ``gaugenet train`` reads such files.
        """
        mesh = self.sample.mesh
        arrays: dict[str, Any] = {key: mesh.to_file_vertices(value) for key, value in self.values.items()}
        arrays["f"] = mesh.file_vertex[mesh.faces]
        if mesh.vertices is not None:
            arrays["v"] = mesh.vertices[mesh.vertex_of_file]
        buffer = io.BytesIO()
        np.savez(buffer, **arrays)
        write_atomically(path, buffer.getvalue())

    def truth(self, quantity: str) -> NDArray[np.float64] | None:
        """What is known of a quantity, or None. Of vectors whose normal part is not predicted, the tangent part."""
        from gaugenet.data.targets import VertexTargets

        targets = self.sample.targets
        if not isinstance(targets, VertexTargets):
            return None
        quantities = targets.quantities
        known = PredictedNumbers.of("", self.sample, targets.coefficients(self.sample.geometry), quantities)
        return known.values.get(quantity)


def draw_numbers(folder: Path, predictions: Sequence[PredictedNumbers], up: str = "z") -> list[Path]:
    """A PNG for each quantity, with a row per surface, and one of the arrows of each vector field on the first surface.

    Raises:
        ImportError: matplotlib is not installed.
    """
    written = []
    shown = [p for p in predictions if p.sample.mesh.vertices is not None]
    for quantity in shown[0].values if shown else ():
        rows = [
            NumberComparison(p.name, v, p.sample.mesh.faces, p.truth(quantity), p.values[quantity])
            for p in shown
            if (v := p.sample.mesh.vertices) is not None
        ]
        written.append(folder / f"{quantity}.png")
        draw_number_comparisons(written[-1], rows, quantity, up=up)
        if shown[0].values[quantity].ndim == 2:
            written.append(folder / f"{quantity}.arrows.png")
            title = f"{shown[0].name}: {quantity}, predicted"
            draw_vectors(written[-1], shown[0].sample.mesh, shown[0].values[quantity], title, up=up)
    return written


def write_classes(folder: Path, names: Sequence[str], logits: Tensor, classes: Sequence[str]) -> list[Path]:
    """``surface_labels.txt`` with a line ``FILE CLASS`` per surface, as a training folder has it, and
    ``probabilities.csv`` with what the network gives each class.

    Args:
        folder: where they are written.
        names: of the surfaces.
        logits: [M, n_classes].
        classes: their names.
    """
    probabilities = torch.softmax(logits.double(), 1)
    best = [classes[i] for i in probabilities.argmax(1).tolist()]
    labels = "".join(f"{name} {label}\n" for name, label in zip(names, best))
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["file", *classes])
    table.writerows([name, *(f"{p:.6f}" for p in row)] for name, row in zip(names, probabilities.tolist()))
    files = [folder / CLASSES, folder / "probabilities.csv"]
    for file, content in zip(files, (labels, text.getvalue())):
        write_atomically(file, content.encode())
    return files


def write_surface_values(path: Path, names: Sequence[str], values: Tensor, quantities: Quantities) -> None:
    """A line ``FILE NUMBER ...`` per surface after one with their names, as `gaugenet.data.quantities.LIST` has them.

    Args:
        path: of the file.
        names: of the surfaces.
        values: [M, a].
        quantities: their names.
    """
    rows = [("file", *quantities.scalars)]
    rows += [(name, *(f"{v:.9g}" for v in row)) for name, row in zip(names, values.tolist())]
    write_atomically(path, "".join(" ".join(row) + "\n" for row in rows).encode())
