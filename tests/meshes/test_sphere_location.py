"""Triangles in a direction, against directions that were made from triangles."""

import numpy as np
import pytest

from gaugenet.meshes.grids import icosphere, sphere_points
from gaugenet.meshes.mesh import MeshError
from gaugenet.meshes.sphere_location import locate


def stretched(n, seed):
    """A Delaunay sphere of random points, stretched so that nearest vertices mislead."""
    from scipy.spatial import ConvexHull

    points = sphere_points(n, "random", seed)
    return points * [4.0, 1.0, 0.3], ConvexHull(points).simplices.astype(np.int64)


@pytest.mark.parametrize("surface", [icosphere(2), stretched(300, 0)], ids=["icosphere", "stretched"])
def test_the_face_and_the_weights_a_direction_was_made_from(surface):
    points, faces = surface
    rng = np.random.default_rng(1)
    face, weight = rng.integers(len(faces), size=500), rng.dirichlet(np.ones(3), 500)
    place = np.einsum("mk,mki->mi", weight, points[faces[face]])
    got, found = locate(points, faces, place * rng.uniform(0.1, 9, (500, 1)), "it")
    assert (got == face).all()
    assert np.abs(found - weight).max() < 1e-9


def test_at_vertices_and_on_edges():
    points, faces = icosphere(1)
    middle = (points[faces[:, 0]] + points[faces[:, 1]]) / 2
    for where in (points, middle):
        face, weight = locate(points, faces, where, "it")
        got = np.einsum("mk,mki->mi", weight, points[faces[face]])
        assert np.abs(np.cross(got, where)).max() < 1e-12
        assert (weight >= 0).all()


def test_a_hole_is_named():
    points, faces = icosphere(1)
    with pytest.raises(MeshError, match="half: no face lies in the direction"):
        locate(points, faces[points[faces].mean(1)[:, 2] > 0], np.array([[0.0, 0.0, -1.0]]), "half")


def test_a_large_hole_under_many_directions_is_named_at_once():
    """Half of 80 thousand faces under 5 thousand directions that meet none; face by face it took minutes."""
    points, faces = icosphere(6)
    with pytest.raises(MeshError, match="half: no face lies in the direction"):
        locate(points, faces[points[faces].mean(1)[:, 2] > 0], sphere_points(10_000, "random", 0), "half")
