"""Gluing, fans, orientation, components and boundary, on surfaces whose topology is known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gaugenet.meshes.repair import mesh_from_arrays, mesh_from_edge_lengths
from gaugenet.meshes.shapes import named_surface
from gaugenet.meshes.topology import (
    boundary_loops,
    boundary_vertices,
    euler_characteristic,
    faces_to_reverse,
    glue,
    is_orientable,
    isolated_vertices,
    n_components,
    n_edges,
    next_in_face,
    reverse_faces,
    split_fans,
)

# name, options, Euler characteristic, boundary loops, orientable
SURFACES = [
    ("flat_patch", {}, 1, 1, True),
    ("cylinder", {}, 0, 2, True),
    ("cylinder", {"developed": True, "jitter": 0.2}, 0, 2, True),
    ("cone", {"jitter": 0.2}, 1, 1, True),
    ("cone", {"developed": True}, 1, 1, True),
    ("sphere", {}, 2, 0, True),
    ("sphere", {"sampling": "random"}, 2, 0, True),
    ("sphere", {"sampling": "fibonacci"}, 2, 0, True),
    ("icosahedron", {}, 2, 0, True),
    ("torus", {"jitter": 0.2}, 0, 0, True),
    ("flat_torus", {"jitter": 0.2}, 0, 0, True),
    ("flat_torus", {"n": 4, "m": 4}, 0, 0, True),
    ("mobius_strip", {}, 0, 1, False),
    ("mobius_strip", {"developed": True, "jitter": 0.2}, 0, 1, False),
    ("mobius_strip", {"developed": True, "n": 4, "m": 1}, 0, 1, False),
    ("klein_bottle", {}, 0, 0, False),
    ("klein_bottle", {"developed": True, "jitter": 0.2, "m": 5}, 0, 0, False),
    ("klein_bottle", {"n": 4, "m": 4, "developed": True}, 0, 0, False),
    ("projective_plane", {}, 1, 0, False),
    ("projective_plane", {"subdivisions": 0}, 1, 0, False),
]


def total_angles(mesh):
    a, b, c = mesh.edge_lengths.T
    corner = [np.arccos((x * x + y * y - z * z) / (2 * x * y)) for x, y, z in ((a, c, b), (a, b, c), (b, c, a))]
    return np.bincount(mesh.faces.ravel(), weights=np.stack(corner, 1).ravel(), minlength=mesh.n_vertices)


@pytest.mark.parametrize(("name", "options", "chi", "loops", "orientable"), SURFACES)
def test_topology_of_named_surfaces(name, options, chi, loops, orientable):
    mesh = named_surface(name, **options).mesh
    assert euler_characteristic(mesh) == chi
    assert len(boundary_loops(mesh)) == loops
    assert is_orientable(mesh) == orientable
    assert n_components(mesh) == 1
    assert mesh.twin_flipped.any() == (not orientable)
    assert not isolated_vertices(mesh).any()


@pytest.mark.parametrize(("name", "options", "chi", "loops", "orientable"), SURFACES)
def test_gauss_bonnet(name, options, chi, loops, orientable):
    mesh = named_surface(name, **options).mesh
    whole = np.where(boundary_vertices(mesh), np.pi, 2 * np.pi)
    assert np.sum(whole - total_angles(mesh)) == pytest.approx(2 * np.pi * chi, abs=1e-9)


@pytest.mark.parametrize(("name", "options", "chi", "loops", "orientable"), SURFACES)
def test_twins_are_one_edge(name, options, chi, loops, orientable):
    mesh = named_surface(name, **options).mesh
    h = np.flatnonzero(mesh.twin >= 0)
    t = mesh.twin[h]
    np.testing.assert_array_equal(mesh.twin[t], h)
    corner, length = mesh.faces.ravel(), mesh.edge_lengths.ravel()
    same = mesh.twin_flipped[h]
    np.testing.assert_array_equal(corner[h], np.where(same, corner[t], corner[next_in_face(t)]))
    np.testing.assert_array_equal(corner[next_in_face(h)], np.where(same, corner[next_in_face(t)], corner[t]))
    np.testing.assert_allclose(length[h], length[t], rtol=1e-12)


def test_glue_leaves_crowded_edges_open():
    faces = np.array([[0, 1, 2], [1, 0, 3], [0, 1, 4]])
    twin, flipped, crowded = glue(faces)
    assert (twin == -1).all()
    assert not flipped.any()
    np.testing.assert_array_equal(crowded, [[0, 1]])


def test_glue_sees_different_windings():
    twin, flipped, _ = glue(np.array([[0, 1, 2], [0, 1, 3]]))
    assert twin[0] == 3
    assert flipped[0]
    assert flipped[3]
    twin, flipped, _ = glue(np.array([[0, 1, 2], [1, 0, 3]]))
    assert twin[0] == 3
    assert not flipped.any()


def test_fans_are_split_and_lead_back():
    """Two tetrahedra that share a vertex only."""
    one = np.array([[0, 1, 2], [0, 2, 3], [0, 3, 1], [1, 3, 2]])
    faces = np.concatenate([one, np.where(one == 0, 0, one + 3)])
    twin, flipped, _ = glue(faces)
    split, original = split_fans(faces, twin, flipped, 8)
    np.testing.assert_array_equal(original, [0, 1, 2, 3, 4, 5, 6, 7, 0])
    np.testing.assert_array_equal(original[split], faces)
    assert set(split[:4].ravel()).isdisjoint(split[4:].ravel())


@given(st.integers(0, 2**32 - 1))
def test_orientation_is_restored_after_random_reversal(seed):
    mesh = named_surface("torus", n=5, m=4).mesh
    which = np.random.default_rng(seed).random(mesh.n_faces) < 0.4
    mixed = reverse_faces(which, mesh.faces, mesh.twin, mesh.twin_flipped, mesh.edge_lengths)
    assert mixed[2].any() == (which.any() and not which.all())
    back, one_sided = faces_to_reverse(mixed[1], mixed[2])
    assert not one_sided.any()
    faces, twin, flipped, lengths = reverse_faces(back, *mixed)
    assert not flipped.any()
    if which.sum() < mesh.n_faces / 2:
        np.testing.assert_array_equal(faces, mesh.faces)
        np.testing.assert_array_equal(twin, mesh.twin)
        np.testing.assert_array_equal(lengths, mesh.edge_lengths)


def test_each_component_is_oriented_on_its_own():
    """A sphere next to a Möbius strip: the one is oriented, the other keeps flipped twins."""
    ball, strip = named_surface("sphere", subdivisions=1).mesh, named_surface("mobius_strip", n=8, m=2).mesh
    vertices = np.concatenate([ball.vertices, strip.vertices + 5])
    faces = np.concatenate([ball.faces, strip.faces + ball.n_vertices])
    faces[3] = faces[3, ::-1]
    mesh = mesh_from_arrays(vertices, faces)
    assert n_components(mesh) == 2
    assert not is_orientable(mesh)
    assert not mesh.twin_flipped[: 3 * ball.n_faces].any()
    assert mesh.twin_flipped[3 * ball.n_faces :].any()


@pytest.mark.parametrize(
    ("corners", "flipped_sides", "chi", "orientable"),
    [
        ([[0, 0, 0], [0, 0, 0]], [], 0, True),  # torus
        ([[0, 0, 0], [0, 0, 0]], [1, 5], 0, False),  # Klein bottle
        ([[0, 1, 0], [0, 0, 1]], [0, 1, 4, 5], 1, False),  # projective plane: two vertices, at opposite corners
    ],
)
def test_square_with_opposite_sides_glued(corners, flipped_sides, chi, orientable):
    """Two triangles; half-edges 0 and 4, 1 and 5 are the sides, 2 and 3 the diagonal."""
    diagonal = 2**0.5
    flipped = np.isin(np.arange(6), flipped_sides)
    mesh = mesh_from_edge_lengths(
        corners, [[1, 1, diagonal], [diagonal, 1, 1]], twin=[4, 5, 3, 2, 0, 1], twin_flipped=flipped
    )
    assert euler_characteristic(mesh) == chi
    assert is_orientable(mesh) == orientable
    assert n_edges(mesh) == 3


def test_boundary_loops_walk_along_edges():
    mesh = named_surface("cylinder", n=7, m=2).mesh
    loops = boundary_loops(mesh)
    assert sorted(len(loop) for loop in loops) == [7, 7]
    tail, head = mesh.faces.ravel(), np.roll(mesh.faces, -1, 1).ravel()
    ends = {frozenset(e) for e in zip(tail[mesh.twin < 0], head[mesh.twin < 0])}
    for loop in loops:
        assert len(set(loop)) == 7
        assert all(frozenset(e) in ends for e in zip(loop, np.roll(loop, -1)))


def test_boundary_loop_of_one_edge():
    """A single triangle with two sides glued to each other: a disc bounded by one edge from a vertex to itself."""
    mesh = mesh_from_edge_lengths([[0, 1, 0]], [[1, 1, 1]], twin=[1, 0, -1])
    (loop,) = boundary_loops(mesh)
    np.testing.assert_array_equal(loop, [0])
    assert euler_characteristic(mesh) == 1


def test_isolated_vertices_are_no_part_of_the_surface():
    ball = named_surface("sphere", subdivisions=1).mesh
    mesh = mesh_from_arrays(np.concatenate([ball.vertices, [[9, 9, 9]]]), ball.faces)
    assert euler_characteristic(mesh) == 2
    assert n_components(mesh) == 1
    np.testing.assert_array_equal(np.flatnonzero(isolated_vertices(mesh)), [ball.n_vertices])
    assert not boundary_vertices(mesh).any()
