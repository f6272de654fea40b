"""Heat- and wave-kernel signatures as invariants."""

import numpy as np
import pytest
import trimesh

from gaugenet.data.articulated import creature_mesh
from gaugenet.data.features.laplacian import cotan_laplacian
from gaugenet.data.features.spectrum import heat_kernel_signatures, wave_kernel_signatures
from gaugenet.meshes.repair import mesh_from_arrays

BOTH = pytest.mark.parametrize("signature", [heat_kernel_signatures, wave_kernel_signatures])


@BOTH
def test_shape_scale_and_standard(signature):
    vertices, faces, _ = creature_mesh(0, "train", 1)
    laplacian = cotan_laplacian(mesh_from_arrays(vertices, faces))
    values = signature(laplacian, 16)
    assert values.shape == (len(vertices), 16)
    assert np.abs(values).max() <= 6
    weight = laplacian.mass / laplacian.total_area
    assert np.abs(weight @ values).max() < 0.05
    assert np.allclose(weight @ values**2, 1, atol=0.1)
    larger = signature(cotan_laplacian(mesh_from_arrays(vertices * 1000, faces)), 16)
    assert np.allclose(values, larger, atol=1e-5)


@BOTH
def test_limbs_tell_from_the_body(signature):
    vertices, faces, labels = creature_mesh(0, "train", 1)
    values = signature(cotan_laplacian(mesh_from_arrays(vertices, faces)), 16)
    gap = np.abs(values[labels == 0].mean(0) - values[labels == 9].mean(0))
    assert gap.max() > 1


def test_all_points_of_a_sphere_look_alike():
    ball = trimesh.creation.icosphere(subdivisions=4)
    values = heat_kernel_signatures(cotan_laplacian(mesh_from_arrays(ball.vertices, ball.faces)), 16)
    assert np.abs(values[:, -4:]).max() < 0.5


@BOTH
def test_isolated_vertices_and_tiny_components_are_finite(signature):
    points = np.random.default_rng(0).random((9, 3))
    faces = np.array([[0, 1, 2], [3, 4, 5], [4, 3, 6]])
    values = signature(cotan_laplacian(mesh_from_arrays(points, faces)), 8)
    assert np.isfinite(values).all()
    assert (values[7:] == 0).all()
