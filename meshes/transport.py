"""Conventions of frames, logarithmic maps and transporters, and the transporters of a triangulated surface.

This is the one place where the conventions are said.

*Frame.* The tangent plane at a vertex p has an orthonormal frame (x_p, y_p); its handedness is that of p. The
direction of an edge at p, from the x axis towards y, is its scaled angle: that in the fan of corners
(`gaugenet.meshes.fans`) times 2π/Θ_p, at the boundary times min(1, 2π/Θ_p). In ``smooth`` mode each edge is turned from
there by `gaugenet.meshes.edge_directions`, the edges of a vertex by 0 in the mean, so both modes have the same frames.

*Gauge element.* h = (angle a, flip s), s = ±1, acts on tangent coefficients as R(a) diag(1, s) with
R(a) = [[cos a, -sin a], [sin a, cos a]]. Hence (a1, s1)(a2, s2) = (a1 + s1 a2, s1 s2) and (a, s)⁻¹ = (-s a, s).

*Logarithmic map.* log_p q = r (cos θ x_p + sin θ y_p), with r the geodesic distance from the target p to the source q.

*Transporter.* g_{p<-q} = (φ, flip) takes coefficients in the frame of the source q to coefficients in the frame of the
target p: parallel transport along the shortest path, and flip = -1 where it joins frames of opposite handedness.

*Gauge transformation.* Coefficients at p become h_p times the old ones; then g' = h_p g h_q⁻¹ and θ' = a_p + s_p θ.

On a polyhedron, a path that leaves p in direction θ (scaled) and reaches q, where it is seen coming from
direction β (scaled), has φ = θ + π - flip β: the direction of travel is θ at p and β + π at q. Through a
pseudo-source v, g_{p<-q} = g_{p<-v} g_{v<-q}. This is ``polyhedral`` transport, exact for a flat surface with
cone points. Where the polyhedron samples a smooth surface its error has the order of the curvature enclosed,
at every resolution, because all curvature sits at the vertices and the path passes them on one side.
``smooth`` transport repairs that (`straddle_correct`) by an average over paths on both sides, from edge to edge, with
the directions of edges of `gaugenet.meshes.edge_directions`; so θ of a short edge is not quite its scaled angle. Where
the surface is noisy it averages over more paths (`gaugenet.meshes.averaging`). r is the exact distance in both modes.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from gaugenet.meshes.compiled import compiled
from gaugenet.meshes.fans import Floats, Ints

_NEGLIGIBLE = 1e-9
"""Weight below which a parent is not asked."""


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
    """Theta and phi after the gauge transformation h_p = R(angle_p); theta, phi, flip [E], angle [V], radians."""
    turned, _ = compose(compose((angle[target], 1), (phi, flip)), inverse((angle[source], 1)))
    return wrap(theta + angle[target]), wrap(turned)


@compiled
def wrapped(angle):  # type: ignore[no-untyped-def]
    """`wrap` of one angle."""
    turned = angle - 2.0 * math.pi * math.floor((angle + math.pi) / (2.0 * math.pi))
    return max(turned, -math.pi)


LOG = np.dtype(
    [
        ("vertex", np.int32),
        # of the path: its flip; whether it bends at a boundary vertex; whether the rest is known, and how many parents
        # the correction lacks
        ("flip", np.int8),
        ("bent", np.int8),
        ("settled", np.int8),
        ("lacking", np.int8),
        ("distance", np.float64),
        # of the path, without correction
        ("theta", np.float64),
        ("phi", np.float64),
        # the logarithmic map, and cos φ and sin φ, after correction
        ("log_x", np.float64),
        ("log_y", np.float64),
        ("turn_x", np.float64),
        ("turn_y", np.float64),
        # the rest belongs to gaugenet.meshes.averaging: the values before; the sum of the weights of neighbours that
        # are not known and of the sizes of all weights; the first of the other neighbours and the one after the last
        ("first_log_x", np.float64),
        ("first_log_y", np.float64),
        ("first_turn_x", np.float64),
        ("first_turn_y", np.float64),
        ("alone", np.float64),
        ("total", np.float64),
        ("begin", np.int32),
        ("end", np.int32),
    ],
    align=True,
)
"""The logarithmic map of one vertex, and the transporter from there to the target."""


@compiled
def polyhedral_transport(vertices, paths, logs, target, order):  # type: ignore[no-untyped-def]
    """Logarithms and transporters along the paths to the reached vertices, into `logs`: the target, then `order`.

    Args:
        vertices: [V] of VERTEX (`gaugenet.meshes.fans`). paths: [V] of PATH (`gaugenet.meshes.unfolding`), in which
            `rank` then says where in `logs` a vertex is.
        logs: [n] of LOG, n > len(order).
        order: reached vertices, nearest first, so that an origin comes before what it sees.
    """
    start = logs[0]
    start.vertex, start.flip, start.bent = target, 1, 0
    start.distance = start.theta = start.phi = 0.0
    paths[target].rank = 0
    for i in range(len(order)):
        path, log = paths[order[i]], logs[i + 1]
        path.rank = i + 1
        before = logs[paths[path.origin].rank]
        origin = vertices[path.origin]
        outward = path.departure * origin.scale
        step = outward + math.pi - path.turned * path.back * vertices[order[i]].scale
        log.vertex, log.settled, log.distance = order[i], 0, path.distance
        log.theta = outward if path.origin == target else before.theta
        log.phi = before.phi + before.flip * step
        log.flip = before.flip * path.turned
        log.bent = path.origin != target and (origin.boundary != 0 or before.bent != 0)


@compiled
def straddle_correct(half_edges, spokes, paths, logs, token, n):  # type: ignore[no-untyped-def]
    """Average over both sides of the paths to the reached vertices, in the first n of `logs`.

    Where the path from the target p to c crosses the edge ab of its last face at the fraction t from a to b:

        g_{p<-c} = mean of g_{p<-a} g_{a<-c} (weight 1 - t) and g_{p<-b} g_{b<-c} (weight t),  on the circle
        θ_c = direction of the same mean of u_a + g_{p<-a} e_ac,  with u_a = log_p a and e_ac the edge at a.

    The parents a, b are corrected first. One whose path leads more than π/2 away from the direction of the path to
    c lies across the cut locus and does not count. Where parents wait for each other, or one was not reached, the
    nearest vertex makes do with one side; `lacking` then counts the parents not reached. A vertex without any settled
    parent keeps its polyhedral values and is not `settled`. Behind a concave boundary θ is that of the first bend.

    Args:
        half_edges, spokes: the surface (`gaugenet.meshes.fans.packed`, `gaugenet.meshes.spokes`).
        logs: the target, then vertices from near to far, as `polyhedral_transport` leaves them.
    """
    start = logs[0]
    start.settled, start.lacking = 1, 0
    start.log_x, start.log_y, start.turn_x, start.turn_y = 0.0, 0.0, 1.0, 0.0
    waiting = np.arange(1, n)
    n_waiting = n - 1
    one_side_will_do = False
    while n_waiting > 0:
        left = 0
        for at in range(n_waiting):
            log = logs[waiting[at]]
            path = paths[log.vertex]
            arrival = half_edges[path.arrival]
            log.log_x = log.log_y = log.turn_x = log.turn_y = 0.0
            log.lacking = 0
            asked, wait = 0, False
            for side in range(2):
                weight = path.fraction if side == 0 else 1.0 - path.fraction
                if weight <= _NEGLIGIBLE:
                    continue
                spoke = spokes[arrival.spoke if side == 0 else arrival.other_spoke]
                before = paths[spoke.vertex]
                parent = logs[before.rank if before.stamp == token else 0]
                if before.stamp != token or not parent.settled:
                    wait = wait or not one_side_will_do
                    log.lacking += before.stamp != token
                elif not wait:
                    asked += 1
                    _add_parent(log, parent, spoke, weight)
            if wait or asked == 0 or not _settle(log, logs[paths[path.origin].rank]):
                waiting[left] = waiting[at]
                left += 1
            else:
                one_side_will_do = False
        if left == n_waiting:
            if one_side_will_do:
                break
            one_side_will_do = True
        n_waiting = left


@compiled
def _add_parent(log, parent, spoke, weight):  # type: ignore[no-untyped-def]
    """Add what a vertex has from one parent, if the parent counts."""
    x, y = act(parent.turn_x, parent.turn_y, parent.flip, spoke.step_x, spoke.step_y)
    x, y = parent.log_x + x, parent.log_y + y
    if parent.flip * spoke.flip == log.flip and x * math.cos(log.theta) + y * math.sin(log.theta) >= 0.0:
        turn_x, turn_y = act(parent.turn_x, parent.turn_y, parent.flip, spoke.turn_x, spoke.turn_y)
        log.log_x, log.log_y = log.log_x + weight * x, log.log_y + weight * y
        log.turn_x, log.turn_y = log.turn_x + weight * turn_x, log.turn_y + weight * turn_y


@compiled
def _settle(log, origin):  # type: ignore[no-untyped-def]
    """Give the sums over the parents their lengths; False where the vertex must wait for the origin of its path."""
    x, y, turn_x, turn_y = log.log_x, log.log_y, log.turn_x, log.turn_y
    size, unit = math.sqrt(x * x + y * y), math.sqrt(turn_x * turn_x + turn_y * turn_y)
    if size == 0.0 or unit == 0.0:
        turn_x, turn_y, unit = math.cos(log.phi), math.sin(log.phi), 1.0
        x, y, size = math.cos(log.theta), math.sin(log.theta), 1.0
    elif log.bent:
        if not origin.settled:
            return False
        x, y, size = origin.log_x, origin.log_y, origin.distance
    log.log_x, log.log_y = x * (log.distance / size), y * (log.distance / size)
    log.turn_x, log.turn_y = turn_x / unit, turn_y / unit
    log.settled = 1
    return True


@compiled
def act(turn_x, turn_y, flip, x, y):  # type: ignore[no-untyped-def]
    """R(φ) diag(1, flip) on the vector (x, y), with the cosine and sine of φ."""
    y = flip * y
    return turn_x * x - turn_y * y, turn_x * y + turn_y * x


def symmetrize(row_ptr: Ints, source: Any, phi: Floats, flip: Any, average: bool) -> None:
    """`symmetrize_rows` of all rows where there is one for every vertex."""
    everyone = np.arange(len(row_ptr) - 1)
    symmetrize_rows(row_ptr, source, phi, flip, everyone, everyone, average, 0, len(everyone))


@compiled
def symmetrize_rows(row_ptr, source, phi, flip, targets, row_of, average, first, last):  # type: ignore[no-untyped-def]
    """Make g_{q<-p} = g_{p<-q}⁻¹ exactly, in place, for every pair that is an edge in both directions.

    `average` takes the mean of the two on the circle (smooth transport); otherwise that of the row of the
    lower vertex holds (polyhedral transport, whose values must stay in the group they lie in). Pairs whose
    flips disagree (two shortest paths of equal length) stay as they are. Rows must be sorted by source.

    Args:
        targets: [T] the vertex of each row. row_of: [V] the row of each vertex, -1 where it has none.
        first, last: the range of rows whose pairs with higher vertices to look at; threads may take one each.
    """
    for row in range(first, last):
        p = targets[row]
        for e in range(row_ptr[row], row_ptr[row + 1]):
            q = source[e]
            other = row_of[q]
            if q <= p or other < 0:
                continue
            back, beyond = row_ptr[other], row_ptr[other + 1]
            n = beyond - back
            while n > 0:
                half = n // 2
                if source[back + half] < p:
                    back, n = back + half + 1, n - half - 1
                else:
                    n = half
            if back >= beyond or source[back] != p or flip[back] != flip[e]:
                continue
            if average:
                phi[e] = wrapped(phi[e] + 0.5 * wrapped(-flip[e] * phi[back] - phi[e]))
            phi[back] = wrapped(-flip[e] * phi[e])
