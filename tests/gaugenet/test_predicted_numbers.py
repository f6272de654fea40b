"""Predicted numbers on their way back to files: in the file's order, in space, readable again."""

import numpy as np
import pytest
import torch

from gaugenet.data.dataset import prepare_mesh
from gaugenet.data.quantities import Quantities
from gaugenet.data.targets import VertexTargets
from gaugenet.meshes.io import load_mesh
from gaugenet.meshes.neighborhoods import Nearest
from gaugenet.meshes.repair import mesh_from_arrays
from gaugenet.meshes.shapes import sphere
from gaugenet.predicted_numbers import PredictedNumbers, draw_numbers, write_classes, write_surface_values

QUANTITIES = Quantities(("p",), ("v",))


SOUP = sphere(subdivisions=0).mesh.vertices[sphere(subdivisions=0).mesh.faces].reshape(-1, 3)
"""[60, 3] an icosahedron as a file of separate triangles has it."""


@pytest.fixture(scope="module")
def sample():
    mesh = mesh_from_arrays(SOUP, np.arange(60).reshape(-1, 3), merge_vertices=True)
    z, spin = mesh.vertices[:, 2:].copy(), np.cross([0.0, 0.0, 1.0], mesh.vertices)
    targets = VertexTargets(z, (spin + 2 * mesh.vertices)[:, None], ("p",), ("v",))
    return prepare_mesh(mesh, Nearest(5), features="constant").replace(targets=targets)


def test_vectors_leave_their_frames(sample):
    output = sample.targets.coefficients(sample.geometry)
    got = PredictedNumbers.of("ball", sample, output, QUANTITIES)
    assert list(got.values) == ["p", "v"]
    x = sample.mesh.vertices
    assert np.abs(got.values["v"] - 2 * x - np.cross([0.0, 0.0, 1.0], x)).max() < 1e-5
    assert np.abs(got.truth("v") - got.values["v"]).max() < 1e-6
    assert np.abs(got.truth("p") - x[:, 2]).max() < 1e-6
    assert got.truth("no such quantity") is None
    bare = PredictedNumbers.of("ball", sample.replace(targets=None), output, QUANTITIES)
    assert bare.truth("p") is None
    wrong = PredictedNumbers.of("ball", sample, output[:, [0, 1, 3, 2]], QUANTITIES)
    assert np.abs(wrong.values["v"] - got.values["v"]).max() > 0.1


def test_of_tangent_predictions_the_tangent_part_is_known(sample):
    targets = VertexTargets(sample.targets.scalars, sample.targets.vectors, ("p",), ("v",), normal_part=False)
    output = targets.coefficients(sample.geometry)
    got = PredictedNumbers.of("ball", sample.replace(targets=targets), output, targets.quantities)
    spin = np.cross([0.0, 0.0, 1.0], sample.mesh.vertices)
    # by symmetry the normals of an icosahedron at its corners are radial
    assert np.abs(got.truth("v") - spin).max() < 1e-5


def test_the_file_has_the_order_of_the_file(sample, tmp_path):
    assert sample.mesh.n_vertices == 12
    x = sample.mesh.vertices
    PredictedNumbers("ball", sample, {"p": x[:, 2], "w": 3 * x}).write(tmp_path / "ball.npz")
    with np.load(tmp_path / "ball.npz") as file:
        assert sorted(file) == ["f", "p", "v", "w"]
        assert np.abs(file["v"] - SOUP).max() < 1e-12
        assert np.abs(file["p"] - SOUP[:, 2]).max() < 1e-12
        assert np.abs(file["w"] - 3 * SOUP).max() < 1e-12
        assert np.abs(file["v"][file["f"]].reshape(-1, 3) - SOUP).max() < 1e-12
    again = load_mesh(tmp_path / "ball.npz", merge_vertices=True)
    assert (again.n_vertices, again.n_faces) == (12, 20)


def test_pictures_of_each_quantity(sample, tmp_path):
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    output = sample.targets.coefficients(sample.geometry)
    prediction = PredictedNumbers.of("ball", sample, output, QUANTITIES)
    files = draw_numbers(tmp_path, [prediction])
    assert [file.name for file in files] == ["p.png", "v.png", "v.arrows.png"]
    assert all(file.stat().st_size > 5000 for file in files)
    assert draw_numbers(tmp_path, []) == []


def test_classes_are_the_likeliest_and_probabilities_add_up(tmp_path):
    logits = torch.tensor([[0.0, 3.0, 0.0], [1.0, 1.0, 1.0]]).log1p()
    files = write_classes(tmp_path, ["a.obj", "b, c.obj"], logits, ["cat", "dog", "cow"])
    assert [file.name for file in files] == ["surface_labels.txt", "probabilities.csv"]
    assert files[0].read_text() == "a.obj dog\nb, c.obj cat\n"
    third = "0.333333,0.333333,0.333333"
    expected = f'file,cat,dog,cow\na.obj,0.166667,0.666667,0.166667\n"b, c.obj",{third}\n'
    assert files[1].read_text() == expected


def test_values_of_surfaces_are_a_table(tmp_path):
    values = torch.tensor([[0.25, -1e-7], [3.0, 2.0]], dtype=torch.float64)
    quantities = Quantities(("age", "drag"), per_surface=True)
    write_surface_values(tmp_path / "values.txt", ["a.obj", "b.obj"], values, quantities)
    assert (tmp_path / "values.txt").read_text() == "file age drag\na.obj 0.25 -1e-07\nb.obj 3 2\n"
