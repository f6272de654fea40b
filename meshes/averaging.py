"""Transport on noisy surfaces: an average over many paths, where the curvature of the surface is mostly noise.

After the straddle correction every vertex c near the target p is visited a few times, nearest first, and takes

    log_p c, g_{p<-c} = mean over the neighbours a of c of  log_p a + g_{p<-a} e_ac,  g_{p<-a} g_{a<-c}
    weight of a: cotangent weight of the edge ac times exp(-(r_pa - r_pc) / ℓ),

that is, some Gauss-Seidel steps towards the short-time heat flow of the connection (Sharp, Soliman & Crane 2019, The
Vector Heat Method; with translations Soliman, Sharp & Crane 2025, The Affine Heat Method), near p only. The length of
the logarithm stays the exact distance. On a smooth surface this would cost accuracy: it counts only as far as
`roughness` says.
"""

from __future__ import annotations

import math

import numpy as np

from gaugenet.meshes.compiled import compiled
from gaugenet.meshes.fans import CornerFans, Floats, vertex_areas
from gaugenet.meshes.transport import act
from gaugenet.meshes.unfolding import corner_after, corner_before

_SWEEPS = 3
_DECAY = 0.3
"""1/ℓ, in inverse mean edge lengths."""
_AGREE = 0.88
"""Cosine of the largest angle (half a radian) by which a path may disagree and still count: others go round a cone."""
_SMOOTH, _ROUGH = 0.5, 1.0
_FLAT = 1e-8


def roughness(fans: CornerFans) -> Floats:
    """[V] from 0, where the surface round a vertex is smooth as far as the mesh shows it, to 1, where it is noise.

        ρ_p = Σ |K_q - A_q k_q| / Σ |K_q|  over the vertices q up to two edges from p,
        k_q = Σ K_s / Σ A_s                over the neighbours s of q

    with K the angle 2π - Θ lacking at a vertex (0 at the boundary) and A its area. Where the neighbours of a vertex
    foretell its curvature ρ is small: below 0.4 on spheres and tori in triangles of good shape, above 1.1 on a sphere
    with noise of a tenth of an edge length. The roughness is 0 up to ρ = 0.5, 1 from 1, and linear between; 0 also
    where the surface is flat to rounding.
    """
    tail = fans.vertex
    head = tail.reshape(-1, 3)[:, [1, 2, 0]].ravel()
    n = fans.n_vertices

    def around(x: Floats) -> Floats:
        return np.asarray(np.bincount(tail, x[head], n) + np.bincount(head, x[tail], n))

    defect = np.where(fans.boundary | (fans.total_angle == 0.0), 0.0, 2.0 * math.pi - fans.total_angle)
    area = vertex_areas(fans)
    foretold = area * around(defect) / np.maximum(around(area), 1e-300)
    noise, size = np.abs(defect - foretold), np.abs(defect)
    for _ in range(2):
        noise, size = around(noise) + 2.0 * noise, around(size) + 2.0 * size
    ratio = noise / np.maximum(size, 1e-300)
    return np.where(size < _FLAT, 0.0, np.clip((ratio - _SMOOTH) / (_ROUGH - _SMOOTH), 0.0, 1.0))


@compiled
def average_over_neighbors(half_edges, vertices, corners, ends, paths, token, order, amount):  # type: ignore[no-untyped-def]
    """Replace `log` and `turn` of the reached vertices, as far as `straddle_correct` has settled them.

    Args:
        half_edges, vertices, corners, ends: the surface (`gaugenet.meshes.fans.packed`, `edge_ends`).
        order: reached vertices, nearest first. amount: from 0, change nothing, to 1.
    """
    log, turn = np.empty(len(order), np.complex128), np.empty(len(order), np.complex128)
    for i in range(len(order)):
        log[i], turn[i] = paths[order[i]].log, paths[order[i]].turn
    for _ in range(_SWEEPS):
        for i in range(len(order)):
            path = paths[order[i]]
            if path.settled == token and not path.bent and path.distance > 0.0:
                _average(half_edges, vertices, corners, ends, paths, token, order[i], log[i], turn[i], amount)


@compiled
def _average(half_edges, vertices, corners, ends, paths, token, c, first_log, first_turn, amount):  # type: ignore[no-untyped-def]
    """One vertex; its value before the sweeps stands in for neighbours that were not reached."""
    path = paths[c]
    log, turn, total = 0j, 0j, 0.0
    n = vertices[c].last - vertices[c].first
    # each edge once: that at which each corner of the fan begins, and at the boundary that at which the last one ends
    for i in range(n + vertices[c].boundary):
        corner = corners[vertices[c].first + min(i, n - 1)]
        own = half_edges[corner]
        # the fan does not depend on the handedness asked for, whose directions are negative where it is -1
        begins = (own.corner_sign > 0) == (own.direction + 0.5 * own.corner_sign * own.corner_angle > 0.0)
        if i == n:
            begins = not begins
        edge = corner if begins else corner_before(corner)
        other = paths[half_edges[corner_after(corner) if begins else edge].vertex]
        here = half_edges[edge]
        weight = _cotangent(half_edges[corner_before(edge)])
        if here.twin >= 0:
            weight += _cotangent(half_edges[corner_before(here.twin)])
        if other.settled != token:
            log, turn, total = log + weight * first_log, turn + weight * first_turn, total + abs(weight)
            continue
        end = ends[edge]
        if other.flip * end.flip != path.flip:
            continue
        at_other, at_c = (end.at_head, end.at_tail) if begins else (end.at_tail, end.at_head)
        along = act(other.turn, other.flip, at_other)
        found = -act(along, -path.flip, at_c)
        if (found * path.turn.conjugate()).real < _AGREE:
            continue
        nearer = _DECAY * (path.distance - other.distance)
        # exp to second order: positive, and its argument is below the decay times an edge
        weight *= 1.0 + nearer * (1.0 + 0.5 * nearer)
        log += weight * (other.log + here.length * along)
        turn += weight * found
        total += abs(weight)
    size, unit = abs(log), abs(turn)
    # where cotangents of both signs cancel the mean means nothing
    if size <= 0.1 * total * path.distance or unit <= 0.1 * total:
        return
    log = amount * log / size + (1.0 - amount) * first_log / path.distance
    turn = amount * turn / unit + (1.0 - amount) * first_turn
    size, unit = abs(log), abs(turn)
    if size > 0.0 and unit > 0.0:
        path.log, path.turn = log * (path.distance / size), turn / unit


@compiled
def _cotangent(corner):  # type: ignore[no-untyped-def]
    return corner.cosine / corner.sine if corner.sine > 0.0 else 0.0
