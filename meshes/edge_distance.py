"""Dijkstra's distances along edges around one vertex: upper bounds of geodesic distances, and growable
arrays."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def grown(array, last):  # type: ignore[no-untyped-def]
    """The array, or a copy twice as long where index `last` does not fit."""
    if last < len(array):
        return array
    longer = np.empty(2 * (last + 1), array.dtype)
    longer[: len(array)] = array
    return longer


@njit(cache=True, nogil=True)
def grown_table(table, last):  # type: ignore[no-untyped-def]
    if last < table.shape[0]:
        return table
    longer = np.empty((2 * (last + 1), table.shape[1]), table.dtype)
    longer[: table.shape[0]] = table
    return longer


@njit(cache=True, nogil=True)
def edge_distances(fans, target, radius, most, bound, seen, heap_key, heap_vertex):  # type: ignore[no-untyped-def]
    """Distances along edges from `target` until `most` other vertices are settled or the radius is passed.

    Args:
        bound: [V] inf everywhere; receives the distances of all vertices that were met.
        seen: list of those vertices (grows), so that the caller can reset `bound`.

    Returns:
        (number settled, distance of the last settled, number in `seen`, seen, heap_key, heap_vertex); fewer
        than `most` are settled where the component or the radius ends.
    """
    bound[target] = 0.0
    seen[0] = target
    n_seen = 1
    heap_key[0], heap_vertex[0] = 0.0, target
    size = 1
    settled = -1
    last = 0.0
    while size > 0:
        distance, v = heap_key[0], heap_vertex[0]
        size -= 1
        _sift_down(heap_key, heap_vertex, size)
        if distance > bound[v]:
            continue
        if distance > radius:
            break
        settled += 1
        last = distance
        if settled == most:
            break
        for at in range(fans.corner_ptr[v], fans.corner_ptr[v + 1]):
            corner = fans.corners[at]
            f, k = corner // 3, corner % 3
            for other in range(1, 3):
                length = fans.length[f, k] if other == 1 else fans.length[f, (k + 2) % 3]
                u = fans.faces[f, (k + other) % 3]
                longer = distance + length
                if longer >= bound[u]:
                    continue
                if bound[u] == np.inf:
                    seen = grown(seen, n_seen)
                    seen[n_seen] = u
                    n_seen += 1
                bound[u] = longer
                heap_key, heap_vertex = grown(heap_key, size), grown(heap_vertex, size)
                _sift_up(heap_key, heap_vertex, size, longer, u)
                size += 1
    return settled, last, n_seen, seen, heap_key, heap_vertex


@njit(cache=True, nogil=True)
def _sift_up(key, vertex, at, new_key, new_vertex):  # type: ignore[no-untyped-def]
    while at > 0:
        parent = (at - 1) // 2
        if key[parent] <= new_key:
            break
        key[at], vertex[at] = key[parent], vertex[parent]
        at = parent
    key[at], vertex[at] = new_key, new_vertex


@njit(cache=True, nogil=True)
def _sift_down(key, vertex, size):  # type: ignore[no-untyped-def]
    """Close the hole at the root with the entry at `size`."""
    moved_key, moved_vertex = key[size], vertex[size]
    at = 0
    while True:
        child = 2 * at + 1
        if child >= size:
            break
        if child + 1 < size and key[child + 1] < key[child]:
            child += 1
        if key[child] >= moved_key:
            break
        key[at], vertex[at] = key[child], vertex[child]
        at = child
    key[at], vertex[at] = moved_key, moved_vertex
