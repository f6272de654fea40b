"""Triangulations that the named surfaces are made of: grids with glued sides, rings round an apex, spheres."""

from __future__ import annotations

from itertools import pairwise
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gaugenet.meshes.topology import Ints
from gaugenet.meshes.validation import Floats

Seam = Literal["open", "translation", "glide"]


class Grid(NamedTuple):
    """A triangulated rectangle in the (u, v) plane, with its sides glued."""

    faces: Ints
    """[F, 3], counter-clockwise in the plane."""
    uv: Floats
    """[V, 2] coordinates of each vertex in the rectangle."""
    corners: Floats
    """[F, 3, 2] coordinates of each corner, unrolled so that a face never jumps across a seam."""
    twin: Ints
    """[3 F] gluing of the half-edges; it holds with few cells as well, where vertex pairs name several edges."""
    twin_flipped: NDArray[np.bool_]
    """[3 F] True on the edges across which a glide was glued."""

    @property
    def edge_lengths(self) -> Floats:
        """[F, 3] lengths in the plane."""
        d = np.roll(self.corners, -1, axis=1) - self.corners
        lengths: Floats = np.hypot(d[..., 0], d[..., 1])
        return lengths


def rectangle(
    n: int,
    m: int,
    length: float,
    width: float,
    *,
    seam: Seam = "open",
    closed: bool = False,
    jitter: float = 0.0,
    seed: int = 0,
    intrinsic: bool = False,
) -> Grid:
    """n × m cells over 0 ≤ u ≤ length, −width/2 ≤ v ≤ width/2.

    Args:
        seam: how u = length is glued to u = 0: not at all, by (u, v) → (u + length, v), or with a flip, by
            (u, v) → (u + length, −v).
        closed: whether v = width/2 is glued to v = −width/2.
        jitter: interior vertices move by up to this part of a cell along each axis, boundary vertices along
            the boundary; the diagonals are then drawn at random, otherwise they alternate.
        intrinsic: whether the grid will be glued by its half-edges, so that one cell is enough; otherwise a glued
            side has at least 4.

    Raises:
        ValueError: too few cells for a glued side, or a jitter that could fold the grid.
    """
    least_n, least_m = (1 if seam == "open" or intrinsic else 4), (4 if closed and not intrinsic else 1)
    if n < least_n or m < least_m:
        raise ValueError(f"expected at least {least_n} × {least_m} cells, got {n} × {m}")
    if not 0 <= jitter < 0.25:
        raise ValueError(f"expected 0 <= jitter < 0.25 (of a cell; more folds the grid), got {jitter}")
    rng = np.random.default_rng(seed)
    columns, rows = n + (seam == "open"), m + (not closed)
    i, j = (a.ravel() for a in np.meshgrid(np.arange(columns), np.arange(rows), indexing="ij"))
    move_u, move_v = jitter * rng.uniform(-1, 1, (2, columns * rows))
    if seam == "open":
        move_u[(i == 0) | (i == n)] = 0
    if not closed:
        move_v[(j == 0) | (j == m)] = 0
    uv = np.stack([(i + move_u) * length / n, (j + move_v) * width / m - width / 2], 1)

    ci, cj = (a.ravel() for a in np.meshgrid(np.arange(n + 1), np.arange(m + 1), indexing="ij"))
    across = (ci == n) & (seam != "open")
    mirrored = across & (seam == "glide")
    row = np.where(mirrored, m - cj, cj) % (m if closed else m + 1)
    vertex = np.where(across, 0, ci) * rows + row
    sign = np.where(mirrored, -1.0, 1.0)
    # which copy of the strip a corner lies in follows from the row that it has and the row it should have
    turns = np.round((cj - m / 2 - sign * (row - m / 2)) / m)
    place = np.stack([uv[vertex, 0] + across * length, sign * uv[vertex, 1] + turns * width], 1)

    a = (np.arange(n)[:, None] * (m + 1) + np.arange(m)).ravel()
    b, c, d = a + m + 1, a + m + 2, a + 1
    falling = (np.add.outer(np.arange(n), np.arange(m)).ravel() % 2 == 1) if jitter == 0 else rng.random(n * m) < 0.5
    first = np.where(falling[:, None], np.stack([a, b, d], 1), np.stack([a, b, c], 1))
    second = np.where(falling[:, None], np.stack([b, c, d], 1), np.stack([a, c, d], 1))
    cells = np.stack([first, second], 1).reshape(-1, 3)
    twin, flipped = _glued(np.stack([ci, cj], 1)[cells], n, m, seam, closed)
    return Grid(vertex[cells].astype(np.int64), uv, place[cells], twin, flipped)


def _glued(corners: Ints, n: int, m: int, seam: Seam, closed: bool) -> tuple[Ints, NDArray[np.bool_]]:
    """Twins [3 F] and their flips, of faces with the grid positions `corners` [F, 3, 2].

    An edge is known by its middle, in half cells.
    """
    i, j = (corners + np.roll(corners, -1, axis=1)).reshape(-1, 2).T
    across = (i == 2 * n) & (seam != "open")
    mirrored = across & (seam == "glide")
    i, j = np.where(across, 0, i), np.where(mirrored, 2 * m - j, j)
    _, edge, count = np.unique(
        i * (2 * m + 1) + (j % (2 * m) if closed else j), return_inverse=True, return_counts=True
    )
    twin = np.full(len(edge), -1, np.int64)
    inner = np.flatnonzero(count[edge] == 2)
    a, b = inner[np.argsort(edge[inner], kind="stable")].reshape(-1, 2).T
    twin[a], twin[b] = b, a
    flipped = np.zeros(len(edge), bool)
    flipped[a] = flipped[b] = mirrored[a] | mirrored[b]
    return twin, flipped


def cone_rings(n: int, sin_half_angle: float, jitter: float, seed: int) -> tuple[Ints, Floats, Floats]:
    """Faces [F, 3], slant distance [V] and azimuth [V] of an apex (vertex 0) and n rings up to slant distance 1."""
    if n < 1 or not 0 <= jitter < 0.25:
        raise ValueError(f"expected n >= 1 rings and 0 <= jitter < 0.25, got {n} and {jitter}")
    rng = np.random.default_rng(seed)
    slant, azimuth, rings = [np.zeros(1)], [np.zeros(1)], []
    start = 1
    for k in range(1, n + 1):
        count = max(6, round(2 * np.pi * sin_half_angle * k))
        slant.append((k + (rng.uniform(-jitter, jitter, count) if k < n else np.zeros(count))) / n)
        azimuth.append((np.arange(count) + 0.5 * (k % 2) + rng.uniform(-jitter, jitter, count)) * 2 * np.pi / count)
        rings.append(np.arange(start, start + count))
        start += count
    angle = np.concatenate(azimuth)
    faces = [(0, int(rings[0][t]), int(rings[0][(t + 1) % len(rings[0])])) for t in range(len(rings[0]))]
    for inner, outer in pairwise(rings):
        faces += _zipped(inner, outer, angle)
    return np.array(faces, np.int64), np.concatenate(slant), angle


def _zipped(inner: Ints, outer: Ints, angle: Floats) -> list[tuple[int, int, int]]:
    """Triangles between two rings of increasing angle: always advance on the ring whose next vertex comes first."""
    faces, i, j = [], 0, 0
    turn = 2 * np.pi
    while i < len(inner) or j < len(outer):
        a, b = int(inner[i % len(inner)]), int(outer[j % len(outer)])
        next_a, next_b = int(inner[(i + 1) % len(inner)]), int(outer[(j + 1) % len(outer)])
        angle_a = angle[next_a] + turn * ((i + 1) // len(inner))
        angle_b = angle[next_b] + turn * ((j + 1) // len(outer))
        if j == len(outer) or (i < len(inner) and angle_a < angle_b):
            faces.append((a, b, next_a))
            i += 1
        else:
            faces.append((a, b, next_b))
            j += 1
    return faces


def icosahedron_faces() -> tuple[Floats, Ints]:
    """The 12 vertices of the regular icosahedron on the unit sphere, and its 20 faces, counter-clockwise from
    outside."""
    g = (1 + 5**0.5) / 2
    points = np.array([[0, s, t * g] for s in (-1, 1) for t in (-1, 1)], float)
    points = np.concatenate([points, np.roll(points, 1, axis=1), np.roll(points, 2, axis=1)])
    points /= np.linalg.norm(points[0])
    return points, hull_faces(points)


def icosphere(subdivisions: int) -> tuple[Floats, Ints]:
    """Vertices on the unit sphere and faces of the icosahedron, subdivided."""
    vertices, faces = icosahedron_faces()
    for _ in range(checked_subdivisions(subdivisions)):
        vertices, faces = subdivided(vertices, faces)
        vertices /= np.linalg.norm(vertices, axis=1, keepdims=True)
    return vertices, faces


def checked_subdivisions(subdivisions: int) -> int:
    """The same number.

    Raises:
        ValueError: it is not from 0 to 8.
    """
    if not 0 <= subdivisions <= 8:
        raise ValueError(f"expected 0 to 8 subdivisions, got {subdivisions}")
    return subdivisions


def hull_faces(points: Floats) -> Ints:
    """[F, 3] faces of the convex hull of points round the origin, counter-clockwise from outside."""
    from scipy.spatial import ConvexHull

    faces: Ints = ConvexHull(points).simplices.astype(np.int64)
    a, b, c = (points[faces[:, k]] for k in range(3))
    inward = np.einsum("ni,ni->n", np.cross(b - a, c - a), a + b + c) < 0
    faces[inward] = faces[inward][:, ::-1]
    return faces


def subdivided(points: Floats, faces: Ints) -> tuple[Floats, Ints]:
    """Each face cut into four at the midpoints of its edges; new vertices come last."""
    ends = np.stack([faces, np.roll(faces, -1, axis=1)], 2)
    edges, number = np.unique(np.sort(ends.reshape(-1, 2), axis=1), axis=0, return_inverse=True)
    ab, bc, ca = (len(points) + number.reshape(-1, 3)).T
    a, b, c = faces.T
    quarters = np.stack([np.stack(t, 1) for t in ((a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca))], 1).reshape(
        -1, 3
    )
    return np.concatenate([points, points[edges].mean(axis=1)]), quarters.astype(np.int64)


def sphere_points(n: int, sampling: Literal["fibonacci", "random"], seed: int) -> Floats:
    """[n, 3] points on the unit sphere: a golden spiral, or drawn evenly at random."""
    if sampling == "random":
        points = np.random.default_rng(seed).normal(size=(n, 3))
    else:
        z = 1 - (2 * np.arange(n) + 1) / n
        turn = np.arange(n) * np.pi * (3 - 5**0.5)
        points = np.stack([np.sqrt(1 - z * z) * np.cos(turn), np.sqrt(1 - z * z) * np.sin(turn), z], 1)
    unit: Floats = points / np.linalg.norm(points, axis=1, keepdims=True)
    return unit


def antipodes(points: Floats) -> Ints:
    """[V] the vertex opposite to each.

    Raises:
        ValueError: the points are not symmetric.
    """
    from scipy.spatial import cKDTree

    distance, partner = cKDTree(points).query(-points)
    if distance.max() > 1e-9:
        raise ValueError("expected a set of points that holds the antipode of each of them")
    opposite: Ints = partner.astype(np.int64)
    return opposite
