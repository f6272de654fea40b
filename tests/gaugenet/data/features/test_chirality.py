"""Chirality: opposite in a mirror, absent where a surface is its own mirror image, refused where there is no side."""

import numpy as np
import pytest

from gaugenet.data.articulated import creature_mesh
from gaugenet.data.features.chirality import FIELDS, _face_gradients, chirality, chirality_names
from gaugenet.data.features.laplacian import cotan_laplacian
from gaugenet.meshes.repair import mesh_from_arrays
from gaugenet.meshes.shapes import named_surface


def values(mesh):
    return chirality(mesh, cotan_laplacian(mesh))


def test_a_mirror_image_has_the_opposite_values():
    vertices, faces, _ = creature_mesh(0, "train", 2, n_vertices=900)
    here = values(mesh_from_arrays(vertices, faces))
    mirrored = values(mesh_from_arrays(vertices * [1, 1, -1], faces[:, ::-1]))
    assert np.abs(here).max() > 0.5
    np.testing.assert_allclose(mirrored, -here, atol=1e-5 * np.abs(here).max())


def test_a_symmetric_body_has_opposite_values_on_its_two_sides():
    """An ellipsoid is symmetric in three planes; the vertices of the icosphere are, too."""
    sphere = named_surface("sphere", subdivisions=4).mesh
    vertices = sphere.vertices * [1.0, 1.4, 2.0] * (1 + 0.2 * sphere.vertices[:, :1])
    from scipy.spatial import cKDTree

    distance, partner = cKDTree(vertices).query(vertices * [1, -1, 1])
    assert distance.max() < 1e-9
    v = values(mesh_from_arrays(vertices, sphere.faces))
    assert np.abs(v).max() > 0.1
    np.testing.assert_allclose(v[partner], -v, atol=1e-3)


def test_gradients_are_exact_for_linear_fields():
    mesh = named_surface("flat_patch").mesh
    x, y = mesh.vertices[:, 0], mesh.vertices[:, 1]
    area, g = _face_gradients(mesh, np.stack([2 * x - y, x + 3 * y], 1))
    np.testing.assert_allclose(np.linalg.norm(g, axis=2), np.sqrt([[5.0, 10.0]]).repeat(len(g), 0), rtol=1e-9)
    cross = g[:, 0, 0] * g[:, 1, 1] - g[:, 0, 1] * g[:, 1, 0]
    np.testing.assert_allclose(cross, 7.0, rtol=1e-9)
    np.testing.assert_allclose(area.sum(), 0.5 * np.abs(np.ptp(x) * np.ptp(y)) * 2, rtol=1e-9)


def test_one_sided_surfaces_are_refused():
    with pytest.raises(ValueError, match="one-sided"):
        values(named_surface("mobius_strip").mesh)


def test_names():
    n = len(FIELDS)
    assert len(set(chirality_names())) == len(chirality_names()) == n * (n - 1)
