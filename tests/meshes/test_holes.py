"""Holes that are closed and holes that are not, by the surface that results."""

import numpy as np
import pytest

from gaugenet.meshes.grids import icosphere
from gaugenet.meshes.holes import small_holes
from gaugenet.meshes.repair import mesh_from_arrays
from gaugenet.meshes.shapes import named_surface


def without_star(subdivisions, vertex):
    """An icosphere without the faces round a vertex, and how many these were."""
    points, faces = icosphere(subdivisions)
    kept = faces[(faces != vertex).all(1)]
    return mesh_from_arrays(points, kept), len(faces) - len(kept)


@pytest.mark.parametrize("vertex", [0, 30])
def test_a_hole_is_closed_to_a_sphere(vertex):
    mesh, edges = without_star(2, vertex)
    fill = small_holes(mesh, edges)
    assert len(fill) == edges - 2
    closed = mesh_from_arrays(mesh.vertices, np.concatenate([mesh.faces, fill]))
    assert (closed.twin >= 0).all()
    assert not closed.twin_flipped.any()
    used = len(np.unique(closed.faces))
    assert used - len(closed.faces) * 3 // 2 + len(closed.faces) == 2
    # no fold: every face still looks outwards
    a, b, c = (closed.vertices[closed.faces[:, k]] for k in range(3))
    outward = np.einsum("ni,ni->n", np.cross(b - a, c - a), a + b + c)
    assert (outward > 0).all() or (outward < 0).all()


def test_a_hole_with_more_edges_stays():
    mesh, edges = without_star(2, 0)
    assert small_holes(mesh, edges - 1).shape == (0, 3)


def test_the_rim_of_a_flat_patch_is_no_hole():
    """Triangles that close it would lie on those that are there."""
    i, j = np.meshgrid(np.arange(4), np.arange(4), indexing="ij")
    a = (i[:3, :3] * 4 + j[:3, :3]).ravel()
    faces = np.concatenate([np.stack([a, a + 4, a + 5], 1), np.stack([a, a + 5, a + 1], 1)])
    flat = mesh_from_arrays(np.stack([i.ravel(), j.ravel(), 0 * i.ravel()], 1), faces)
    assert small_holes(flat, 100).shape == (0, 3)


def test_ears_that_would_fold_back_over_a_face_are_not_cut():
    """Two faces of a tetrahedron: each of the other two makes an acute angle with them."""
    corners = np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1.0]])
    assert small_holes(mesh_from_arrays(corners, [[0, 1, 2], [0, 3, 1]]), 4).shape == (0, 3)


def test_a_mesh_without_positions_is_refused():
    with pytest.raises(ValueError, match="positions"):
        small_holes(named_surface("flat_torus", n=6, m=6).mesh, 4)
