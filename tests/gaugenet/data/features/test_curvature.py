"""Curvature against the sphere and the torus, its signs, and its robustness."""

import math

import numpy as np
import pytest
import trimesh

from gaugenet.data.features.curvature import SCALES, gaussian_curvature, mean_curvature, principal_curvatures
from gaugenet.data.features.laplacian import cotan_laplacian
from gaugenet.meshes import shapes
from gaugenet.meshes.repair import mesh_from_arrays, mesh_from_edge_lengths


@pytest.mark.parametrize("radius", [1e-6, 1.0, 50.0])
def test_sphere_has_the_curvature_of_a_sphere_at_any_size_and_place(radius):
    ball = trimesh.creation.icosphere(subdivisions=3, radius=radius)
    mesh = mesh_from_arrays(ball.vertices + 1000 * radius, ball.faces)
    laplacian = cotan_laplacian(mesh)
    assert np.allclose(mean_curvature(mesh, laplacian, signed=True), math.asinh(1), atol=0.02)
    assert np.allclose(gaussian_curvature(mesh, laplacian), math.asinh(1) / 2, atol=0.03)


def test_mean_curvature_changes_its_sign_with_the_winding_and_its_absolute_value_does_not():
    ball = trimesh.creation.icosphere(subdivisions=3)
    outward, inward = (mesh_from_arrays(ball.vertices, f) for f in (ball.faces, ball.faces[:, ::-1]))
    a, b = (mean_curvature(m, cotan_laplacian(m), signed=True) for m in (outward, inward))
    assert np.allclose(a, -b)
    assert a.min() > 0
    a, b = (mean_curvature(m, cotan_laplacian(m), signed=False) for m in (outward, inward))
    assert np.allclose(a, b)


def test_torus_with_averaging():
    ring, tube = 2.0, 1.0
    torus = trimesh.creation.torus(ring, tube, major_sections=96, minor_sections=48)
    mesh = mesh_from_arrays(torus.vertices, torus.faces)
    laplacian = cotan_laplacian(mesh)
    x, y, _ = mesh.vertices.T
    cosine = (np.hypot(x, y) - ring) / tube
    H = (ring + 2 * tube * cosine) / (2 * tube * (ring + tube * cosine))
    K = cosine / (tube * (ring + tube * cosine))
    area = 4 * math.pi**2 * ring * tube
    assert np.allclose(
        mean_curvature(mesh, laplacian, signed=True)[:, 0], np.arcsinh(H * math.sqrt(area / 4 / math.pi)), atol=0.03
    )
    assert np.allclose(gaussian_curvature(mesh, laplacian)[:, 0], 0.5 * np.arcsinh(K * area / 4 / math.pi), atol=0.03)
    wide = gaussian_curvature(mesh, laplacian)[:, 2]
    assert np.ptp(wide) < np.ptp(gaussian_curvature(mesh, laplacian)[:, 0])
    assert np.corrcoef(wide, K)[0, 1] > 0.95


def moebius(n=60, m=7):
    u, v = np.meshgrid(np.linspace(0, 2 * np.pi, n, endpoint=False), np.linspace(-0.3, 0.3, m), indexing="ij")
    radius = 1 + v * np.cos(u / 2)
    points = np.stack([radius * np.cos(u), radius * np.sin(u), v * np.sin(u / 2)], -1).reshape(-1, 3)
    index = np.arange(n * m).reshape(n, m)
    index = np.vstack([index, index[:1, ::-1]])
    quads = np.stack([index[:-1, :-1], index[1:, :-1], index[1:, 1:], index[:-1, 1:]], -1).reshape(-1, 4)
    return mesh_from_arrays(points, np.concatenate([quads[:, :3], quads[:, [0, 2, 3]]]))


def test_a_one_sided_surface_gets_absolute_values():
    mesh = moebius()
    assert mesh.twin_flipped.any()
    laplacian = cotan_laplacian(mesh)
    signed, unsigned = (mean_curvature(mesh, laplacian, signed=s) for s in (True, False))
    assert np.array_equal(signed, unsigned)
    assert (signed >= 0).all()


def test_boundaries_and_bad_triangles_are_finite_and_bounded():
    vertices = np.array([[0, 0, 0], [1, 0, 0], [0.5, 0, 0], [0.5, 1, 0], [0.5, 1e-7, 1e-7], [9, 9, 9]], float)
    mesh = mesh_from_arrays(vertices, np.array([[0, 1, 3], [0, 2, 1], [0, 1, 4]]))
    laplacian = cotan_laplacian(mesh)
    for values in (mean_curvature(mesh, laplacian, signed=True), gaussian_curvature(mesh, laplacian)):
        assert np.isfinite(values).all()
        assert np.abs(values).max() < 10
        assert (values[5] == 0).all()


def test_without_positions_there_is_gaussian_curvature_only():
    ball = trimesh.creation.icosphere(subdivisions=2)
    embedded = mesh_from_arrays(ball.vertices, ball.faces)
    mesh = mesh_from_edge_lengths(embedded.faces, embedded.edge_lengths, name="abstract")
    laplacian = cotan_laplacian(mesh)
    assert np.array_equal(gaussian_curvature(mesh, laplacian), gaussian_curvature(embedded, cotan_laplacian(embedded)))
    with pytest.raises(ValueError, match=r"abstract: mean curvature needs positions.*use hks16 or gauss"):
        mean_curvature(mesh, laplacian, signed=True)


def test_principal_curvatures_of_a_sphere_and_a_cylinder():
    ball = shapes.sphere(subdivisions=3).mesh
    found = principal_curvatures(ball, cotan_laplacian(ball))
    # k = 1 of the unit sphere, of area 4 pi; where both are equal their difference is a root of the errors
    assert np.abs(found.mean(0) - math.asinh(1)).max() < 0.1
    tube = shapes.cylinder(n=48, m=24, radius=0.5, height=1.5).mesh
    found = principal_curvatures(tube, cotan_laplacian(tube)).reshape(-1, 2, len(SCALES))
    middle = np.abs(tube.vertices[:, 2] - tube.vertices[:, 2].mean()) < 0.1
    unit = math.sqrt(cotan_laplacian(tube).total_area / (4 * math.pi))
    assert np.abs(found[middle, 0] - math.asinh(2 * unit)).max() < 0.03
    assert np.abs(found[middle, 1]).max() < 0.03
