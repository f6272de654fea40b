"""Predicted classes on their way back to the user's own mesh: coloured PLY, label file, legend."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gaugenet.meshes.atomic import write_atomically
from gaugenet.meshes.mesh import TriangleMesh
from gaugenet.visualize import draw_segmentation, write_colored_ply

if TYPE_CHECKING:
    from gaugenet.data.labelled import LabelKind


@dataclass(frozen=True, eq=False)
class Prediction:
    """The class of every vertex (or face) of one surface."""

    name: str
    mesh: TriangleMesh
    classes: NDArray[np.int64]
    """[V] or [F] class indices on the mesh, which may have split vertices or lost faces of the file."""
    label_kind: LabelKind
    n_classes: int

    def on_file(self) -> NDArray[np.int64]:
        """[V_file] or [F_file] class indices in the order of the user's file."""
        from gaugenet.data.labelled import values_on_file

        return np.asarray(values_on_file(self.mesh, self.classes, self.label_kind))

    def write_labels(self, path: Path, label_values: Sequence[int]) -> None:
        """One line per vertex (or triangle) of the user's file: its class as the user's labels write it."""
        values = np.asarray(label_values)[self.on_file()]
        write_atomically(path, "".join(f"{v}\n" for v in values.tolist()).encode())

    def write_ply(self, path: Path) -> None:
        """The surface with its predicted classes as colours. Vertices stand in the order of the user's file.

        Raises:
            ValueError: the surface has edge lengths only and no positions.
        """
        mesh = self.mesh
        if mesh.vertices is None:
            raise ValueError(f"{self.name}: the surface has no positions in space, so no PLY can be written")
        classes = self.on_file() if self.label_kind == "vertex" else self.classes
        write_colored_ply(
            path,
            mesh.vertices[mesh.vertex_of_file],
            mesh.file_vertex[mesh.faces],
            classes,
            self.n_classes,
            label_kind=self.label_kind,
        )


def draw_predictions(path: Path, predictions: Sequence[Prediction], titles: Sequence[str]) -> None:
    """One picture of several labelled surfaces, as PNG.

    Raises:
        ImportError: matplotlib is not installed.
    """
    panels = [
        (p.mesh.vertices, p.mesh.faces, p.classes, title)
        for p, title in zip(predictions, titles)
        if p.mesh.vertices is not None
    ]
    temporary = path.with_name(f".{path.stem}.tmp.png")
    try:
        draw_segmentation(temporary, panels, predictions[0].n_classes)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
