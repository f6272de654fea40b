"""Straight lines over the faces of a surface, unfolded one by one: the loops of `gaugenet.meshes.exponential`."""

from __future__ import annotations

import math

import numpy as np

from gaugenet.meshes.compiled import compiled
from gaugenet.meshes.edge_distance import grown
from gaugenet.meshes.fans import corner_after, corner_before

AT_VERTEX = 1e-12
"""A line that passes a vertex this closely, in mean edge lengths, runs through it."""
MOST_CROSSINGS = 1_000_000

CROSSING = np.dtype([("face", np.int64), ("a", np.float64), ("b", np.float64), ("c", np.float64)])
"""A point of a line: a face and barycentric coordinates in it."""


@compiled
def trace(half_edges, vertices, corners, p, theta, length, end, done, stopped, met, ptr, path):  # type: ignore[no-untyped-def]
    """Trace all lines, each into its place of the results; (path, the first line that did not end or -1)."""
    used = 0
    for i in range(len(theta)):
        if vertices[p].first == vertices[p].last:
            end[i].face, stopped[i] = -1, True
            ptr[i + 1] = used
            continue
        total, scale = vertices[p].total_angle, vertices[p].scale
        angle = theta[i] / scale
        if vertices[p].boundary:
            # all directions, off the surface too, with the fan in their middle
            turn = 2.0 * math.pi / scale
            angle = 0.5 * total + (angle - 0.5 * total + 0.5 * turn) % turn - 0.5 * turn
        corner, x, y = _leave(half_edges, vertices, corners, p, angle)
        start = corner if corner >= 0 else corners[vertices[p].first]
        path, used = _note(path, used, start, 0.0, 0.0, half_edges)
        left, at, off = length[i], 0.0, corner < 0
        if off:
            corner, x, y = start, 1.0, 0.0
            end[i] = path[used - 1]
            stopped[i] = left > 0.0
        steps = 0
        while not off:
            steps += 1
            if steps > MOST_CROSSINGS:
                return path, i
            # the face of `corner` in the plane: half-edge from A = (0, 0) to B = (bx, 0), third corner C = (cx, cy);
            # the line enters at (at, 0) in direction (x, y)
            after, before = corner_after(corner), corner_before(corner)
            here = half_edges[corner]
            bx = here.length
            cx, cy = bx * here.along, bx * here.height
            target, far = _met_corner(at, x, y, bx, cx, cy)
            exit_edge, u = corner, 0.0
            if target < 0:
                far, u, to_c = _met_edge(at, x, y, bx, cx, cy)
                exit_edge = after if to_c else before
            if far >= left:
                px, py = at + left * x, left * y
                path, used = _note(path, used, corner, px, py, half_edges)
                done[i] += left
                break
            left -= far
            done[i] += far
            if target >= 0:
                at_corner = corner if target == 0 else (after if target == 1 else before)
                path, used = _note(path, used, at_corner, 0.0, 0.0, half_edges)
                if left <= AT_VERTEX:
                    done[i] += left
                    break
                v = half_edges[at_corner].vertex
                qx = 0.0 if target == 0 else (bx if target == 1 else cx)
                qy = cy if target == 2 else 0.0
                ex = (bx if target == 0 else (cx if target == 1 else 0.0)) - qx
                ey = (cy if target == 1 else 0.0) - qy
                inside = math.atan2(abs(ex * -y - ey * -x), ex * -x + ey * -y)
                at_v = half_edges[at_corner]
                back = at_v.direction + at_v.corner_sign * min(inside, at_v.corner_angle)
                onward = _onward(vertices, v, back)
                if math.isnan(onward):
                    stopped[i] = True
                    break
                met[i] += 1
                corner, x, y = _leave(half_edges, vertices, corners, v, onward)
                at = 0.0
                continue
            px, py = at + far * x, far * y
            path, used = _note(path, used, corner, px, py, half_edges)
            twin = half_edges[exit_edge].twin
            if twin < 0:
                stopped[i] = True
                break
            size = half_edges[exit_edge].length
            if exit_edge == after:
                vx, vy = (cx - bx) / size, cy / size
            else:
                vx, vy = -cx / size, -cy / size
            along, outward = x * vx + y * vy, x * vy - y * vx
            corner, at = twin, half_edges[twin].length
            if half_edges[exit_edge].twin_flipped:
                x, y, at = along, outward, at * u
            else:
                x, y, at = -along, outward, at * (1.0 - u)
            norm = math.sqrt(x * x + y * y)
            x, y = x / norm, y / norm
        end[i] = path[used - 1]
        ptr[i + 1] = used
    return path, -1


@compiled
def _onward(vertices, v, back):  # type: ignore[no-untyped-def]
    """The direction in which a line that arrives at v from direction `back` goes on; not a number where it ends."""
    total = vertices[v].total_angle
    if not vertices[v].boundary:
        return back + 0.5 * total
    # a boundary vertex has one side only, on which the angle is π if it has that much
    if back + math.pi <= total + AT_VERTEX:
        return min(back + math.pi, total)
    return max(back - math.pi, 0.0) if back - math.pi >= -AT_VERTEX else math.nan


@compiled
def _leave(half_edges, vertices, corners, v, angle):  # type: ignore[no-untyped-def]
    """(corner, x, y): the corner of v whose face the direction `angle` (unscaled, in the fan) leads into, and the
    direction with respect to the corner's half-edge; corner -1 where it leads off the surface."""
    total = vertices[v].total_angle
    if not vertices[v].boundary:
        angle = angle % total
    elif angle < -AT_VERTEX or angle > total + AT_VERTEX:
        return -1, 1.0, 0.0
    chosen, offset = corners[vertices[v].first], 0.0
    for k in range(vertices[v].first, vertices[v].last):
        chosen = corners[k]
        here = half_edges[chosen]
        start = here.direction if here.corner_sign > 0 else here.direction - here.corner_angle
        offset = min(max(angle - start, 0.0), here.corner_angle)
        if angle <= start + here.corner_angle:
            break
    here = half_edges[chosen]
    if here.corner_sign < 0:
        offset = here.corner_angle - offset
    return chosen, math.cos(offset), math.sin(offset)


@compiled
def _met_corner(at, x, y, bx, cx, cy):  # type: ignore[no-untyped-def]
    """(0, 1, 2 for A, B, C or -1, distance) of the corner that the line from (at, 0) in direction (x, y) runs into."""
    for k in range(3):
        qx = (0.0 if k == 0 else (bx if k == 1 else cx)) - at
        qy = cy if k == 2 else 0.0
        ahead = x * qx + y * qy
        if ahead > AT_VERTEX and abs(x * qy - y * qx) <= AT_VERTEX:
            return k, ahead
    return -1, 0.0


@compiled
def _met_edge(at, x, y, bx, cx, cy):  # type: ignore[no-untyped-def]
    """(distance, fraction from the tail, True for BC or False for CA) of the edge that the line leaves through."""
    to_c = x * cy - y * (cx - at) > 0.0
    qx, qy = (bx, 0.0) if to_c else (cx, cy)
    vx, vy = (cx - bx, cy) if to_c else (-cx, -cy)
    across = x * vy - y * vx
    if across == 0.0:
        return 0.0, 0.0, to_c
    far = ((qx - at) * vy - qy * vx) / across
    u = ((qx - at) * y - qy * x) / across
    return max(far, 0.0), min(max(u, 0.0), 1.0), to_c


@compiled
def _note(path, used, corner, x, y, half_edges):  # type: ignore[no-untyped-def]
    """Append the point (x, y) of the face of `corner`, laid out as in `trace`."""
    if used >= len(path):
        path = grown(path, used)
    here = half_edges[corner]
    cx, cy = here.length * here.along, here.length * here.height
    at_c = min(max(y / cy, 0.0), 1.0) if cy > 0.0 else 0.0
    at_b = min(max((x - at_c * cx) / here.length, 0.0), 1.0 - at_c)
    at_a = 1.0 - at_b - at_c
    row = path[used]
    row.face = corner // 3
    k = corner % 3
    row.a = at_a if k == 0 else (at_c if k == 1 else at_b)
    row.b = at_b if k == 0 else (at_a if k == 1 else at_c)
    row.c = at_c if k == 0 else (at_b if k == 1 else at_a)
    return path, used + 1
