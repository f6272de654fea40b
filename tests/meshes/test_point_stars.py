"""Stars against scipy's Delaunay triangulation of the plane, and what `compatible` keeps of triangles that overlap."""

import numpy as np
from scipy.spatial import Delaunay, cKDTree

from gaugenet.meshes.grids import icosahedron_faces
from gaugenet.meshes.point_stars import compatible, stars


def plane(n, seed):
    """n random points of the unit square in space, tilted; each with all others as neighbours."""
    rng = np.random.default_rng(seed)
    at = rng.random((n, 2))
    turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    points = at @ turn[:2]
    return at, points, np.tile(np.cross(turn[0], turn[1]), (n, 1))


def test_stars_in_the_plane_are_delaunay():
    at, points, normals = plane(60, 0)
    neighbors = cKDTree(points).query(points, k=60)[1][:, 1:].astype(np.int64)
    found = stars(points, normals, np.ascontiguousarray(neighbors), np.full(60, 10.0))
    expected = {frozenset(map(int, t)) for t in Delaunay(at).simplices}
    rows, count = np.unique(np.sort(found, axis=1), axis=0, return_counts=True)
    assert {frozenset(map(int, t)) for t in rows} == expected
    assert (count == 3).all()  # each of its corners finds it
    a, b, c = (points[found[:, k]] for k in range(3))
    assert (np.einsum("ni,ni->n", np.cross(b - a, c - a), normals[0][None]) > 0).all()


def test_an_edge_that_is_far_too_long_joins_nothing():
    points = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 100, 0.0]])
    neighbors = np.array([[1, 2, 3], [0, 2, 3], [0, 1, 3], [2, 0, 1]])
    found = stars(points, np.tile([0, 0, 1.0], (4, 1)), neighbors, np.ones(4))
    assert {tuple(sorted(t)) for t in found.tolist()} == {(0, 1, 2)}


def numbered(triangles):
    ends = np.sort(np.stack([triangles, np.roll(triangles, -1, axis=1)], 2).reshape(-1, 2), axis=1)
    edges, number = np.unique(ends, axis=0, return_inverse=True)
    return number.reshape(-1, 3), len(edges)


def test_a_triangle_that_overlaps_a_better_one_is_left_out():
    square = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0.0]])
    triangles = np.array([[0, 1, 2], [0, 2, 3], [0, 1, 3], [1, 2, 3]])  # both diagonals
    kept = compatible(square, triangles, *numbered(triangles), np.array([3, 3, 3, 3]))
    assert kept.tolist() == [True, True, False, False]


def test_one_with_few_votes_is_taken_only_where_it_closes_two_edges():
    points, faces = icosahedron_faces()
    number = numbered(faces)
    votes = np.full(20, 3)
    votes[(faces == faces[0, 0]).any(1)] = 1
    assert (votes == 1).sum() == 5
    # the hole of five faces is closed once one of them is there
    assert compatible(points, faces, *number, votes).sum() == 15
    votes[0] = 3
    assert compatible(points, faces, *number, votes).all()
    assert compatible(points, faces, *number, np.where(np.arange(20) == 7, 3, 1)).sum() == 1
