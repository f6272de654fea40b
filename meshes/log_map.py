"""Logarithmic maps and transporters of every vertex of a surface."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from queue import SimpleQueue
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gaugenet.meshes.averaging import TERM, average_over_neighbors, roughness
from gaugenet.meshes.compiled import compiled
from gaugenet.meshes.edge_distance import HEAP_ENTRY, edge_distances, grown
from gaugenet.meshes.edge_rows import EdgeRows, Run, row_task, row_tasks
from gaugenet.meshes.fans import CornerFans, Floats, Ints, packed
from gaugenet.meshes.neighborhoods import ABSURD_NEIGHBORS
from gaugenet.meshes.selection import TIE, by_distance, counted, selected
from gaugenet.meshes.spokes import all_spokes
from gaugenet.meshes.transport import LOG, polyhedral_transport, straddle_correct, symmetrize_rows, wrapped
from gaugenet.meshes.unfolding import WINDOW, Search, explore, new_search

_TARGETS_PER_CHUNK = 512
_CHUNKS_PER_THREAD = 8
"""At least, so that no thread waits long for the last chunk of another."""
_MARGINS = np.array([0.02, 0.25, 1.0])
"""How much farther than the neighbourhood to search, so that the parents of its outer vertices are known; the
next where some are not."""

EDGE = np.dtype(
    [("source", np.int32), ("flip", np.int8)] + [(name, np.float64) for name in ("r", "theta", "phi", "weight")],
    align=True,
)


Progress = Callable[[int, int], None]
"""Called with (done, total)."""


class LogMaps(NamedTuple):
    """Rows of all targets, each sorted by source. Lengths in the unit of the mesh, angles in the gauge of the fans.

    r, theta and weight have the dtype asked for, phi is float64."""

    row_ptr: Ints
    source: NDArray[np.int32]
    r: Floats
    theta: Floats
    phi: Floats
    flip: NDArray[np.int8]
    support: Floats
    """[T] radius of the support; 0 for an empty row."""
    one_sided: int
    """Smooth transport: edges whose correction lacks a side because a parent could not be reached."""
    weight: Floats | None = None
    """[E] quadrature weights (`gaugenet.meshes.quadrature`) where areas were given."""


def available_threads() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class PackedSurface(NamedTuple):
    """What the search reads of `CornerFans`, which may then be forgotten."""

    half_edges: NDArray[np.void]
    vertices: NDArray[np.void]
    corners: NDArray[np.int32]
    spokes: NDArray[np.void]
    rough: Floats
    unit: float

    @property
    def n_vertices(self) -> int:
        return len(self.vertices)


def packed_surface(fans: CornerFans, smooth: bool = True) -> PackedSurface:
    """What `all_log_maps` makes of the fans by itself; `smooth` as there."""
    half_edges, vertices = packed(fans)
    corners = fans.corners.astype(np.int32)
    rough = roughness(fans) if smooth else np.empty(0)
    return PackedSurface(half_edges, vertices, corners, all_spokes(half_edges, vertices, corners), rough, fans.unit)


def all_log_maps(
    fans: CornerFans | PackedSurface,
    radius: float,
    most: int,
    *,
    targets: Ints | None = None,
    sources: NDArray[np.bool_] | None = None,
    include_self: bool = False,
    smooth: bool = True,
    threads: int | None = None,
    progress: Progress | None = None,
    visit: Ints | None = None,
    area: Floats | None = None,
    dtype: type[np.floating[Any]] = np.float64,
) -> LogMaps:
    """r, θ, φ and flip of the edges from the sources near each target.

    Only vertices among the `sources` are neighbours, and only they count towards `most`; paths run over the whole
    surface. Time and memory are those of the rows asked for (and a few records for each vertex of the surface).

    Args:
        fans: the surface; packed by a caller who wants to let go of the fans.
        radius: largest distance, in mean edge lengths; may be inf if `most` is positive.
        most: how many of the nearest sources to keep, or -1 for all.
        targets: [T] distinct vertices, one row each, in this order; None for all vertices.
        sources: bool [V]; None for all vertices.
        include_self: a target that is a source is its own neighbour too, with r = θ = φ = 0, and counts towards `most`.
        smooth: with straddle correction (see `gaugenet.meshes.transport`); False for polyhedral transport.
        threads: how many threads work; None for all the process may use. The result does not depend on it.
        progress: is called with (targets done, T) from time to time, in the thread of the caller.
        visit: [T] a permutation of the rows: the order in which to find them (`gaugenet.meshes.ordering`). The result
            does not depend on it; it comes sooner where targets that follow each other are close.
        area: [V] areas of the vertices, for the quadrature weights; None for no weights.
        dtype: of r, theta and the weights in the result, rounded once.

    Returns:
        LogMaps whose ``source`` are vertices of the surface. g_{p<-q} and g_{q<-p} are inverses of each other where
        both are asked for: p and q are targets and sources.

    Raises:
        ValueError: `targets` or `sources` are not as described, a neighbourhood is absurdly large, or all together are.
    """
    surface = fans if isinstance(fans, PackedSurface) else packed_surface(fans, smooth)
    n = surface.n_vertices
    rows_of = np.arange(n) if targets is None else _checked_targets(targets, n)
    among = np.ones(n, np.bool_) if sources is None else np.ascontiguousarray(sources)
    if among.shape != (n,) or among.dtype != np.bool_:
        raise ValueError(f"sources must be boolean of shape [{n}], got {among.dtype} {list(among.shape)}")
    visited = rows_of if visit is None else rows_of[visit]
    workers = max(1, min(threads or available_threads(), len(rows_of)))
    with ThreadPoolExecutor(workers) as pool:
        run: Run = map if workers == 1 else pool.map
        support, one_sided = np.zeros(len(rows_of)), np.zeros(1, np.int64)
        rows = EdgeRows(len(rows_of), most, _stored(dtype, area is not None))
        try:
            for done, chunk in _chunks(
                surface, radius, most, visited, among, include_self, smooth, area, dtype, workers, run
            ):
                degree, chunk_support, fields, lacking = chunk
                place = slice(done - len(degree), done) if visit is None else visit[done - len(degree) : done]
                support[place] = chunk_support
                one_sided += lacking
                rows.append(degree, fields)
                if progress is not None:
                    progress(done, len(rows_of))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
        row_of = np.full(n, -1)
        row_of[visited] = np.arange(len(visited))

        def symmetrized(first: int) -> None:
            csr = rows.row_ptr, rows.field("source"), rows.field("phi"), rows.field("flip")
            symmetrize_rows(*csr, visited, row_of, smooth, *row_task(first, len(visited)))

        for _ in run(symmetrized, row_tasks(len(visited))):
            pass
        del fans, surface
        row_ptr, fields = rows.in_order(visit, run)
    return LogMaps(row_ptr=row_ptr, support=support, one_sided=int(one_sided[0]), **fields)


def _stored(dtype: type[np.floating[Any]], weights: bool) -> dict[str, Any]:
    fields = {"source": np.int32, "r": dtype, "theta": dtype, "phi": np.float64, "flip": np.int8}
    return fields | ({"weight": dtype} if weights else {})


def _chunks(
    surface: PackedSurface,
    radius: float,
    most: int,
    visited: Ints,
    among: NDArray[np.bool_],
    include_self: bool,
    smooth: bool,
    area: Floats | None,
    dtype: type[np.floating[Any]],
    workers: int,
    run: Run,
) -> Iterator[tuple[int, tuple[Ints, Floats, dict[str, NDArray[Any]], int]]]:
    """(targets done, (degree, support, fields of the edges, one-sided edges)) of chunks of the targets, in order."""
    arrays, unit = surface[:-1], surface.unit
    idle: SimpleQueue[Search] = SimpleQueue()
    for _ in range(workers):
        idle.put(new_search(surface.n_vertices))
    size = max(1, min(_TARGETS_PER_CHUNK, -(-len(visited) // (workers * _CHUNKS_PER_THREAD))))
    names = _stored(dtype, area is not None)
    areas = np.empty(0) if area is None else area

    def work(first: int) -> tuple[int, tuple[Ints, Floats, dict[str, NDArray[Any]], int]]:
        last = min(first + size, len(visited))
        with _borrowed(idle) as search:
            degree, support, edges, lacking, refused, count = _map_chunk(
                *arrays,
                *search,
                visited,
                among,
                first,
                last,
                float(radius),
                int(most),
                include_self,
                smooth,
                unit,
                areas,
            )
        if refused >= 0:
            raise _absurd(unit, radius, most, refused, count)
        return last, (degree, support, {name: edges[name] for name in names}, lacking)

    yield from run(work, range(0, len(visited), size))


def _checked_targets(targets: Ints, n: int) -> Ints:
    given = np.ascontiguousarray(targets)
    if given.ndim != 1 or (given.size and not np.issubdtype(given.dtype, np.integer)):
        raise ValueError(f"targets must be whole numbers of shape [T], got {given.dtype} {list(given.shape)}")
    chosen = given.astype(np.int64)
    if chosen.size and (chosen.min() < 0 or chosen.max() >= n):
        raise ValueError(f"targets must be vertices, 0 to {n - 1}, got {chosen.min()} to {chosen.max()}")
    if len(np.unique(chosen)) != len(chosen):
        raise ValueError("targets must be distinct; ask for each vertex once and index the rows")
    return chosen


def _absurd(unit: float, radius: float, most: int, vertex: int, count: int) -> ValueError:
    if most > 0:
        return ValueError(
            f"{most:,} neighbours for each vertex are more than the {ABSURD_NEIGHBORS:,} that a neighbourhood may have "
            f"(vertex {vertex} has that many within reach); use a smaller k or max_neighbors, or a coarser mesh"
        )
    return ValueError(
        f"a radius of {radius:.4g} mean edge lengths ({radius * unit:.4g} in the unit of the "
        f"mesh) gives vertex {vertex} at least {count} neighbours, more than the {ABSURD_NEIGHBORS} "
        "that a neighbourhood may have; use a smaller radius, Nearest(k), or "
        "Radius(..., max_neighbors=k)"
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
    half_edges,
    vertices,
    corners,
    spokes,
    rough,
    paths,
    reached,
    counts,
    targets,
    sources,
    first,
    last,
    limit,
    most,
    own,
    smooth,
    unit,
    area,
):
    """Rows of targets[first:last]; see `all_log_maps` for the order of the results."""
    degree, support = np.zeros(last - first, np.int64), np.zeros(last - first)
    rows, n_edges, one_sided = np.empty(32 * (last - first), EDGE), 0, 0
    windows, queue = np.empty(256, WINDOW), np.empty(64, np.int64)
    seen, heap = np.empty(64, np.int64), np.empty(64, HEAP_ENTRY)
    logs, terms = np.empty(64, LOG), np.empty(512, TERM)
    enough = min(most, ABSURD_NEIGHBORS) + 1 if most > 0 else len(vertices)
    may_be_absurd = most < 0 or most > ABSURD_NEIGHBORS
    for row in range(first, last):
        p = targets[row]
        with_self = own and sources[p]
        if vertices[p].first == vertices[p].last and not with_self:
            continue
        settled, farthest, n_seen, seen, heap = edge_distances(
            vertices, spokes, sources, p, limit, enough, paths, seen, heap
        )
        if may_be_absurd and settled > ABSURD_NEIGHBORS:
            _forget(paths, seen[:n_seen])
            return degree, support, rows[:0], one_sided, p, settled
        radius = (farthest if settled == enough or limit == np.inf else limit) * (1.0 + TIE)
        kept = seen[:0]
        missing = 0
        amount = rough[p] if smooth else 0.0
        for attempt in range(len(_MARGINS)):
            token = row * len(_MARGINS) + attempt
            reach = radius * (1.0 + _MARGINS[attempt]) if smooth else radius
            windows, queue = explore(
                half_edges, vertices, corners, paths, reached, counts, windows, queue, token, p, reach
            )
            order = by_distance(paths, reached[: counts[0]])
            nearest = counted(order, sources, p, with_self)
            kept, support[row - first] = selected(paths, nearest, radius, limit, most)
            n_logs = len(order) + 1
            if n_logs > len(logs):
                logs = grown(logs, n_logs)
            polyhedral_transport(vertices, paths, logs, p, order)
            if not smooth:
                break
            straddle_correct(half_edges, spokes, paths, logs, token, n_logs)
            if amount > 0.0:
                terms = average_over_neighbors(vertices, spokes, paths, logs, terms, token, n_logs, amount)
            missing = _lacking(paths, logs, kept)
            if missing == 0:
                break
        one_sided += missing
        degree[row - first] = len(kept)
        support[row - first] *= unit
        if n_edges + len(kept) > len(rows):
            rows = grown(rows, n_edges + len(kept))
        for q in kept:
            edge, log = rows[n_edges], logs[paths[q].rank]
            edge.source, edge.flip, edge.r = q, log.flip, log.distance * unit
            if smooth and log.settled:
                edge.theta = wrapped(math.atan2(log.log_y, log.log_x))
                edge.phi = wrapped(math.atan2(log.turn_y, log.turn_x))
            else:
                edge.theta, edge.phi = wrapped(log.theta), wrapped(log.phi)
            n_edges += 1
        if len(area) > 0:
            row_weights(rows[n_edges - len(kept) : n_edges], support[row - first], area)
        _forget(paths, seen[:n_seen])
        _forget(paths, reached[: counts[0]])
    return degree, support, rows[:n_edges].copy(), one_sided, -1, 0


@compiled
def _lacking(paths, logs, kept):  # type: ignore[no-untyped-def]
    """How many vertices have no corrected values, or lack a side because it is far."""
    missing = 0
    for q in kept:
        log = logs[paths[q].rank]
        missing += not log.settled or log.lacking > 0
    return missing


@compiled
def row_weights(edges, radius, area):  # type: ignore[no-untyped-def]
    """The weights of `gaugenet.meshes.quadrature` of the edges of one target, into them."""
    total = 0.0
    for edge in edges:
        ratio = edge.r / radius if radius > 0.0 else 1.0
        window = max(1.0 - ratio * ratio, 0.0)
        edge.weight = area[edge.source] * (window * window)
        total += edge.weight
    for edge in edges:
        edge.weight = edge.weight / total if total > 0.0 else 1.0 / len(edges)


@compiled
def _forget(paths, vertices):  # type: ignore[no-untyped-def]
    for v in vertices:
        paths[v].bound = np.inf
