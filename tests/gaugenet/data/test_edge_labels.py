"""Edges in MeshCNN's order, and their votes, on files as MeshCNN writes and reads them."""

import numpy as np
import pytest

from gaugenet.data.edge_labels import edge_label_values, edge_scores, edges_in_order, face_votes
from gaugenet.data.label_files import DatasetError

# two triangles beside each other and one more
OBJ = "v 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\nv 2 0 0\nf 1 3 4\nf 1 2 3\nf 2 5 3\n"


def test_edges_are_numbered_as_they_first_occur():
    edges, of_face = edges_in_order(np.array([[0, 2, 3], [0, 1, 2], [1, 4, 2]]))
    # written down by going through the faces by hand
    assert edges.tolist() == [[0, 2], [2, 3], [0, 3], [0, 1], [1, 2], [1, 4], [2, 4]]
    assert of_face.tolist() == [[0, 1, 2], [3, 4, 0], [5, 6, 4]]


def test_the_order_is_that_of_a_dictionary_filled_face_by_face():
    rng = np.random.default_rng(0)
    faces = np.array([rng.permutation(30)[:3] for _ in range(60)])
    numbers = {}
    for f in faces.tolist():
        for k in range(3):
            numbers.setdefault(tuple(sorted((f[k], f[(k + 1) % 3]))), len(numbers))
    edges, of_face = edges_in_order(faces)
    assert [tuple(e) for e in edges.tolist()] == list(numbers)
    for f, numbered in zip(faces.tolist(), of_face.tolist()):
        assert numbered == [numbers[tuple(sorted((f[k], f[(k + 1) % 3])))] for k in range(3)]


def test_hard_labels_vote(tmp_path):
    (tmp_path / "a.obj").write_text(OBJ)
    # np.savetxt writes what MeshCNN reads by np.loadtxt
    np.savetxt(tmp_path / "a.eseg", [2, 2, 2, 1, 1, 5, 2], fmt="%d")
    values = edge_label_values(tmp_path / "a.eseg").tolist()
    assert values == [1, 2, 5]
    winner = face_votes(tmp_path / "a.obj", tmp_path / "a.eseg", edge_scores(tmp_path / "a.eseg", values))
    assert np.array(values)[winner].tolist() == [2, 1, 1], "of three different labels the lowest wins"


def test_soft_labels_share_one_vote(tmp_path):
    (tmp_path / "a.obj").write_text(OBJ)
    soft = np.zeros((7, 2))
    soft[[0, 1, 2]] = [1, 0]
    soft[3] = [0, 1]
    soft[4] = [0.5, 0.5]
    soft[5] = [0, 1]  # and edge 6 says nothing
    np.savetxt(tmp_path / "a.seseg", soft, fmt="%f")
    scores = edge_scores(tmp_path / "a.seseg", [1, 2])
    assert scores[4].tolist() == [0.5, 0.5]
    assert face_votes(tmp_path / "a.obj", tmp_path / "a.seseg", scores).tolist() == [0, 0, 1]
    assert face_votes(tmp_path / "a.obj", tmp_path / "a.seseg", 0 * scores).tolist() == [-1, -1, -1]


def test_faces_that_meshcnn_leaves_out_have_no_edges_of_their_own(tmp_path):
    (tmp_path / "a.obj").write_text(OBJ + "f 4 4 1\nf 1 2 5\n")
    # the last face runs along 1-2 in the direction of the second, and the one before has no area: 7 edges
    scores = np.eye(2)[[0, 0, 0, 1, 1, 1, 1]]
    assert face_votes(tmp_path / "a.obj", tmp_path / "a.eseg", scores).tolist() == [0, 1, 1, -1, -1]


def test_refusals(tmp_path):
    (tmp_path / "a.obj").write_text(OBJ)
    (tmp_path / "a.eseg").write_text("1\n2\n")
    with pytest.raises(DatasetError, match=r"a\.eseg: 2 lines for the 7 edges of a\.obj; give one line per edge"):
        face_votes(tmp_path / "a.obj", tmp_path / "a.eseg", edge_scores(tmp_path / "a.eseg", [1, 2]))
    (tmp_path / "a.seseg").write_text("1 0\n" * 7)
    with pytest.raises(DatasetError, match="2 columns for 3 classes"):
        edge_scores(tmp_path / "a.seseg", [1, 2, 3])
    (tmp_path / "b.eseg").write_text("one\n")
    with pytest.raises(DatasetError, match="cannot be read"):
        edge_scores(tmp_path / "b.eseg", [1])
