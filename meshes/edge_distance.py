"""Dijkstra's distances along edges around one vertex: upper bounds of geodesic distances, and growable arrays."""

from __future__ import annotations

import numpy as np

from gaugenet.meshes.compiled import compiled

HEAP_ENTRY = np.dtype([("key", np.float64), ("vertex", np.int64)])


@compiled
def grown(array, last):  # type: ignore[no-untyped-def]
    """A copy of the array that is long enough for index `last`, twice as long at least."""
    longer = np.empty(2 * (last + 1), array.dtype)
    for i in range(len(array)):
        longer[i] = array[i]
    return longer


@compiled
def edge_distances(vertices, spokes, sources, target, radius, most, paths, seen, heap):  # type: ignore[no-untyped-def]
    """Distances along edges from `target` until `most` other sources are settled or the radius is passed.

    Args:
        vertices, spokes: the surface (`gaugenet.meshes.fans.packed`, `gaugenet.meshes.spokes`).
        sources: bool [V] the vertices that count.
        paths: [V] with ``bound`` inf everywhere; receives in it the distances of all vertices that were met.
        seen: list of those vertices (grows), so that the caller can reset ``bound``.
        heap: [n] of HEAP_ENTRY (grows).

    Returns:
        (number of sources settled, distance of the last of them, number in `seen`, seen, heap); fewer than `most`
        are settled where the component or the radius ends.
    """
    paths[target].bound = 0.0
    seen[0] = target
    n_seen = 1
    heap[0].key, heap[0].vertex = 0.0, target
    size = 1
    settled = 0
    last = 0.0
    while size > 0:
        distance, v = heap[0].key, heap[0].vertex
        size -= 1
        sift_down(heap, size)
        if distance > paths[v].bound:
            continue
        if distance > radius:
            break
        if v != target and sources[v]:
            settled += 1
            last = distance
            if settled == most:
                break
        first, beyond = vertices[v].first_spoke, vertices[v].last_spoke
        room = beyond - first
        if n_seen + room > len(seen):
            seen = grown(seen, n_seen + room)
        if size + room > len(heap):
            heap = grown(heap, size + room)
        for at in range(first, beyond):
            u, longer = spokes[at].vertex, distance + spokes[at].length
            known = paths[u].bound
            if longer >= known:
                continue
            if known == np.inf:
                seen[n_seen] = u
                n_seen += 1
            paths[u].bound = longer
            sift_up(heap, size, longer, u)
            size += 1
    return settled, last, n_seen, seen, heap


@compiled
def sift_up(heap, at, key, vertex):  # type: ignore[no-untyped-def]
    while at > 0:
        parent = (at - 1) // 2
        if heap[parent].key <= key:
            break
        heap[at].key, heap[at].vertex = heap[parent].key, heap[parent].vertex
        at = parent
    heap[at].key, heap[at].vertex = key, vertex


@compiled
def sift_down(heap, size):  # type: ignore[no-untyped-def]
    """Close the hole at the root with the entry at `size`."""
    key, vertex = heap[size].key, heap[size].vertex
    at = 0
    while True:
        child = 2 * at + 1
        if child >= size:
            break
        if child + 1 < size and heap[child + 1].key < heap[child].key:
            child += 1
        if heap[child].key >= key:
            break
        heap[at].key, heap[at].vertex = heap[child].key, heap[child].vertex
        at = child
    heap[at].key, heap[at].vertex = key, vertex
