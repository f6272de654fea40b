"""Logarithmic maps and transporters of every vertex of a surface."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from queue import SimpleQueue
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gaugenet.meshes.compiled import compiled
from gaugenet.meshes.edge_distance import HEAP_ENTRY, edge_distances, grown
from gaugenet.meshes.fans import CornerFans, Floats, Ints, packed
from gaugenet.meshes.neighborhoods import ABSURD_NEIGHBORS
from gaugenet.meshes.transport import edge_ends, polyhedral_transport, straddle_correct, symmetrize, wrap
from gaugenet.meshes.unfolding import WINDOW, Search, explore, new_search

_TARGETS_PER_CHUNK = 1024
_MARGINS = np.array([0.02, 0.25, 1.0])
"""How much farther than the neighbourhood to search, so that the parents of its outer vertices are known; the
next where some are not."""
_TIE = 1e-9

EDGE = np.dtype(
    [("r", np.float64), ("theta", np.float64), ("phi", np.float64), ("source", np.int32), ("flip", np.int8)], align=True
)
_NO_ROWS = (np.empty(0, np.int64), np.empty(0), np.empty(0, EDGE))


class LogMaps(NamedTuple):
    """Rows of all targets, each sorted by source. Lengths in the unit of the mesh, angles in the gauge of the fans."""

    row_ptr: Ints
    source: NDArray[np.int32]
    r: Floats
    theta: Floats
    phi: Floats
    flip: NDArray[np.int8]
    support: Floats
    """[V] radius of the support; 0 for an empty row."""
    one_sided: int
    """Smooth transport: edges whose correction lacks a side because a parent could not be reached."""


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
        ValueError: a neighbourhood by radius is absurdly large, or all together are.
    """
    n = fans.n_vertices
    surface = (*packed(fans), fans.corners, edge_ends(fans))
    starts = range(0, n, _TARGETS_PER_CHUNK)
    workers = max(1, min(threads or available_threads(), len(starts)))
    idle: SimpleQueue[Search] = SimpleQueue()
    for _ in range(workers):
        idle.put(new_search(n))

    def work(first: int) -> tuple[Any, ...]:
        with _borrowed(idle) as search:
            last = min(first + _TARGETS_PER_CHUNK, n)
            rows: tuple[Any, ...] = _map_chunk(*surface, *search, first, last, float(radius), int(most), smooth)
            return rows

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
    if sum(int(chunk[0].sum()) for chunk in chunks) > np.iinfo(np.int32).max:
        raise ValueError("all neighbourhoods together hold more than 2³¹ - 1 edges; use smaller ones")
    degree, support, rows = (np.concatenate([none, *(c[i] for c in chunks)]) for i, none in enumerate(_NO_ROWS))
    row_ptr = np.concatenate([np.zeros(1, np.int64), np.cumsum(degree)])
    source, flip, phi = rows["source"].copy(), rows["flip"].copy(), wrap(rows["phi"])
    symmetrize(row_ptr, source, phi, flip, smooth)
    return LogMaps(
        row_ptr=row_ptr,
        source=source,
        r=rows["r"] * fans.unit,
        theta=wrap(rows["theta"]),
        phi=wrap(phi),
        flip=flip,
        support=support * fans.unit,
        one_sided=sum(chunk[3] for chunk in chunks),
    )


@contextmanager
def _borrowed(idle: SimpleQueue[Search]) -> Iterator[Search]:
    item = idle.get()
    try:
        yield item
    finally:
        idle.put(item)


@compiled
def _map_chunk(  # type: ignore[no-untyped-def]
    half_edges, vertices, corners, ends, paths, reached, counts, first, last, limit, most, smooth
):
    """Rows of the targets [first, last); see `all_log_maps` for the order of the results."""
    degree, support = np.zeros(last - first, np.int64), np.zeros(last - first)
    rows, n_edges, one_sided = np.empty(32 * (last - first), EDGE), 0, 0
    windows, queue = np.empty(256, WINDOW), np.empty(64, np.int64)
    seen, heap = np.empty(64, np.int64), np.empty(64, HEAP_ENTRY)
    enough = most + 1 if most > 0 else len(vertices)
    for p in range(first, last):
        if vertices[p].first == vertices[p].last:
            continue
        settled, farthest, n_seen, seen, heap = edge_distances(
            half_edges, vertices, corners, p, limit, enough, paths, seen, heap
        )
        if most < 0 and settled > ABSURD_NEIGHBORS:
            _forget(paths, seen[:n_seen])
            return degree, support, rows[:0], one_sided, p, settled
        radius = (farthest if settled == enough or limit == np.inf else limit) * (1.0 + _TIE)
        kept = reached[:0]
        missing = 0
        for attempt in range(len(_MARGINS)):
            token = p * len(_MARGINS) + attempt
            reach = radius * (1.0 + _MARGINS[attempt]) if smooth else radius
            windows, queue = explore(
                half_edges, vertices, corners, paths, reached, counts, windows, queue, token, p, reach
            )
            order = _by_distance(paths, reached[: counts[0]])
            kept, support[p - first] = _selected(paths, order, radius, limit, most)
            polyhedral_transport(vertices, paths, p, order)
            if not smooth:
                break
            straddle_correct(half_edges, ends, paths, token, p, order)
            missing = _read_corrected(paths, token, kept)
            if missing == 0:
                break
        one_sided += missing
        degree[p - first] = len(kept)
        if n_edges + len(kept) > len(rows):
            rows = grown(rows, n_edges + len(kept))
        for q in kept:
            row, path = rows[n_edges], paths[q]
            row.source, row.flip = q, path.flip
            row.r, row.theta, row.phi = path.distance, path.theta, path.phi
            n_edges += 1
        _forget(paths, seen[:n_seen])
        _forget(paths, reached[: counts[0]])
    return degree, support, rows[:n_edges].copy(), one_sided, -1, 0


@compiled
def _read_corrected(paths, token, kept):  # type: ignore[no-untyped-def]
    """Theta and phi from the corrected values; how many vertices have none, or lack a side because it is far."""
    missing = 0
    for q in kept:
        path = paths[q]
        if path.settled == token:
            path.theta = math.atan2(path.log.imag, path.log.real)
            path.phi = math.atan2(path.turn.imag, path.turn.real)
        missing += path.settled != token or path.lacking > 0
    return missing


@compiled
def _forget(paths, vertices):  # type: ignore[no-untyped-def]
    for v in vertices:
        paths[v].bound = np.inf


@compiled
def _by_distance(paths, reached):  # type: ignore[no-untyped-def]
    key, order = np.empty(len(reached)), np.empty(len(reached), np.int64)
    for i in range(len(reached)):
        key[i], order[i] = paths[reached[i]].distance, reached[i]
    _sort_together(key, order)
    return order


@compiled
def _by_index(some):  # type: ignore[no-untyped-def]
    key, order = np.empty(len(some)), np.empty(len(some), np.int64)
    for i in range(len(some)):
        key[i], order[i] = some[i], some[i]
    _sort_together(key, order)
    return order


@compiled
def _sort_together(key, vertex):  # type: ignore[no-untyped-def]
    """Shell's sort, in place, by key and then by vertex: for some dozens of entries, and compiled in no time."""
    gap = 1
    while gap < len(key) // 3:
        gap = 3 * gap + 1
    while gap > 0:
        for i in range(gap, len(key)):
            k, v, at = key[i], vertex[i], i
            while at >= gap and (key[at - gap] > k or (key[at - gap] == k and vertex[at - gap] > v)):
                key[at], vertex[at] = key[at - gap], vertex[at - gap]
                at -= gap
            key[at], vertex[at] = k, v
        gap //= 3


@compiled
def _selected(paths, order, radius, limit, most):  # type: ignore[no-untyped-def]
    """(the neighbours to keep of the reached vertices, nearest first, sorted by index; the support radius)."""
    inside = len(order)
    while inside > 0 and paths[order[inside - 1]].distance > radius:
        inside -= 1
    if inside == 0:
        return order[:0], 0.0
    last = paths[order[inside - 1]].distance
    if most < 0 or inside <= most:
        return _by_index(order[:inside]), limit if limit < np.inf else last * (1.0 + 0.5 / inside)
    last, beyond = paths[order[most - 1]].distance, paths[order[most]].distance
    support = min(max(0.5 * (last + beyond), last * (1.0 + 0.5 / most)), limit)
    sure, tied = most, most
    if beyond <= last * (1.0 + _TIE):
        while sure > 0 and paths[order[sure - 1]].distance >= last * (1.0 - _TIE):
            sure -= 1
        while tied < inside and paths[order[tied]].distance <= last * (1.0 + _TIE):
            tied += 1
    order[sure:tied] = _by_index(order[sure:tied])
    return _by_index(order[:most]), support
