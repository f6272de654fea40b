"""Logarithmic maps and transporters that are known exactly: what the numerical ones are judged by.

Each closed form belongs to the vertices of one surface and answers for pairs (target p, source q) of vertex
indices. It fixes a frame (x, y) at every vertex, written with its class, and speaks in those frames:

    log_p q = r (cos theta x_p + sin theta y_p),
    coefficients at p = R(phi) diag(1, flip) · coefficients at q

along the shortest geodesic. Another gauge is compared by a rotation (and flip) per vertex. The shortest
geodesic is unique for r below `injectivity_radius` of the target.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gaugenet.meshes.validation import Floats


class PolarMap(NamedTuple):
    """Logarithmic maps and transporters of n pairs."""

    r: Floats
    """[n] geodesic distance."""
    theta: Floats
    """[n] direction of q seen from p, radians, in the frame of p."""
    phi: Floats
    """[n] angle of the transporter R(phi) diag(1, flip) from q to p, radians."""
    flip: NDArray[np.int8]
    """[n] ±1."""


class ClosedForm(Protocol):
    """Geometry of one surface, known exactly at its vertices."""

    @property
    def injectivity_radius(self) -> Floats:
        """[V] below this distance from a vertex the shortest geodesic is unique."""
        ...

    def log_and_transport(self, p: ArrayLike, q: ArrayLike) -> PolarMap:
        """Pairs of target vertices p [n] and source vertices q [n]."""
        ...


@dataclass(frozen=True, eq=False)
class FlatQuotient:
    """The plane, or a straight strip of it, modulo isometries (u, v) → (u + a, s v + b).

    The frame of a vertex is (∂u, ∂v) at its developed coordinates. With the nearest image g q of the source,

        log_p q = g q − p,    transporter = dg = diag(1, s),

    so phi = 0 everywhere and flip = s: −1 exactly where the geodesic crosses the seam of a Möbius strip or
    Klein bottle.
    """

    uv: Floats
    """[V, 2] developed coordinates."""
    shift: Floats = field(default_factory=lambda: np.zeros((1, 2)))
    """[K, 2] translations (a, b) of the isometries; the first is the identity."""
    sign: Floats = field(default_factory=lambda: np.ones(1))
    """[K] their s."""

    @property
    def injectivity_radius(self) -> Floats:
        if len(self.sign) == 1:
            return np.full(len(self.uv), np.inf)
        own = self._displacements(np.arange(len(self.uv)), np.arange(len(self.uv)))[:, 1:]
        radius: Floats = np.linalg.norm(own, axis=2).min(axis=1) / 2
        return radius

    def developed(self, p: ArrayLike, q: ArrayLike) -> tuple[Floats, NDArray[np.int8]]:
        """Displacement [n, 2] from p to the nearest image of q, and the sign s [n] of that image."""
        d = self._displacements(np.asarray(p), np.asarray(q))
        nearest = (d**2).sum(axis=2).argmin(axis=1)
        return d[np.arange(len(d)), nearest], self.sign[nearest].astype(np.int8)

    def log_and_transport(self, p: ArrayLike, q: ArrayLike) -> PolarMap:
        d, flip = self.developed(p, q)
        return PolarMap(np.hypot(*d.T), np.arctan2(d[:, 1], d[:, 0]), np.zeros(len(d)), flip)

    def _displacements(self, p: NDArray[np.integer], q: NDArray[np.integer]) -> Floats:
        u = self.uv[q, 0][:, None] + self.shift[:, 0] - self.uv[p, 0][:, None]
        v = self.sign * self.uv[q, 1][:, None] + self.shift[:, 1] - self.uv[p, 1][:, None]
        return np.stack([u, v], axis=2)


@dataclass(frozen=True, eq=False)
class ConeForm:
    """A cone of half angle a: vertices at slant distance l from the apex and azimuth w; its total angle is 2π
    sin a.

    Away from the apex the frame is (∂l, ∂w / (l sin a)). Developed with δ = sin a · (w_q − w_p), |w_q − w_p|
    ≤ π, the source lies at l_q (cos δ, sin δ) and the transporter is R(δ). At the apex, angles are scaled to
    the full circle as in every tangent plane of a mesh: a source is seen in direction w_q, and so its ∂l is
    transported.
    """

    slant: Floats
    """[V] l, 0 at the apex."""
    azimuth: Floats
    """[V] w, radians."""
    sin_half_angle: float

    @property
    def injectivity_radius(self) -> Floats:
        angle = np.pi * self.sin_half_angle
        reach = np.sin(angle) if angle < np.pi / 2 else 1.0
        return np.where(self.slant == 0, np.inf, self.slant * reach)

    def log_and_transport(self, p: ArrayLike, q: ArrayLike) -> PolarMap:
        p, q = np.asarray(p), np.asarray(q)
        lp, lq = self.slant[p], self.slant[q]
        delta = self.sin_half_angle * wrapped(self.azimuth[q] - self.azimuth[p])
        dx, dy = lq * np.cos(delta) - lp, lq * np.sin(delta)
        theta, phi = np.arctan2(dy, dx), delta
        from_apex, to_apex = (lp == 0) & (lq > 0), (lq == 0) & (lp > 0)
        theta = np.where(from_apex, wrapped(self.azimuth[q]), np.where(to_apex, np.pi, theta))
        phi = np.where(from_apex, wrapped(self.azimuth[q]), np.where(to_apex, -wrapped(self.azimuth[p]), phi))
        return PolarMap(np.hypot(dx, dy), theta, phi, np.ones(len(p), np.int8))


@dataclass(frozen=True, eq=False)
class SphereForm:
    """The unit sphere, or (antipodal) its quotient by the antipode, the projective plane.

    The frame of a vertex is `frame`, rows (x, y, outward normal). On the projective plane the frame at −Q
    that belongs to the vertex of Q is (−x, −y), which is left-handed seen from outside, so flip = −1 where −Q
    is the nearer image.
    """

    frame: Floats
    """[V, 3, 3]; the last row is the vertex itself."""
    antipodal: bool = False

    @property
    def injectivity_radius(self) -> Floats:
        return np.full(len(self.frame), np.pi / 2 if self.antipodal else np.pi)

    def log_and_transport(self, p: ArrayLike, q: ArrayLike) -> PolarMap:
        at_p, at_q = self.frame[np.asarray(p)], self.frame[np.asarray(q)]
        if self.antipodal:
            nearer = np.einsum("ni,ni->n", at_p[:, 2], at_q[:, 2]) >= 0
            at_q = at_q * np.where(nearer, 1.0, -1.0)[:, None, None]
        P, Q = at_p[:, 2], at_q[:, 2]
        r = 2 * np.arcsin(np.clip(np.linalg.norm(P - Q, axis=1) / 2, 0, 1))
        cosine = np.einsum("ni,ni->n", P, Q)[:, None]
        leaving, arriving = _unit(Q - cosine * P), _unit(cosine * Q - P)
        return _from_tangents(r, at_p, at_q, leaving, arriving)


@dataclass(frozen=True, eq=False)
class TorusForm:
    """The torus of revolution of radii R and r: position ((R + r cos v) cos u, (R + r cos v) sin u, r sin v).

    The frame of a vertex is (∂u, ∂v), normalised; its normal points outwards. Geodesics obey u' = cos ψ / ρ,
    v' = sin ψ / r, ψ' = −sin v cos ψ / ρ with ρ = R + r cos v (Clairaut: ρ cos ψ is constant); they are
    integrated by Runge-Kutta (order 4) and aimed by Newton's method. The transporter turns the arrival angle
    ψ(r) back to the departure angle ψ(0).
    """

    uv: Floats
    """[V, 2] angles u, v."""
    major: float
    minor: float
    steps: int = 64

    @property
    def injectivity_radius(self) -> Floats:
        R, r = self.major, self.minor
        return np.full(len(self.uv), np.pi * min(r, R - r, np.sqrt(r * (R + r))))

    def log_and_transport(self, p: ArrayLike, q: ArrayLike) -> PolarMap:
        """Raises ValueError where a geodesic was not found, which happens beyond the injectivity radius only."""
        start, goal = self.uv[np.asarray(p)], self.uv[np.asarray(q)]
        d = wrapped(goal - start)
        x = (self.major + self.minor * np.cos(start[:, 1] + d[:, 1] / 2)) * d[:, 0]
        y = self.minor * d[:, 1]
        for _ in range(60):
            r, theta = np.hypot(x, y), np.arctan2(y, x)
            u, v, psi = self.geodesic(start, theta, r)
            miss_u = wrapped(u - goal[:, 0]) * (self.major + self.minor * np.cos(v))
            miss_v = wrapped(v - goal[:, 1]) * self.minor
            if not len(r) or max(np.abs(miss_u).max(), np.abs(miss_v).max()) < 1e-13 * self.major:
                break
            # the miss, carried back along the geodesic: Newton's step up to the curvature between p and q
            c, s = np.cos(theta - psi), np.sin(theta - psi)
            x, y = x - (c * miss_u - s * miss_v), y - (s * miss_u + c * miss_v)
        else:
            if max(np.abs(miss_u).max(), np.abs(miss_v).max()) > 1e-11 * self.major:
                raise ValueError("no geodesic found between some pairs: keep them within the injectivity radius")
        return PolarMap(r, theta, wrapped(theta - psi), np.ones(len(r), np.int8))

    def geodesic(self, start: Floats, theta: Floats, length: Floats) -> tuple[Floats, Floats, Floats]:
        """End (u, v) and direction ψ after `length` [n] from `start` [n, 2] in direction `theta` [n]."""
        state = np.stack([start[:, 0], start[:, 1], theta])
        h = length / self.steps

        def slope(s: Floats) -> Floats:
            rho = self.major + self.minor * np.cos(s[1])
            along = np.cos(s[2]) / rho
            return np.stack([along, np.sin(s[2]) / self.minor, -np.sin(s[1]) * along])

        for _ in range(self.steps):
            k1 = slope(state)
            k2 = slope(state + h / 2 * k1)
            k3 = slope(state + h / 2 * k2)
            k4 = slope(state + h * k3)
            state = state + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        return state[0], state[1], state[2]


def wrapped(angle: Floats) -> Floats:
    """The same angle in [−π, π)."""
    return np.remainder(angle + np.pi, 2 * np.pi) - np.pi


def tangent_frames(normal: Floats) -> Floats:
    """[V, 3, 3] right-handed frames, rows (x, y, normal), of unit normals [V, 3]."""
    axis = np.eye(3)[np.abs(normal).argmin(axis=1)]
    x = _unit(axis - np.einsum("ni,ni->n", axis, normal)[:, None] * normal)
    return np.stack([x, np.cross(normal, x), normal], axis=1)


def _from_tangents(r: Floats, at_p: Floats, at_q: Floats, leaving: Floats, arriving: Floats) -> PolarMap:
    """From the unit tangents of the geodesic at its ends, and frames whose last row is the normal on p's side."""
    theta = _angle(at_p, leaving)
    end = _angle(at_q, arriving)
    # the frame of q is left-handed where its x × y is not its (outward) normal
    handed = np.einsum("ni,ni->n", np.cross(at_q[:, 0], at_q[:, 1]), at_q[:, 2])
    flip = np.where(handed > 0, 1, -1).astype(np.int8)
    same = r == 0
    theta = np.where(same, 0.0, theta)
    phi = np.where(same, 0.0, wrapped(theta - flip * end))
    return PolarMap(r, theta, phi, flip)


def _angle(frame: Floats, tangent: Floats) -> Floats:
    x = np.einsum("ni,ni->n", frame[:, 0], tangent)
    y = np.einsum("ni,ni->n", frame[:, 1], tangent)
    angle: Floats = np.arctan2(y, x)
    return angle


def _unit(x: Floats) -> Floats:
    out: Floats = x / np.maximum(np.linalg.norm(x, axis=-1, keepdims=True), 1e-300)
    return out
