"""Polygons of mesh files cut into triangles, in the order of the file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gaugenet.meshes.mesh import Repair
from gaugenet.meshes.topology import Ints


def triangulated(polygons: Sequence[Any] | Ints) -> tuple[Ints, list[Repair]]:
    """Each polygon as a fan of triangles [F, 3] from its first corner, and what is worth a report."""
    if isinstance(polygons, np.ndarray) and polygons.ndim == 2 and polygons.shape[1] == 3:
        return polygons.astype(np.int64), []
    sizes = np.array([len(p) for p in polygons], np.int64)
    if len(sizes) and (sizes == 3).all():
        faces = np.array(polygons, np.int64)
    else:
        fans = [(p[0], p[k], p[k + 1]) for p in polygons for k in range(1, len(p) - 1)]
        faces = np.array(fans, np.int64).reshape(-1, 3)
    report = []
    if (sizes > 3).any():
        report.append(Repair("polygons cut into triangles", int((sizes > 3).sum())))
    if (sizes < 3).any():
        report.append(Repair("faces with fewer than three corners skipped", int((sizes < 3).sum())))
    return faces, report
