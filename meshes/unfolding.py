"""Exact geodesics from one vertex by unfolding the triangles around it into the plane.

A *window* is a stretch of an edge that a source sees along straight lines in the unfolded strip of triangles
between
them: the planar end points A and B of the edge (B counterclockwise from A, source at the origin) and the cone
of visibility between a right and a left ray. Windows go depth first through the triangle behind their edge
and split at its apex. A window is dropped when it lies beyond the radius, or when Xin and Wang's test (2009,
Improving Chen and Han's algorithm on the discrete geodesic problem) shows that a path through A or B is
shorter. Shortest paths
bend at vertices with total angle above 2π (boundary: above π); such a vertex becomes a *pseudo-source* and
sends windows into the directions it hides. Nothing is ever cut off: stacks and queues grow.

Faces are laid out one by one with the sign of their winding in the layout, so that surfaces which cannot be
oriented need no double cover. Everything is in units of the mean edge length.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from gaugenet.meshes.edge_distance import grown, grown_table
from gaugenet.meshes.fans import Floats, Ints

ANGLE_TOLERANCE = 2e-12
"""Directions this close to the edge of a cone count as inside. A vertex hides no more than half of it (see
below), so no vertex falls into the gap between what is visible and what pseudo-sources cover."""
SADDLE_EXCESS = 1e-12
"""A vertex is a pseudo-source where its total angle exceeds 2π (boundary: π) by more than this."""
DOMINATED = 1e-10
"""Slack of the Xin-Wang test in edge lengths: far above rounding, far below any edge."""


class Reached(NamedTuple):
    """What is known of the vertices reached from the current target; scratch of one thread, valid where
    ``stamp == token``."""

    stamp: Ints
    touched: Ints
    """The reached vertices, in the order of discovery."""
    bound: Floats
    """Upper bound of the distance; inf where nothing is known. Reset by the driver."""
    distance: Floats
    theta: Floats
    """Direction of the path's start, scaled, in the target's frame."""
    phi: Floats
    """Angle of the transporter target <- vertex along the path (polyhedral)."""
    flip: NDArray[np.int8]
    back: Floats
    """Unscaled direction at the vertex in which the path arrives from, in the vertex's fan."""
    origin: Ints
    """The (pseudo-)source that sees the vertex."""
    bent: NDArray[np.bool_]
    """True where the path bends at a boundary vertex: its start alone gives theta."""
    arrival: Ints
    """The vertex's corner in the last face that the path crosses."""
    fraction: Floats
    """Where the path enters that face: 1 at the corner after `arrival`, 0 at the one after that."""
    spawned: Floats
    """Distance with which the vertex last acted as pseudo-source."""


def reached_scratch(n_vertices: int) -> Reached:
    def empty() -> Floats:
        return np.empty(n_vertices)

    return Reached(
        stamp=np.full(n_vertices, -1, np.int64),
        touched=np.empty(n_vertices, np.int64),
        bound=np.full(n_vertices, np.inf),
        distance=empty(),
        theta=empty(),
        phi=empty(),
        flip=np.empty(n_vertices, np.int8),
        back=empty(),
        origin=np.empty(n_vertices, np.int64),
        bent=np.empty(n_vertices, np.bool_),
        arrival=np.empty(n_vertices, np.int64),
        fraction=empty(),
        spawned=empty(),
    )


def window_stack() -> tuple[Floats, Ints]:
    """(ax, ay, bx, by, right x, right y, left x, left y), (half-edge, winding, vertex A, vertex B, seed
    corner)."""
    return np.empty((256, 8)), np.empty((256, 5), np.int64)


@njit(cache=True, nogil=True)
def edge_direction(fans, corner, toward):  # type: ignore[no-untyped-def]
    """Unscaled direction, in the fan of the vertex at `corner`, of the edge to another corner of the same
    face."""
    f, k = corner // 3, corner % 3
    at_start = (toward % 3 == (k + 1) % 3) == (fans.corner_sign[f, k] > 0)
    return fans.start_angle[f, k] if at_start else fans.start_angle[f, k] + fans.corner_angle[f, k]


@njit(cache=True, nogil=True)
def fan_direction(fans, corner, angle):  # type: ignore[no-untyped-def]
    """Unscaled direction in the fan of the vertex, from an angle in the face (from the next corner, in its
    winding)."""
    f, k = corner // 3, corner % 3
    if fans.corner_sign[f, k] > 0:
        return fans.start_angle[f, k] + angle
    return fans.start_angle[f, k] + fans.corner_angle[f, k] - angle


@njit(cache=True, nogil=True)
def _is_saddle(fans, v):  # type: ignore[no-untyped-def]
    flat = math.pi if fans.boundary[v] else 2.0 * math.pi
    return fans.total_angle[v] > flat + SADDLE_EXCESS


@njit(cache=True, nogil=True)
def _arrive(  # type: ignore[no-untyped-def]
    fans, reached, token, n_reached, target, source, corner, distance, departure, back, flip, fraction
):
    """Record a path to the vertex at `corner` if it is the shortest yet; (improved, number reached)."""
    v = fans.faces[corner // 3, corner % 3]
    if v == target:
        return False, n_reached
    if reached.stamp[v] != token:
        reached.stamp[v] = token
        reached.touched[n_reached] = v
        reached.spawned[v] = np.inf
        n_reached += 1
    elif distance >= reached.distance[v] - 1e-14:
        return False, n_reached
    outward = departure * fans.scale[source]
    step = outward + math.pi - flip * back * fans.scale[v]
    reached.distance[v] = distance
    reached.bound[v] = min(reached.bound[v], distance)
    reached.phi[v] = reached.phi[source] + reached.flip[source] * step
    reached.flip[v] = reached.flip[source] * flip
    reached.theta[v] = outward if source == target else reached.theta[source]
    reached.back[v] = back
    reached.origin[v] = source
    reached.bent[v] = source != target and (fans.boundary[source] or reached.bent[source])
    reached.arrival[v] = corner
    reached.fraction[v] = fraction
    return True, n_reached


@njit(cache=True, nogil=True)
def _visible_arc(fans, reached, source, target, corner, segment):  # type: ignore[no-untyped-def]
    """The part [low, high] of a corner, as angles in its face, that a source sends windows into.

    The target sees all of it. At a pseudo-source with arrival direction b and total angle Θ the hidden
    directions are [b + π, b + Θ - π] modulo Θ; at a boundary vertex those beyond b ± π. Each is two segments.
    """
    f, k = corner // 3, corner % 3
    size = fans.corner_angle[f, k]
    if source == target:
        return 0.0, size
    begin = reached.back[source] + math.pi
    end = reached.back[source] + fans.total_angle[source] - math.pi
    if segment == 0:
        low, high = begin, (np.inf if fans.boundary[source] else end)
    else:
        low, high = (
            -np.inf if fans.boundary[source] else begin - fans.total_angle[source],
            end - fans.total_angle[source],
        )
    low -= fans.start_angle[f, k]
    high -= fans.start_angle[f, k]
    if fans.corner_sign[f, k] < 0:
        low, high = size - high, size - low
    return max(0.0, low), min(size, high)


@njit(cache=True, nogil=True)
def explore(fans, reached, token, target, radius, windows, links, queue):  # type: ignore[no-untyped-def]
    """Shortest paths from `target` to all vertices within `radius`, into `reached`.

    Returns:
        (number of reached vertices, the stack arrays and the queue, grown where they had to be).
    """
    reached.stamp[target] = token
    reached.distance[target] = 0.0
    reached.bound[target] = 0.0
    reached.theta[target] = 0.0
    reached.phi[target] = 0.0
    reached.flip[target] = 1
    reached.bent[target] = False
    reached.origin[target] = target
    reached.spawned[target] = np.inf
    n_reached = 0
    queue[0] = target
    waiting, taken = 1, 0
    while taken < waiting:
        source = queue[taken]
        taken += 1
        if reached.spawned[source] <= reached.distance[source]:
            continue
        offset = reached.distance[source]
        reached.spawned[source] = offset
        depth = 0
        for at in range(fans.corner_ptr[source], fans.corner_ptr[source + 1]):
            corner = fans.corners[at]
            f, k = corner // 3, corner % 3
            after, before = 3 * f + (k + 1) % 3, 3 * f + (k + 2) % 3
            for segment in range(1 if source == target else 2):
                low, high = _visible_arc(fans, reached, source, target, corner, segment)
                if high < low - ANGLE_TOLERANCE:
                    continue
                for end in range(2):
                    seen = after if end == 0 else before
                    at_angle = 0.0 if end == 0 else fans.corner_angle[f, k]
                    if at_angle < low - ANGLE_TOLERANCE or at_angle > high + ANGLE_TOLERANCE:
                        continue
                    distance = offset + (fans.length[f, k] if end == 0 else fans.length[f, (k + 2) % 3])
                    if distance > radius:
                        continue
                    flip = fans.corner_sign[f, k] * fans.corner_sign[f, seen % 3]
                    improved, n_reached = _arrive(
                        fans, reached, token, n_reached, target, source, seen, distance,
                        edge_direction(fans, corner, seen), edge_direction(fans, seen, corner), flip,
                        1.0 if end == 1 else 0.0,
                    )  # fmt: skip
                    if improved and _is_saddle(fans, fans.faces[f, seen % 3]):
                        queue = grown(queue, waiting)
                        queue[waiting] = fans.faces[f, seen % 3]
                        waiting += 1
                if high <= low or fans.twin[after] < 0:
                    continue
                windows, links = grown_table(windows, depth + 1), grown_table(links, depth + 1)
                size = fans.corner_angle[f, k]
                bx = fans.length[f, (k + 2) % 3] * math.cos(size)
                by = fans.length[f, (k + 2) % 3] * math.sin(size)
                _push(windows, depth, fans.length[f, k], 0.0, bx, by,
                      math.cos(low), math.sin(low), math.cos(high), math.sin(high))  # fmt: skip
                _push_links(
                    links, depth, after, 1, fans.faces[f, (k + 1) % 3], fans.faces[f, (k + 2) % 3], corner
                )
                depth += 1
        while depth > 0:
            depth -= 1
            ax, ay, bx, by = windows[depth, 0], windows[depth, 1], windows[depth, 2], windows[depth, 3]
            rx, ry, lx, ly = windows[depth, 4], windows[depth, 5], windows[depth, 6], windows[depth, 7]
            edge, winding, seed = links[depth, 0], links[depth, 1], links[depth, 4]
            vertex_a, vertex_b = links[depth, 2], links[depth, 3]
            if not _survives(
                ax, ay, bx, by, rx, ry, lx, ly, radius - offset,
                reached.bound[vertex_a] - offset, reached.bound[vertex_b] - offset,
            ):  # fmt: skip
                continue
            if fans.twin_flipped[edge]:
                winding = -winding
            edge = fans.twin[edge]
            f, k = edge // 3, edge % 3
            apex = 3 * f + (k + 2) % 3
            to_a, to_b = (3 * f + (k + 1) % 3, apex) if winding > 0 else (apex, 3 * f + (k + 1) % 3)
            cx, cy = _apex(ax, ay, bx, by, fans.length[f, to_a % 3], fans.length[f, to_b % 3])
            reach = math.sqrt(cx * cx + cy * cy)
            left_of_right = rx * cy - ry * cx
            right_of_left = cx * ly - cy * lx
            slack = ANGLE_TOLERANCE * reach
            vertex_c = fans.faces[f, apex % 3]
            if left_of_right >= -slack and right_of_left >= -slack and offset + reach <= radius:
                departure = fan_direction(fans, seed, _turn(1.0, 0.0, cx, cy))
                inside = _turn(bx - cx, by - cy, -cx, -cy)
                if winding < 0:
                    inside = fans.corner_angle[f, apex % 3] - inside
                toward_b = _crossing(ax, ay, bx, by, cx, cy)
                improved, n_reached = _arrive(
                    fans, reached, token, n_reached, target, source, apex, offset + reach, departure,
                    fan_direction(fans, apex, inside),
                    winding * fans.corner_sign[seed // 3, seed % 3] * fans.corner_sign[f, apex % 3],
                    toward_b if winding > 0 else 1.0 - toward_b,
                )  # fmt: skip
                if improved and _is_saddle(fans, vertex_c):
                    queue = grown(queue, waiting)
                    queue[waiting] = vertex_c
                    waiting += 1
            windows, links = grown_table(windows, depth + 2), grown_table(links, depth + 2)
            ux, uy = cx / reach, cy / reach
            if left_of_right > 0 and fans.twin[to_a] >= 0:
                left_x, left_y = (ux, uy) if right_of_left >= 0 else (lx, ly)
                _push(windows, depth, ax, ay, cx, cy, rx, ry, left_x, left_y)
                _push_links(links, depth, to_a, winding, vertex_a, vertex_c, seed)
                depth += 1
            if right_of_left > 0 and fans.twin[to_b] >= 0:
                right_x, right_y = (ux, uy) if left_of_right >= 0 else (rx, ry)
                _push(windows, depth, cx, cy, bx, by, right_x, right_y, lx, ly)
                _push_links(links, depth, to_b, winding, vertex_c, vertex_b, seed)
                depth += 1
    return n_reached, windows, links, queue


@njit(cache=True, nogil=True)
def _push(windows, at, ax, ay, bx, by, rx, ry, lx, ly):  # type: ignore[no-untyped-def]
    windows[at, 0], windows[at, 1], windows[at, 2], windows[at, 3] = ax, ay, bx, by
    windows[at, 4], windows[at, 5], windows[at, 6], windows[at, 7] = rx, ry, lx, ly


@njit(cache=True, nogil=True)
def _push_links(links, at, edge, winding, vertex_a, vertex_b, seed):  # type: ignore[no-untyped-def]
    links[at, 0], links[at, 1], links[at, 2], links[at, 3], links[at, 4] = (
        edge,
        winding,
        vertex_a,
        vertex_b,
        seed,
    )


@njit(cache=True, nogil=True)
def _survives(ax, ay, bx, by, rx, ry, lx, ly, radius, bound_a, bound_b):  # type: ignore[no-untyped-def]
    """False where no shortest path within the radius runs through the visible part of AB."""
    ex, ey = bx - ax, by - ay
    squared = ex * ex + ey * ey
    if squared == 0.0:
        return False
    parallel = rx * ey - ry * ex
    t_right = max(0.0, -(rx * ay - ry * ax) / parallel) if parallel != 0.0 else 0.0
    parallel = lx * ey - ly * ex
    t_left = min(1.0, -(lx * ay - ly * ax) / parallel) if parallel != 0.0 else 1.0
    if t_left <= t_right:
        return False
    nearest = min(max(-(ax * ex + ay * ey) / squared, t_right), t_left)
    qx, qy = ax + nearest * ex, ay + nearest * ey
    if qx * qx + qy * qy > radius * radius:
        return False
    length = math.sqrt(squared)
    qx, qy = ax + t_left * ex, ay + t_left * ey
    if math.sqrt(qx * qx + qy * qy) > bound_a + (t_left + DOMINATED) * length:
        return False
    qx, qy = ax + t_right * ex, ay + t_right * ey
    return math.sqrt(qx * qx + qy * qy) <= bound_b + (1.0 - t_right + DOMINATED) * length


@njit(cache=True, nogil=True)
def _apex(ax, ay, bx, by, from_a, from_b):  # type: ignore[no-untyped-def]
    """The third corner of the triangle beyond AB (away from the origin), from its distances to A and B."""
    ex, ey = bx - ax, by - ay
    squared = ex * ex + ey * ey
    base = math.sqrt(squared)
    along = (from_a * from_a - from_b * from_b + squared) / (2.0 * base)
    height = math.sqrt(max(from_a * from_a - along * along, 0.0))
    ux, uy = ex / base, ey / base
    return ax + along * ux + height * uy, ay + along * uy - height * ux


@njit(cache=True, nogil=True)
def _turn(ux, uy, vx, vy):  # type: ignore[no-untyped-def]
    """Counterclockwise angle from u to v in (-π/2, 3π/2]: corners reach from 0 to π, give or take
    rounding."""
    angle = math.atan2(ux * vy - uy * vx, ux * vx + uy * vy)
    return angle + 2.0 * math.pi if angle < -0.5 * math.pi else angle


@njit(cache=True, nogil=True)
def _crossing(ax, ay, bx, by, cx, cy):  # type: ignore[no-untyped-def]
    """Where the line from the origin to C meets AB, as a fraction of the way from A to B."""
    parallel = cx * (by - ay) - cy * (bx - ax)
    if parallel == 0.0:
        return 0.5
    return min(max(-(cx * ay - cy * ax) / parallel, 0.0), 1.0)
