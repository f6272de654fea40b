"""The edges around each vertex as records one after another: what loops over the neighbours of a vertex read.

Each edge at a vertex is one *spoke* of it, in the order of the fan; an interior vertex has as many as corners, one at
the boundary has one more. An edge is thus a spoke of either end.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from gaugenet.meshes.compiled import compiled
from gaugenet.meshes.edge_directions import edge_turns
from gaugenet.meshes.fans import corner_after, corner_before

SPOKE = np.dtype(
    [
        # the vertex a at the other end of the edge from c; -1 where the frames of both have opposite handedness there
        ("vertex", np.int32),
        ("flip", np.int8),
        ("length", np.float64),
        # sum of the cotangents of the angles opposite to the edge
        ("weight", np.float64),
        # the edge from a to c as a vector in the frame of a
        ("step_x", np.float64),
        ("step_y", np.float64),
        # cos φ and sin φ of g_{a<-c} = R(φ) diag(1, flip)
        ("turn_x", np.float64),
        ("turn_y", np.float64),
    ],
    align=True,
)


def all_spokes(
    half_edges: NDArray[np.void], vertices: NDArray[np.void], corners: NDArray[np.int32]
) -> NDArray[np.void]:
    """The spokes of vertex v are ``[vertices[v].first_spoke : vertices[v].last_spoke]``; of a surface that samples a
    smooth one (`gaugenet.meshes.edge_directions`).

    Args:
        half_edges, vertices, corners: the surface (`gaugenet.meshes.fans.packed`). Of each half-edge it is written
            which spokes the two edges at its corner are.
    """
    spokes = np.zeros(int(vertices["last_spoke"][-1]) if len(vertices) else 0, SPOKE)
    _fill(half_edges, vertices, corners, *edge_turns(half_edges, vertices, corners), spokes)
    return spokes


@compiled
def _fill(half_edges, vertices, corners, turn_start, turn_other, spokes):  # type: ignore[no-untyped-def]
    # the unit vector along each spoke in the frame of its vertex
    toward = np.empty((len(spokes), 2))
    for v in range(len(vertices)):
        vertex = vertices[v]
        n = vertex.last - vertex.first
        for i in range(n):
            corner = corners[vertex.first + i]
            own = half_edges[corner]
            start = vertex.first_spoke + i
            other = start + 1 if i + 1 < n or vertex.boundary else vertex.first_spoke
            # the fan does not depend on the handedness asked for, whose directions are negative where it is -1
            if (own.corner_sign > 0) != (own.direction + 0.5 * own.corner_sign * own.corner_angle > 0.0):
                start, other = other, start
            own.spoke, own.other_spoke = start, other
            angle = own.direction * vertex.scale + turn_start[corner]
            toward[start, 0], toward[start, 1] = math.cos(angle), math.sin(angle)
            # the start of the next corner, unless its face is wound the other way or there is none
            angle = (own.direction + own.corner_sign * own.corner_angle) * vertex.scale + turn_other[corner]
            toward[other, 0], toward[other, 1] = math.cos(angle), math.sin(angle)
    for edge in range(len(half_edges)):
        tail, head, facing = half_edges[edge], half_edges[corner_after(edge)], half_edges[corner_before(edge)]
        flip = tail.corner_sign * head.corner_sign
        cotangent = facing.along / facing.height if facing.height > 0.0 else 0.0
        for at, far, neighbor in (
            (tail.spoke, head.other_spoke, head.vertex),
            (head.other_spoke, tail.spoke, tail.vertex),
        ):
            spoke = spokes[at]
            spoke.vertex, spoke.flip, spoke.length = neighbor, flip, tail.length
            spoke.weight += cotangent
            cx, cy, ax, ay = toward[at, 0], toward[at, 1], toward[far, 0], toward[far, 1]
            spoke.step_x, spoke.step_y = tail.length * ax, tail.length * ay
            # from c to a the direction of travel is c here and -a there: g_{a<-c} c = -a
            spoke.turn_x, spoke.turn_y = -(ax * cx + flip * ay * cy), flip * ax * cy - ay * cx
