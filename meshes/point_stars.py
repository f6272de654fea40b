"""Which points are joined in the tangent plane of each point, and which triangles of these stars fit together.

The Delaunay triangles at a point p in its tangent plane are its *star*. With x_i the neighbours projected there and
p at the origin, i is joined to p if and only if x_i / |x_i|² is a corner of the convex hull of these inverted points
and 0 (the dual of the Voronoi cell of p); the star is open where 0 is a corner itself.
"""

from __future__ import annotations

import math

import numpy as np

from gaugenet.meshes.compiled import compiled

LONGEST = 4.0
"""An edge longer than this many times the distance to the sixth neighbour, at both ends, joins nothing."""


@compiled
def stars(points, normals, neighbors, spacing):  # type: ignore[no-untyped-def]
    """[T, 3] the triangles (p, a, b) of the stars of all points, counterclockwise about the normal of p.

    Args:
        points: [N, 3]. normals: [N, 3] unit. neighbors: [N, k] nearest other points. spacing: [N].
    """
    n, k = neighbors.shape
    out = np.empty((n * k, 3), np.int64)
    used = 0
    x, y = np.empty(k + 1), np.empty(k + 1)
    who, hull = np.empty(k + 1, np.int64), np.empty(2 * k + 4, np.int64)
    for p in range(n):
        nx, ny, nz = normals[p]
        # some unit vector across the normal
        if abs(nx) < 0.6:
            ux, uy, uz = 0.0, nz, -ny
        else:
            ux, uy, uz = -nz, 0.0, nx
        size = math.sqrt(ux * ux + uy * uy + uz * uz)
        ux, uy, uz = ux / size, uy / size, uz / size
        vx, vy, vz = ny * uz - nz * uy, nz * ux - nx * uz, nx * uy - ny * ux
        x[0], y[0], who[0] = 0.0, 0.0, p
        m = 1
        for j in range(k):
            q = neighbors[p, j]
            dx, dy, dz = points[q, 0] - points[p, 0], points[q, 1] - points[p, 1], points[q, 2] - points[p, 2]
            distance = math.sqrt(dx * dx + dy * dy + dz * dz)
            a, b = dx * ux + dy * uy + dz * uz, dx * vx + dy * vy + dz * vz
            flat = math.sqrt(a * a + b * b)
            # in place of the projected length the length itself: closer to the surface, and never 0 for a far point
            if flat <= 1e-3 * distance or distance > LONGEST * max(spacing[p], spacing[q]):
                continue
            scale = 1.0 / (flat * distance)
            x[m], y[m], who[m] = a * scale, b * scale, q
            m += 1
        for i in range(1, m):
            xi, yi, wi, j = x[i], y[i], who[i], i
            while j > 0 and (x[j - 1] > xi or (x[j - 1] == xi and y[j - 1] > yi)):
                x[j], y[j], who[j] = x[j - 1], y[j - 1], who[j - 1]
                j -= 1
            x[j], y[j], who[j] = xi, yi, wi
        size_of_hull = _hull(x, y, m, hull)
        for i in range(size_of_hull):
            a, b = who[hull[i]], who[hull[(i + 1) % size_of_hull]]
            if a != p and b != p and a != b and size_of_hull > 2:
                out[used, 0], out[used, 1], out[used, 2] = p, a, b
                used += 1
    return out[:used]


@compiled
def _hull(x, y, m, hull):  # type: ignore[no-untyped-def]
    """Corners of the convex hull of m points sorted by (x, y), counterclockwise (Andrew's monotone chain)."""
    top = 0
    for step in range(2):
        floor = top
        for i in range(m):
            j = i if step == 0 else m - 1 - i
            while top >= floor + 2:
                a, b = hull[top - 2], hull[top - 1]
                if (x[b] - x[a]) * (y[j] - y[a]) - (y[b] - y[a]) * (x[j] - x[a]) > 0.0:
                    break
                top -= 1
            hull[top] = j
            top += 1
        top -= 1
    return top


@compiled
def compatible(points, triangles, edges, n_edges, votes):  # type: ignore[no-untyped-def]
    """[T] True for the triangles to keep, taken in the order given.

    A triangle fits if each of its edges has at most one other, which lies on the other side of it. Those with three
    votes are taken where they fit; then, until nothing changes, those that close at least two open edges.

    Args:
        triangles: [T, 3], best first. edges: [T, 3] number of the edge from corner k to k + 1. votes: [T] 1 to 3.
    """
    kept = np.zeros(len(triangles), np.bool_)
    count, apex = np.zeros(n_edges, np.int64), np.full(n_edges, -1)
    first = True
    while True:
        added = 0
        for t in range(len(triangles)):
            if kept[t] or (first and votes[t] < 3):
                continue
            fits, open_edges = True, 0
            for k in range(3):
                e = edges[t, k]
                if count[e] >= 2:
                    fits = False
                    break
                if count[e] == 1:
                    open_edges += 1
                    u, v, w = triangles[t, k], triangles[t, (k + 1) % 3], triangles[t, (k + 2) % 3]
                    here = np.cross(points[v] - points[u], points[w] - points[u])
                    there = np.cross(points[v] - points[u], points[apex[e]] - points[u])
                    if here[0] * there[0] + here[1] * there[1] + here[2] * there[2] >= 0.0:
                        fits = False
                        break
            if not fits or (not first and open_edges < 2):
                continue
            kept[t] = True
            added += 1
            for k in range(3):
                e = edges[t, k]
                count[e] += 1
                apex[e] = triangles[t, (k + 2) % 3]
        if not first and added == 0:
            return kept
        first = False
