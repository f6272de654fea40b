"""Eigenpairs against the closed form on the sphere, and the sparse solver against the dense one."""

import numpy as np
import pytest
import trimesh

from gaugenet.data.articulated import creature_mesh
from gaugenet.data.features.eigenpairs import EIGENPAIRS
from gaugenet.data.features.laplacian import cotan_laplacian
from gaugenet.meshes.repair import mesh_from_arrays


def test_sphere():
    ball = trimesh.creation.icosphere(subdivisions=4, radius=3.0)
    (spectrum,) = cotan_laplacian(mesh_from_arrays(ball.vertices, ball.faces)).spectra
    degrees = np.repeat(np.arange(5), 2 * np.arange(5) + 1)
    # l (l + 1) / R^2 with 4 pi R^2 = 1
    assert np.allclose(spectrum.values[:25], 4 * np.pi * degrees * (degrees + 1), rtol=0.01, atol=1e-6)


@pytest.fixture(scope="module")
def creature():
    vertices, faces, _ = creature_mesh(0, "train", 0)
    return cotan_laplacian(mesh_from_arrays(vertices, faces))


def test_sparse_solver_agrees_with_dense(creature):
    (spectrum,) = creature.spectra
    area = creature.total_area
    root = np.sqrt(area / creature.mass)
    dense = creature.stiffness.toarray() * root[:, None] * root[None, :]
    assert np.allclose(spectrum.values, np.linalg.eigvalsh(dense)[:EIGENPAIRS], rtol=1e-8, atol=1e-8)


def test_vectors_are_orthonormal_eigenvectors(creature):
    (spectrum,) = creature.spectra
    phi, mass = spectrum.vectors, spectrum.mass
    assert np.isclose(mass.sum(), 1)
    assert np.allclose(phi.T @ (mass[:, None] * phi), np.eye(EIGENPAIRS), atol=1e-8)
    residual = creature.stiffness @ phi - mass[:, None] * phi * spectrum.values
    assert np.abs(residual).max() < 1e-6


def test_each_component_has_its_own_and_vertices_without_faces_none():
    small = trimesh.creation.icosphere(subdivisions=1)
    points = np.vstack([small.vertices, 100 * small.vertices + 1000, [[0, 0, 7]]])
    mesh = mesh_from_arrays(points, np.vstack([small.faces, small.faces + 42]))
    first, second = cotan_laplacian(mesh).spectra
    assert np.allclose(first.values, second.values, rtol=1e-9, atol=1e-9)
    assert set(first.vertices) | set(second.vertices) == set(range(84))
