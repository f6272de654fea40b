"""What a `TriangleMesh` promises: nothing in it changes, its report is readable, and its maps lead back to the file."""

import dataclasses
import pickle

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gaugenet.meshes.mesh import MeshError, Repair, TriangleMesh
from gaugenet.meshes.repair import mesh_from_arrays

TETRAHEDRON = np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]])
SIDES = np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]])
ARRAYS = [f.name for f in dataclasses.fields(TriangleMesh) if isinstance(f.type, str) and f.type.startswith("NDArray")]


def by_hand(**changes):
    """A triangle, from the bare constructor."""
    given = {
        "faces": np.array([[0, 1, 2]]),
        "edge_lengths": np.ones((1, 3)),
        "twin": np.full(3, -1),
        "twin_flipped": np.zeros(3, bool),
        "n_vertices": 3,
    }
    return TriangleMesh(**{**given, **changes})


def test_fields_and_arrays_cannot_be_changed():
    mesh = mesh_from_arrays(TETRAHEDRON, SIDES)
    assert len(ARRAYS) == 9
    with pytest.raises(dataclasses.FrozenInstanceError):
        mesh.faces = SIDES
    for name in ARRAYS:
        array = getattr(mesh, name)
        before = array.copy()
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0
        with pytest.raises(ValueError, match="read-only"):
            array.ravel()[0] = 1
        np.testing.assert_array_equal(array, before)


@pytest.mark.parametrize("again", [lambda m: dataclasses.replace(m, name="x"), lambda m: pickle.loads(pickle.dumps(m))])
def test_a_copy_is_no_way_round_it(again):
    mesh = again(mesh_from_arrays(TETRAHEDRON, SIDES))
    for name in ARRAYS:
        assert not getattr(mesh, name).flags.writeable
    np.testing.assert_array_equal(mesh.faces, SIDES)


def test_arrays_that_were_given_stay_writable_and_apart():
    vertices, faces = TETRAHEDRON.copy(), SIDES.copy()
    mesh = mesh_from_arrays(vertices, faces)
    vertices[:], faces[:] = 7, 0
    np.testing.assert_array_equal(mesh.vertices, TETRAHEDRON)
    np.testing.assert_array_equal(mesh.faces, SIDES)
    lengths = np.ones((1, 3))
    assert not by_hand(edge_lengths=lengths).edge_lengths.flags.writeable
    lengths[0] = 2


def test_two_meshes_are_equal_only_if_they_are_one():
    """Arrays have no truth value, so equality by fields would raise."""
    a, b = by_hand(), by_hand()
    assert a == a
    assert a != b
    assert len({a, b}) == 2


def test_it_prints_like_a_person_would_say_it():
    assert repr(mesh_from_arrays(TETRAHEDRON, SIDES, name="t.obj")) == "TriangleMesh('t.obj', 4 vertices, 4 faces)"
    assert str(Repair("faces dropped", 2)) == "2 faces dropped"
    assert str(Repair("holes", 1, "close them")) == "1 holes (close them)"


@pytest.mark.parametrize("source", ["", "a.obj"])
def test_an_error_is_one_line_of_source_problem_and_remedy(source):
    error = MeshError("it is\n  torn", "mend\tit", source)
    assert isinstance(error, ValueError)
    assert str(error) == ("a.obj: " if source else "") + "it is torn; mend it"
    assert (error.problem, error.remedy, error.source) == ("it is\n  torn", "mend\tit", source)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([None, True, False]))
@example(732, True)  # a vertex without a position, and one at the centre, where the former is put
def test_maps_lead_to_the_file_and_back(seed, merge):
    """Of any triangles: split and merged vertices, dropped and doubled faces."""
    rng = np.random.default_rng(seed)
    points = rng.integers(0, 3, (14, 3)).astype(float)
    points[rng.integers(0, 14)] = np.nan if rng.random() < 0.2 else 1.0
    faces = rng.integers(0, 14, (int(rng.integers(1, 30)), 3))
    try:
        mesh = mesh_from_arrays(points, faces, merge_vertices=merge)
    except MeshError:
        return
    own, own_face = np.arange(len(points)), np.arange(len(faces))
    # there: a mesh vertex lies where the file's vertex lies
    at = mesh.vertex_labels_from_file(points)
    finite = np.isfinite(at).all(1)
    np.testing.assert_array_equal(mesh.vertices[finite], at[finite])
    # and back: every vertex of the file finds its own label, or that of the one it was merged with
    back = mesh.to_file_vertices(mesh.vertex_labels_from_file(own))
    assert len(back) == len(points)
    same = (points[back] == points).all(1) | (back == own)
    assert same.all()
    np.testing.assert_array_equal(mesh.vertex_of_file[mesh.file_vertex[mesh.vertex_of_file]], mesh.vertex_of_file)
    # faces, with what is said of dropped ones
    there = mesh.to_file_faces(mesh.face_labels_from_file(own_face), fill=-7)
    assert set(there[there >= 0]) == set(mesh.file_face)
    dropped = there == -7
    np.testing.assert_array_equal(dropped, mesh.face_of_file < 0)
    said = {repair.kind: repair.count for repair in mesh.report}
    assert said.get("faces with a repeated vertex dropped", 0) == dropped.sum()
    assert said.get("duplicate faces dropped", 0) == len(faces) - dropped.sum() - mesh.n_faces


def test_values_keep_their_shape_and_type():
    mesh = mesh_from_arrays(TETRAHEDRON, SIDES)
    values = np.arange(24, dtype=np.float32).reshape(4, 3, 2)
    assert mesh.to_file_vertices(values).dtype == np.float32
    np.testing.assert_array_equal(mesh.to_file_vertices(mesh.vertex_labels_from_file(values)), values)
    np.testing.assert_array_equal(mesh.to_file_faces(mesh.face_labels_from_file(values), 0), values)
    names = ["a", "b", "c", "d"]
    assert mesh.to_file_vertices(mesh.vertex_labels_from_file(names)).tolist() == names


def test_what_goes_to_the_file_is_not_the_mesh_s_own():
    mesh = mesh_from_arrays(TETRAHEDRON, SIDES)
    out = mesh.to_file_faces(np.arange(4), fill=0)
    out[0] = 9
    assert mesh.vertex_labels_from_file(mesh.vertices) is not mesh.vertices


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (
            lambda m: m.vertex_labels_from_file([1, 2]),
            "expected 4 values, one for each of the vertices of the file, got 2",
        ),
        (lambda m: m.face_labels_from_file([]), "expected 4 values, one for each of the triangles of the file, got 0"),
        (
            lambda m: m.to_file_vertices(7),
            "expected 4 values, one for each of the vertices of the mesh, got a single number",
        ),
        (lambda m: m.to_file_faces([0] * 5, 0), "expected 4 values, one for each of the faces of the mesh, got 5"),
    ],
)
def test_values_of_the_wrong_number_are_refused_by_name(call, says):
    with pytest.raises(ValueError, match="t.obj: " + says):
        call(mesh_from_arrays(TETRAHEDRON, SIDES, name="t.obj"))
    with pytest.raises(ValueError, match="this mesh: "):
        call(mesh_from_arrays(TETRAHEDRON, SIDES))
