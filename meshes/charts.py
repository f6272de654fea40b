"""Surfaces covered by regular grids of pixels, glued along their sides: an atlas is data, and so is every halo.

Pixel (i, j) of a chart, row i and column j, lies at the point j a + i b of the plane; a and b are the sides of a cell:
(1, 0) and (0, 1) on the square lattice, (1, 0) and (1/2, √3/2) on the hexagonal one. The frame is the same at all
pixels of a chart: x along a, y towards b. A side of a chart is glued to a chart by an affine map of the lattice

    (i, j) → M (i, j) + o,

which continues the chart's coordinates beyond that side in those of the other chart. It is an isometry of the plane;
its derivative is the change from this chart's frame to the other's, and the transporter back is the inverse of that.
Weiler et al. 2021, Coordinate Independent Convolutional Networks (the Möbius strip); Cohen et al. 2019, Gauge
Equivariant Convolutional Networks and the Icosahedral CNN. Conventions of transporters: `gaugenet.meshes.transport`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Literal, NamedTuple, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gaugenet.meshes.chart_sides import check_sides
from gaugenet.meshes.geometry import group_name
from gaugenet.meshes.memo import remembered

Ints = NDArray[np.int64]
Lattice = Literal["square", "hexagonal"]
_T = TypeVar("_T")
CELLS = {"square": np.eye(2), "hexagonal": np.array([[1.0, 0.0], [0.5, math.sqrt(0.75)]])}
"""Rows a and b."""
SAME_TURN = 0.9
"""Cosine of the angle between two ways, above which it is 0 and not 60° or 90°."""
_CROSSINGS = 16
"""Of sides near a pixel. The way round a cone point may never end."""


class Gluing(NamedTuple):
    """What lies beyond a side of a chart, or beyond a part of it: (i, j) is pixel M (i, j) + o of `chart`."""

    chart: int
    matrix: tuple[tuple[int, int], tuple[int, int]]
    """M, of rows and columns."""
    offset: tuple[int, int]
    """o, rows and columns."""
    transition: bool = True
    """Whether frames change as the derivative of the map says. False is a mistake made on purpose, for comparison."""
    start: int = 0
    """The first row or column along the side to which this applies."""
    stop: int | None = None
    """The first one to which it does not; None: up to the end."""


class Pull(NamedTuple):
    """Where features come from: out[n] = ρ(angle_n, flip_n) x[source_n], and 0 where `inside` is False."""

    source: Tensor
    """int64 [n] pixel; 0 where there is none."""
    angle: Tensor
    """float64 [n] radians, of the transporter to the frame in which the result is written."""
    flip: Tensor
    """int8 [n]"""
    inside: Tensor
    """bool [n]; False beyond a border, and at the corner of a cone point, where two ways round disagree."""


@dataclass(frozen=True, eq=False)
class ChartAtlas:
    """`n_charts` grids of one shape, glued. Pixel number: (i · columns + j) · n_charts + chart, so that a field
    [P, N, C] is seen as [rows, columns, n_charts · N, C] without a copy.

    Raises:
        ValueError: a gluing is no isometry of the lattice or has no inverse on the other side, a cone point is no
            pixel, the lattice is not known, or there is not one entry per chart and side.
    """

    name: str
    """Stands in errors."""
    rows: int
    """Of pixels in each chart."""
    columns: int
    """Of pixels in each chart."""
    sides: tuple[tuple[tuple[Gluing, ...], ...], ...]
    """Per chart what lies beyond its left (j < 0), right, top (i < 0) and bottom side, part by part; () is a border."""
    lattice: Lattice = "square"
    cones: tuple[int, ...] = ()
    """Pixels at cone points, whose neighbours do not surround them as those of a kernel do. No pull finds them: they
    are holes in the surface, and what a layer writes there is never read."""
    memo: dict[Any, Any] = field(default_factory=dict, init=False, repr=False, compare=False)
    """What layers derive from the atlas and share. Never copied, never saved."""

    def __post_init__(self) -> None:
        if self.rows < 1 or self.columns < 1 or not self.sides or any(len(s) != 4 for s in self.sides):
            raise ValueError("expected charts of at least one pixel and four sides (left, right, top, bottom) each")
        if self.lattice not in CELLS:
            raise ValueError(f'expected lattice "square" or "hexagonal", got {self.lattice!r}')
        if any(not 0 <= pixel < self.n_pixels for pixel in self.cones):
            raise ValueError(f"expected cones to be pixels from 0 to {self.n_pixels - 1}, got {self.cones}")
        for gluing in self._gluings():
            transition(gluing, self.lattice)
        check_sides(self.sides, self.rows, self.columns)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "memo": {}}

    @property
    def n_charts(self) -> int:
        """Number of grids."""
        return len(self.sides)

    @property
    def n_pixels(self) -> int:
        """P, over all charts."""
        return self.rows * self.columns * self.n_charts

    @property
    def rotation_order(self) -> int:
        """N: every transition function turns by a multiple of 2π/N (1: by none)."""

        def build() -> int:
            return 12 // math.gcd(12, *(round(angle * 6 / math.pi) for angle, _ in self._transitions()))

        return self.remember("rotation order", build)

    @property
    def structure_group(self) -> str:
        """The smallest group that holds all transition functions, e.g. ``"reflection"``."""

        def build() -> str:
            return group_name(self.rotation_order, any(flip < 0 for _, flip in self._transitions()))

        return self.remember("structure group", build)

    def _transitions(self) -> list[tuple[float, int]]:
        return [transition(g, self.lattice) for g in self._gluings()]

    def _gluings(self) -> list[Gluing]:
        return [g for chart in self.sides for side in chart for g in side]

    def remember(self, key: Any, build: Callable[[], _T]) -> _T:
        """``build()``, computed once per atlas and key; what is made without a device is on the CPU.

        Raises:
            RuntimeError: under ``torch.export``, what is not known yet.
        """

        def on_cpu() -> _T:
            with torch.device("cpu"):
                return build()

        return remembered(self.memo, key, on_cpu, f"the {self.name}")

    def __repr__(self) -> str:
        charts = f"{self.n_charts} charts of " if self.n_charts > 1 else ""
        return f"ChartAtlas({self.name}, {charts}{self.rows} × {self.columns}, admits {self.structure_group})"

    def pull(self, chart: Ints, i: Ints, j: Ints) -> Pull:
        """The pixels at coordinates (i, j) [n] of `chart` [n], continued beyond its sides.

        Where both coordinates are outside, the sides may be crossed in two orders. Where both orders lead somewhere
        and not to the same pixel by the same transporter, a cone point lies between them and the answer is nowhere.
        So it is within a chart's width of a chart; what lies further behind a cone point depends on the charts.

        Raises:
            ValueError: there is no such chart.
        """
        if len(chart) and not 0 <= chart.min() <= chart.max() < self.n_charts:
            raise ValueError(f"expected charts from 0 to {self.n_charts - 1}, got {chart.min()} to {chart.max()}")
        one = self._walk(chart, i, j, columns_first=True)
        other = self._walk(chart, i, j, columns_first=False)
        inside = one.inside | other.inside
        both = one.inside & other.inside
        turned = torch.cos(one.angle - other.angle) > SAME_TURN
        inside &= ~both | ((one.source == other.source) & turned & (one.flip == other.flip))
        found = torch.where(one.inside, one.source, other.source)
        inside &= ~torch.from_numpy(np.isin(found.numpy(), self.cones))
        use = one.inside
        return Pull(
            torch.where(inside, torch.where(use, one.source, other.source), 0),
            torch.where(use, one.angle, other.angle),
            torch.where(use, one.flip, other.flip),
            inside,
        )

    def halo(self, radius: int) -> Pull:
        """All charts with a margin of `radius` pixels: [rows + 2 radius, columns + 2 radius, n_charts], flattened.

        Raises:
            ValueError: the radius is negative.
        """
        if radius < 0:
            raise ValueError(f"expected a margin of 0 pixels or more, got {radius}")

        def build() -> Pull:
            grid = np.meshgrid(
                np.arange(-radius, self.rows + radius),
                np.arange(-radius, self.columns + radius),
                np.arange(self.n_charts),
                indexing="ij",
            )
            i, j, chart = (g.ravel() for g in grid)
            return self.pull(chart, i, j)

        return self.remember(("halo", radius), build)

    def move(self, rows: int, columns: int) -> Pull:
        """Everything moved by so many pixels: out[i, j] is what lay at (i − rows, j − columns). An isometry where the
        lattice's translation is one: along a Möbius strip, in all directions on a torus."""
        grid = np.meshgrid(np.arange(self.rows), np.arange(self.columns), np.arange(self.n_charts), indexing="ij")
        i, j, chart = (g.ravel() for g in grid)
        return self.pull(chart, i - rows, j - columns)

    def coarser(self, factor: int) -> ChartAtlas:
        """The atlas whose pixels are squares of factor × factor pixels of this one.

        Raises:
            ValueError: the factor is below 1, or the squares do not fit into the charts, or do not meet across a side.
        """

        if factor < 1:
            raise ValueError(f"expected squares of at least one pixel, got a side of {factor}")

        def coarse(gluing: Gluing) -> Gluing:
            m, o = np.array(gluing.matrix), np.array(gluing.offset)
            shift = 0.5 - m @ np.array([0.5, 0.5])
            offset = (o + shift) / factor - shift
            if np.abs(offset - offset.round()).max() > 1e-9:
                raise ValueError(f"squares of {factor} × {factor} pixels of {self!r} do not meet across a side")
            return gluing._replace(offset=(round(offset[0]), round(offset[1])))

        def build() -> ChartAtlas:
            if self.cones or any(g.start or g.stop is not None for g in self._gluings()):
                raise ValueError(
                    f"{self!r} has pixels at cone points or sides of several parts: no squares of pixels fit"
                )
            if self.rows % factor or self.columns % factor:
                raise ValueError(f"{self.rows} × {self.columns} pixels are not made of {factor} × {factor} squares")
            sides = tuple(tuple(tuple(map(coarse, side)) for side in chart) for chart in self.sides)
            return replace(self, rows=self.rows // factor, columns=self.columns // factor, sides=sides)

        return self.remember(("coarser", factor), build)

    def without_transitions(self) -> ChartAtlas:
        """Glued pixel by pixel as before, but as if frames agreed across every side: what a plain CNN does there. It
        admits every group and is equivariant under none of the gauge transformations of this atlas."""
        sides = tuple(tuple(tuple(g._replace(transition=False) for g in side) for side in c) for c in self.sides)
        return replace(self, name=f"{self.name} without transitions", sides=sides)

    def _walk(self, chart: Ints, i: Ints, j: Ints, columns_first: bool) -> Pull:
        chart, at = chart.copy(), np.stack([i, j], 1).astype(np.int64)
        angle, flip = np.zeros(len(chart)), np.ones(len(chart), np.int8)
        inside = np.ones(len(chart), bool)
        beyond = np.maximum(-at, at - (self.rows - 1, self.columns - 1)).max(initial=0)
        for _ in range(_CROSSINGS + 4 * int(beyond) // min(self.rows, self.columns)):
            low, high = at < 0, at >= (self.rows, self.columns)
            side = np.full(len(chart), -1)
            for axis, first in ((0, 2), (1, 0)) if columns_first else ((1, 0), (0, 2)):
                side = np.where(low[:, axis], first, np.where(high[:, axis], first + 1, side))
            if not (inside & (side >= 0)).any():
                break
            along = np.clip(np.where(side < 2, at[:, 0], at[:, 1]), 0, np.where(side < 2, self.rows, self.columns) - 1)
            here, chart_before, crossed = inside & (side < 0), chart.copy(), np.zeros(len(chart), bool)
            for c in range(self.n_charts):
                for s in range(4):
                    on_side = inside & (chart_before == c) & (side == s)
                    for gluing in self.sides[c][s] if on_side.any() else ():
                        stop = max(self.rows, self.columns) if gluing.stop is None else gluing.stop
                        through = np.flatnonzero(on_side & (along >= gluing.start) & (along < stop))
                        a, f = transition(gluing, self.lattice)
                        # the way so far, then back through this side: (angle, flip) (a, f)
                        angle[through] += flip[through] * a
                        flip[through] *= f
                        at[through] = at[through] @ np.array(gluing.matrix).T + np.array(gluing.offset)
                        chart[through] = gluing.chart
                        crossed[through] = True
            inside = here | crossed
        else:
            inside &= side < 0
        number = (at[:, 0] * self.columns + at[:, 1]) * self.n_charts + chart
        return Pull(
            torch.from_numpy(np.where(inside, number, 0)),
            torch.from_numpy(angle),
            torch.from_numpy(flip),
            torch.from_numpy(inside),
        )


def transition(gluing: Gluing, lattice: Lattice) -> tuple[float, int]:
    """(angle, flip) of the transporter from the frame of the chart beyond a side to the frame before it.

    Raises:
        ValueError: the gluing is no isometry of the lattice.
    """
    cell = CELLS[lattice]
    # coordinates (i, j) to the plane: j a + i b
    plane = np.stack([cell[1], cell[0]], 1)
    there = plane @ np.array(gluing.matrix, float) @ np.linalg.inv(plane)
    if np.abs(there @ there.T - np.eye(2)).max() > 1e-9:
        raise ValueError(f"expected a gluing that is an isometry of the {lattice} lattice, got {gluing}")
    if not gluing.transition:
        return 0.0, 1
    back = there.T
    flip = 1 if np.linalg.det(back) > 0 else -1
    return math.atan2(back[1, 0], back[0, 0]), flip
