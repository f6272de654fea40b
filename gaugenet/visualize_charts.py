"""Fields on the charts of an atlas, unfolded into the plane, with the frames in which they are written."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from gaugenet.meshes.charts import CELLS, ChartAtlas
from gaugenet.meshes.validation import Floats


def draw_unfolded(
    path: str | Path, atlas: ChartAtlas, values: Tensor, vectors: Tensor | None = None, *, title: str = ""
) -> None:
    """A picture of the charts side by side: pixels coloured by a scalar, a vector at each, and the frame of each chart.

    A pixel is the polygon of points nearest to it (hexagon or square). On `icosahedral_atlas` the five parallelograms
    make the usual zigzag net. Vectors are coefficients and are drawn along the axes of their chart; across a cut they
    turn by the transition function, as the frames drawn (red x, blue y) do. Pixels at cone points, and those whose
    value is NaN, are left blank.

    Args:
        path: of the picture; the ending says the format.
        atlas: the charts.
        values: [P] one number per pixel.
        vectors: [P, 2] components along x and y of the frames of the charts; None: no arrows.
        title: above the picture.

    Raises:
        ValueError: values or vectors have the wrong shape.
    """
    if values.shape != (atlas.n_pixels,):
        raise ValueError(f"expected values [{atlas.n_pixels}], got {list(values.shape)}")
    if vectors is not None and vectors.shape != (atlas.n_pixels, 2):
        raise ValueError(f"expected vectors [{atlas.n_pixels}, 2], got {list(vectors.shape)}")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.collections import PolyCollection
    from matplotlib.figure import Figure

    places, angle = unfolded(atlas)
    turn = _turn(angle)
    color = values.detach().double().cpu().numpy().copy()
    color[list(atlas.cones)] = np.nan
    figure = Figure(figsize=(9, 9 * np.ptp(places[:, 1]) / np.ptp(places[:, 0]) + 0.6))
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0.01, 0.01, 0.9, 0.93))
    cells = PolyCollection(
        places[:, None] + np.einsum("pij,cj->pci", turn, _cell(atlas)), array=color, cmap="viridis", linewidths=0
    )
    axes.add_collection(cells)
    if vectors is not None:
        arrows = vectors.detach().double().cpu().numpy().copy()
        arrows[list(atlas.cones)] = 0
        longest = np.linalg.norm(arrows, axis=1).max()
        if longest > 0:
            arrows = np.einsum("pij,pj->pi", turn, arrows) * (0.9 / longest)
            axes.quiver(
                *places.T, *arrows.T, angles="xy", scale_units="xy", scale=1, pivot="mid", width=0.0015, color="black"
            )
    _frames(axes, atlas, places, angle)
    axes.set_xlim(places[:, 0].min() - 1, places[:, 0].max() + 1)
    axes.set_ylim(places[:, 1].min() - 1, places[:, 1].max() + 1)
    axes.set_aspect("equal")
    axes.set_axis_off()
    axes.set_title(title, fontsize=10)
    figure.colorbar(cells, cax=figure.add_axes((0.93, 0.15, 0.015, 0.6)))
    figure.savefig(path, dpi=110)


def unfolded(atlas: ChartAtlas) -> tuple[Floats, Floats]:
    """Where the pixels lie in the plane [P, 2], in sides of a cell, and by how much each chart is turned there [P].

    Five charts of a hexagonal lattice are laid out as the net of the icosahedron, turned by −120° so that the north
    pole is on top; neighbours touch along one edge of the icosahedron. Other charts stand side by side, one cell apart.
    """
    grid = np.meshgrid(np.arange(atlas.rows), np.arange(atlas.columns), np.arange(atlas.n_charts), indexing="ij")
    i, j, chart = (g.ravel() for g in grid)
    a, b = CELLS[atlas.lattice]
    plane = j[:, None] * a + i[:, None] * b
    net = atlas.lattice == "hexagonal" and atlas.n_charts == 5
    angle = np.full(atlas.n_pixels, -2 * math.pi / 3 if net else 0.0)
    plane = np.einsum("pij,pj->pi", _turn(angle), plane)
    step = float(atlas.rows) if net else float(np.ptp(plane[:, 0])) + 2.0
    places: Floats = plane + chart[:, None] * np.array([step, 0.0])
    return places, angle


def _turn(angle: Floats) -> Floats:
    cos, sin = np.cos(angle), np.sin(angle)
    turned: Floats = np.stack([np.stack([cos, -sin], 1), np.stack([sin, cos], 1)], 1)
    return turned


def _cell(atlas: ChartAtlas) -> Floats:
    """[corners, 2] of the pixel around the origin, in the frame of its chart."""
    n = 6 if atlas.lattice == "hexagonal" else 4
    angle = math.pi / n + 2 * math.pi / n * np.arange(n)
    corners: Floats = np.stack([np.cos(angle), np.sin(angle)], 1) * (0.5 / math.cos(math.pi / n))
    return corners


def _frames(axes: Any, atlas: ChartAtlas, places: Floats, angle: Floats) -> None:
    """The axes x (red) and y (blue) of every chart, at its middle."""
    length = min(atlas.rows, atlas.columns) / 4
    for chart in range(atlas.n_charts):
        middle, turn = places[chart :: atlas.n_charts].mean(0), _turn(angle[chart : chart + 1])[0]
        for axis, color in zip(turn.T, ("tab:red", "tab:blue"), strict=True):
            axes.annotate(
                "",
                middle + length * axis,
                middle,
                arrowprops={"arrowstyle": "-|>", "color": color, "linewidth": 2.2, "shrinkA": 0, "shrinkB": 0},
            )
