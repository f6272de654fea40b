"""Colours of the template, carried to surfaces by their predicted vertices."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from template import Template

import gaugenet as gn
from gaugenet.visualize import draw_shaded, new_figure


def draw(path: Path, template: Template, bodies: Sequence[tuple[str, gn.TriangleMesh, np.ndarray, np.ndarray]]) -> None:
    """The template and, side by side, the truth and the prediction on each surface.

    Args:
        path: of the picture.
        template: its positions are the colours.
        bodies: name, mesh, and two int64 [V] of numbers on the template: true ones, predicted ones.
    """
    points = template.mesh.vertices
    assert points is not None
    colors = (points - points.min(0)) / (points.max(0) - points.min(0))
    of_number = colors[template.vertex.numpy()]
    panels = [("template", template.mesh, colors)]
    for name, mesh, true, predicted in bodies:
        panels += [(f"{name}, true", mesh, of_number[true]), (f"{name}, predicted", mesh, of_number[predicted])]
    figure = new_figure(2.2 * len(panels), 3.6)
    for i, (title, mesh, color) in enumerate(panels):
        assert mesh.vertices is not None
        axes = figure.add_subplot(1, len(panels), i + 1)
        draw_shaded(axes, mesh.vertices, mesh.faces, color[mesh.faces].mean(1), view=(8.0, 25.0), up="y")
        axes.set_title(title, fontsize=8)
    figure.subplots_adjust(left=0.01, right=0.99, bottom=0.01, top=0.92, wspace=0.02)
    figure.savefig(path, bbox_inches="tight")
