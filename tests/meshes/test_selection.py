import numpy as np

from gaugenet.meshes.selection import by_distance, counted, selected
from gaugenet.meshes.unfolding import new_search


def paths_at(distances):
    paths = new_search(len(distances)).paths
    paths["distance"] = distances
    return paths


def test_by_distance_then_by_index():
    distances = np.random.default_rng(0).integers(0, 9, 60).astype(float)
    found = by_distance(paths_at(distances), np.random.default_rng(1).permutation(60))
    np.testing.assert_array_equal(found, np.lexsort((np.arange(60), distances)))


def test_only_sources_count_and_the_target_comes_first():
    sources = np.array([True, False, True, True])
    assert counted(np.array([1, 3, 2]), sources, 0, False).tolist() == [3, 2]
    assert counted(np.array([1, 3, 2]), sources, 0, True).tolist() == [0, 3, 2]


def test_ties_go_to_the_lower_index_and_the_support_ends_beyond_the_last():
    paths = paths_at([1.0, 3.0, 1.0, 1.0 + 1e-12, 0.5])
    kept, support = selected(paths, by_distance(paths, np.arange(5)), 9.0, np.inf, 2)
    assert (kept.tolist(), support) == ([0, 4], 1.25)
    kept, support = selected(paths, by_distance(paths, np.arange(5)), 2.0, np.inf, 9)
    assert (kept.tolist(), support) == ([0, 2, 3, 4], (1.0 + 1e-12) * (1 + 0.5 / 4))
    kept, support = selected(paths, by_distance(paths, np.arange(5)), 2.0, 2.0, -1)
    assert (kept.tolist(), support) == ([0, 2, 3, 4], 2.0)
    kept, support = selected(paths, np.empty(0, np.int64), 2.0, 2.0, -1)
    assert (len(kept), support) == (0, 0.0)
