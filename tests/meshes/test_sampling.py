"""Nested samples of the vertices: coverage, spread, densities, and what holds on any surface."""

from typing import get_args

import numpy as np
import pytest
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import dijkstra

from gaugenet.meshes import shapes
from gaugenet.meshes.repair import mesh_from_arrays
from gaugenet.meshes.sampling import Sampling, sample_vertices

METHODS = get_args(Sampling)


def edge_distances(mesh):
    """All pairs, by scipy."""
    tail, head = mesh.faces.ravel(), np.roll(mesh.faces, -1, axis=1).ravel()
    graph = coo_matrix((mesh.edge_lengths.ravel(), (tail, head)), shape=(mesh.n_vertices,) * 2).tocsr()
    # a boundary edge is one half-edge, an inner one two of equal length
    return dijkstra(graph.maximum(graph.T), directed=False)


def three_pieces():
    """Two patches and an isolated vertex."""
    patch = shapes.flat_patch(6, 5, jitter=0.2).mesh
    vertices = np.concatenate([patch.vertices, patch.vertices + np.array([0, 0, 5]), [[9.0, 9, 9]]])
    return mesh_from_arrays(vertices, np.concatenate([patch.faces, patch.faces + patch.n_vertices]))


@pytest.mark.parametrize("seed", [0, 1])
def test_farthest_points_are_the_farthest(seed):
    """Each vertex against the distances of scipy to all before."""
    mesh = shapes.torus(20, 9, jitter=0.2).mesh
    all_pairs = edge_distances(mesh)
    chosen = sample_vertices(mesh, mesh.n_vertices, seed=seed)
    assert sorted(chosen) == list(range(mesh.n_vertices))
    nearest = all_pairs[chosen[0]]
    for v in chosen[1:]:
        np.testing.assert_allclose(nearest[v], nearest.max(), rtol=1e-12)
        nearest = np.minimum(nearest, all_pairs[v])


@pytest.mark.parametrize("method", METHODS)
def test_samples_are_nested_distinct_and_repeatable(method):
    mesh = shapes.sphere(sampling="random", n=400).mesh
    large = sample_vertices(mesh, 150, method=method, seed=3)
    assert len(np.unique(large)) == len(large) == 150
    assert np.array_equal(sample_vertices(mesh, 40, method=method, seed=3), large[:40])
    assert not np.array_equal(sample_vertices(mesh, 40, method=method, seed=4), large[:40])


@pytest.mark.parametrize("method", METHODS)
def test_every_component_keeps_a_vertex(method):
    mesh = three_pieces()
    for n in (0, 1, 3, 7):
        chosen = sample_vertices(mesh, n, method=method)
        assert len(chosen) == max(n, 3)
        assert set(chosen[:3] // 42) == {0, 1, 2}, "42 vertices in each patch, then the isolated one"
    assert len(sample_vertices(mesh, 10**6, method=method)) == mesh.n_vertices


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", ["mobius_strip", "klein_bottle", "projective_plane"])
def test_surfaces_without_two_sides(method, name):
    mesh = shapes.named_surface(name).mesh
    chosen = sample_vertices(mesh, mesh.n_vertices // 4, method=method)
    assert len(np.unique(chosen)) == mesh.n_vertices // 4


def graded_patch():
    """A patch whose cells grow towards the right."""
    patch = shapes.flat_patch(40, 20).mesh
    vertices = patch.vertices.copy()
    vertices[:, 0] = vertices[:, 0] ** 3
    vertices[:, 1] *= 3 * np.sqrt(np.abs(vertices[:, 0])) + 0.05
    return mesh_from_arrays(vertices, patch.faces, merge_vertices=False)


def test_farthest_points_are_even_in_space_and_adaptive_ones_on_the_mesh():
    mesh = graded_patch()
    fine = mesh.vertices[:, 0] < 0.125  # half of the vertices, a small part of the area
    n = mesh.n_vertices // 8
    shares = {m: fine[sample_vertices(mesh, n, method=m)].mean() for m in METHODS}
    third = np.repeat(np.array([_area(mesh.vertices[f]) for f in mesh.faces]) / 3, 3)
    area = np.bincount(mesh.faces.ravel(), weights=third)
    by_area, by_count = area[fine].sum() / area.sum(), fine.mean()
    assert by_area < 0.1 < 0.45 < by_count
    assert abs(shares["adaptive"] - by_count) < 0.15
    assert shares["farthest-point"] < 0.25
    assert abs(shares["random"] - by_area) < 0.1


def _area(corners):
    return 0.5 * np.linalg.norm(np.cross(corners[1] - corners[0], corners[2] - corners[0]))


def test_an_unknown_method_is_refused():
    with pytest.raises(ValueError, match="farthest-point, adaptive, random"):
        sample_vertices(shapes.flat_patch(3, 3).mesh, 3, method="best")
