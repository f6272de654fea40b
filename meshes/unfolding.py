"""Exact geodesics from one vertex by unfolding the triangles around it into the plane.

A *window* is a stretch of an edge that a source sees along straight lines in the unfolded strip of triangles
between them: the planar end points A and B of the edge (B counterclockwise from A, source at the origin) and
the cone of visibility between a right and a left ray. Windows go depth first through the triangle behind their
edge and split at its apex. A window is dropped when it lies beyond the radius, or when the test of Xin and Wang
(2009, Improving Chen and Han's algorithm on the discrete geodesic problem) shows that a path through A or B is
shorter, or when it has turned once round an end of its edge: its paths then cross one edge twice, at distances x and y
from that end and with the angle Θ between, which is farther than |x - y| along the edge. (On a spike, where Θ is tiny,
windows would wind as often as it is longer than wide.) Shortest paths bend at vertices with total angle above 2π
(boundary: above π); such a vertex becomes a *pseudo-source* and sends windows into the directions it hides. Nothing is
ever cut off: stacks and queues grow.

Functions called in the innermost loops take numbers and single records: numba counts references to arrays, and each
count is a locked instruction.

Faces are laid out one by one, with the sign of their winding in the layout, so that surfaces which cannot be
oriented need no double cover. Everything is in units of the mean edge length. The paths found are described by
where they start and arrive; `gaugenet.meshes.transport` makes directions and transporters of them.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gaugenet.meshes.compiled import compiled
from gaugenet.meshes.edge_distance import grown
from gaugenet.meshes.fans import Ints, corner_after, corner_before

SADDLE_EXCESS = 1e-12
"""A vertex is a pseudo-source where its total angle exceeds 2π (boundary: π) by more than this."""
ANGLE_TOLERANCE = 2e-12
"""Directions this close to the edge of a cone (up to twice that) count as inside, so that no vertex falls into the gap
behind a vertex whose excess is too small for a pseudo-source."""
DOMINATED = 1e-10
"""Slack of the Xin-Wang test in edge lengths: far above rounding, far below any edge."""
SAME_LENGTH = 1e-14
"""A path must be shorter by more than this to replace another, so that rounding does not decide between equals."""


_FEW_TURNS = 2

PATH = np.dtype(
    [
        # the vertex is reached from the current target where this is its token; then the place of the vertex among the
        # logarithms, in order of distance (gaugenet.meshes.transport)
        ("stamp", np.int32),
        ("rank", np.int32),
        # upper bound of the distance; inf where nothing is known (the caller resets it)
        ("bound", np.float64),
        ("distance", np.float64),
        # distance with which the vertex last acted as pseudo-source
        ("spawned", np.float64),
        # the last (pseudo-)source on the path, and the unscaled direction in its fan in which the path leaves it
        ("origin", np.int32),
        # the vertex's corner in the last face, and where the path enters that face: 1 at the corner after, 0 at the
        # one after that
        ("arrival", np.int32),
        ("departure", np.float64),
        ("fraction", np.float64),
        # unscaled direction that the path arrives from, in the fan of the vertex
        ("back", np.float64),
        # -1 where origin and vertex have opposite handedness along the path
        ("turned", np.int8),
    ],
    align=True,
)
"""The shortest path yet from the current target to one vertex."""

WINDOW = np.dtype(
    [(name, np.float64) for name in ("ax", "ay", "bx", "by", "right_x", "right_y", "left_x", "left_y")]
    # the half-edge on the far side, winding of its face in the layout, the corner at the source, and how many edges in
    # a row it has turned about its end A since (about B: negative)
    + [(name, np.int32) for name in ("edge", "winding", "vertex_a", "vertex_b", "seed", "turns")]
)


class Search(NamedTuple):
    """Scratch of one thread."""

    paths: NDArray[np.void]
    """[V] of PATH"""
    reached: NDArray[np.int32]
    """[V] the vertices reached, in the order of discovery."""
    counts: Ints
    """[2] number of vertices reached, number of pseudo-sources ever queued."""


def new_search(n_vertices: int) -> Search:
    paths = np.zeros(n_vertices, PATH)
    paths["stamp"] = -1
    paths["bound"] = np.inf
    return Search(paths, np.empty(n_vertices, np.int32), np.zeros(2, np.int64))


@compiled
def explore(half_edges, vertices, corners, paths, reached, counts, windows, queue, token, target, radius):  # type: ignore[no-untyped-def]
    """Shortest paths from `target` to all vertices within `radius`, into `paths`, `reached` and `counts`.

    Args:
        half_edges, vertices, corners: the surface (`gaugenet.meshes.fans.packed`).
        windows: [n] of WINDOW and queue: [n] int64, stack and queue, which grow.
        token: a number that no ``stamp`` has.

    Returns:
        (windows, queue)
    """
    start = paths[target]
    start.stamp, start.origin = token, target
    start.distance, start.bound, start.spawned = 0.0, 0.0, np.inf
    counts[0], counts[1] = 0, 1
    queue[0] = target
    taken = 0
    while taken < counts[1]:
        source = queue[taken]
        taken += 1
        if paths[source].distance < paths[source].spawned:
            paths[source].spawned = paths[source].distance
            room = 4 * (vertices[source].last - vertices[source].first)
            if room > len(windows):
                windows = grown(windows, room)
            if counts[1] + room > len(queue):
                queue = grown(queue, counts[1] + room)
            depth = _emit(
                half_edges, vertices, corners, paths, reached, counts, windows, queue, token, target, radius, source
            )
            while depth > 0:
                depth = _propagate(
                    half_edges, vertices, paths, reached, counts, windows, queue, token, target, radius, source, depth
                )
                if depth + 2 > len(windows):
                    windows = grown(windows, depth + 2)
                if counts[1] >= len(queue):
                    queue = grown(queue, counts[1])
    return windows, queue


@compiled
def _emit(  # type: ignore[no-untyped-def]
    half_edges, vertices, corners, paths, reached, counts, windows, queue, token, target, radius, source
):
    """Paths along the edges at a source, and windows on the edges opposite to it; the number of windows.

    The target sees all directions. At a pseudo-source with arrival direction b and total angle Θ the hidden
    directions are [b + π, b + Θ - π] modulo Θ; at a boundary vertex those beyond b ± π. Each is two segments.
    """
    offset, arrived = paths[source].distance, paths[source].back
    total, boundary = vertices[source].total_angle, vertices[source].boundary
    depth = 0
    for at in range(vertices[source].first, vertices[source].last):
        corner = corners[at]
        after, before = corner_after(corner), corner_before(corner)
        here, next_, previous = half_edges[corner], half_edges[after], half_edges[before]
        size, sign = here.corner_angle, here.corner_sign
        for segment in range(1 if source == target else 2):
            low, high = 0.0, size
            if source != target:
                low = -np.inf if boundary and segment == 1 else arrived + math.pi - segment * total
                high = np.inf if boundary and segment == 0 else arrived - math.pi + (1 - segment) * total
                low, high = sign * (low - here.direction), sign * (high - here.direction)
                low, high = max(0.0, min(low, high)), min(size, max(low, high))
                if high < low - ANGLE_TOLERANCE:
                    continue
            if low <= ANGLE_TOLERANCE and offset + here.length <= radius and next_.vertex != target:
                back = next_.direction + next_.corner_sign * next_.corner_angle
                v, path = next_.vertex, paths[next_.vertex]
                if path.stamp != token or offset + here.length < path.distance - SAME_LENGTH:
                    reached[counts[0]] = v
                    counts[0] += path.stamp != token
                    _arrive(
                        path, token, offset + here.length, source, here.direction, back, sign * next_.corner_sign,
                        after, 0.0,
                    )  # fmt: skip
                    queue[counts[1]] = v
                    counts[1] += _is_pseudo_source(vertices[v])
            if high >= size - ANGLE_TOLERANCE and offset + previous.length <= radius and previous.vertex != target:
                departure = here.direction + sign * size
                v, path = previous.vertex, paths[previous.vertex]
                if path.stamp != token or offset + previous.length < path.distance - SAME_LENGTH:
                    reached[counts[0]] = v
                    counts[0] += path.stamp != token
                    _arrive(
                        path, token, offset + previous.length, source, departure, previous.direction,
                        sign * previous.corner_sign, before, 1.0,
                    )  # fmt: skip
                    queue[counts[1]] = v
                    counts[1] += _is_pseudo_source(vertices[v])
            if high <= low or next_.twin < 0:
                continue
            window = windows[depth]
            window.ax, window.ay = here.length, 0.0
            window.bx, window.by = here.length * here.along, here.length * here.height
            window.right_x, window.right_y = (math.cos(low), math.sin(low)) if low > 0.0 else (1.0, 0.0)
            window.left_x, window.left_y = (math.cos(high), math.sin(high)) if high < size else (window.bx, window.by)
            window.edge, window.winding, window.seed = next_.twin, -1 if next_.twin_flipped else 1, corner
            window.vertex_a, window.vertex_b = next_.vertex, previous.vertex
            window.turns = 0
            depth += 1
    return depth


@compiled
def _propagate(  # type: ignore[no-untyped-def]
    half_edges, vertices, paths, reached, counts, windows, queue, token, target, radius, source, depth
):
    """Unfold the `depth` windows on the stack and those they split into; the number left where room runs out."""
    offset = paths[source].distance
    while depth > 0:
        depth -= 1
        window = windows[depth]
        ax, ay, bx, by = window.ax, window.ay, window.bx, window.by
        rx, ry, lx, ly = window.right_x, window.right_y, window.left_x, window.left_y
        edge, winding, turns = window.edge, window.winding, window.turns
        vertex_a, vertex_b, seed = window.vertex_a, window.vertex_b, window.seed
        # of the two windows that one splits into, one waits on the stack and the other goes on from here
        while True:
            if depth + 2 > len(windows) or counts[1] >= len(queue):
                window = windows[depth]
                window.ax, window.ay, window.bx, window.by = ax, ay, bx, by
                window.right_x, window.right_y, window.left_x, window.left_y = rx, ry, lx, ly
                window.edge, window.winding, window.turns = edge, winding, turns
                window.vertex_a, window.vertex_b, window.seed = vertex_a, vertex_b, seed
                return depth + 1
            base = half_edges[edge]
            bound_a, bound_b = paths[vertex_a].bound - offset, paths[vertex_b].bound - offset
            if not _survives(ax, ay, bx, by, rx, ry, lx, ly, base.length, radius - offset, bound_a, bound_b):
                break
            after, apex = corner_after(edge), corner_before(edge)
            # from B to A where the face is laid out as it is wound
            to_a, to_b = (after, apex) if winding > 0 else (apex, after)
            ex, ey = bx - ax, by - ay
            t = 1.0 - base.along if winding > 0 else base.along
            cx, cy = ax + t * ex + base.height * ey, ay + t * ey - base.height * ex
            left_of_right = rx * cy - ry * cx
            right_of_left = cx * ly - cy * lx
            # sizes of vectors as sums, because roots take longer
            slack = -ANGLE_TOLERANCE * (abs(cx) + abs(cy))
            vertex_c = half_edges[apex].vertex
            if left_of_right >= slack * (abs(rx) + abs(ry)) and right_of_left >= slack * (abs(lx) + abs(ly)):
                distance = offset + math.sqrt(cx * cx + cy * cy)
                path = paths[vertex_c]
                if (
                    distance <= radius
                    and vertex_c != target
                    and (path.stamp != token or distance < path.distance - SAME_LENGTH)
                ):
                    start, end = half_edges[seed], half_edges[apex]
                    inside = _turn(bx - cx, by - cy, -cx, -cy)
                    if winding < 0:
                        inside = end.corner_angle - inside
                    toward_b = _crossing(ax, ay, bx, by, cx, cy)
                    reached[counts[0]] = vertex_c
                    counts[0] += path.stamp != token
                    _arrive(
                        path, token, distance, source, start.direction + start.corner_sign * _turn(1.0, 0.0, cx, cy),
                        end.direction + end.corner_sign * inside, winding * start.corner_sign * end.corner_sign,
                        apex, toward_b if winding > 0 else 1.0 - toward_b,
                    )  # fmt: skip
                    queue[counts[1]] = vertex_c
                    counts[1] += _is_pseudo_source(vertices[vertex_c])
            across_a, across_b = half_edges[to_a], half_edges[to_b]
            turns_a, turns_b = max(turns, 0) + 1, min(turns, 0) - 1
            via_a, via_b = left_of_right > 0.0 and across_a.twin >= 0, right_of_left > 0.0 and across_b.twin >= 0
            # once round an end; asked late, because a window that goes on for a while costs time only
            if turns_a > _FEW_TURNS and turns_a >= vertices[vertex_a].last - vertices[vertex_a].first:
                via_a = False
            if -turns_b > _FEW_TURNS and -turns_b >= vertices[vertex_b].last - vertices[vertex_b].first:
                via_b = False
            if via_a and via_b:
                window = windows[depth]
                depth += 1
                window.ax, window.ay, window.bx, window.by = ax, ay, cx, cy
                window.right_x, window.right_y = rx, ry
                window.left_x, window.left_y = (cx, cy) if right_of_left >= 0.0 else (lx, ly)
                window.edge, window.winding = across_a.twin, -winding if across_a.twin_flipped else winding
                window.vertex_a, window.vertex_b, window.seed, window.turns = vertex_a, vertex_c, seed, turns_a
            if via_b:
                ax, ay = cx, cy
                if left_of_right >= 0.0:
                    rx, ry = cx, cy
                edge, winding = across_b.twin, -winding if across_b.twin_flipped else winding
                vertex_a, turns = vertex_c, turns_b
            elif via_a:
                bx, by = cx, cy
                if right_of_left >= 0.0:
                    lx, ly = cx, cy
                edge, winding = across_a.twin, -winding if across_a.twin_flipped else winding
                vertex_b, turns = vertex_c, turns_a
            else:
                break
    return 0


@compiled
def _arrive(path, token, distance, origin, departure, back, turned, arrival, fraction):  # type: ignore[no-untyped-def]
    """Record the shortest path yet to a vertex."""
    if path.stamp != token:
        path.stamp = token
        path.spawned = np.inf
    path.distance = distance
    path.bound = min(path.bound, distance)
    path.origin, path.departure = origin, departure
    path.back, path.turned = back, turned
    path.arrival, path.fraction = arrival, fraction


@compiled
def _is_pseudo_source(vertex):  # type: ignore[no-untyped-def]
    return vertex.total_angle > (math.pi if vertex.boundary else 2.0 * math.pi) + SADDLE_EXCESS


@compiled
def _survives(ax, ay, bx, by, rx, ry, lx, ly, length, radius, bound_a, bound_b):  # type: ignore[no-untyped-def]
    """False where no shortest path within the radius runs through the visible part of AB, which is `length` long."""
    ex, ey = bx - ax, by - ay
    squared = ex * ex + ey * ey
    if squared == 0.0:
        return False
    parallel_right, parallel_left = rx * ey - ry * ex, lx * ey - ly * ex
    t_right = max(0.0, -(rx * ay - ry * ax) / parallel_right) if parallel_right != 0.0 else 0.0
    t_left = min(1.0, -(lx * ay - ly * ax) / parallel_left) if parallel_left != 0.0 else 1.0
    if t_left <= t_right:
        return False
    nearest = min(max(-(ax * ex + ay * ey) / squared, t_right), t_left)
    qx, qy = ax + nearest * ex, ay + nearest * ey
    if qx * qx + qy * qy > radius * radius:
        return False
    # squares, because roots take longer
    around_a, around_b = bound_a + (t_left + DOMINATED) * length, bound_b + (1.0 - t_right + DOMINATED) * length
    if around_a < 0.0 or around_b < 0.0:
        return False
    qx, qy = ax + t_left * ex, ay + t_left * ey
    if qx * qx + qy * qy > around_a * around_a:
        return False
    qx, qy = ax + t_right * ex, ay + t_right * ey
    return qx * qx + qy * qy <= around_b * around_b


@compiled
def _turn(ux, uy, vx, vy):  # type: ignore[no-untyped-def]
    """Counterclockwise angle from u to v in (-π/2, 3π/2]: corners reach from 0 to π, give or take rounding."""
    angle = math.atan2(ux * vy - uy * vx, ux * vx + uy * vy)
    return angle + 2.0 * math.pi if angle < -0.5 * math.pi else angle


@compiled
def _crossing(ax, ay, bx, by, cx, cy):  # type: ignore[no-untyped-def]
    """Where the line from the origin to C meets AB, as a fraction of the way from A to B."""
    parallel = cx * (by - ay) - cy * (bx - ax)
    if parallel == 0.0:
        return 0.5
    return min(max(-(cx * ay - cy * ax) / parallel, 0.0), 1.0)
