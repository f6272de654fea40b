"""Conventions of frames, logarithmic maps and transporters, and the transporters of a triangulated surface.

This is the one place where the conventions are said.

*Frame.* The tangent plane at a vertex p has an orthonormal frame (x_p, y_p); its handedness is that of p. The
direction of an edge at p is its angle in the fan of corners (`gaugenet.meshes.fans`) times 2π/Θ_p, from the x
axis towards y.

*Gauge element.* h = (angle a, flip s), s = ±1, acts on tangent coefficients as R(a) diag(1, s) with
R(a) = [[cos a, -sin a], [sin a, cos a]]. Hence (a1, s1)(a2, s2) = (a1 + s1 a2, s1 s2) and (a, s)⁻¹ = (-s a,
s).

*Logarithmic map.* log_p q = r (cos θ x_p + sin θ y_p), with r the geodesic distance from the target p to the
source q.

*Transporter.* g_{p<-q} = (φ, flip) takes coefficients in the frame of the source q to coefficients in the
frame of the
target p: parallel transport along the shortest path, and flip = -1 where it joins frames of opposite
handedness.

*Gauge transformation.* Coefficients at p become h_p times the old ones; then g' = h_p g h_q⁻¹ and θ' = a_p +
s_p θ.

On a polyhedron, a path that leaves p in direction θ (scaled) and reaches q, where it is seen coming from
direction β (scaled), has φ = θ + π - flip β: the direction of travel is θ at p and β + π at q. Through a
pseudo-source v, g_{p<-q} = g_{p<-v} g_{v<-q}. This is ``polyhedral`` transport, exact for a flat surface with
cone points. Where the polyhedron samples a smooth surface its error has the order of the curvature enclosed,
at every resolution, because all curvature sits at the vertices and the path passes them on one side.
``smooth`` transport repairs that (`straddle_correct`) by an average over paths on both sides.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit

from gaugenet.meshes.fans import Floats, Ints
from gaugenet.meshes.unfolding import edge_direction

_MAX_PASSES = 4
_INCOMPATIBLE = 0.5 * math.pi
"""A parent whose path gives a direction or transporter this far from the shortest path's lies across the cut
locus."""


def wrap(angle: Any) -> Any:
    """The same angle in [-π, π); numpy or torch."""
    return (angle + math.pi) % (2.0 * math.pi) - math.pi


def compose(first: tuple[Any, Any], second: tuple[Any, Any]) -> tuple[Any, Any]:
    """(a1, s1)(a2, s2) = (a1 + s1 a2, s1 s2): the element that acts as `second`, then as `first`."""
    (a1, s1), (a2, s2) = first, second
    return a1 + s1 * a2, s1 * s2


def inverse(element: tuple[Any, Any]) -> tuple[Any, Any]:
    """(a, s)⁻¹ = (-s a, s)."""
    angle, flip = element
    return -flip * angle, flip


def turn_frames(
    theta: Floats, phi: Floats, flip: Any, target: Ints, source: Ints, angle: Floats
) -> tuple[Floats, Floats]:
    """Theta and phi after the gauge transformation h_p = R(angle_p); theta, phi, flip [E], angle [V],
    radians."""
    turned, _ = compose(compose((angle[target], 1), (phi, flip)), inverse((angle[source], 1)))
    return wrap(theta + angle[target]), wrap(turned)


@njit(cache=True, nogil=True)
def _wrapped(angle):  # type: ignore[no-untyped-def]
    return (angle + math.pi) % (2.0 * math.pi) - math.pi


@njit(cache=True, nogil=True)
def edge_transporter(fans, corner, other):  # type: ignore[no-untyped-def]
    """For the edge between two corners of a face: (length, scaled direction at `corner`, φ, flip) of the
    transporter from the vertex at `other` to the vertex at `corner`."""
    f, k, j = corner // 3, corner % 3, other % 3
    length = fans.length[f, k] if j == (k + 1) % 3 else fans.length[f, j]
    outward = edge_direction(fans, corner, other) * fans.scale[fans.faces[f, k]]
    back = edge_direction(fans, other, corner) * fans.scale[fans.faces[f, j]]
    flip = fans.corner_sign[f, k] * fans.corner_sign[f, j]
    return length, outward, outward + math.pi - flip * back, flip


@njit(cache=True, nogil=True)
def straddle_correct(fans, reached, token, target, order, settled):  # type: ignore[no-untyped-def]
    """Replace theta and phi of the reached vertices by averages over both sides of their path, in place.

    Where the path from the target p to c crosses the edge ab of its last face at the fraction t from a to b:

        g_{p<-c} = mean of g_{p<-a} g_{a<-c} (weight 1 - t) and g_{p<-b} g_{b<-c} (weight t),  on the circle
        θ_c = direction of the same mean of u_a + g_{p<-a} e_{ac},  with u_a = log_p a and e_{ac} the edge at
        a.

    The parents a, b are corrected first. A vertex keeps its polyhedral values where no parent was reached.
    Behind a concave boundary theta is that of the first bend.

    Args:
        order: reached vertices, nearest first.
        settled: [V] scratch; ``settled[v] == token`` marks what is final.
    """
    settled[target] = token
    left = len(order)
    for _ in range(_MAX_PASSES):
        waiting = 0
        for i in range(len(order)):
            c = order[i]
            if settled[c] != token:
                if _corrected(fans, reached, token, settled, c):
                    settled[c] = token
                else:
                    waiting += 1
        if waiting == 0 or waiting == left:
            break
        left = waiting


@njit(cache=True, nogil=True)
def _corrected(fans, reached, token, settled, c):  # type: ignore[no-untyped-def]
    corner = reached.arrival[c]
    f, k = corner // 3, corner % 3
    x, y, gx, gy = 0.0, 0.0, 0.0, 0.0
    for side in range(1, 3):
        weight = reached.fraction[c] if side == 1 else 1.0 - reached.fraction[c]
        if weight <= 1e-9:
            continue
        parent = 3 * f + (k + side) % 3
        v = fans.faces[f, parent % 3]
        if settled[v] != token:
            return False
        length, outward, step, flip = edge_transporter(fans, parent, corner)
        phi = reached.phi[v] + reached.flip[v] * step
        along = reached.phi[v] + reached.flip[v] * outward
        if reached.distance[v] == 0.0:
            px, py = length * math.cos(along), length * math.sin(along)
        else:
            px = reached.distance[v] * math.cos(reached.theta[v]) + length * math.cos(along)
            py = reached.distance[v] * math.sin(reached.theta[v]) + length * math.sin(along)
        if (
            reached.flip[v] * flip != reached.flip[c]
            or abs(_wrapped(math.atan2(py, px) - reached.theta[c])) > _INCOMPATIBLE
            or abs(_wrapped(phi - reached.phi[c])) > _INCOMPATIBLE
        ):
            continue
        x, y = x + weight * px, y + weight * py
        gx, gy = gx + weight * math.cos(phi), gy + weight * math.sin(phi)
    if gx == 0.0 and gy == 0.0:
        return True
    reached.phi[c] = math.atan2(gy, gx)
    if not reached.bent[c]:
        reached.theta[c] = math.atan2(y, x)
    elif settled[reached.origin[c]] == token:
        reached.theta[c] = reached.theta[reached.origin[c]]
    return True


@njit(cache=True, nogil=True)
def symmetrize(row_ptr, source, phi, flip, average):  # type: ignore[no-untyped-def]
    """Make g_{q<-p} = g_{p<-q}⁻¹ exactly, in place, for every pair that is an edge in both directions.

    `average` takes the mean of the two on the circle (smooth transport); otherwise that of the row of the
    lower vertex holds (polyhedral transport, whose values must stay in the group they lie in). Pairs whose
    flips disagree (two shortest paths of equal length) stay as they are. Rows must be sorted by source.
    """
    for p in range(len(row_ptr) - 1):
        for e in range(row_ptr[p], row_ptr[p + 1]):
            q = source[e]
            if q <= p:
                continue
            back = row_ptr[q] + np.searchsorted(source[row_ptr[q] : row_ptr[q + 1]], p)
            if back >= row_ptr[q + 1] or source[back] != p or flip[back] != flip[e]:
                continue
            if average:
                phi[e] += 0.5 * _wrapped(-flip[e] * phi[back] - phi[e])
            phi[back] = -flip[e] * phi[e]
