"""Atlases of the sphere: the icosahedron in five parallelograms of hexagonal pixels, the cube in six squares.

*Icosahedron*, n = 2^level. The poles N and S, the upper ring u_c and the lower ring l_c, c mod 5. Chart c is the
parallelogram with N at (0, 0), u_c at (0, n), l_c at (0, 2n), u_{c+1} at (n, 0), l_{c+1} at (n, n), S at (n, 2n), in
lattice points (row, column); it owns rows 1 … n and columns 0 … 2n − 1, so that every point but the poles is owned
once. The twelve corners are cone points of angle 5π/3: the ten that are pixels are holes (`ChartAtlas.cones`), as are
the poles, which belong to no chart. Kernels of 3 × 3 pixels have well-defined neighbours everywhere else, larger ones
have not (`gaugenet.meshes.chart_corners.check_reach`). Cohen et al. 2019, Gauge Equivariant Convolutional Networks and
the Icosahedral CNN (which leaves corners as padding finds them).

*Cube*, n × n pixels on a face. Pixels lie inside of faces; beyond a corner of the cube, where three faces meet, there
is nothing.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gaugenet.meshes.charts import ChartAtlas, Gluing
from gaugenet.meshes.validation import Floats

_TURN = ((1, 1), (-1, 0))
_BACK = ((0, -1), (1, 1))
_SAME = ((1, 0), (0, 1))


def icosahedral_atlas(level: int) -> ChartAtlas:
    """Five charts of 2^level × 2^(level + 1) hexagonal pixels, structure group C6.

    Raises:
        ValueError: the level is below 1 (all pixels would be cone points) or above 9.
    """
    n = _n(level)
    sides = []
    for c in range(5):
        after, before = (c + 1) % 5, (c - 1) % 5
        left = _shifted(after, _BACK, (0, 0))
        right = _shifted(before, _BACK, (3 * n, -n))
        top = (_shifted(before, _TURN, (0, 0), 0, n), _shifted(before, _SAME, (n, -n), n, None))
        bottom = (_shifted(after, _SAME, (-n, n), 0, n), _shifted(after, _TURN, (-2 * n, 3 * n), n, None))
        sides.append(((left,), (right,), top, bottom))
    cones = tuple(((n - 1) * 2 * n + column) * 5 + c for column in (0, n) for c in range(5))
    return ChartAtlas("icosahedron", n, 2 * n, tuple(sides), "hexagonal", cones)


def icosahedral_points(level: int) -> Floats:
    """[P, 3] the pixels of `icosahedral_atlas` on the flat faces of the icosahedron with vertices on the unit sphere;
    divide by the norm for the sphere."""
    n = _n(level)
    i, j, c = (a.ravel() for a in np.meshgrid(np.arange(1, n + 1), np.arange(2 * n), np.arange(5), indexing="ij"))
    return icosahedral_places(level, c, i, j)


def icosahedral_places(level: int, chart: NDArray[np.int64], i: NDArray[np.int64], j: NDArray[np.int64]) -> Floats:
    """[m, 3] points of the icosahedron at lattice points 0 ≤ i ≤ n, 0 ≤ j ≤ 2n of charts [m] (see this file)."""
    n = _n(level)
    z, rho = 1 / np.sqrt(5), 2 / np.sqrt(5)
    turn = 2 * np.pi / 5 * np.arange(5)
    upper = np.stack([rho * np.cos(turn), rho * np.sin(turn), np.full(5, z)], 1)
    # l_c lies below and before u_c, so that the triangle u_c u_{c+1} l_{c+1} exists
    lower = np.stack([rho * np.cos(turn - np.pi / 5), rho * np.sin(turn - np.pi / 5), np.full(5, -z)], 1)
    north, south = np.array([0.0, 0.0, 1.0]), np.array([0.0, 0.0, -1.0])
    s, t = (i / n)[:, None], (j / n)[:, None]
    u, v = upper[chart], upper[(chart + 1) % 5]
    w, x = lower[chart], lower[(chart + 1) % 5]
    first = np.where(s + t <= 1, north + t * (u - north) + s * (v - north), x + (1 - t) * (v - x) + (1 - s) * (u - x))
    t = t - 1
    second = np.where(s + t <= 1, u + t * (w - u) + s * (x - u), south + (1 - t) * (x - south) + (1 - s) * (w - south))
    places: Floats = np.where(t <= 0, first, second)
    return places


def cube_atlas(n: int) -> ChartAtlas:
    """Six charts of n × n pixels, structure group C4. Chart k has the normal ±x, ±y, ±z of `cube_points`."""
    frames = _cube_frames()
    sides = []
    for normal, e, d in frames:
        around = []
        for outward, along in ((-e, d), (e, d), (-d, e), (d, e)):
            other = next(k for k, f in enumerate(frames) if np.array_equal(f[0], outward))
            _, e2, d2 = frames[other]
            # at distance x beyond the middle in the direction outward: (n/2) outward + (n − x) normal + y along
            columns = {True: np.stack([_coordinates(along, d2, e2), _coordinates(-normal, d2, e2)], 1)}
            rows_run = np.array_equal(along, d)
            step = columns[True] if rows_run else columns[True][:, ::-1]
            sign = np.array([1, 1])
            sign[1 if rows_run else 0] = 1 if (outward == (e if rows_run else d)).all() else -1
            matrix = step * sign
            middle = n / 2 * _coordinates(outward, d2, e2) + n * _coordinates(normal, d2, e2)
            half = np.array([0.5 - n / 2, 0.5 - n / 2])
            offset = middle + matrix @ half - half
            around.append((Gluing(other, _pair(matrix), (round(offset[0]), round(offset[1]))),))
        sides.append(tuple(around))
    return ChartAtlas("cube", n, n, tuple(sides))


def cube_points(n: int) -> Floats:
    """[P, 3] the pixels of `cube_atlas` on the cube with faces at distance 1; divide by the norm for the sphere."""
    place = (2 * np.arange(n) + 1) / n - 1
    y, x, k = (a.ravel() for a in np.meshgrid(place, place, np.arange(6), indexing="ij"))
    frames = np.array(_cube_frames(), float)[k]
    points: Floats = frames[:, 0] + x[:, None] * frames[:, 1] + y[:, None] * frames[:, 2]
    return points


def _cube_frames() -> list[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]]:
    """Normal, direction of columns, direction of rows; right-handed seen from outside."""
    axes = np.eye(3, dtype=np.int64)
    frames = []
    for k in range(3):
        for sign in (1, -1):
            normal, e = sign * axes[k], axes[(k + 1) % 3]
            frames.append((normal, e, np.cross(normal, e)))
    return frames


def _coordinates(v: NDArray[np.int64], rows: NDArray[np.int64], columns: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.array([v @ rows, v @ columns])


def _pair(matrix: NDArray[np.int64]) -> tuple[tuple[int, int], tuple[int, int]]:
    (a, b), (c, d) = matrix.tolist()
    return (a, b), (c, d)


def _shifted(
    chart: int,
    matrix: tuple[tuple[int, int], tuple[int, int]],
    offset: tuple[int, int],
    start: int = 0,
    stop: int | None = None,
) -> Gluing:
    """A gluing of lattice points as one of pixels, whose row 0 is lattice row 1."""
    rows, columns = offset[0] + matrix[0][0] - 1, offset[1] + matrix[1][0]
    return Gluing(chart, matrix, (rows, columns), True, start, stop)


def _n(level: int) -> int:
    if level not in range(1, 10):
        raise ValueError(f"expected a level from 1 to 9, got {level}")
    return int(2**level)
