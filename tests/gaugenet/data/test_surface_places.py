"""The nearest point of a surface: against a search of all triangles, and on the same side."""

import numpy as np
import pytest

from gaugenet.data.surface_places import Places, nearest_points
from gaugenet.meshes.shapes import flat_patch, sphere

MESH = sphere(sampling="random", n=200, seed=0).mesh
NORMALS = Places.of_vertices(MESH.vertices, MESH.faces).normals


def brute_distance(vertices, faces, points, n=60):
    """[Q] distance to the nearest of a grid of points in every triangle."""
    i, j = (k.ravel() for k in np.meshgrid(range(n + 1), range(n + 1)))
    inside = i + j <= n
    grid = np.stack([n - i - j, i, j], 1)[inside] / n
    dense = np.einsum("gk,fkx->fgx", grid, vertices[faces]).reshape(-1, 3)
    return np.array([np.linalg.norm(dense - p, axis=1).min() for p in points])


def test_as_near_as_any_point_of_the_surface():
    rng = np.random.default_rng(0)
    towards = rng.standard_normal((40, 3))
    towards /= np.linalg.norm(towards, axis=1, keepdims=True)
    points = towards * rng.uniform(0.9, 1.1, (40, 1))
    corners, weights = nearest_points(MESH.vertices, MESH.faces, Places(points, towards))
    assert weights.min() >= 0
    assert weights.sum(1) == pytest.approx(1)
    assert {*map(tuple, np.sort(corners, 1).tolist())} <= {*map(tuple, np.sort(MESH.faces, 1).tolist())}
    found = np.linalg.norm((MESH.vertices[corners] * weights[:, :, None]).sum(1) - points, axis=1)
    edge = MESH.edge_lengths.max()
    np.testing.assert_allclose(found, brute_distance(MESH.vertices, MESH.faces, points), atol=edge / 60)


def test_linear_functions_come_back_on_a_plane():
    mesh = flat_patch(6, 6, jitter=0.2).mesh
    points = np.random.default_rng(0).uniform(0.1, 0.9, (50, 3)) * mesh.vertices.max(0)
    up = np.tile([0.0, 0.0, 1.0], (50, 1))
    for normals, height in ((up, 0.0), (0 * up, 0.3)):
        corners, weights = nearest_points(mesh.vertices, mesh.faces, Places(points + np.array([0, 0, height]), normals))
        np.testing.assert_allclose((mesh.vertices[corners] * weights[:, :, None]).sum(1), points, atol=1e-12)


@pytest.mark.parametrize("side", [1, -1])
def test_on_the_same_side_of_a_gap(side):
    v, f = flat_patch(6, 6).mesh.vertices, flat_patch(6, 6).mesh.faces
    both = np.concatenate([v, v + np.array([0, 0, 0.01])])
    faces = np.concatenate([f[:, ::-1], f + len(v)])  # the lower sheet faces down
    query = Places(np.array([[0.5, 0.23, 0.005 - 0.004 * side]]), np.array([[0.0, 0.0, side]]))
    corners, weights = nearest_points(both, faces, query)
    assert (corners >= len(v)).all() == (side == 1)  # though the other is nearer
    np.testing.assert_allclose((both[corners] * weights[:, :, None]).sum(1)[0, :2], query.points[0, :2], atol=1e-12)


def test_a_vertex_is_its_own_nearest_point():
    corners, weights = nearest_points(MESH.vertices, MESH.faces, Places(MESH.vertices, NORMALS))
    assert (corners[np.arange(len(corners)), weights.argmax(1)] == np.arange(len(corners))).all()
    assert weights.max(1) == pytest.approx(1)


def test_the_nearest_place_is_on_the_same_side():
    flat = Places(np.array([[0.0, 0, 0], [0.1, 0, 0]]), np.array([[0.0, 0, -1], [0, 0, 1]]))
    distance, number = flat.nearest(Places(np.zeros((2, 3)), np.array([[0.0, 0, 1], [0, 0, -1]])), 2)
    assert number.tolist() == [[1, 0], [0, 1]]
    assert distance[0, 0] == pytest.approx(0.1)
    either = flat.nearest(Places(np.zeros((1, 3)), np.zeros((1, 3))), 1)[1]
    assert either.tolist() == [[0]]
