"""The same surface with other vertices and triangles, at random: edges are split, and others collapsed."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from gaugenet.data.labelled import LabelKind

_SPLIT_RANGE = (0.35, 0.65)
"""Where on an edge its new vertex may be."""

_TURN = 0.5
"""Least cosine between the normals of a triangle before and after a change."""

_THIN = 0.15
"""Least height of a triangle over its longest side, after a change (0.87 if its sides are equal)."""


def remeshed(
    vertices: NDArray[np.float64],
    faces: NDArray[np.int64],
    labels: NDArray[np.int64],
    kind: LabelKind,
    share: float,
    rng: np.random.Generator,
    removed: float = 0.0,
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    """Vertices, faces and labels after `share`·V splits of edges and as many collapses, and `removed`·V more of them,
    where these are possible.

    Vertices of the result lie on the surface of the input. An edge is collapsed onto one of its ends if the surface
    stays what it was (the link condition of Dey, Edelsbrunner, Guha, Nekhayev 1999: its ends have two neighbours in
    common, and neither is on the boundary) and no triangle turns by more than 60 degrees or becomes thin. New vertices
    take the label of the nearer end, parts of faces that of the face.

    Args:
        vertices: [V, 3].
        faces: [F, 3] of a manifold.
        labels: [V] or [F], as `kind` says.
        share: of the number of vertices.
        rng: which edges, and where they are split.
        removed: of the number of vertices. For these, edges that arise on the way are collapsed too.
    """
    surface = EditableSurface(vertices, faces, labels, kind)
    n = round(share * len(vertices))
    edges = surface.edges()
    for a, b in rng.permutation(edges)[:n].tolist():
        surface.split(a, b, float(rng.uniform(*_SPLIT_RANGE)))
    _collapse(surface, rng.permutation(edges), n)
    left = round(removed * len(vertices))
    while left > 0 and (done := _collapse(surface, rng.permutation(surface.edges()), left)):
        left -= done
    return surface.arrays()


def _collapse(surface: EditableSurface, edges: NDArray[np.int64], most: int) -> int:
    """Collapse the first `most` of the edges that can be; how many were."""
    done = 0
    for a, b in edges.tolist():
        if done == most:
            break
        done += surface.collapse(a, b)
    return done


class EditableSurface:
    """A triangle list that can be changed: faces by number, the faces around each vertex; labels come along.

    Args:
        vertices: [V, 3].
        faces: [F, 3] of a manifold.
        labels: [V] or [F], as `kind` says.
    """

    def __init__(
        self, vertices: NDArray[np.float64], faces: NDArray[np.int64], labels: NDArray[np.int64], kind: LabelKind
    ) -> None:
        self.points: list[list[float]] = vertices.tolist()  # floats, since arrays of three are slow
        self.labels: list[int] = labels.tolist()
        self.kind = kind
        self.faces: dict[int, tuple[int, int, int]] = {}
        self.around: list[set[int]] = [set() for _ in vertices]
        self.next = 0
        self.face_label: dict[int, int] = {}
        for i, (a, b, c) in enumerate(faces.tolist()):
            self._add((a, b, c), self.labels[i] if kind == "face" else 0)
        self.removed: set[int] = set()

    def split(self, a: int, b: int, share: float) -> None:
        """Put a vertex on the edge a, b, at `share` of the way."""
        shared = self.around[a] & self.around[b]
        if not shared or len(shared) > 2:
            return
        m = len(self.points)
        self.points.append([(1 - share) * p + share * q for p, q in zip(self.points[a], self.points[b])])
        self.around.append(set())
        if self.kind == "vertex":
            self.labels.append(self.labels[a if share < 0.5 else b])
        for i in shared:
            face, label = self.faces[i], self.face_label[i]
            self._remove(i)
            for end in (a, b):
                x, y, z = (m if v == end else v for v in face)
                self._add((x, y, z), label)

    def collapse(self, a: int, b: int) -> bool:
        """Move b to a, if the surface allows; whether it did."""
        if a in self.removed or b in self.removed:
            return False
        shared = self.around[a] & self.around[b]
        if len(shared) != 2 or not (self._is_inside(a) and self._is_inside(b)):
            return False
        if len(self.neighbors(a) & self.neighbors(b)) != 2 or len(self.around[a]) + len(self.around[b]) < 8:
            return False
        moved = self.around[b] - shared
        for i in moved:
            new = self._with(self.faces[i], b, a)
            if not self._keeps_shape(self.faces[i], new):
                return False
        for i in [*shared, *moved]:
            face, label = self.faces[i], self.face_label[i]
            self._remove(i)
            if i in moved:
                self._add(self._with(face, b, a), label)
        self.removed.add(b)
        return True

    def flip(self, a: int, b: int) -> bool:
        """Turn the edge a, b to the two corners opposite to it, if the degrees of the four vertices come nearer to 6
        and no triangle turns by more than 60 degrees or becomes thin; whether it did."""
        shared = self.around[a] & self.around[b]
        if len(shared) != 2 or not (self._is_inside(a) and self._is_inside(b)):
            return False
        first, second = (self.faces[i] for i in shared)
        # the face with a before b, so that the new faces are wound as the old ones
        if first[(first.index(a) + 1) % 3] != b:
            first, second = second, first
        (c,), (d,) = set(first) - {a, b}, set(second) - {a, b}
        before = [len(self.around[v]) - 6 for v in (a, b, c, d)]
        after = [before[0] - 1, before[1] - 1, before[2] + 1, before[3] + 1]
        if sum(map(abs, after)) >= sum(map(abs, before)) or d in self.neighbors(c):
            return False
        new = [(a, d, c), (d, b, c)]
        if not all(self._keeps_shape(old, face) for old in (first, second) for face in new):
            return False
        label = self.face_label[min(shared)]
        for i in shared:
            self._remove(i)
        for face in new:
            self._add(face, label)
        return True

    def edges(self) -> NDArray[np.int64]:
        """[E, 2] in ascending order, the lower vertex first."""
        faces = np.array(list(self.faces.values()))
        ends = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
        return np.unique(np.sort(ends, axis=1), axis=0)

    def arrays(self) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
        """What is left, numbered anew."""
        kept = np.array([v for v in range(len(self.points)) if v not in self.removed])
        number = np.full(len(self.points), -1)
        number[kept] = np.arange(len(kept))
        faces = number[np.array([self.faces[i] for i in sorted(self.faces)])]
        if self.kind == "vertex":
            labels = np.array(self.labels, np.int64)[kept]
        else:
            labels = np.array([self.face_label[i] for i in sorted(self.faces)], np.int64)
        return np.array(self.points)[kept], faces, labels

    def _add(self, face: tuple[int, int, int], label: int) -> None:
        self.faces[self.next], self.face_label[self.next] = face, label
        for v in face:
            self.around[v].add(self.next)
        self.next += 1

    def _remove(self, i: int) -> None:
        for v in self.faces.pop(i):
            self.around[v].discard(i)
        del self.face_label[i]

    def neighbors(self, v: int) -> set[int]:
        """Vertices that share a face with v."""
        return {w for i in self.around[v] for w in self.faces[i]} - {v}

    def _is_inside(self, v: int) -> bool:
        # around an interior vertex of a manifold there are as many faces as neighbours
        return len(self.neighbors(v)) == len(self.around[v])

    def _keeps_shape(self, old: tuple[int, int, int], new: tuple[int, int, int]) -> bool:
        before, after = self._normal(old), self._normal(new)
        if _dot(before, after) < _TURN * math.sqrt(_dot(before, before) * _dot(after, after)):
            return False
        p, q, r = (self.points[v] for v in new)
        longest = max(_dot(side, side) for side in (_minus(q, p), _minus(r, q), _minus(p, r)))
        return _dot(after, after) >= (_THIN * longest) ** 2

    def _normal(self, face: tuple[int, int, int]) -> list[float]:
        p, q, r = (self.points[v] for v in face)
        (a, b, c), (d, e, f) = _minus(q, p), _minus(r, p)
        return [b * f - c * e, c * d - a * f, a * e - b * d]

    @staticmethod
    def _with(face: tuple[int, int, int], old: int, new: int) -> tuple[int, int, int]:
        x, y, z = (new if v == old else v for v in face)
        return x, y, z


def _minus(a: list[float], b: list[float]) -> list[float]:
    return [a[0] - b[0], a[1] - b[1], a[2] - b[2]]


def _dot(a: list[float], b: list[float]) -> float:
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
