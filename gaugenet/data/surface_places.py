"""`Places` on a surface, and the nearest of them that are on the same side of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_LOOKED_AT, _OPPOSITE = 24, -0.2
"""How many of the nearest places are looked at for one that faces the same way, and the cosine between the normals of
two below which they do not: a hand on a hip is on the other side of the gap."""
_VERTICES = 6
"""The nearest vertices in whose triangles the nearest point of a surface is looked for."""


@dataclass(frozen=True, eq=False)
class Places:
    """Points of a surface, such as vertices or the centroids of faces, and which way the surface faces there."""

    points: Floats
    """[N, 3]"""
    normals: Floats
    """[N, 3] of length 1; 0 faces every way."""

    @classmethod
    def of_vertices(cls, vertices: Floats, faces: Ints) -> Places:
        """Of all vertices, [V, 3]; their normals are the mean of those of the faces [F, 3] around them by area."""
        normal = _doubled_areas(vertices, faces)
        total = np.stack([np.bincount(faces.ravel(), np.repeat(normal[:, i], 3), len(vertices)) for i in range(3)], 1)
        return cls(vertices, _unit(np.asarray(total, np.float64)))

    @classmethod
    def of_faces(cls, vertices: Floats, faces: Ints) -> Places:
        """The centroids of all faces."""
        return cls(vertices[faces].mean(1), _unit(_doubled_areas(vertices, faces)))

    def nearest(self, queries: Places, k: int) -> tuple[Floats, Ints]:
        """[Q, k] distances and numbers of the nearest that face the same way, then of others."""
        from scipy.spatial import cKDTree

        distance, number = cKDTree(self.points).query(queries.points, range(1, min(_LOOKED_AT, len(self.points)) + 1))
        opposite = np.einsum("qkx,qx->qk", self.normals[number], queries.normals) < _OPPOSITE
        first = np.argsort(opposite, axis=1, kind="stable")[:, :k]
        return np.take_along_axis(distance, first, 1), np.take_along_axis(number, first, 1).astype(np.int64)

    def project(self, queries: Places) -> Floats:
        """[Q, 3] each query in the tangent plane of the nearest place."""
        near = self.nearest(queries, 1)[1][:, 0]
        normal = self.normals[near]
        height = ((queries.points - self.points[near]) * normal).sum(1, keepdims=True)
        return np.asarray(queries.points - height * normal, np.float64)


def nearest_points(vertices: Floats, faces: Ints, queries: Places) -> tuple[Ints, Floats]:
    """The point of a triangle mesh nearest to each query on the same side: corners of its triangle and weights [Q, 3].

    It is looked for in the triangles around the few nearest vertices. The weights are at least 0 and sum to 1: of the
    corners, whose values they interpolate linearly. A query near an isolated vertex only gets that vertex.
    """
    near = Places.of_vertices(vertices, faces).nearest(queries, _VERTICES)[1]
    normals = _unit(_doubled_areas(vertices, faces))
    around = np.argsort(faces.ravel(), kind="stable") // 3
    start = np.searchsorted(np.sort(faces.ravel()), np.arange(len(vertices) + 1))
    far = 4.0 * float(np.ptp(np.concatenate([vertices, queries.points]), axis=0).max(initial=0.0)) ** 2
    best = np.full(len(queries.points), np.inf)
    corners = np.repeat(near[:, :1], 3, axis=1)
    weights = np.tile([1.0, 0.0, 0.0], (len(best), 1))
    for column in near.T:
        number = start[column + 1] - start[column]
        for place in range(int(number.max(initial=0))):
            chosen = np.flatnonzero(place < number)
            face = around[start[column[chosen]] + place]
            found, square = _nearest_in_triangles(vertices[faces[face]], queries.points[chosen])
            square = square + far * ((normals[face] * queries.normals[chosen]).sum(1) < _OPPOSITE)
            nearer = square < best[chosen]
            chosen, face = chosen[nearer], face[nearer]
            best[chosen], corners[chosen], weights[chosen] = square[nearer], faces[face], found[nearer]
    return corners, weights


def _nearest_in_triangles(corners: Floats, points: Floats) -> tuple[Floats, Floats]:
    """Barycentric coordinates [N, 3] of the point of each triangle [N, 3, 3] nearest to a point, and the square of the
    distance [N]: the foot of the perpendicular where it is inside, else the nearest of the three sides."""
    a, b, c = corners[:, 0], corners[:, 1], corners[:, 2]
    u, v, w = b - a, c - a, points - a
    uu, uv, vv, wu, wv = ((p * q).sum(1) for p, q in ((u, u), (u, v), (v, v), (w, u), (w, v)))
    area = np.maximum(uu * vv - uv**2, 1e-300)
    y, z = (vv * wu - uv * wv) / area, (uu * wv - uv * wu) / area
    foot = np.stack([1.0 - y - z, y, z], 1)
    weights, square = foot, np.where((foot >= 0).all(1), _square(foot, corners, points), np.inf)
    for i, j in ((0, 1), (1, 2), (2, 0)):
        side = corners[:, j] - corners[:, i]
        along = ((points - corners[:, i]) * side).sum(1) / np.maximum((side**2).sum(1), 1e-300)
        other = np.zeros_like(foot)
        other[:, j] = np.clip(along, 0.0, 1.0)
        other[:, i] = 1.0 - other[:, j]
        found = _square(other, corners, points)
        nearer = found < square
        weights, square = np.where(nearer[:, None], other, weights), np.where(nearer, found, square)
    return weights, square


def _square(weights: Floats, corners: Floats, points: Floats) -> Floats:
    off = np.einsum("nk,nkx->nx", weights, corners) - points
    return np.asarray((off**2).sum(1), np.float64)


def _doubled_areas(vertices: Floats, faces: Ints) -> Floats:
    """[F, 3] normals of triangles, twice their area long; 0 on a surface that is not wound alike, as one with a single
    side never is."""
    half_edges = np.stack([faces.ravel(), np.roll(faces, -1, axis=1).ravel()], 1)
    alike = len(np.unique(half_edges, axis=0)) == len(half_edges)
    a, b, c = vertices[faces].transpose(1, 0, 2)
    return np.asarray(np.cross(b - a, c - a) * alike, np.float64)


def _unit(vectors: Floats) -> Floats:
    size = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.where(size > 0, size, 1), np.float64)
