"""Small holes of a triangulated surface, closed by cutting off ears."""

from __future__ import annotations

import numpy as np

from gaugenet.meshes.mesh import TriangleMesh
from gaugenet.meshes.topology import Ints, boundary_loops, next_in_face
from gaugenet.meshes.validation import Floats

_THINNEST = 1e-3
_TINY = 4
_MANY = 50
"""A hole with at most 4 edges in a mesh of more than 50 faces is closed even where that makes a fold: noise does."""


def small_holes(mesh: TriangleMesh, most_edges: int) -> Ints:
    """[n, 3] triangles, wound anyhow, that close each hole with at most `most_edges` edges.

    The ear with the shortest diagonal is cut off first. An ear must lie outside of the faces at its edges, so the outer
    boundary of a piece is no hole; a hole where no ear is left stays open.

    Raises:
        ValueError: the mesh has no positions.
    """
    if mesh.vertices is None:
        raise ValueError("holes are closed by positions, and this mesh has none")
    points, corner = mesh.vertices, mesh.faces.ravel()
    tail, head = corner, corner[next_in_face(np.arange(len(corner)))]
    apex = corner[next_in_face(next_in_face(np.arange(len(corner))))]
    edges = {(min(a, b), max(a, b)) for a, b in zip(tail.tolist(), head.tolist())}
    open_edges = np.flatnonzero(mesh.twin < 0)
    third = {(min(tail[h], head[h]), max(tail[h], head[h])): int(apex[h]) for h in open_edges}
    found: list[tuple[int, int, int]] = []
    for loop in boundary_loops(mesh):
        if 3 <= len(loop) <= most_edges and len(set(loop.tolist())) == len(loop):
            folds = len(loop) <= _TINY and mesh.n_faces > _MANY
            ears = _ears(points, loop.tolist(), dict(third), edges, folds)
            found += ears
            for a, b, c in ears:
                edges |= {(min(u, v), max(u, v)) for u, v in ((a, b), (b, c), (c, a))}
    return np.array(found, np.int64).reshape(-1, 3)


def _ears(
    points: Floats, loop: list[int], third: dict[tuple[int, int], int], edges: set[tuple[int, int]], folds: bool
) -> list[tuple[int, int, int]]:
    """Triangles that close the loop, or none. `third` holds the far corner of the one face at each open edge."""
    out: list[tuple[int, int, int]] = []
    while len(loop) >= 3:
        best, chosen = np.inf, -1
        for i in range(len(loop)):
            a, b, c = loop[i - 1], loop[i], loop[(i + 1) % len(loop)]
            last = len(loop) == 3
            if not last and (min(a, c), max(a, c)) in edges:
                continue
            sides = ((a, b, c), (b, c, a), (c, a, b)) if last else ((a, b, c), (b, c, a))
            length = float(np.linalg.norm(points[a] - points[c]))
            if (
                length < best
                and _proper(points, a, b, c)
                and all(_outside(points, third, *side, folds) for side in sides)
            ):
                best, chosen = length, i
        if chosen < 0:
            return []
        a, b, c = loop[chosen - 1], loop[chosen], loop[(chosen + 1) % len(loop)]
        out.append((a, b, c))
        if len(loop) == 3:
            return out
        third[min(a, c), max(a, c)] = b
        del loop[chosen]
    return []


def _proper(points: Floats, a: int, b: int, c: int) -> bool:
    sides = points[[b, c, a]] - points[[a, b, c]]
    height = np.linalg.norm(np.cross(sides[0], sides[1]))
    return bool(height > _THINNEST * (sides**2).sum(1).max())


def _outside(points: Floats, third: dict[tuple[int, int], int], a: int, b: int, c: int, folds: bool) -> bool:
    """Whether c lies on the other side of the edge ab than the face there; with `folds`, just not in that face."""
    far = third.get((min(a, b), max(a, b)))
    if far is None or far == c:
        return False
    if folds:
        return True
    along = points[b] - points[a]
    return float(np.cross(along, points[c] - points[a]) @ np.cross(along, points[far] - points[a])) < 0.0
