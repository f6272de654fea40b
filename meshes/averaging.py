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
from gaugenet.meshes.edge_distance import grown
from gaugenet.meshes.fans import CornerFans, Floats, vertex_areas

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


TERM = np.dtype(
    [("place", np.int64)] + [(name, np.float64) for name in ("weight", "step_x", "step_y", "turn_x", "turn_y")]
)
"""A neighbour a of a vertex c: its place among the logarithms, its weight, and weight times e_ac and times g_{a<-c}."""


@compiled
def average_over_neighbors(vertices, spokes, paths, logs, terms, token, n, amount):  # type: ignore[no-untyped-def]
    """Replace the logarithms and transporters of the first n of `logs` that `straddle_correct` has settled.

    Which neighbours agree, and with which weight they count, the first sweep decides for all.

    Args:
        vertices, spokes: the surface (`gaugenet.meshes.fans.packed`, `gaugenet.meshes.spokes`).
        logs: the target, then vertices from near to far. terms: list of TERM, which grows.
        amount: from 0, change nothing, to 1.

    Returns:
        terms
    """
    for i in range(1, n):
        log = logs[i]
        log.first_log_x, log.first_log_y = log.log_x, log.log_y
        log.first_turn_x, log.first_turn_y = log.turn_x, log.turn_y
    used = 0
    for sweep in range(_SWEEPS):
        for i in range(1, n):
            log = logs[i]
            if sweep == 0:
                log.begin = log.end = used
                if not log.settled or log.bent:
                    continue
                vertex = vertices[log.vertex]
                if used + vertex.last_spoke - vertex.first_spoke > len(terms):
                    terms = grown(terms, used + vertex.last_spoke - vertex.first_spoke)
                log.alone = log.total = 0.0
                for at in range(vertex.first_spoke, vertex.last_spoke):
                    spoke = spokes[at]
                    path = paths[spoke.vertex]
                    other = logs[path.rank if path.stamp == token else 0]
                    if path.stamp != token or not other.settled:
                        # the value of the vertex itself before the sweeps stands in
                        log.alone += spoke.weight
                        log.total += abs(spoke.weight)
                    elif other.flip * spoke.flip == log.flip and _agree(log, other, spoke):
                        _weigh(terms[used], log, other, spoke, path.rank)
                        log.total += abs(terms[used].weight)
                        used += 1
                log.end = used
            if log.begin == log.end:
                continue
            x, y = log.alone * log.first_log_x, log.alone * log.first_log_y
            turn_x, turn_y = log.alone * log.first_turn_x, log.alone * log.first_turn_y
            for at in range(log.begin, log.end):
                term = terms[at]
                other = logs[term.place]
                x += term.weight * other.log_x + other.turn_x * term.step_x - other.turn_y * term.step_y
                y += term.weight * other.log_y + other.turn_x * term.step_y + other.turn_y * term.step_x
                turn_x += other.turn_x * term.turn_x - other.turn_y * term.turn_y
                turn_y += other.turn_x * term.turn_y + other.turn_y * term.turn_x
            _replace(log, x, y, turn_x, turn_y, amount)
    return terms


@compiled
def _agree(log, other, spoke):  # type: ignore[no-untyped-def]
    turn_y = other.flip * spoke.turn_y
    along = other.turn_x * spoke.turn_x - other.turn_y * turn_y
    across = other.turn_x * turn_y + other.turn_y * spoke.turn_x
    return along * log.turn_x + across * log.turn_y >= _AGREE


@compiled
def _weigh(term, log, other, spoke, place):  # type: ignore[no-untyped-def]
    nearer = _DECAY * (log.distance - other.distance)
    # exp to second order: positive, and its argument is below the decay times an edge
    weight = spoke.weight * (1.0 + nearer * (1.0 + 0.5 * nearer))
    term.place, term.weight = place, weight
    term.step_x, term.step_y = weight * spoke.step_x, weight * (other.flip * spoke.step_y)
    term.turn_x, term.turn_y = weight * spoke.turn_x, weight * (other.flip * spoke.turn_y)


@compiled
def _replace(log, x, y, turn_x, turn_y, amount):  # type: ignore[no-untyped-def]
    """The means in place of the values of a vertex, as far as `amount` says."""
    size, unit = math.sqrt(x * x + y * y), math.sqrt(turn_x * turn_x + turn_y * turn_y)
    # where cotangents of both signs cancel the mean means nothing
    if size <= 0.1 * log.total * log.distance or unit <= 0.1 * log.total:
        return
    if amount < 1.0:
        of_mean, of_first = amount / size, (1.0 - amount) / log.distance
        x, y = of_mean * x + of_first * log.first_log_x, of_mean * y + of_first * log.first_log_y
        of_mean, of_first = amount / unit, 1.0 - amount
        turn_x = of_mean * turn_x + of_first * log.first_turn_x
        turn_y = of_mean * turn_y + of_first * log.first_turn_y
        size, unit = math.sqrt(x * x + y * y), math.sqrt(turn_x * turn_x + turn_y * turn_y)
    if size > 0.0 and unit > 0.0:
        longer, longer_turn = log.distance / size, 1.0 / unit
        log.log_x, log.log_y = x * longer, y * longer
        log.turn_x, log.turn_y = turn_x * longer_turn, turn_y * longer_turn
