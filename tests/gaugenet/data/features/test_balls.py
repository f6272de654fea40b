"""Geodesic balls on surfaces where their size and moments have closed forms; histograms of normals."""

import math

import numpy as np
import pytest

from gaugenet.data.features.balls import RADII, RINGS, geodesic_names, geodesic_statistics, normal_histograms
from gaugenet.data.features.laplacian import cotan_laplacian
from gaugenet.meshes import shapes
from gaugenet.meshes.repair import mesh_from_edge_lengths


def statistics(mesh):
    return dict(zip(geodesic_names(), geodesic_statistics(mesh, cotan_laplacian(mesh)).T))


def test_balls_in_the_plane_are_the_zero_of_every_column():
    mesh = shapes.flat_patch(n=60, m=60, jitter=0.2).mesh
    found = statistics(mesh)
    centre = np.linalg.norm(mesh.vertices - mesh.vertices.mean(0), axis=1) < 0.3
    for scale, within in zip(RADII, (0.9, 0.15)):  # the smaller ball holds 18 vertices only
        for what in ("ball", "reach", "spread", "offset"):
            assert np.sqrt((found[f"{what}_{scale:g}"][centre] ** 2).mean()) < within, what
    corner = np.argmin(mesh.vertices[:, 0] + mesh.vertices[:, 1])
    # a quarter of a ball, the mean of which is off its corner
    assert found[f"ball_{RADII[1]:g}"][corner] < -2.0
    assert found[f"offset_{RADII[1]:g}"][corner] > 1.0


@pytest.mark.parametrize(("name", "sign"), [("sphere", 1), ("hyperbolic_surface", -1)])
def test_size_of_balls_where_the_curvature_is_constant(name, sign):
    mesh = shapes.named_surface(name, subdivisions=5 if sign < 0 else 4).mesh
    total = cotan_laplacian(mesh).total_area
    curvature = 4 * math.pi / total  # Gauss-Bonnet, Euler characteristic 2 and -2
    radius = RADII[1] * math.sqrt(total)
    r = np.linspace(0, radius, 20001)
    circumference = 2 * math.pi * (np.sin if sign > 0 else np.sinh)(math.sqrt(curvature) * r) / math.sqrt(curvature)
    exact = ((1 - (r / radius) ** 2) ** 2 * circumference).sum() * (r[1] - r[0]) / (math.pi * radius**2 / 3)
    assert sign * (1 - exact) > 3e-3
    size = 1 + 0.3 * statistics(mesh)[f"ball_{RADII[1]:g}"]
    assert abs(size.mean() - exact) < 2e-3


def test_normals_of_a_plane_are_in_the_first_bin_and_of_a_sphere_where_the_angle_says():
    flat = shapes.flat_patch(n=40, m=40).mesh
    found = normal_histograms(flat, cotan_laplacian(flat), 6).reshape(-1, RINGS, 6)
    assert np.allclose(found[:, :, 1:], 0)
    assert np.allclose(found[:, :, 0], 1.5)
    ball = shapes.sphere(subdivisions=4).mesh
    laplacian = cotan_laplacian(ball)
    found = normal_histograms(ball, laplacian, 13).reshape(-1, RINGS, 13)
    # on the unit sphere normals at distance r enclose the angle r, and linear sharing keeps the mean of the angle
    angle = (found * np.linspace(0, math.pi, 13)).sum(2) / found.sum(2)
    radius = RADII[-1] * math.sqrt(laplacian.total_area)
    for ring, (low, high) in enumerate(((0, radius / 2), (radius / 2, radius))):
        r = np.linspace(low, high, 2001)
        assert abs(angle[:, ring].mean() - (r * np.sin(r)).sum() / np.sin(r).sum()) < 0.05 * radius


def test_one_sided_surfaces_have_histograms_too():
    mesh = shapes.named_surface("mobius_strip").mesh
    found = normal_histograms(mesh, cotan_laplacian(mesh), 8)
    # winding differs across the cut; normals of neighbours enclose small angles all the same
    assert found.reshape(-1, RINGS, 8)[:, 0, 4:].sum() < 0.02 * found.reshape(-1, RINGS, 8)[:, 0].sum()


def test_edge_lengths_will_do_for_distances_only():
    mesh = shapes.sphere(subdivisions=2).mesh
    abstract = mesh_from_edge_lengths(mesh.faces, mesh.edge_lengths, name="abstract")
    assert np.allclose(
        geodesic_statistics(abstract, cotan_laplacian(abstract)), geodesic_statistics(mesh, cotan_laplacian(mesh))
    )
    with pytest.raises(ValueError, match="abstract: shot needs positions"):
        normal_histograms(abstract, cotan_laplacian(abstract), 4)
