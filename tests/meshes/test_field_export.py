"""Files of frame fields, read again."""

import numpy as np
import pytest
import torch

from gaugenet.meshes import shapes
from gaugenet.meshes.field_export import save_field
from gaugenet.meshes.frame_fields import smoothest_frame_field
from gaugenet.meshes.io import load_mesh
from gaugenet.meshes.neighborhoods import Nearest
from gaugenet.meshes.precompute import compute_geometry

MESH = shapes.sphere(subdivisions=2).mesh
GEOMETRY = compute_geometry(MESH, Nearest(8), dtype=torch.float64)
FIELD = smoothest_frame_field(MESH, 4, geometry=GEOMETRY)


def test_ply_holds_the_surface_the_arms_and_the_singularities(tmp_path):
    save_field(tmp_path / "field.ply", MESH, GEOMETRY, FIELD)
    back = load_mesh(tmp_path / "field.ply")
    arms = 4 * MESH.n_vertices
    assert back.n_faces == MESH.n_faces + 4 * arms + 8 * len(FIELD.singular_faces)
    np.testing.assert_array_equal(back.vertices[: MESH.n_vertices], MESH.vertices)
    # closed, outwards: every needle and octahedron holds a positive volume
    corners = back.vertices[back.faces[MESH.n_faces :]]
    volume = np.linalg.det(corners - corners[:, :1].mean(0)) / 6
    assert (volume[: 4 * arms].reshape(-1, 4).sum(1) > 0).all()
    assert (volume[4 * arms :].reshape(-1, 8).sum(1) > 0).all()


def test_obj_holds_a_line_for_each_arm(tmp_path):
    save_field(tmp_path / "field.obj", MESH, GEOMETRY, FIELD, every=2, length=0.1)
    text = (tmp_path / "field.obj").read_text().splitlines()
    points = np.array([line.split()[1:] for line in text if line.startswith("v ")], float)
    lines = np.array([line.split()[1:] for line in text if line.startswith("l ")], int) - 1
    assert len(lines) == 4 * ((MESH.n_vertices + 1) // 2)
    np.testing.assert_allclose(np.linalg.norm(points[lines[:, 1]] - points[lines[:, 0]], axis=1), 0.1, rtol=1e-6)
    assert load_mesh(tmp_path / "field.obj").n_faces == MESH.n_faces


def test_errors_say_what_to_do(tmp_path):
    with pytest.raises(ValueError, match=r"as \.ply"):
        save_field(tmp_path / "field.stl", MESH, GEOMETRY, FIELD)
    with pytest.raises(ValueError, match="at least 1"):
        save_field(tmp_path / "field.ply", MESH, GEOMETRY, FIELD, every=0)
