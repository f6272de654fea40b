"""Pictures of numbers on surfaces, and of predictions beside labels with what is wrong marked."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gaugenet.visualize import _face_colors, draw_shaded, new_figure

RIGHT, WRONG, UNKNOWN = (215, 218, 222), (214, 39, 40), (150, 150, 150)
"""RGB of what was predicted right, wrong, and of what has no label."""


class Comparison(NamedTuple):
    """A surface with the classes that it has and those that were predicted."""

    name: str
    vertices: NDArray[Any]
    """[V, 3]"""
    faces: NDArray[Any]
    """[F, 3]"""
    labels: NDArray[Any]
    """[V] or [F] class indices, negative for none."""
    predicted: NDArray[Any]


def draw_values(
    path: str | Path,
    vertices: NDArray[Any],
    faces: NDArray[Any],
    values: NDArray[Any],
    title: str = "",
    *,
    diverging: bool | None = None,
    view: tuple[float, float] = (22.0, -55.0),
    up: str = "z",
) -> None:
    """Draws one number per vertex or face as colours with a scale, into a PNG.

    The scale runs over the middle 98 % of the values, so that a few outliers do not take all colours.

    Args:
        values: [V] or [F]; not finite ones are grey.
        diverging: whether 0 is white, with blue below and red above; None: where both signs occur.

    Raises:
        ValueError: there is not one value per vertex or face.
        ImportError: matplotlib is not installed.
    """
    figure = new_figure(6.4, 5.6)
    import matplotlib as mpl
    from matplotlib.colors import Normalize

    values, faces = np.asarray(values, np.float64), np.asarray(faces)
    if values.shape not in ((len(vertices),), (len(faces),)):
        raise ValueError(f"expected {len(vertices)} values (vertices) or {len(faces)} (faces), got {values.shape}")
    finite = values[np.isfinite(values)]
    low, high = np.percentile(finite, [1.0, 99.0]) if len(finite) else (0.0, 1.0)
    if diverging is None:
        diverging = bool(low < 0 < high and min(-low, high) > 0.05 * max(-low, high))
    if diverging:
        high = max(abs(low), abs(high))
        low = -high
    if not high > low:
        low, high = low - 0.5, high + 0.5
    scale = mpl.cm.ScalarMappable(Normalize(low, high), "RdBu_r" if diverging else "viridis")
    of_faces = values[faces].mean(1) if values.shape == (len(vertices),) else values
    colors = scale.to_rgba(of_faces)[:, :3]
    colors[~np.isfinite(of_faces)] = np.array(UNKNOWN) / 255
    axes = figure.add_axes((0.01, 0.02, 0.84, 0.91))
    draw_shaded(axes, np.asarray(vertices, np.float64), faces, colors, view, up)
    bar = figure.colorbar(scale, cax=figure.add_axes((0.87, 0.2, 0.025, 0.55)), extend="both")
    bar.outline.set_visible(False)
    bar.ax.tick_params(labelsize=8, length=2)
    figure.text(0.43, 0.955, title, ha="center", fontsize=10)
    figure.savefig(path)


def draw_comparisons(
    path: str | Path,
    surfaces: Sequence[Comparison],
    n_classes: int,
    *,
    view: tuple[float, float] = (22.0, -55.0),
    up: str = "z",
) -> None:
    """Draws a row per surface: its labels, the prediction, and what is wrong in it, into a PNG.

    Raises:
        ValueError: there is no surface, or labels and prediction do not fit it.
        ImportError: matplotlib is not installed.
    """
    if not surfaces:
        raise ValueError("expected at least one surface to draw, got none")
    figure = new_figure(9.6, 3.2 * len(surfaces) + 0.15)
    for row, s in enumerate(surfaces):
        vertices, faces = np.asarray(s.vertices, np.float64), np.asarray(s.faces)
        labels, predicted = np.asarray(s.labels), np.asarray(s.predicted)
        known = labels >= 0
        wrong = known & (labels != predicted)
        share = f"{100 * wrong.sum() / known.sum():.2f} % wrong" if known.any() else "no labels"
        panels = (
            (f"{s.name}: labels", _face_colors(labels, faces, len(vertices), n_classes)),
            ("prediction", _face_colors(predicted, faces, len(vertices), n_classes)),
            (share, mistake_colors(labels, predicted, faces, len(vertices))),
        )
        for column, (title, colors) in enumerate(panels):
            axes = figure.add_subplot(len(surfaces), 3, 3 * row + column + 1)
            draw_shaded(axes, vertices, faces, colors, view, up)
            axes.set_title(title, fontsize=9)
    top = 1 - 0.32 / (3.2 * len(surfaces))
    figure.subplots_adjust(left=0.01, right=0.99, bottom=0.01, top=top, wspace=0.02, hspace=0.12)
    figure.savefig(path)


def mistake_colors(
    labels: NDArray[Any], predicted: NDArray[Any], faces: NDArray[Any], n_vertices: int
) -> NDArray[np.float64]:
    """RGB [F, 3] from 0 to 1: red where a face, or one of its corners, was predicted wrong.

    Raises:
        ValueError: labels and predictions are not of the same elements.
    """
    if labels.shape != predicted.shape or labels.shape not in ((n_vertices,), (len(faces),)):
        raise ValueError(
            f"expected labels and predictions of {n_vertices} vertices or {len(faces)} faces, got {labels.shape} and "
            f"{predicted.shape}"
        )
    known, wrong = labels >= 0, (labels >= 0) & (labels != predicted)
    if labels.shape == (n_vertices,):
        known, wrong = known[faces].any(1), wrong[faces].mean(1)
    share = np.asarray(wrong, np.float64)[:, None]
    colors = (1 - share) * np.array(RIGHT) / 255 + share * np.array(WRONG) / 255
    colors[~known] = np.array(UNKNOWN) / 255
    return np.asarray(colors)
