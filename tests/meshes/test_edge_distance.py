import numpy as np
import pytest
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import dijkstra

from gaugenet.meshes import shapes
from gaugenet.meshes.edge_distance import HEAP_ENTRY, edge_distances, grown
from gaugenet.meshes.fans import build_fans, packed
from gaugenet.meshes.spokes import all_spokes
from gaugenet.meshes.unfolding import new_search


def vertices_and_spokes(fans):
    half_edges, vertices = packed(fans)
    return vertices, all_spokes(half_edges, vertices, fans.corners)


@pytest.mark.parametrize(
    "shape", [shapes.torus(14, 8, jitter=0.2), shapes.mobius_strip(16, 4, jitter=0.2)], ids=["torus", "Möbius"]
)
def test_distances_are_dijkstras(shape):
    mesh = shape.mesh
    fans = build_fans(mesh)
    tails, heads = mesh.faces.ravel(), np.roll(mesh.faces, -1, axis=1).ravel()
    graph = coo_matrix((fans.length, (tails, heads)), shape=(mesh.n_vertices,) * 2).tocsr().maximum(0)
    counts = coo_matrix((np.ones(len(tails)), (tails, heads)), shape=graph.shape).tocsr()
    graph.data /= counts.data
    exact = dijkstra(graph, directed=False)
    n = mesh.n_vertices
    for target in (0, 5, n - 1):
        for radius, most in ((np.inf, n), (2.0, n), (np.inf, 12)):
            paths = new_search(n).paths
            # scratch that is too short, so that it must grow
            seen, heap = np.empty(1, np.int64), np.empty(1, HEAP_ENTRY)
            settled, last, n_seen, seen, heap = edge_distances(
                *vertices_and_spokes(fans), np.ones(n, bool), target, radius, most, paths, seen, heap
            )
            inside = np.sort(np.delete(exact[target], target))
            assert settled == min((inside <= radius).sum(), most)
            assert last == pytest.approx(inside[settled - 1], rel=1e-14)
            known = exact[target] <= last * (1 - 1e-12)
            np.testing.assert_allclose(paths["bound"][known], exact[target][known], rtol=1e-13)
            assert set(np.flatnonzero(np.isfinite(paths["bound"]))) == set(seen[:n_seen])


def test_only_sources_are_counted():
    mesh = shapes.torus(14, 8, jitter=0.2).mesh
    fans, n = build_fans(mesh), mesh.n_vertices
    everyone = new_search(n).paths
    seen, heap = np.empty(1, np.int64), np.empty(1, HEAP_ENTRY)
    edge_distances(*vertices_and_spokes(fans), np.ones(n, bool), 5, np.inf, n, everyone, seen, heap)
    some = np.random.default_rng(0).random(n) < 0.2
    some[5] = True
    nearest = np.sort(everyone["bound"][some])
    settled, last, *_ = edge_distances(*vertices_and_spokes(fans), some, 5, np.inf, 7, new_search(n).paths, seen, heap)
    assert (settled, last) == (7, nearest[7])


def test_grown_arrays_keep_what_they_hold():
    longer = grown(np.arange(3), 7)
    assert len(longer) > 7
    np.testing.assert_array_equal(longer[:3], [0, 1, 2])
