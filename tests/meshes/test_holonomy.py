"""Groups of surfaces whose holonomy is known."""

import dataclasses

import numpy as np
import pytest
from surface_files import CUBE, TRIANGLES

from gaugenet.meshes.holonomy import frame_field_group, holonomy_group
from gaugenet.meshes.repair import mesh_from_arrays
from gaugenet.meshes.shapes import named_surface
from gaugenet.meshes.topology import reverse_faces

TETRAHEDRON = np.array([[1.0, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]])
OCTAHEDRON = np.concatenate([np.eye(3), -np.eye(3)])
SIDES = [[a, b, c] for a in (0, 3) for b in (1, 4) for c in (2, 5)]


@pytest.mark.parametrize(
    ("mesh", "expected"),
    [
        (lambda: mesh_from_arrays(CUBE, TRIANGLES), "C4"),
        (lambda: mesh_from_arrays(CUBE.astype(np.float32) * np.float32(0.1) + 7, TRIANGLES), "C4"),
        (lambda: mesh_from_arrays(TETRAHEDRON, [[0, 1, 2], [0, 2, 3], [0, 3, 1], [1, 3, 2]]), "C2"),
        (lambda: mesh_from_arrays(OCTAHEDRON, SIDES), "C3"),
        (lambda: named_surface("icosahedron").mesh, "C6"),
        (lambda: named_surface("flat_patch").mesh, "trivial"),
        (lambda: named_surface("flat_torus").mesh, "trivial"),
        (lambda: named_surface("mobius_strip", developed=True).mesh, "reflection"),
        (lambda: named_surface("sphere").mesh, "SO(2)"),
        (lambda: named_surface("torus").mesh, "SO(2)"),
        (lambda: named_surface("projective_plane").mesh, "O(2)"),
    ],
)
def test_holonomy(mesh, expected):
    assert holonomy_group(mesh()) == expected


def test_the_winding_of_faces_does_not_matter():
    mesh = named_surface("icosahedron").mesh
    which = np.random.default_rng(0).random(mesh.n_faces) < 0.5
    faces, twin, flipped, lengths = reverse_faces(which, mesh.faces, mesh.twin, mesh.twin_flipped, mesh.edge_lengths)
    turned = dataclasses.replace(mesh, faces=faces, twin=twin, twin_flipped=flipped, edge_lengths=lengths)
    # every loop preserves handedness, whatever the flags of single edges are
    assert flipped.any()
    assert holonomy_group(turned) == "C6"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("sphere", "SO(2)"),
        ("torus", "trivial"),
        ("cylinder", "trivial"),
        ("flat_patch", "trivial"),
        ("klein_bottle", "reflection"),
        ("mobius_strip", "reflection"),
        ("projective_plane", "O(2)"),
        ("icosahedron", "SO(2)"),
    ],
)
def test_frame_fields(name, expected):
    assert frame_field_group(named_surface(name).mesh) == expected


def test_one_closed_component_is_enough():
    torus, ball = named_surface("torus").mesh, named_surface("sphere").mesh
    both = mesh_from_arrays(
        np.concatenate([torus.vertices, ball.vertices + 9]),
        np.concatenate([torus.faces, ball.faces + torus.n_vertices]),
    )
    assert frame_field_group(both) == "SO(2)"
