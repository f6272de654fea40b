"""Atlases of flat surfaces: one chart, its sides glued."""

from __future__ import annotations

from gaugenet.meshes.charts import ChartAtlas, Gluing

Sides = tuple[tuple[Gluing, ...], ...]
_SAME = ((1, 0), (0, 1))
_ROWS_TURNED = ((-1, 0), (0, 1))


def flat_plane(rows: int, columns: int) -> ChartAtlas:
    """A rectangle with four borders."""
    return ChartAtlas("flat plane", rows, columns, (((), (), (), ()),))


def cylinder(rows: int, columns: int) -> ChartAtlas:
    """Rows close up: column `columns` is column 0."""
    return ChartAtlas("cylinder", rows, columns, ((*_along(columns, _SAME, 0), (), ()),))


def flat_torus(rows: int, columns: int) -> ChartAtlas:
    """Rows and columns close up."""
    return ChartAtlas("flat torus", rows, columns, ((*_along(columns, _SAME, 0), *_across(rows)),))


def mobius_strip(rows: int, columns: int) -> ChartAtlas:
    """Rows close up turned over: column `columns` is column 0 with row i in the place of row rows − 1 − i."""
    return ChartAtlas("Möbius strip", rows, columns, ((*_along(columns, _ROWS_TURNED, rows - 1), (), ()),))


def klein_bottle(rows: int, columns: int) -> ChartAtlas:
    """A Möbius strip whose columns close up as well."""
    sides = (*_along(columns, _ROWS_TURNED, rows - 1), *_across(rows))
    return ChartAtlas("Klein bottle", rows, columns, (sides,))


def _along(columns: int, matrix: tuple[tuple[int, int], tuple[int, int]], row: int) -> Sides:
    return (Gluing(0, matrix, (row, columns)),), (Gluing(0, matrix, (row, -columns)),)


def _across(rows: int) -> Sides:
    return (Gluing(0, _SAME, (rows, 0)),), (Gluing(0, _SAME, (-rows, 0)),)
