"""Coarser atlases of the same charts: every second row and column of pixels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gaugenet.meshes.charts import ChartAtlas, Gluing


def sublattice(atlas: ChartAtlas) -> ChartAtlas:
    """The atlas of every second pixel, in lattice points (i, j) → (2 i + s, 2 j + t): of `icosahedral_atlas(level)` it
    is `icosahedral_atlas(level − 1)`.

    Unlike `ChartAtlas.coarser`, whose pixels are squares, it goes on to be what the symmetries of a lattice and its
    cone points make of it. (s, t) are such that all cone points stay, (0, 0) where there is none; `sublattice_start`.

    Raises:
        ValueError: the charts cannot be halved, or their gluings do not map the sublattice to itself.
    """
    start = np.array(sublattice_start(atlas))

    def halved(gluing: Gluing, side: int) -> Gluing:
        offset = np.array(gluing.matrix) @ start + np.array(gluing.offset) - start
        if (offset % 2).any():
            raise ValueError(f"every second pixel of {atlas!r} is not met across a side by every second pixel")
        first = start[0 if side < 2 else 1]
        along = [None if end is None else -((int(first) - end) // 2) for end in (gluing.start, gluing.stop)]
        return gluing._replace(
            offset=(int(offset[0]) // 2, int(offset[1]) // 2), start=max(along[0] or 0, 0), stop=along[1]
        )

    def build() -> ChartAtlas:
        if atlas.rows % 2 or atlas.columns % 2:
            raise ValueError(f"expected even numbers of rows and columns, got {atlas!r}")
        sides = tuple(tuple(tuple(halved(g, k) for g in side) for k, side in enumerate(chart)) for chart in atlas.sides)
        rows, columns = atlas.rows // 2, atlas.columns // 2
        pixel, chart = np.divmod(np.array(atlas.cones, np.int64), atlas.n_charts)
        i, j = np.divmod(pixel, atlas.columns)
        cones = (((i - start[0]) // 2) * columns + (j - start[1]) // 2) * atlas.n_charts + chart
        if len(cones) == rows * columns * atlas.n_charts:
            raise ValueError(f"every second pixel of {atlas!r} is a cone point: it is as coarse as it can be")
        return replace(atlas, rows=rows, columns=columns, sides=sides, cones=tuple(cones.tolist()))

    return atlas.remember("sublattice", build)


def sublattice_start(atlas: ChartAtlas) -> tuple[int, int]:
    """(s, t): the parity of the rows and of the columns of the cone points.

    Raises:
        ValueError: they have no common one.
    """
    pixel = np.array(atlas.cones, np.int64) // atlas.n_charts
    parities = np.unique(np.stack(np.divmod(pixel, atlas.columns), 1) % 2, axis=0)
    if len(parities) > 1:
        raise ValueError(f"no sublattice of {atlas!r} holds all of its cone points")
    return (int(parities[0, 0]), int(parities[0, 1])) if len(parities) else (0, 0)
