"""Logarithmic maps and transporters of every vertex of a surface."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from queue import SimpleQueue
from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from gaugenet.meshes.edge_distance import edge_distances, grown
from gaugenet.meshes.fans import CornerFans, Floats, Ints
from gaugenet.meshes.neighborhoods import ABSURD_NEIGHBORS
from gaugenet.meshes.transport import straddle_correct, symmetrize, wrap
from gaugenet.meshes.unfolding import Reached, explore, reached_scratch, window_stack

_TARGETS_PER_CHUNK = 1024
_MARGINS = np.array([0.12, 0.4, 1.0])
"""How much farther than the neighbourhood to search, so that the parents of its outer vertices are known; the
next where some are not."""
_TIE = 1e-9


class LogMaps(NamedTuple):
    """Rows of all targets, each sorted by source. Lengths in the unit of the mesh, angles in the gauge of the
    fans."""

    row_ptr: Ints
    source: NDArray[np.int32]
    r: Floats
    theta: Floats
    phi: Floats
    flip: NDArray[np.int8]
    support: Floats
    """[V] radius of the support; 0 for an empty row."""
    uncorrected: int
    """Smooth transport: edges that keep polyhedral values because a parent could not be reached."""


class _Scratch(NamedTuple):
    settled: Ints
    tokens: Ints


def available_threads() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def all_log_maps(
    fans: CornerFans, radius: float, most: int, *, smooth: bool = True, threads: int | None = None
) -> LogMaps:
    """r, θ, φ and flip of the edges to the neighbours of every vertex.

    Args:
        fans: the surface.
        radius: largest distance, in mean edge lengths; may be inf if `most` is positive.
        most: how many of the nearest vertices to keep, or -1 for all.
        smooth: with straddle correction (see `gaugenet.meshes.transport`); False for polyhedral transport.
        threads: how many threads work; None for all the process may use. The result does not depend on it.

    Raises:
        ValueError: a neighbourhood by radius is absurdly large.
    """
    n = fans.n_vertices
    starts = range(0, n, _TARGETS_PER_CHUNK)
    workers = max(1, min(threads or available_threads(), len(starts)))
    idle: SimpleQueue[tuple[Reached, _Scratch]] = SimpleQueue()
    for _ in range(workers):
        idle.put((reached_scratch(n), _Scratch(np.full(n, -1, np.int64), np.zeros(1, np.int64))))

    def work(first: int):  # type: ignore[no-untyped-def]
        with _borrowed(idle) as (reached, scratch):
            return _map_chunk(
                fans, reached, scratch, first, min(first + _TARGETS_PER_CHUNK, n), float(radius), int(most),
                smooth, *window_stack(),
            )  # fmt: skip

    if workers == 1:
        chunks = [work(first) for first in starts]
    else:
        with ThreadPoolExecutor(workers) as pool:
            chunks = list(pool.map(work, starts))
    for *_, refused, count in chunks:
        if refused >= 0:
            raise ValueError(
                f"a radius of {radius:.4g} mean edge lengths ({radius * fans.unit:.4g} in the unit of the "
                f"mesh) gives vertex {refused} at least {count} neighbours, more than the {ABSURD_NEIGHBORS} "
                "that a neighbourhood may have; use a smaller radius, Nearest(k), or "
                "Radius(..., max_neighbors=k)"
            )
    degree, support, source, r, theta, phi, flip, uncorrected = (
        _joined([chunk[i] for chunk in chunks], dtype)
        for i, dtype in enumerate((np.int64, float, np.int32, float, float, float, np.int8, np.int64))
    )
    row_ptr = np.concatenate([np.zeros(1, np.int64), np.cumsum(degree)])
    phi = wrap(phi)
    symmetrize(row_ptr, source, phi, flip, smooth)
    return LogMaps(
        row_ptr,
        source,
        r * fans.unit,
        wrap(theta),
        wrap(phi),
        flip,
        support * fans.unit,
        int(uncorrected.sum()),
    )


def _joined(parts: list[Any], dtype: Any) -> NDArray[Any]:
    return np.concatenate([np.empty(0, dtype), *(np.atleast_1d(part) for part in parts)])


@contextmanager
def _borrowed(idle: SimpleQueue[tuple[Reached, _Scratch]]) -> Iterator[tuple[Reached, _Scratch]]:
    item = idle.get()
    try:
        yield item
    finally:
        idle.put(item)


@njit(cache=True, nogil=True)
def _map_chunk(fans, reached, scratch, first, last, limit, most, smooth, windows, links):  # type: ignore[no-untyped-def]
    """Rows of the targets [first, last); see `all_log_maps` for the order of the results."""
    degree, support = np.zeros(last - first, np.int64), np.zeros(last - first)
    capacity = 32 * (last - first)
    source, flip = np.empty(capacity, np.int32), np.empty(capacity, np.int8)
    r, theta, phi = np.empty(capacity), np.empty(capacity), np.empty(capacity)
    queue, seen = np.empty(64, np.int64), np.empty(64, np.int64)
    heap_key, heap_vertex = np.empty(64), np.empty(64, np.int64)
    uncorrected, n_edges = 0, 0
    refused, count = -1, 0
    for p in range(first, last):
        if fans.corner_ptr[p] == fans.corner_ptr[p + 1]:
            continue
        enough = most + 1 if most > 0 else len(fans.total_angle)
        settled, farthest, n_seen, seen, heap_key, heap_vertex = edge_distances(
            fans, p, limit, enough, reached.bound, seen, heap_key, heap_vertex
        )
        radius = limit if most < 0 else min(limit, farthest) if settled == enough else min(limit, np.inf)
        if radius == np.inf:
            radius = farthest
        if most < 0 and settled > ABSURD_NEIGHBORS:
            refused, count = p, settled
            _forget(reached, seen, n_seen, 0)
            break
        radius *= 1.0 + _TIE
        for attempt in range(len(_MARGINS)):
            token = scratch.tokens[0]
            scratch.tokens[0] += 1
            reach = radius * (1.0 + _MARGINS[attempt]) if smooth else radius
            n_reached, windows, links, queue = explore(fans, reached, token, p, reach, windows, links, queue)
            order = _by_distance(reached, n_reached)
            n_inside = n_reached
            while n_inside > 0 and reached.distance[order[n_inside - 1]] > radius:
                n_inside -= 1
            kept, support[p - first] = _selected(reached, order, n_inside, limit, most)
            missing = 0
            if smooth:
                straddle_correct(fans, reached, token, p, order, scratch.settled)
                for q in kept:
                    missing += scratch.settled[q] != token
                if missing > 0 and attempt + 1 < len(_MARGINS):
                    for i in range(n_reached):
                        reached.stamp[reached.touched[i]] = -1
                    continue
            break
        uncorrected += missing
        degree[p - first] = len(kept)
        source, flip = grown(source, n_edges + len(kept)), grown(flip, n_edges + len(kept))
        r, theta, phi = (
            grown(r, n_edges + len(kept)),
            grown(theta, n_edges + len(kept)),
            grown(phi, n_edges + len(kept)),
        )
        for q in kept:
            source[n_edges], flip[n_edges] = q, reached.flip[q]
            r[n_edges], theta[n_edges], phi[n_edges] = reached.distance[q], reached.theta[q], reached.phi[q]
            n_edges += 1
        _forget(reached, seen, n_seen, n_reached)
    return (
        degree, support, source[:n_edges].copy(), r[:n_edges].copy(), theta[:n_edges].copy(),
        phi[:n_edges].copy(), flip[:n_edges].copy(), uncorrected, refused, count,
    )  # fmt: skip


@njit(cache=True, nogil=True)
def _forget(reached, seen, n_seen, n_reached):  # type: ignore[no-untyped-def]
    for i in range(n_seen):
        reached.bound[seen[i]] = np.inf
    for i in range(n_reached):
        reached.bound[reached.touched[i]] = np.inf


@njit(cache=True, nogil=True)
def _by_distance(reached, n_reached):  # type: ignore[no-untyped-def]
    key = np.empty(n_reached)
    for i in range(n_reached):
        key[i] = reached.distance[reached.touched[i]]
    return reached.touched[:n_reached][np.argsort(key)]


@njit(cache=True, nogil=True)
def _selected(reached, order, n_inside, limit, most):  # type: ignore[no-untyped-def]
    """(the neighbours to keep, sorted by index; the support radius)."""
    if most < 0 or n_inside < most or (n_inside == most and limit < np.inf):
        kept = np.sort(order[:n_inside])
        if limit < np.inf:
            return kept, limit
        farthest = reached.distance[order[n_inside - 1]] if n_inside > 0 else 0.0
        return kept, farthest * (1.0 + 0.5 / max(n_inside, 1))
    last = reached.distance[order[most - 1]]
    beyond = reached.distance[order[most]] if n_inside > most else last
    support = max(0.5 * (last + beyond), last * (1.0 + 0.5 / most))
    if beyond > last * (1.0 + _TIE):
        return np.sort(order[:most]), support
    sure = 0
    while reached.distance[order[sure]] < last * (1.0 - _TIE):
        sure += 1
    tied = sure
    while tied < n_inside and reached.distance[order[tied]] <= last * (1.0 + _TIE):
        tied += 1
    chosen = np.sort(order[sure:tied])[: most - sure]
    return np.sort(np.concatenate((order[:sure], chosen))), support
