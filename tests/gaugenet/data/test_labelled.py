"""Labels from a file to its mesh and back."""

import numpy as np
import pytest

from gaugenet.data.labelled import LabelledMesh, values_on_file
from gaugenet.meshes.repair import mesh_from_arrays

BOWTIE = (  # two fans that touch in vertex 0 only; vertex 7 belongs to no face
    np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [-1, 0, 0], [-1, -1, 0], [0, 2, 0], [0, -2, 0], [5, 5, 5]], float),
    np.array([[0, 1, 2], [0, 3, 4], [0, 2, 5], [0, 4, 6]]),
)


def test_copies_of_a_split_vertex_share_its_label_and_isolated_vertices_keep_theirs():
    mesh = mesh_from_arrays(*BOWTIE)
    labels = np.arange(8) * 10
    surface = LabelledMesh.from_file_labels("bowtie", mesh, labels, "vertex")
    assert mesh.n_vertices == 9
    assert np.array_equal(surface.labels, labels[mesh.file_vertex])
    assert sorted(surface.labels.tolist()) == [0, 0, 10, 20, 30, 40, 50, 60, 70]
    assert np.array_equal(values_on_file(mesh, surface.labels, "vertex"), labels)


def test_dropped_triangles_take_the_value_next_to_them():
    vertices, faces = BOWTIE
    faces = np.concatenate([[[1, 1, 2]], faces[:2], [[3, 3, 3]], faces[2:], faces[:1]])  # degenerate and duplicate
    mesh = mesh_from_arrays(vertices, faces)
    labels = np.array([0, 1, 2, 3, 4, 5, 1])
    surface = LabelledMesh.from_file_labels("bowtie", mesh, labels, "face")
    assert surface.labels.shape == (4,)
    back = values_on_file(mesh, surface.labels, "face")
    assert back.tolist() == [1, 1, 2, 4, 4, 5, 1] or back.tolist() == [1, 1, 2, 2, 4, 5, 1]
    # rows of logits return as well
    assert values_on_file(mesh, np.eye(4), "face").shape == (7, 4)


def test_wrong_lengths_are_refused_with_both_numbers():
    mesh = mesh_from_arrays(*BOWTIE)
    with pytest.raises(ValueError, match="5 labels for 8 vertices"):
        LabelledMesh.from_file_labels("bowtie", mesh, np.zeros(5, int), "vertex")
    with pytest.raises(ValueError, match="8 labels for 4 faces"):
        LabelledMesh.from_file_labels("bowtie", mesh, np.zeros(8, int), "face")
    with pytest.raises(ValueError, match=r"expected 4 values.*got 3"):
        values_on_file(mesh, np.zeros(3), "face")
    with pytest.raises(ValueError, match=r"expected 9 values.*got\s+8"):
        values_on_file(mesh, np.zeros(8), "vertex")
