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
from numpy.typing import NDArray

from gaugenet.meshes.compiled import compiled
from gaugenet.meshes.edge_directions import edge_turns
from gaugenet.meshes.fans import CornerFans, Floats, Ints
from gaugenet.meshes.unfolding import corner_after, corner_before

_NEGLIGIBLE = 1e-9
"""Weight below which a parent is not asked."""


def wrap(angle: Any) -> Any:
    """The same angle in [-π, π); numpy or torch."""
    return (angle + math.pi) % (2.0 * math.pi) - math.pi


def wrap_in_place(angle: Floats) -> None:
    """`wrap` without another array of that size."""
    np.add(angle, math.pi, out=angle)
    np.remainder(angle, 2.0 * math.pi, out=angle)
    np.subtract(angle, math.pi, out=angle)


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
def _wrapped(angle):  # type: ignore[no-untyped-def]
    return (angle + math.pi) % (2.0 * math.pi) - math.pi


EDGE_ENDS = np.dtype([("at_tail", np.complex128), ("at_head", np.complex128), ("flip", np.int8)], align=True)
"""A half-edge as complex numbers x + i y: the unit vector along it in the frame of its tail, the unit vector back along
it in the frame of its head, and -1 where the two frames have opposite handedness along it."""


def edge_ends(fans: CornerFans, half_edges: NDArray[np.void], vertices: NDArray[np.void]) -> NDArray[np.void]:
    """[3 F] of EDGE_ENDS, of a surface that samples a smooth one; half_edges, vertices are `packed(fans)`."""
    after = np.arange(len(fans.vertex)).reshape(-1, 3)[:, [1, 2, 0]].ravel()
    other_edge = fans.direction + fans.corner_sign * fans.corner_angle
    scaled = fans.scale[fans.vertex]
    ends = np.zeros(len(fans.vertex), EDGE_ENDS)
    turn_tail, turn_other = edge_turns(half_edges, vertices, fans.corners)
    ends["at_tail"] = np.exp(1j * (fans.direction * scaled + turn_tail))
    ends["at_head"] = np.exp(1j * (other_edge * scaled + turn_other))[after]
    ends["flip"] = fans.corner_sign * fans.corner_sign[after]
    return ends


@compiled
def act(turn, flip, z):  # type: ignore[no-untyped-def]
    """R(arg turn) diag(1, flip) on the vector z, both as complex numbers."""
    return turn * z if flip > 0 else turn * z.conjugate()


@compiled
def polyhedral_transport(vertices, paths, target, order):  # type: ignore[no-untyped-def]
    """Fill in theta, phi, flip and bent of the paths to the reached vertices.

    Args:
        vertices: [V] of VERTEX (`gaugenet.meshes.fans`). paths: [V] of PATH (`gaugenet.meshes.unfolding`).
        order: reached vertices, nearest first, so that an origin comes before what it sees.
    """
    start = paths[target]
    start.theta, start.phi, start.flip, start.bent = 0.0, 0.0, 1, 0
    for q in order:
        path = paths[q]
        v = path.origin
        before = paths[v]
        outward = path.departure * vertices[v].scale
        step = outward + math.pi - path.turned * path.back * vertices[q].scale
        path.theta = outward if v == target else before.theta
        path.phi = before.phi + before.flip * step
        path.flip = before.flip * path.turned
        path.bent = v != target and (vertices[v].boundary or before.bent)


@compiled
def straddle_correct(half_edges, ends, paths, token, target, order):  # type: ignore[no-untyped-def]
    """Average over both sides of the paths to the reached vertices, into `log` and `turn`.

    Where the path from the target p to c crosses the edge ab of its last face at the fraction t from a to b:

        g_{p<-c} = mean of g_{p<-a} g_{a<-c} (weight 1 - t) and g_{p<-b} g_{b<-c} (weight t),  on the circle
        θ_c = direction of the same mean of u_a + g_{p<-a} e_ac,  with u_a = log_p a and e_ac the edge at a.

    The parents a, b are corrected first. One whose path leads more than π/2 away from the direction of the path to
    c lies across the cut locus and does not count. Where parents wait for each other, or one was not reached, the
    nearest vertex makes do with one side; `lacking` then counts the parents not reached. A vertex without any settled
    parent keeps its polyhedral values and is not `settled`. Behind a concave boundary θ is that of the first bend.

    Args:
        order: reached vertices, nearest first; `polyhedral_transport` must have filled them in.
    """
    start = paths[target]
    start.settled, start.log, start.turn = token, 0j, 1.0 + 0j
    waiting = order.copy()
    n_waiting = len(order)
    one_side_will_do = False
    while n_waiting > 0:
        left = 0
        for i in range(n_waiting):
            if _corrected(half_edges, ends, paths, token, waiting[i], one_side_will_do):
                one_side_will_do = False
            else:
                waiting[left] = waiting[i]
                left += 1
        if left == n_waiting:
            if one_side_will_do:
                break
            one_side_will_do = True
        n_waiting = left


@compiled
def _corrected(half_edges, ends, paths, token, c, one_side_will_do):  # type: ignore[no-untyped-def]
    """Settle vertex c if its parents are settled (or one of them, where one side will do); True if done."""
    path = paths[c]
    to_after, before = path.arrival, corner_before(path.arrival)
    ahead = complex(math.cos(path.theta), math.sin(path.theta))
    log, turn = 0j, 0j
    asked, lacking = 0, 0
    for side in range(2):
        weight = path.fraction if side == 0 else 1.0 - path.fraction
        if weight <= _NEGLIGIBLE:
            continue
        # half-edge `to_after` starts at c, half-edge `before` ends there
        edge = ends[to_after if side == 0 else before]
        length = half_edges[to_after if side == 0 else before].length
        at_parent, at_c = (edge.at_head, edge.at_tail) if side == 0 else (edge.at_tail, edge.at_head)
        parent = paths[half_edges[corner_after(to_after) if side == 0 else before].vertex]
        if parent.settled != token:
            if not one_side_will_do:
                return False
            lacking += parent.stamp != token
            continue
        asked += 1
        along = act(parent.turn, parent.flip, at_parent)
        found = parent.log + length * along
        if parent.flip * edge.flip != path.flip or found.real * ahead.real + found.imag * ahead.imag < 0.0:
            continue
        log += weight * found
        turn -= weight * act(along, -path.flip, at_c)
    if asked == 0:
        return False
    size, unit = abs(log), abs(turn)
    if size == 0.0 or unit == 0.0:
        turn = complex(math.cos(path.phi), math.sin(path.phi))
        log, size, unit = ahead, 1.0, 1.0
    elif path.bent:
        first = paths[path.origin]
        if first.settled != token:
            return False
        log, size = first.log, first.distance
    path.log = log * (path.distance / size)
    path.turn = turn / unit
    path.settled = token
    path.lacking = lacking
    return True


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
            back = row_ptr[other] + np.searchsorted(source[row_ptr[other] : row_ptr[other + 1]], p)
            if back >= row_ptr[other + 1] or source[back] != p or flip[back] != flip[e]:
                continue
            if average:
                phi[e] += 0.5 * _wrapped(-flip[e] * phi[back] - phi[e])
            phi[back] = -flip[e] * phi[e]
