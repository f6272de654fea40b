import dataclasses

import numpy as np
import pytest

from gaugenet.meshes import shapes
from gaugenet.meshes.fans import build_fans, corner_angles, face_areas, vertex_areas
from gaugenet.meshes.mesh import TriangleMesh
from gaugenet.meshes.shapes import named_surface
from gaugenet.meshes.topology import euler_characteristic


def test_corner_angles_of_needles_are_accurate():
    # a needle of height 1e-9: the small angle is 2 asin(5e-10), which the law of cosines loses entirely
    angle = corner_angles(np.array([[1.0, 1e-9, 1.0], [3.0, 4.0, 5.0]]))
    assert angle[0, 0] == pytest.approx(2 * np.arcsin(5e-10), rel=1e-12)
    np.testing.assert_allclose(angle[1], [np.arctan(4 / 3), np.pi / 2, np.arctan(3 / 4)], rtol=1e-14)


def test_face_areas():
    np.testing.assert_allclose(face_areas(np.array([[3.0, 4.0, 5.0], [2.0, 1.0, 1.0]])), [6.0, 0.0], atol=1e-14)


SURFACES = {
    **{name: named_surface(name) for name in shapes.SURFACES},
    **{f"{name}, developed": named_surface(name, developed=True, jitter=0.2) for name in ("cylinder", "cone")},
    **{f"{name}, developed": named_surface(name, developed=True) for name in ("mobius_strip", "klein_bottle")},
    "random sphere": shapes.sphere(sampling="random", n=300),
    "icosphere, 10k": shapes.sphere(subdivisions=5),
    "rough torus": shapes.torus(40, 16, jitter=0.24),
    "torus of one vertex": shapes.flat_torus(1, 1),
    "Klein bottle of one vertex": shapes.klein_bottle(1, 1, developed=True),
    "Möbius strip of two faces": shapes.mobius_strip(1, 1, developed=True),
    "projective plane of six vertices": shapes.projective_plane(0),
    "genus 2 of two vertices": shapes.hyperbolic_surface(0),
    "rough surface of genus 2": shapes.hyperbolic_surface(4, jitter=0.24),
}
CHI = {"flat_patch": 1, "cone": 1, "sphere": 2, "icosahedron": 2, "projective_plane": 1, "hyperbolic_surface": -2}


@pytest.mark.parametrize("name", SURFACES)
def test_gauss_bonnet(name):
    """Σ (2π - Θ) inside + Σ (π - Θ) on the boundary = 2π χ."""
    mesh = SURFACES[name].mesh
    assert euler_characteristic(mesh) == CHI.get(mesh.name, 0)
    fans = build_fans(mesh)
    defect = np.where(fans.boundary, np.pi, 2 * np.pi) - fans.total_angle
    assert defect.sum() == pytest.approx(2 * np.pi * euler_characteristic(mesh), abs=1e-10)


def test_fans_are_ordered_and_complete():
    mesh = shapes.klein_bottle(10, 6, developed=True, jitter=0.2).mesh
    fans = build_fans(mesh)
    assert sorted(fans.corners) == list(range(3 * mesh.n_faces))
    for v in range(fans.n_vertices):
        corners = fans.corners[fans.corner_ptr[v] : fans.corner_ptr[v + 1]]
        assert (fans.vertex[corners] == v).all()
        ends = np.cumsum(fans.corner_angle[corners])
        np.testing.assert_allclose(fans.start_angle[corners], ends - fans.corner_angle[corners], atol=1e-14)
        assert ends[-1] == pytest.approx(fans.total_angle[v])


def test_signs_follow_the_orientation_where_there_is_one():
    assert (build_fans(shapes.torus(12, 8).mesh).corner_sign == 1).all()
    assert (build_fans(shapes.mobius_strip(12, 4, developed=True).mesh).corner_sign == -1).any()


def test_handedness_reflects_the_fan():
    mesh = shapes.sphere(subdivisions=1).mesh
    default = build_fans(mesh)
    hand = np.where(np.arange(mesh.n_vertices) % 2 == 0, 1, -1)
    fans = build_fans(mesh, hand)
    np.testing.assert_array_equal(fans.corner_sign, hand[fans.vertex])
    np.testing.assert_array_equal(fans.direction, default.direction * hand[fans.vertex])


def test_flat_boundary_angles_are_left_unscaled():
    fans = build_fans(shapes.flat_patch(4, 4).mesh)
    assert fans.boundary.sum() == 16
    np.testing.assert_allclose(fans.scale, 1.0, rtol=1e-14)


def test_vertex_areas_sum_to_the_surface():
    fans = build_fans(shapes.flat_patch(5, 7, length=3.0, width=2.0, jitter=0.2).mesh)
    assert vertex_areas(fans).sum() == pytest.approx(6.0)


def test_isolated_vertices_have_no_corners():
    mesh = shapes.flat_patch(2, 2).mesh
    fans = build_fans(dataclasses.replace(mesh, n_vertices=mesh.n_vertices + 2))
    assert fans.n_vertices == 11
    assert fans.corner_ptr[-1] == fans.corner_ptr[-3]
    np.testing.assert_array_equal(fans.scale[-2:], 1.0)


def test_bad_input_is_refused():
    mesh = shapes.flat_patch(2, 2).mesh
    with pytest.raises(ValueError, match="handedness must hold"):
        build_fans(mesh, np.zeros(mesh.n_vertices, int))
    with pytest.raises(ValueError, match="positive and finite: face 0"):
        build_fans(dataclasses.replace(mesh, edge_lengths=np.zeros_like(mesh.edge_lengths)))
    bowtie = TriangleMesh(
        faces=np.array([[0, 1, 2], [0, 3, 4]]),
        edge_lengths=np.ones((2, 3)),
        twin=np.full(6, -1),
        twin_flipped=np.zeros(6, bool),
        n_vertices=5,
    )
    with pytest.raises(ValueError, match="vertex 0 form more than one fan"):
        build_fans(bowtie)
