"""Pictures of labelled surfaces: a palette for any number of classes, coloured PLY files, and PNGs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

UNLABELLED = (150, 150, 150)
"""RGB of a vertex or face without a class."""

# Hand-picked so that neighbouring indices (left and right limbs, often) differ in hue and lightness.
_BASE = np.array(
    [
        [228, 87, 86], [76, 120, 168], [245, 133, 24], [84, 162, 75], [178, 121, 162], [238, 202, 59],
        [114, 183, 178], [157, 117, 93], [255, 157, 166], [43, 90, 60], [148, 103, 220], [160, 200, 90],
        [30, 60, 120], [250, 190, 130], [150, 30, 50], [100, 215, 235],
    ],
    np.uint8,
)  # fmt: skip


def segmentation_colors(labels: NDArray[Any], n_classes: int) -> NDArray[np.uint8]:
    """RGB [N, 3] of class indices [N]; indices outside 0..n_classes-1 are grey.

    The first sixteen colours are hand-picked; the next ones walk around the hue circle by the golden angle,
    with five saturations and lightnesses, so that any 260 are different.
    """
    labels = np.asarray(labels)
    palette = np.concatenate([_palette(n_classes), np.array([UNLABELLED], np.uint8)])
    known = (labels >= 0) & (labels < n_classes)
    return palette[np.where(known, labels, n_classes)]


def _palette(n: int) -> NDArray[np.uint8]:
    if n <= len(_BASE):
        return _BASE[:n]
    extra = np.arange(n - len(_BASE))
    hue = 6.0 * ((0.07 + extra * 0.6180339887498949) % 1.0)
    saturation = np.array([0.75, 0.45, 0.9, 0.6, 0.35])[extra % 5]
    value = np.array([0.9, 0.75, 0.6, 0.98, 0.5])[extra % 5]
    ramp = (np.array([5.0, 3.0, 1.0]) + hue[:, None]) % 6.0
    rgb = value[:, None] * (1.0 - saturation[:, None] * np.clip(np.minimum(ramp, 4.0 - ramp), 0.0, 1.0))
    return np.concatenate([_BASE, np.round(255 * rgb).astype(np.uint8)])


def write_colored_ply(
    path: str | Path,
    vertices: NDArray[Any],
    faces: NDArray[Any],
    labels: NDArray[Any],
    n_classes: int,
    *,
    label_kind: str = "vertex",
) -> None:
    """Writes a PLY file in which every vertex (or face) has the colour of its class.

    Args:
        vertices: [V, 3] positions; faces: [F, 3].
        labels: [V] class indices, or [F] with ``label_kind="face"``.

    Raises:
        ValueError: there are not as many labels as vertices (or faces).
    """
    from gaugenet.meshes.io import save_ply

    labels = np.asarray(labels)
    expected = len(vertices) if label_kind == "vertex" else len(faces)
    if labels.shape != (expected,):
        raise ValueError(f"expected one label per {label_kind}, {expected} in all; got an array of {labels.shape}")
    colors = segmentation_colors(labels, n_classes)
    if label_kind == "vertex":
        save_ply(path, vertices, faces, colors=colors)
    else:
        save_ply(path, vertices, faces, face_colors=colors)


Panel = tuple[NDArray[Any], NDArray[Any], NDArray[Any], str]


def draw_segmentation(
    path: str | Path,
    panels: Sequence[Panel],
    n_classes: int,
    *,
    columns: int | None = None,
    view: tuple[float, float] = (22.0, -55.0),
    up: str = "z",
) -> None:
    """Draws surfaces as shaded triangles in the colours of their classes, seen from infinity, into a PNG.

    Args:
        panels: (vertices [V, 3], faces [F, 3], labels [V] or [F], title) of each picture.
        n_classes: number of classes, which fixes the palette.
        columns: pictures per row; by default at most four.
        view: elevation and azimuth of the eye, degrees.
        up: the axis, "y" or "z", that points up in the picture.

    Raises:
        ValueError: there is nothing to draw, or a panel's labels fit neither its vertices nor its faces.
        ImportError: matplotlib is not installed.
    """
    if not panels:
        raise ValueError("expected at least one surface to draw, got none")
    columns = columns or min(len(panels), 4)
    rows = -(-len(panels) // columns)
    figure = new_figure(3.2 * columns, 3.2 * rows)
    for i, (vertices, faces, labels, title) in enumerate(panels):
        axes = figure.add_subplot(rows, columns, i + 1)
        _draw_surface(
            axes, np.asarray(vertices, np.float64), np.asarray(faces), np.asarray(labels), n_classes, view, up
        )
        axes.set_title(title, fontsize=9)
    figure.subplots_adjust(left=0.01, right=0.99, bottom=0.01, top=1 - 0.3 / (3.2 * rows), wspace=0.02, hspace=0.1)
    figure.savefig(path)


def new_figure(width: float, height: float) -> Any:
    """An empty figure of that size in inches, which belongs to no window.

    Raises:
        ImportError: matplotlib is not installed.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError("pictures need matplotlib; install it with: pip install matplotlib") from error
    figure = Figure(figsize=(width, height), dpi=150, facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def _draw_surface(
    axes: Any,
    vertices: NDArray[np.float64],
    faces: NDArray[Any],
    labels: NDArray[Any],
    n_classes: int,
    view: tuple[float, float],
    up: str,
) -> None:
    draw_shaded(axes, vertices, faces, _face_colors(labels, faces, len(vertices), n_classes), view, up)


def draw_shaded(
    axes: Any,
    vertices: NDArray[np.float64],
    faces: NDArray[Any],
    base: NDArray[np.float64],
    view: tuple[float, float] = (22.0, -55.0),
    up: str = "z",
    outline: tuple[float, float, float] | None = None,
) -> None:
    """Draws a surface as shaded triangles, seen from infinity, into matplotlib axes.

    Args:
        vertices: [V, 3]; faces: [F, 3].
        base: [F, 3] red, green and blue of each face, 0 to 1.
        view, up: as of `draw_segmentation`.
        outline: colour of the edges of triangles; None draws none.
    """
    from matplotlib.collections import PolyCollection

    axes.set_axis_off()
    axes.set_aspect("equal")
    if len(faces) == 0:
        return
    seen = vertices @ _camera(view, up).T  # right, up, towards the eye
    corners = seen[faces]
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-300)
    normal *= np.where(normal[:, 2:] < 0, -1.0, 1.0)  # both sides are lit, so that open surfaces show their inside
    light = np.array([-0.35, 0.55, 0.76])
    diffuse = np.clip(normal @ light, 0.0, 1.0)
    shine = np.clip(normal @ np.array([-0.18, 0.28, 0.94]), 0.0, 1.0) ** 30
    rgb = np.clip(base * (0.42 + 0.62 * diffuse)[:, None] + 0.12 * shine[:, None], 0.0, 1.0)
    order = np.argsort(corners[:, :, 2].mean(1), kind="stable")
    rgb = rgb[order]
    # edges in the face's own colour close the hairlines that antialiasing leaves between triangles
    edges, width = (rgb, 0.25) if outline is None else ([outline], 0.6)
    axes.add_collection(PolyCollection(corners[order, :, :2], facecolors=rgb, edgecolors=edges, linewidths=width))
    low, high = corners[:, :, :2].min((0, 1)), corners[:, :, :2].max((0, 1))
    middle, half = (low + high) / 2, max(float((high - low).max()) / 2, 1e-300) * 1.05
    axes.set_xlim(middle[0] - half, middle[0] + half)
    axes.set_ylim(middle[1] - half, middle[1] + half)


def _make_room(axes: Any, points: NDArray[np.float64]) -> None:
    """Widens square axes about their middle where points [N, 2] would not be in the picture."""
    low, high = np.array([axes.get_xlim(), axes.get_ylim()]).T
    middle = (low + high) / 2
    half = max(float((high - low).max()) / 2, 1.03 * float(np.abs(points - middle).max(initial=0.0)))
    axes.set_xlim(middle[0] - half, middle[0] + half)
    axes.set_ylim(middle[1] - half, middle[1] + half)


def _face_colors(labels: NDArray[Any], faces: NDArray[Any], n_vertices: int, n_classes: int) -> NDArray[np.float64]:
    if labels.shape == (n_vertices,):
        # the mean of the corners' colours would show a class that is not there: two corners decide
        a, b, c = labels[faces].T
        labels = np.where(b == c, b, a)
    elif labels.shape != (len(faces),):
        raise ValueError(f"expected {n_vertices} labels (vertices) or {len(faces)} (faces), got {labels.shape}")
    return segmentation_colors(labels, n_classes) / 255.0


def _camera(view: tuple[float, float], up: str) -> NDArray[np.float64]:
    """Rows: the directions right, up and towards the eye."""
    if up not in ("y", "z"):
        raise ValueError(f'expected up="y" or up="z", got {up!r}')
    elevation, azimuth = np.radians(view)
    eye = np.array([np.cos(elevation) * np.cos(azimuth), np.cos(elevation) * np.sin(azimuth), np.sin(elevation)])
    right = np.array([-np.sin(azimuth), np.cos(azimuth), 0.0])
    rows = np.stack([right, np.cross(eye, right), eye])
    return rows if up == "z" else rows[:, [1, 2, 0]]
