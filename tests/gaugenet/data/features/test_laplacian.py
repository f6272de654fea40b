"""The cotangent Laplacian against closed forms and libigl, and on surfaces without positions."""

import igl
import numpy as np
import pytest

from gaugenet.data.features.laplacian import cotan_laplacian
from gaugenet.meshes.repair import mesh_from_arrays, mesh_from_edge_lengths


@pytest.fixture
def bumpy():
    n = 9
    x, y = np.meshgrid(np.linspace(0, 1, n), np.linspace(0, 2, n), indexing="ij")
    z = 0.3 * np.random.default_rng(0).random((n, n))
    i = np.arange(n * n).reshape(n, n)
    quads = np.stack([i[:-1, :-1], i[1:, :-1], i[1:, 1:], i[:-1, 1:]], -1).reshape(-1, 4)
    return np.stack([x, y, z], -1).reshape(-1, 3), np.concatenate([quads[:, :3], quads[:, [0, 2, 3]]])


def test_equals_libigl(bumpy):
    laplacian = cotan_laplacian(mesh_from_arrays(*bumpy))
    assert np.allclose(laplacian.stiffness.toarray(), -igl.cotmatrix(*bumpy).toarray(), atol=1e-12)
    assert np.isclose(laplacian.total_area, 0.5 * igl.doublearea(*bumpy).sum())
    assert np.allclose(laplacian.mass, igl.massmatrix(*bumpy, igl.MASSMATRIX_TYPE_VORONOI).diagonal())


def test_intrinsic_surface_with_the_same_lengths_has_the_same_laplacian(bumpy):
    embedded = mesh_from_arrays(*bumpy)
    intrinsic = mesh_from_edge_lengths(embedded.faces, embedded.edge_lengths)
    assert intrinsic.vertices is None
    a, b = cotan_laplacian(embedded), cotan_laplacian(intrinsic)
    assert np.array_equal(a.stiffness.toarray(), b.stiffness.toarray())
    assert np.array_equal(a.mass, b.mass)


def test_linear_functions_are_harmonic_on_a_flat_patch(bumpy):
    vertices = bumpy[0] * [1, 1, 0]
    laplacian = cotan_laplacian(mesh_from_arrays(vertices, bumpy[1]))
    inside = (vertices[:, 0] > 0) & (vertices[:, 0] < 1) & (vertices[:, 1] > 0) & (vertices[:, 1] < 2)
    assert np.abs((laplacian.stiffness @ vertices)[inside]).max() < 1e-12


def test_no_triangle_spoils_it():
    vertices = np.array([[0, 0, 0], [1, 0, 0], [0.5, 0, 0], [0.5, 1, 0], [0, 0, 5], [9, 9, 9]], float)
    faces = np.array([[0, 1, 3], [0, 2, 1], [0, 1, 4]])  # the second is flat, vertex 5 is on its own
    laplacian = cotan_laplacian(mesh_from_arrays(vertices, faces))
    dense = laplacian.stiffness.toarray()
    assert np.isfinite(dense).all()
    assert np.linalg.eigvalsh(dense).min() > -1e-9 * np.abs(dense).max()
    assert np.abs(dense.sum(1)).max() < 1e-9 * np.abs(dense).max()
    assert laplacian.mass[5] == 0


def test_components_are_those_of_the_faces():
    tetrahedron = np.array([[0, 2, 1], [0, 1, 3], [1, 2, 3], [2, 0, 3]])
    points = np.random.default_rng(0).random((9, 3))
    component = cotan_laplacian(mesh_from_arrays(points, np.vstack([tetrahedron, tetrahedron + 4]))).component
    assert len(set(component[:4])) == len(set(component[4:8])) == 1
    assert len(set(component)) == 3
