"""Pictures of predicted numbers beside those that are known."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gaugenet.visualize import draw_shaded, new_figure


class NumberComparison(NamedTuple):
    """A surface with numbers at its vertices that are known and that were predicted."""

    name: str
    vertices: NDArray[Any]
    """[V, 3]"""
    faces: NDArray[Any]
    """[F, 3]"""
    truth: NDArray[Any] | None
    """[V] scalars or [V, 3] vectors; None where nothing is known."""
    predicted: NDArray[Any]


def draw_number_comparisons(
    path: str | Path,
    surfaces: Sequence[NumberComparison],
    quantity: str = "",
    *,
    view: tuple[float, float] = (22.0, -55.0),
    up: str = "z",
) -> None:
    """Draws a row per surface: what is known, the prediction on the same scale, and the size of the error, into a PNG.

    Of vectors the lengths are drawn, and the length of their difference. Scales leave out the outer 1 % on both sides.

    Raises:
        ValueError: there is no surface, or the numbers are not those of its vertices.
        ImportError: matplotlib is not installed.
    """
    if not surfaces:
        raise ValueError("expected at least one surface to draw, got none")
    figure = new_figure(10.6, 3.2 * len(surfaces) + 0.15)
    import matplotlib as mpl
    from matplotlib.colors import Normalize

    for row, s in enumerate(surfaces):
        vertices, faces = np.asarray(s.vertices, np.float64), np.asarray(s.faces)
        predicted = np.asarray(s.predicted, np.float64)
        truth = None if s.truth is None else np.asarray(s.truth, np.float64)
        if len(predicted) != len(vertices) or (truth is not None and truth.shape != predicted.shape):
            got = predicted.shape if truth is None else (truth.shape, predicted.shape)
            raise ValueError(f"expected numbers at the {len(vertices)} vertices of {s.name}, got {got}")
        panels = [(f"{s.name}: {quantity} predicted" if truth is None else "predicted", _sizes(predicted), "viridis")]
        if truth is not None:
            known, error = _sizes(truth), _sizes(predicted - truth, signed=False)
            panels = [(f"{s.name}: {quantity}", known, "viridis"), *panels]
            panels.append((f"error, root mean square {np.sqrt(np.mean(error**2)):.3g}", error, "magma_r"))
        low, high = np.percentile(np.concatenate([v for _, v, c in panels if c == "viridis"]), [1.0, 99.0])
        for column, (title, values, colors) in enumerate(panels):
            bounds = (low, high) if colors == "viridis" else (0.0, float(np.percentile(values, 99.0)))
            bounds = bounds if bounds[1] > bounds[0] else (bounds[0] - 0.5, bounds[0] + 0.5)
            scale = mpl.cm.ScalarMappable(Normalize(*bounds), colors)
            axes = figure.add_subplot(len(surfaces), 3, 3 * row + column + 1)
            draw_shaded(axes, vertices, faces, scale.to_rgba(values[faces].mean(1))[:, :3], view, up)
            axes.set_title(title, fontsize=9)
            bar = figure.colorbar(scale, ax=axes, shrink=0.6, pad=0.01)
            bar.outline.set_visible(False)
            bar.ax.tick_params(labelsize=7, length=2)
    top = 1 - 0.32 / (3.2 * len(surfaces))
    figure.subplots_adjust(left=0.01, right=0.97, bottom=0.01, top=top, wspace=0.04, hspace=0.12)
    figure.savefig(path)


def _sizes(values: NDArray[np.float64], signed: bool = True) -> NDArray[np.float64]:
    if values.ndim == 2:
        return np.asarray(np.linalg.norm(values, axis=1))
    return values if signed else np.abs(values)
