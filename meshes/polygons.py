"""Polygons of mesh files cut into triangles, in the order of the file.

A convex polygon becomes a fan from its first corner. Of one that is not convex, or has corners on a straight side,
ears are cut off (Meisters 1975, Polygons have ears) in the plane of its vector area (Newell's normal), so that no
triangle lies outside of it or is flat.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gaugenet.meshes.mesh import Repair
from gaugenet.meshes.topology import Ints

Floats = NDArray[np.float64]

_STRAIGHT = 1e-6
"""Sine of the turn at a corner below which it counts as lying on a straight side."""
_LONGEST = 2000
"""Corners up to which ears are sought; the time grows with their square."""


def whole(values: Any) -> Ints:
    """Vertex indices as int64, from whole numbers of any dtype; those beyond its range are clipped and stay wrong.

    Raises:
        ValueError: one is not a whole number.
    """
    array = np.asarray(values)
    if array.dtype.kind == "f":
        if not (np.isfinite(array) & (np.rint(array) == array)).all():
            raise ValueError("a vertex index is not a whole number")
        array = np.clip(array, -(2.0**62), 2.0**62)
    elif array.dtype.kind == "u":
        array = np.minimum(array, np.asarray(2**62, np.uint64)) if array.dtype.itemsize == 8 else array
    elif array.dtype.kind == "O":
        array = np.array([min(max(int(x), -(2**62)), 2**62) for x in array.ravel()]).reshape(array.shape)
    return array.astype(np.int64)


def flattened(polygons: Sequence[Any] | NDArray[Any]) -> tuple[Ints, Ints]:
    """All corners one after the other, and the number of corners [n] of each polygon."""
    if isinstance(polygons, np.ndarray) and polygons.ndim == 2:
        return whole(polygons.ravel()), np.full(len(polygons), polygons.shape[1], np.int64)
    sizes = np.fromiter((len(p) for p in polygons), np.int64, len(polygons))
    if not sizes.sum():
        return np.empty(0, np.int64), sizes
    if isinstance(polygons[0], np.ndarray):
        return whole(np.concatenate(list(polygons))), sizes
    return whole(np.array([c for p in polygons for c in p])), sizes


def triangulated(corners: Ints, sizes: Ints, positions: Floats) -> tuple[Ints, list[Repair]]:
    """Triangles [F, 3] and what is worth a report.

    Args:
        corners: vertex indices of all polygons, one after the other. One out of range is passed on.
        sizes: [n] number of corners of each polygon; fewer than three give no triangle.
        positions: [V, 3] in space.
    """
    start = np.cumsum(sizes) - sizes
    count = np.maximum(sizes - 2, 0)
    first = np.cumsum(count) - count
    faces = np.empty((int(count.sum()), 3), np.int64)
    n_tangled = 0
    for size in np.unique(sizes[sizes >= 3]):
        which = np.flatnonzero(sizes == size)
        rows = corners[start[which][:, None] + np.arange(size)]
        fans = np.stack([np.repeat(rows[:, :1], size - 2, 1), rows[:, 1:-1], rows[:, 2:]], -1)
        faces[first[which][:, None] + np.arange(size - 2)] = fans
        if size == 3:
            continue
        known = ((rows >= 0) & (rows < len(positions))).all(1)
        flat, known = _flattened_out(positions, rows, known)
        for k in np.flatnonzero(known & ~_convex(flat)):
            ears, tangled = _ears(flat[k]) if size <= _LONGEST else (np.empty((0, 3), np.int64), True)
            n_tangled += tangled
            if len(ears):
                faces[first[which[k]] : first[which[k]] + size - 2] = rows[k][ears]
    report = []
    if (sizes > 3).any():
        report.append(Repair("polygons cut into triangles", int((sizes > 3).sum())))
    if n_tangled:
        report.append(
            Repair(
                "polygons that cross themselves",
                n_tangled,
                "their triangles may overlap: cut them into triangles yourself",
            )
        )
    if (sizes < 3).any():
        report.append(Repair("faces with fewer than three corners skipped", int((sizes < 3).sum())))
    return faces, report


def _flattened_out(positions: Floats, rows: Ints, known: NDArray[np.bool_]) -> tuple[Floats, NDArray[np.bool_]]:
    """[m, n, 2] corners in the plane of each polygon, in units of its size, and which [m] have such a plane."""
    space = np.zeros((*rows.shape, 3))
    space[known] = positions[rows[known]]
    known = known & np.isfinite(space).all((1, 2)) & (np.abs(space) < 1e150).all((1, 2))
    space[~known] = 0.0
    space = space - space.mean(1, keepdims=True)
    extent = np.abs(space).max((1, 2))
    space = space / np.where(extent > 0, extent, 1.0)[:, None, None]
    normal = np.cross(space, np.roll(space, -1, 1)).sum(1)
    length = np.linalg.norm(normal, axis=1)
    known = known & (length > 1e-9)
    normal = normal / np.where(length > 0, length, 1.0)[:, None]
    # the coordinate axis farthest from the normal makes a safe first axis
    axis = np.eye(3)[np.argmin(np.abs(normal), 1)]
    x = axis - np.einsum("mi,mi->m", axis, normal)[:, None] * normal
    x = x / np.linalg.norm(x, axis=1)[:, None]
    y = np.cross(normal, x)
    return np.stack([np.einsum("mni,mi->mn", space, x), np.einsum("mni,mi->mn", space, y)], -1), known


def _turns(before: Floats, at: Floats, after: Floats) -> Floats:
    """Sine of the turn at a corner (positive: to the left), 0 where a side has no length."""
    a, b = at - before, after - at
    size = np.linalg.norm(a, axis=-1) * np.linalg.norm(b, axis=-1)
    sine: Floats = (a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]) / np.where(size > 0, size, 1.0)
    return sine


def _convex(flat: Floats) -> NDArray[np.bool_]:
    """[m] whether a polygon turns left at every corner, and round once."""
    sides = np.roll(flat, -1, 1) - flat
    turn = _turns(np.roll(flat, 1, 1), flat, np.roll(flat, -1, 1))
    following = np.roll(sides, -1, 1)
    angle = np.arctan2(
        sides[..., 0] * following[..., 1] - sides[..., 1] * following[..., 0], (sides * following).sum(-1)
    ).sum(1)
    return np.asarray((turn > _STRAIGHT).all(1) & (np.abs(angle - 2 * np.pi) < 1.0))


def _ears(flat: Floats) -> tuple[Ints, bool]:
    """Triangles [n - 2, 3] as numbers of corners, and whether ears ran out because the polygon crosses itself."""
    left = list(range(len(flat)))
    triangles: list[tuple[int, int, int]] = []
    at, misses, tangled = 0, 0, False
    while len(left) > 3:
        n = len(left)
        a, b, c = left[(at - 1) % n], left[at % n], left[(at + 1) % n]
        desperate = misses >= n
        if desperate or _is_ear(flat, left, a, b, c):
            tangled |= desperate
            triangles.append((a, b, c))
            del left[at % n]
            # steps on, so that long rows of corners give strips and not needles
            at, misses = at % n, 0
        else:
            at, misses = (at + 1) % n, misses + 1
    triangles.append((left[0], left[1], left[2]))
    return np.array(triangles, np.int64), tangled


def _is_ear(flat: Floats, left: list[int], a: int, b: int, c: int) -> bool:
    if not _turns(flat[a], flat[b], flat[c]) > _STRAIGHT:
        return False
    rest = flat[left]
    ends = flat[[a, b, c]]
    others = rest[~(rest[:, None] == ends[None]).all(-1).any(1)]
    side = np.roll(ends, -1, 0) - ends
    away = others[:, None] - ends[None]
    return not bool((side[:, 0] * away[..., 1] - side[:, 1] * away[..., 0] >= -1e-12).all(1).any())
