"""Subsets of the vertices of a surface, each spread over all of it: the vertices of coarser levels."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np

from gaugenet.meshes.compiled import compiled
from gaugenet.meshes.edge_distance import HEAP_ENTRY, grown, sift_down, sift_up
from gaugenet.meshes.fans import Floats, Ints, face_areas
from gaugenet.meshes.mesh import TriangleMesh
from gaugenet.meshes.topology import vertex_components

Sampling = Literal["farthest-point", "adaptive", "random"]


def sample_vertices(mesh: TriangleMesh, n: int, *, method: Sampling = "farthest-point", seed: int = 0) -> Ints:
    """`n` vertices in an order of which every beginning is a sample as well, so that smaller samples are nested.

    "farthest-point": v_{i+1} is the vertex with the largest distance to {v_1 .. v_i}, measured along edges (Eldar et
    al. 1997, The farthest point strategy for progressive image sampling): as even as can be, whatever the mesh.
    "adaptive": the same in edge lengths divided by the mean edge length around, √(s_p s_q) for the edge pq with s_p the
    mean over the edges at p: the sample is dense where the mesh is. "random": with probabilities proportional to vertex
    areas, without replacement (Efraimidis & Spirakis 2006, Weighted random sampling with a reservoir).

    One vertex of each component comes before all others. The same arguments give the same vertices.

    Args:
        mesh: a validated surface; embedding, orientation and boundary do not matter.
        n: how many; at most all, at least one of each component.
        seed: of the random sample, or of the vertex that farthest-point sampling starts with.

    Returns:
        [n'] int64, where n' is `n` in these bounds.

    Raises:
        ValueError: `method` is not known.
    """
    if method not in get_args(Sampling):
        raise ValueError(f"a sampling method is one of {', '.join(get_args(Sampling))}; got {method!r}")
    if mesh.n_vertices == 0:
        return np.empty(0, np.int64)
    n_components, component = vertex_components(mesh)
    n = min(max(n, n_components, 1), mesh.n_vertices)
    random = np.random.default_rng(seed)
    if method == "random":
        third = np.repeat(face_areas(mesh.edge_lengths.reshape(-1, 3)) / 3.0, 3)
        area = np.bincount(mesh.faces.ravel(), weights=third, minlength=mesh.n_vertices)
        waiting = random.exponential(size=mesh.n_vertices)
        key = np.divide(waiting, area, out=np.full_like(waiting, np.inf), where=area > 0)
        order = np.argsort(key, kind="stable")
        first = np.sort(np.unique(component[order], return_index=True)[1])
        return np.concatenate([order[first], np.delete(order, first)])[:n]
    ptr, neighbor, length = _edge_graph(mesh)
    if method == "adaptive":
        degree = np.maximum(np.diff(ptr), 1)
        here = np.repeat(np.arange(mesh.n_vertices), np.diff(ptr))
        mean = np.bincount(here, weights=length, minlength=mesh.n_vertices) / degree
        length = length / np.sqrt(mean[here] * mean[neighbor])
    chosen: Ints = _farthest_points(ptr, neighbor, length, n, int(random.integers(mesh.n_vertices)))
    return chosen


def _edge_graph(mesh: TriangleMesh) -> tuple[Ints, Ints, Floats]:
    """Compressed rows of the edges at each vertex: first edge [V + 1]; the other end and the length of each."""
    tail, head = mesh.faces.ravel(), np.roll(mesh.faces, -1, axis=1).ravel()
    once = np.flatnonzero((mesh.twin < 0) | (np.arange(len(mesh.twin)) < mesh.twin))
    here = np.concatenate([tail[once], head[once]])
    there = np.concatenate([head[once], tail[once]])
    length = np.tile(mesh.edge_lengths.ravel()[once], 2)
    order = np.argsort(here, kind="stable")
    ptr = np.concatenate([[0], np.cumsum(np.bincount(here, minlength=mesh.n_vertices))])
    return ptr, there[order], length[order]


@compiled
def _farthest_points(ptr, neighbor, length, n, start):  # type: ignore[no-untyped-def]
    """Farthest-point sampling, with a search from each new vertex that ends where others are nearer.

    The vertices wait in a heap under upper bounds of their distances, which only shrink: where the bound at the root is
    out of date it is corrected, and otherwise it is the farthest vertex. Log-linear in all, as the reach of a search
    is about the share of the surface that the new vertex takes.
    """
    n_vertices = len(ptr) - 1
    distance = np.full(n_vertices, np.inf)
    farthest = np.empty(n_vertices + 1, HEAP_ENTRY)
    for v in range(n_vertices):
        farthest[v].key, farthest[v].vertex = -np.inf, v
    n_waiting = n_vertices
    queue = np.empty(64, HEAP_ENTRY)
    chosen = np.empty(n, np.int64)
    for i in range(n):
        v = start
        while i > 0:
            v = farthest[0].vertex
            out_of_date = -farthest[0].key > distance[v]
            n_waiting -= 1
            sift_down(farthest, n_waiting)
            if distance[v] == 0.0:
                continue
            if not out_of_date:
                break
            sift_up(farthest, n_waiting, -distance[v], v)
            n_waiting += 1
        chosen[i] = v
        distance[v] = 0.0
        queue[0].key, queue[0].vertex = 0.0, v
        size = 1
        while size > 0:
            here, p = queue[0].key, queue[0].vertex
            size -= 1
            sift_down(queue, size)
            if here > distance[p]:
                continue
            if size + ptr[p + 1] - ptr[p] > len(queue):
                queue = grown(queue, size + ptr[p + 1] - ptr[p])
            for edge in range(ptr[p], ptr[p + 1]):
                q = neighbor[edge]
                longer = here + length[edge]
                if longer < distance[q]:
                    distance[q] = longer
                    sift_up(queue, size, longer, q)
                    size += 1
    return chosen
