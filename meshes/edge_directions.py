"""Directions of the edges at a vertex of a surface that samples a smooth one, better than those of the scaled fan.

The corner γ between two edges of lengths a and b at a vertex of a polyhedron inscribed in a smooth surface is smaller
than the angle between the geodesics there. On a sphere of curvature K, from the law of cosines of the chords,

    cos γ' = (cos γ - K a b / 4) / √((1 - K a² / 4)(1 - K b² / 4)),
    γ' - γ = K (2 a b - (a² + b²) cos γ) / (8 sin γ) + O(h⁴) = K A + O(h⁴),

and A is the part of the Voronoi cell of the vertex that lies in the triangle (for its area see Meyer et al. 2003,
Discrete Differential-Geometry Operators for Triangulated 2-Manifolds, sec. 3.3). So the angle 2π - Θ that is lacking at
a vertex belongs to the corners in proportion to A, where scaling by 2π/Θ hands it out in proportion to γ. Where an edge
at the vertex is not Delaunay, Voronoi cells say little, and A is a third of the triangle instead (Legendre's theorem
for small geodesic triangles).
"""

from __future__ import annotations

import math

import numpy as np

from gaugenet.meshes.compiled import compiled
from gaugenet.meshes.fans import corner_before

_DELAUNAY = 1e-9
"""Radians by which opposite angles may exceed π."""
_LARGEST_CHANGE = 2.0
"""A vertex where a corner would become larger or smaller by more than this factor keeps its scaled directions."""


@compiled
def edge_turns(half_edges, vertices, corners):  # type: ignore[no-untyped-def]
    """By how much to turn the scaled directions of the two edges of each corner, in radians.

    The mean over the edges of a vertex is 0, so that frames stay where they are. Nothing turns at the boundary.

    Args:
        half_edges, vertices, corners: the surface (`gaugenet.meshes.fans.packed`).

    Returns:
        (turn of the half-edge that starts at the corner [3 F], turn of the other edge of the corner [3 F])
    """
    at_tail, at_other = np.zeros(len(half_edges)), np.zeros(len(half_edges))
    share = np.empty(64)
    for v in range(len(vertices)):
        vertex = vertices[v]
        n = vertex.last - vertex.first
        if vertex.boundary or n < 3:
            continue
        if n > len(share):
            share = np.empty(2 * n)
        around = corners[vertex.first : vertex.last]
        delaunay = _all_delaunay(half_edges, around)
        total = 0.0
        for i in range(n):
            corner = half_edges[around[i]]
            a, b = corner.length, half_edges[corner_before(around[i])].length
            if delaunay:
                # cos γ = along a / b and sin γ = height a / b
                share[i] = (2.0 * b * b - (a * a + b * b) * corner.along) / corner.height / 8.0
            else:
                share[i] = a * a * corner.height / 6.0
            total += share[i]
        lacking = 2.0 * math.pi - vertex.total_angle
        sound = total > 0.0
        for i in range(n):
            angle = half_edges[around[i]].corner_angle
            share[i] = lacking * share[i] / total if sound else 0.0
            sound = sound and angle / _LARGEST_CHANGE < angle + share[i] < angle * _LARGEST_CHANGE
        if not sound:
            continue
        turn, mean = 0.0, 0.0
        for i in range(n):
            mean += turn / n
            turn += share[i] + half_edges[around[i]].corner_angle * (1.0 - vertex.scale)
        turn = -mean
        for i in range(n):
            corner = half_edges[around[i]]
            end = turn + share[i] + corner.corner_angle * (1.0 - vertex.scale)
            # directions run backwards through the fan where the handedness was asked to be -1
            hand = 1 if corner.direction + 0.5 * corner.corner_sign * corner.corner_angle > 0.0 else -1
            first, second = (turn, end) if corner.corner_sign * hand > 0 else (end, turn)
            at_tail[around[i]], at_other[around[i]] = hand * first, hand * second
            turn = end
    return at_tail, at_other


@compiled
def _all_delaunay(half_edges, around):  # type: ignore[no-untyped-def]
    """True if the two angles opposite to each edge at these corners of a vertex sum to at most π."""
    for corner in around:
        for side in range(2):
            edge = corner if side == 0 else corner_before(corner)
            opposite = corner_before(half_edges[edge].twin)
            angle = half_edges[corner_before(edge)].corner_angle + half_edges[opposite].corner_angle
            if angle > math.pi + _DELAUNAY:
                return False
    return True
