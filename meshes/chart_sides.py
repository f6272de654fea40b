"""Whether what is said to lie beyond the sides of charts is a surface."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from gaugenet.meshes.charts import Gluing

    Sides = tuple[tuple[tuple[Gluing, ...], ...], ...]

_OUTWARD = ((0, -1), (0, 1), (-1, 0), (1, 0))
_NAMES = ("left", "right", "top", "bottom")


def check_sides(sides: Sides, rows: int, columns: int) -> None:
    """Raise a ValueError unless every part of a side leads to pixels next to a side from which the way back leads to
    this one.

    Args:
        sides: per chart those on the left, right, top and bottom, part by part.
        rows, columns: of pixels in each chart.
    """
    for chart, of_chart in enumerate(sides):
        for side, parts in enumerate(of_chart):
            taken = np.zeros(rows if side < 2 else columns, np.int64)
            for gluing in parts:
                where = f"the {_NAMES[side]} side of chart {chart}"
                if not 0 <= gluing.chart < len(sides):
                    raise ValueError(
                        f"{where} is glued to chart {gluing.chart}, expected one from 0 to {len(sides) - 1}"
                    )
                if any(not isinstance(v, int | np.integer) for row in (*gluing.matrix, gluing.offset) for v in row):
                    raise ValueError(f"expected integers in the matrix and the offset of a gluing, got {gluing}")
                taken[gluing.start : gluing.stop] += 1
                _check_part(sides, rows, columns, chart, side, gluing, where)
            if taken.max() > 1:
                raise ValueError(f"parts of the {_NAMES[side]} side of chart {chart} overlap")


def _check_part(sides: Sides, rows: int, columns: int, chart: int, side: int, gluing: Gluing, where: str) -> None:
    along = np.arange(rows if side < 2 else columns)[gluing.start : gluing.stop]
    last = (columns, rows)[side // 2] - 1 if side % 2 else 0
    within = np.stack([along, np.full_like(along, last)][:: 1 if side < 2 else -1], 1)
    there = _mapped(gluing, within + _OUTWARD[side])
    lands = ((there >= 0) & (there < (rows, columns))).all(1)
    if not lands.any() and len(along) != 1:
        raise ValueError(f"{where} leads to no pixel of chart {gluing.chart}: {gluing}")
    back = _mapped(gluing, within)
    beyond = np.stack([back[:, 1] < 0, back[:, 1] >= columns, back[:, 0] < 0, back[:, 0] >= rows], 1)
    # where two sides are crossed, the way back leads round a corner
    returns = ~lands | (beyond.sum(1) > 1)
    for other, parts in enumerate(sides[gluing.chart]):
        for part in parts:
            place = back[:, 0 if other < 2 else 1]
            inside = beyond[:, other] & (place >= part.start) & (place < (part.stop or max(rows, columns)))
            if part.chart == chart:
                returns |= inside & (_mapped(part, back) == within).all(1)
    if not returns.all():
        pixel = tuple(within[returns.argmin()].tolist())
        raise ValueError(
            f"{where} leads from pixel {pixel} to chart {gluing.chart}, and there is no way back: expected the inverse "
            f"of {gluing} on a side of that chart"
        )


def _mapped(gluing: Gluing, at: NDArray[np.int64]) -> NDArray[np.int64]:
    mapped: NDArray[np.int64] = at @ np.array(gluing.matrix).T + np.array(gluing.offset)
    return mapped
