"""Which of the vertices reached become neighbours."""

from __future__ import annotations

import numpy as np

from gaugenet.meshes.compiled import compiled

TIE = 1e-9
"""Distances that differ by less, relatively, are equal."""


@compiled
def counted(order, sources, target, with_self):  # type: ignore[no-untyped-def]
    """Those of `order` that are sources, after the target where it is its own neighbour."""
    kept, n = np.empty(len(order) + 1, np.int64), 0
    if with_self:
        kept[0], n = target, 1
    for q in order:
        kept[n] = q
        n += sources[q]
    return kept[:n]


@compiled
def by_distance(paths, reached):  # type: ignore[no-untyped-def]
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
def selected(paths, order, radius, limit, most):  # type: ignore[no-untyped-def]
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
    if beyond <= last * (1.0 + TIE):
        while sure > 0 and paths[order[sure - 1]].distance >= last * (1.0 - TIE):
            sure -= 1
        while tied < inside and paths[order[tied]].distance <= last * (1.0 + TIE):
            tied += 1
    order[sure:tied] = _by_index(order[sure:tied])
    return _by_index(order[:most]), support
