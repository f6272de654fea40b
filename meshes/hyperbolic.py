"""The hyperbolic plane, the group of a regular octagon, and the closed surface of genus 2 that it leaves (Bolza's).

Points are complex numbers z of Poincaré's disc |z| < 1, of curvature -1 with metric 2 |dz| / (1 - |z|²); isometries
that keep orientation are

    g z = (a z + b) / (b̄ z + ā),    |a|² - |b|² = 1,

written as pairs (a, b) (Beardon 1983, The Geometry of Discrete Groups, section 7.4).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gaugenet.meshes.closed_forms import PolarMap, wrapped
from gaugenet.meshes.topology import Ints
from gaugenet.meshes.validation import Floats

Complex = NDArray[np.complex128]

_INRADIUS_COSH = 1 + 2**0.5
"""cosh of the distance from the centre to a side of the regular octagon with angles π/4: cot(π/8)."""
SYSTOLE = 2 * float(np.arccosh(_INRADIUS_COSH))
"""Length of the shortest closed geodesic, 3.057: the distance of opposite sides."""
_CIRCUMRADIUS = float(np.arccosh(_INRADIUS_COSH**2))
"""Distance from the centre to a corner, 2.448; no two points of the surface are farther apart."""
_CHUNK = 4096


class Isometries(NamedTuple):
    """K isometries z -> (a z + b) / (b̄ z + ā)."""

    a: Complex
    """[K]"""
    b: Complex
    """[K]"""

    def __call__(self, z: Complex) -> Complex:
        return np.asarray((self.a * z + self.b) / (self.b.conj() * z + self.a.conj()))


def hyperbolic_distance(z: Complex, w: Complex) -> Floats:
    """d with sinh(d / 2) = |z - w| / sqrt((1 - |z|²) (1 - |w|²)); no cancellation but that of z - w."""
    room = (1 - np.abs(z) ** 2) * (1 - np.abs(w) ** 2)
    return np.asarray(2 * np.arcsinh(np.abs(z - w) / np.sqrt(room)))


def side_pairings() -> Isometries:
    """The 8 translations by `SYSTOLE` along the axes at angles k π/4; number k + 4 is the inverse of number k.

    Number k takes the side opposite to side k of the octagon to side k, whose middle is at angle k π/4.
    """
    towards = np.exp(0.25j * np.pi * np.arange(8))
    return Isometries(np.full(8, _INRADIUS_COSH, complex), np.sqrt(_INRADIUS_COSH**2 - 1) * towards)


def octagon_corners() -> Complex:
    """[8] corner k lies between sides k and k + 1."""
    return np.asarray(np.tanh(_CIRCUMRADIUS / 2) * np.exp(0.25j * np.pi * (np.arange(8) + 0.5)))


def deck_group(reach: float) -> Isometries:
    """The elements g of the group of the side pairings that move the centre by at most `reach`, the identity first.

    A geodesic from 0 to g 0 meets only tiles whose centre is at most a circumradius farther away than a point of it,
    and neighbouring tiles differ by a side pairing, so that words whose beginnings stay so near find all of them.
    """
    steps, limit = side_pairings(), np.cosh((reach + _CIRCUMRADIUS) / 2)
    a, b = np.ones(1, complex), np.zeros(1, complex)
    found_a, found_b, known = [a], [b], {(0, 0)}
    while len(a):
        next_a = (a[:, None] * steps.a + b[:, None] * steps.b.conj()).ravel()
        next_b = (a[:, None] * steps.b + b[:, None] * steps.a.conj()).ravel()
        near = np.abs(next_a) <= limit
        next_a, next_b = next_a[near], next_b[near]
        # g is known by where it takes the centre: 2 a b = sinh(d) exp(i direction), more than 1 apart for different
        # ones; the odd numbers keep exact fractions, 0 above all, away from where rounding jumps
        place = np.rint(7.389 * next_a * next_b + (0.123 + 0.123j))
        fresh = []
        for k, key in enumerate(zip(place.real.astype(int).tolist(), place.imag.astype(int).tolist())):
            if key not in known:
                known.add(key)
                fresh.append(k)
        a, b = next_a[fresh], next_b[fresh]
        found_a.append(a)
        found_b.append(b)
    every = Isometries(np.concatenate(found_a), np.concatenate(found_b))
    kept = np.abs(every.a) <= np.cosh(reach / 2) * (1 + 1e-9)
    order = np.argsort(np.abs(every.a[kept]), kind="stable")
    return Isometries(every.a[kept][order], every.b[kept][order])


@dataclass(frozen=True, eq=False)
class HyperbolicForm:
    """The disc modulo the deck group of the octagon: curvature -1, genus 2.

    The frame of a vertex is that of the disc, (∂x, ∂y) normalised, at its place in the octagon. With w = g q the
    nearest image of the source,

        log_p q = 2 artanh|v| · v / |v|,   v = (w - p) / (1 - p̄ w),
        phi = -2 arg(1 - p̄ w) - 2 arg(b̄ q + ā),

    because v is w seen after the translation of p to the centre, from where geodesics and transport are radial; the
    first term is the turning of that translation at w and the second that of g at q. flip = 1.
    """

    z: Complex
    """[V] places in the octagon."""
    group: Isometries = field(default_factory=lambda: deck_group(3 * _CIRCUMRADIUS))
    """All elements g for which g q can be the nearest image: |g 0| ≤ |p| + d(p, g q) + |q|."""

    @property
    def injectivity_radius(self) -> Floats:
        own = self._distances(self.z, self.z)[:, 1:]
        return np.asarray(own.min(axis=1) / 2)

    def log_and_transport(self, p: ArrayLike, q: ArrayLike) -> PolarMap:
        at_p, at_q = self.z[np.asarray(p)], self.z[np.asarray(q)]
        nearest = np.empty(len(at_p), np.int64)
        for start in range(0, len(at_p), _CHUNK):
            rows = slice(start, start + _CHUNK)
            nearest[rows] = self._distances(at_p[rows], at_q[rows]).argmin(axis=1)
        g = Isometries(self.group.a[nearest], self.group.b[nearest])
        w = g(at_q)
        turned = 1 - at_p.conj() * w
        v = (w - at_p) / turned
        phi = -2 * np.angle(turned) - 2 * np.angle(g.b.conj() * at_q + g.a.conj())
        return PolarMap(hyperbolic_distance(at_p, w), np.angle(v), wrapped(phi), np.ones(len(w), np.int8))

    def _distances(self, p: Complex, q: Complex) -> Floats:
        """[n, K] from p to every image of q."""
        return hyperbolic_distance(p[:, None], self.group(q[:, None]))


class OctagonMesh(NamedTuple):
    """A triangulation of the octagon with its opposite sides glued."""

    faces: Ints
    """[F, 3] counter-clockwise in the disc."""
    edge_lengths: Floats
    """[F, 3]"""
    twin: Ints
    """[3 F] gluing of half-edges: with few faces, several edges join the same two vertices."""
    z: Complex
    """[V] the place of each vertex in the octagon."""


def octagon_mesh(subdivisions: int, jitter: float, seed: int) -> OctagonMesh:
    """Eight triangles round the centre, each cut into four at the middle of its sides, again and again.

    Args:
        subdivisions: V = 4^(subdivisions + 1) - 2, F = 8 · 4^subdivisions.
        jitter: each vertex moves in a random direction by up to this part of the length of the shortest edge.
    """
    points = np.concatenate([[0j], octagon_corners()])
    faces = np.array([[0, k + 1, (k + 1) % 8 + 1] for k in range(8)], np.int64)
    for _ in range(subdivisions):
        ends = np.stack([faces, np.roll(faces, -1, axis=1)], 2)
        edges, number = np.unique(np.sort(ends.reshape(-1, 2), axis=1), axis=0, return_inverse=True)
        ab, bc, ca = (len(points) + number.reshape(-1, 3)).T
        a, b, c = faces.T
        faces = np.stack([np.stack(t, 1) for t in ((a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca))], 1)
        faces = faces.reshape(-1, 3)
        points = np.concatenate([points, _middle(points[edges[:, 0]], points[edges[:, 1]])])
    vertex, shift, element = _glued(points)
    twin = _twins(faces, points)
    z = points[np.flatnonzero(shift == 0)]
    sides = hyperbolic_distance(points[faces], points[np.roll(faces, -1, axis=1)])
    if jitter:
        rng = np.random.default_rng(seed)
        step = jitter * float(sides.min()) * np.sqrt(rng.random(len(z)))
        move = np.tanh(step / 2) * np.exp(2j * np.pi * rng.random(len(z)))
        z = (move + z) / (1 + z.conj() * move)
        g = Isometries(element.a[shift], element.b[shift])
        points = g(z[vertex])
        sides = hyperbolic_distance(points[faces], points[np.roll(faces, -1, axis=1)])
    return OctagonMesh(vertex[faces], sides, twin, z)


def _middle(z: Complex, w: Complex) -> Complex:
    """Halfway between: the translation of z to 0 leaves v, whose half is v / (1 + sqrt(1 - |v|²))."""
    v = (w - z) / (1 - z.conj() * w)
    half = v / (1 + np.sqrt(1 - np.abs(v) ** 2))
    return np.asarray((half + z) / (1 + z.conj() * half))


def _glued(points: Complex) -> tuple[Ints, Ints, Isometries]:
    """vertex [n] of each point of the octagon, and the element (index [n] into the isometries) that takes the place of
    the vertex, the first of its points, to the point."""
    from scipy.spatial import cKDTree

    elements = deck_group(2 * _CIRCUMRADIUS)
    tree = cKDTree(np.stack([points.real, points.imag], 1))
    images = elements(points[:, None])
    distance, found = tree.query(np.stack([images.real, images.imag], 2), distance_upper_bound=1e-9)
    first, shift = np.arange(len(points)), np.zeros(len(points), np.int64)
    for i, k in np.argwhere(np.isfinite(distance)).tolist():
        j = int(found[i, k])
        if i < first[j]:
            first[j], shift[j] = i, k
    _, vertex = np.unique(first, return_inverse=True)
    return vertex.astype(np.int64), shift, elements


def _twins(faces: Ints, points: Complex) -> Ints:
    """[3 F] gluing of the half-edges: those with the same middle, on the sides of the octagon up to a side pairing."""
    from scipy.spatial import cKDTree

    tail, head = faces.ravel(), np.roll(faces, -1, axis=1).ravel()
    middle = _middle(points[tail], points[head])
    key = np.minimum(tail, head) * len(points) + np.maximum(tail, head)
    _, edge, count = np.unique(key, return_inverse=True, return_counts=True)
    twin, rim = np.empty(len(tail), np.int64), np.flatnonzero(count[edge] == 1)
    order = np.argsort(edge[count[edge] == 2], kind="stable")
    a, b = np.flatnonzero(count[edge] == 2)[order].reshape(-1, 2).T
    twin[a], twin[b] = b, a
    side = np.rint(np.angle(middle[rim]) / (0.25 * np.pi)).astype(np.int64) % 8
    pairings = side_pairings()
    across = Isometries(pairings.a[(side + 4) % 8], pairings.b[(side + 4) % 8])(middle[rim])
    tree = cKDTree(np.stack([middle[rim].real, middle[rim].imag], 1))
    twin[rim] = rim[tree.query(np.stack([across.real, across.imag], 1))[1]]
    return twin
