"""The same surface in other meshings, and labels from one to the other: what a trained network is tested on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gaugenet.data.augmentation import random_rotation
from gaugenet.data.labelled import IGNORED, LabelKind
from gaugenet.data.remeshing import EditableSurface, remeshed
from gaugenet.data.surface_places import Places, nearest_points
from gaugenet.meshes.grids import subdivided

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

CHANGES = {
    "rotated": "turned by a random rotation",
    "isotropic": "other vertices, as many, in triangles of about equal sides",
    "finer": "every triangle cut into four",
    "coarser": "half as many vertices, in triangles of about equal sides",
    "irregular": "half of the vertices replaced at random, in triangles of any shape",
}
"""What can be done to a surface, and its meaning."""

_REPLACED = 0.5
_ROUNDS, _STEP = 5, 0.6
"""Of flips and moves, and the part of the way that a vertex moves."""
_TIE = 1e-6
"""Relative difference of two distances that are called equal."""


@dataclass(frozen=True, eq=False)
class Meshing:
    """Another mesh of a surface."""

    vertices: Floats
    """[V', 3]"""
    faces: Ints
    """[F', 3]"""
    labels: Ints
    """[V'] or [F']: what the label of a new vertex on an edge, or of a part of a face, can only be; else that of the
    nearest vertex of the mesh before, or centroid of a face, that faces the same way. `IGNORED` where two are equally
    near and differ, as at the middle of an edge between two parts."""
    near: Ints
    """[V, 3] or [F, 1]: for each vertex of the mesh before the corners of that triangle of this mesh that has the
    nearest point facing the same way; for each face the nearest face."""
    weights: Floats
    """As `near`: of these corners in that point, or 1. They sum to 1."""


def changed(
    vertices: Floats, faces: Ints, labels: Ints, kind: LabelKind, change: str, rng: np.random.Generator
) -> Meshing:
    """The surface after one of `CHANGES`, and the way of labels to it and of predictions back.

    Args:
        vertices: [V, 3].
        faces: [F, 3] of a manifold.
        labels: [V] or [F], as `kind` says.
        change: a name of `CHANGES`.
        rng: what random numbers come from.

    Raises:
        ValueError: the change is not known.
    """
    if change == "rotated":
        everything = np.arange(len(labels))[:, None]
        turned = vertices @ random_rotation("all", rng).T
        return Meshing(turned, faces, labels, everything, np.ones(everything.shape))
    if change == "irregular":
        v, f, new = remeshed(vertices, faces, labels, kind, _REPLACED, rng)
    elif change == "finer":
        v, f = subdivided(vertices, faces)
        new = _labels_of_quarters(faces, f, labels, kind)
    elif change in ("isotropic", "coarser"):
        v, f = isotropic(vertices, faces, len(vertices) // (2 if change == "coarser" else 1), rng)
        new = _carried(_places(vertices, faces, kind), labels, _places(v, f, kind))
    else:
        raise ValueError(f"unknown change {change!r}: expected one of {', '.join(CHANGES)}")
    before = _places(vertices, faces, kind)
    if kind == "vertex":
        return Meshing(v, f, new, *nearest_points(v, f, before))
    near = _places(v, f, kind).nearest(before, 1)[1]
    return Meshing(v, f, new, near, np.ones(near.shape))


def _places(vertices: Floats, faces: Ints, kind: LabelKind) -> Places:
    return (Places.of_vertices if kind == "vertex" else Places.of_faces)(vertices, faces)


def _labels_of_quarters(faces: Ints, quarters: Ints, labels: Ints, kind: LabelKind) -> Ints:
    """What `subdivided` makes of labels: old vertices keep theirs, the middle of an edge has that of both of its ends,
    and faces that of the face that they were a quarter of."""
    if kind == "face":
        return np.repeat(labels, 4)
    new = np.full(quarters.max(initial=-1) + 1, IGNORED)
    new[: len(labels)] = labels
    ends, others = labels[faces], labels[np.roll(faces, -1, axis=1)]
    middles = quarters.reshape(-1, 4, 3)[:, 3]
    new[middles] = np.where(ends == others, ends, IGNORED)
    return new


def _carried(before: Places, labels: Ints, after: Places) -> Ints:
    distance, near = before.nearest(after, 2)
    first, second = labels[near].T
    torn = (first != second) & (np.abs(distance[:, 1] - distance[:, 0]) <= _TIE * distance[:, 1])
    return np.where(torn, IGNORED, first)


def isotropic(vertices: Floats, faces: Ints, n: int, rng: np.random.Generator) -> tuple[Floats, Ints]:
    """About `n` vertices spread over the surface, in triangles of about equal sides.

    All triangles are cut into four, the shortest edges collapsed until n vertices are left (shortest beside those that
    were there, so that a hand keeps its finer triangles), then in rounds edges
    flipped towards six triangles at every vertex, and vertices moved over the surface towards the middle of their
    neighbours; after Botsch, Kobbelt 2004 (A remeshing approach to multiresolution modeling). A boundary stays.

    Args:
        vertices: [V, 3].
        faces: [F, 3] of a manifold.
        n: at most about 4 V.
        rng: which end of an edge stays is drawn.
    """
    dense, quarters = subdivided(vertices, faces)
    surface = EditableSurface(dense, quarters, np.zeros(len(dense), np.int64), "vertex")
    reference = Places.of_vertices(dense, quarters)
    _collapse(surface, n, rng)
    for _ in range(_ROUNDS):
        for a, b in surface.edges().tolist():
            surface.flip(a, b)
        _relax(surface, reference)
    v, f, _ = surface.arrays()
    return v, f


def _collapse(surface: EditableSurface, n: int, rng: np.random.Generator) -> None:
    """Collapse edges onto one of their ends until n vertices are left, or none can be collapsed: first those that are
    shortest beside the edges that were around their ends at the start."""
    size = _edge_size(surface)
    left = len(surface.points) - len(surface.removed)
    before = left + 1
    while n < left < before:
        before = left
        edges, points = surface.edges(), np.array(surface.points)
        length = np.linalg.norm(points[edges[:, 0]] - points[edges[:, 1]], axis=1) / size[edges].mean(1)
        # twice as many as have to go, since of neighbours only one goes in a pass
        edges = edges[np.argsort(length, kind="stable")[: 2 * (left - n)]]
        edges = np.where(rng.random(len(edges))[:, None] < 0.5, edges, edges[:, ::-1])
        touched: set[int] = set()
        for a, b in edges.tolist():
            if left > n and a not in touched and b not in touched and surface.collapse(a, b):
                left -= 1
                touched |= surface.neighbors(a)


def _edge_size(surface: EditableSurface) -> Floats:
    """[V] mean length of the edges at each vertex."""
    edges, points = surface.edges(), np.array(surface.points)
    length = np.linalg.norm(points[edges[:, 0]] - points[edges[:, 1]], axis=1)
    ends, n = edges.T.ravel(), len(points)
    return np.bincount(ends, np.tile(length, 2), n) / np.maximum(np.bincount(ends, minlength=n), 1)


def _relax(surface: EditableSurface, reference: Places) -> None:
    edges, points = surface.edges(), np.array(surface.points)
    faces = np.array(list(surface.faces.values()))
    both = np.concatenate([edges, edges[:, ::-1]])
    degree = np.bincount(both[:, 0], minlength=len(points))
    total = np.stack([np.bincount(both[:, 0], points[both[:, 1], i], len(points)) for i in range(3)], 1)
    normal = Places.of_vertices(points, faces).normals
    step = total / np.maximum(degree, 1)[:, None] - points
    step -= (step * normal).sum(1, keepdims=True) * normal
    inside = np.flatnonzero((np.bincount(faces.ravel(), minlength=len(points)) == degree) & (degree > 0))
    moved = Places(points[inside] + _STEP * step[inside], normal[inside])
    for v, p in zip(inside.tolist(), reference.project(moved)):
        surface.points[v] = p.tolist()
