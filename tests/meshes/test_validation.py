"""Each refusal names the file, the first thing that is wrong with its place, how many there are, and what to do."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gaugenet.meshes import validation
from gaugenet.meshes.mesh import MeshError
from gaugenet.meshes.validation import (
    check_range,
    check_triangles,
    check_unit,
    checked_faces,
    checked_gluing,
    checked_positions,
    checked_vertices,
    point_cloud,
    triangle_slack,
)

NAME = "scan.obj"
OPEN = np.full(3, -1)
TWO = np.array([[0, 1, 2], [2, 1, 3]])
"""Half-edge 1 (from 1 to 2) is glued to half-edge 3 (from 2 to 1)."""
GLUED = np.array([-1, 3, -1, 1, -1, -1])


def refusal(call):
    with pytest.raises(MeshError) as caught:
        call()
    error = caught.value
    text = str(error)
    assert error.source == NAME
    assert text == f"{NAME}: {' '.join(error.problem.split())}; {error.remedy}"
    assert "\n" not in text
    assert error.remedy
    return error


# Kahan's order: exact for degenerate triangles, and not a difference of rounded sums


@given(st.floats(1e-3, 1e3), st.floats(1e-3, 1e3))
def test_a_flat_triangle_has_no_slack(a, b):
    c = a + b
    sides = np.array([[a, b, c], [c, a, b], [b, c, a]])
    exact = triangle_slack(sides)
    # a + b is rounded, by half a unit in its last place at most
    assert (np.abs(exact) <= np.spacing(c)).all()
    assert np.ptp(exact) == 0


def test_slack_of_a_needle_is_exact():
    tiny = 2.0**-45
    assert triangle_slack(np.array([[1.0, 1.0, tiny]]))[0] == tiny
    assert triangle_slack(np.array([[1.0, 1.0, 1.0]]))[0] == 1
    # what comes of adding up first
    assert (1.0 + tiny / 256) - 1.0 == 0
    assert triangle_slack(np.array([[1.0, 1.0, tiny / 256]]))[0] == tiny / 256


# vertices


@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.int8, np.uint64, bool])
def test_vertices_of_any_real_type_become_doubles_of_their_own(dtype):
    given = np.array([[0, 1, 0], [1, 1, 0]], dtype)
    found = checked_vertices(given, NAME)
    assert found.dtype == np.float64
    np.testing.assert_array_equal(found, given.astype(float))
    found[0] = 9
    assert given[0, 0] == 0


def test_no_vertices_are_no_rows():
    assert checked_vertices([], NAME).shape == (0, 3)
    assert checked_vertices(np.empty((0, 2)), NAME).shape == (0, 3)


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ([["x", "y", "z"]], "not numbers"),
        ([[1j, 0, 0]], "not numbers"),
        ([[None, 0, 0]], "not numbers"),
        ([[0, 0, 0], [1, 1]], "not numbers"),
        ([[0.0, 1.0]], "expected vertices of shape [V, 3], got [1, 2]"),
        (np.zeros((2, 3, 1)), "expected vertices of shape [V, 3], got [2, 3, 1]"),
        (3.0, "expected vertices of shape [V, 3], got []"),
    ],
)
def test_vertices_that_are_none(given, problem):
    assert problem in refusal(lambda: checked_vertices(given, NAME)).problem


def test_a_vertex_that_a_face_uses_must_be_finite_and_another_is_moved_and_told():
    points = np.array([[0.0, 0, 0], [2, 0, 0], [0, 4, 0], [np.nan, np.inf, 0]])
    report = []
    found = checked_positions(points, np.array([[0, 1, 2]]), report, NAME)
    np.testing.assert_array_equal(found, [[0, 0, 0], [2, 0, 0], [0, 4, 0], [1, 2, 0]])
    assert np.isnan(points[3, 0])
    assert [repair.count for repair in report] == [1]
    assert report[0].remedy
    error = refusal(lambda: checked_positions(points, np.array([[0, 1, 3]]), [], NAME))
    assert error.problem == "vertex 3 is at (nan, inf, 0) (1 such vertices)"
    whole = points[:3]
    assert checked_positions(whole, np.array([[0, 1, 2]]), report, NAME) is whole
    assert len(report) == 1


def test_the_middle_of_the_largest_numbers_does_not_overflow():
    big = 1.7e308
    points = np.array([[big, 0, 0], [-big, 0, 0], [0, big, 0], [np.inf, 0, 0]])
    assert np.isfinite(checked_positions(points, np.array([[0, 1, 2]]), [], NAME)).all()


# faces


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int32, np.uint64])
def test_faces_of_any_whole_type(dtype):
    found = checked_faces(np.array([[0, 1, 2]], dtype), NAME)
    assert found.dtype == np.int64
    np.testing.assert_array_equal(found, [[0, 1, 2]])
    assert checked_faces([], NAME).shape == (0, 3)


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ([[0, 1, 2], [0, 1]], "the faces differ in length"),
        ([0, 1, 2], "expected faces of shape [F, 3], got [3]"),
        ([[0, 1, 2, 3]], "expected faces of shape [F, 3], got [1, 4]"),
        ([[0.0, 1.0, 2.0]], "expected whole numbers as vertex indices, got float64"),
        ([[True, False, True]], "got bool"),
        ([["0", "1", "2"]], "got <U1"),
        ([[None, 1, 2]], "got object"),
    ],
)
def test_faces_that_are_none(given, problem):
    assert problem in refusal(lambda: checked_faces(given, NAME)).problem


@pytest.mark.parametrize("wrong", [-1, 4, 2**31, -(2**63), 2**64 - 1])
def test_indices_out_of_range_are_named_with_their_face(wrong):
    faces = np.array([[0, 1, 2], [1, 2, 3], [3, 1, 0]], np.uint64 if wrong > 2**63 else np.int64)
    check_range(checked_faces(faces, NAME), 4, NAME)
    faces[1, 2] = wrong
    error = refusal(lambda: check_range(checked_faces(faces, NAME), 4, NAME))
    assert error.problem.startswith("face 1 uses vertex ")
    assert error.problem.endswith("the vertices are numbered 0 to 3 (1 such indices)")
    assert str(wrong) in error.problem or wrong > 2**63


def test_a_point_cloud_is_told_where_to_go():
    error = point_cloud(12, NAME)
    assert error.problem.startswith("there are 12 vertices and no faces")
    assert "gn.point_cloud_geometry" in error.remedy


# gluing


def test_gluing_is_read_off_the_vertices_where_it_is_not_said():
    twin, flipped = checked_gluing(TWO, GLUED, None, NAME)
    np.testing.assert_array_equal(twin, GLUED)
    assert not flipped.any()
    # wound the other way the two half-edges run side by side
    twin, flipped = checked_gluing(np.array([[0, 1, 2], [1, 2, 3]]), GLUED, None, NAME)
    np.testing.assert_array_equal(np.flatnonzero(flipped), [1, 3])
    # a loop at one vertex leaves it open, and may be said
    loops, pairs = np.zeros((2, 3), int), [3, 4, 5, 0, 1, 2]
    assert not checked_gluing(loops, pairs, None, NAME)[1].any()
    assert checked_gluing(loops, pairs, [1, 0, 0, 1, 0, 0], NAME)[1].tolist() == [1, 0, 0, 1, 0, 0]


@pytest.mark.parametrize(
    ("twin", "flipped", "problem"),
    [
        (GLUED[:5], None, "expected a twin of shape [6] with entries -1 to 5"),
        (np.where(GLUED == 3, 6, GLUED), None, "expected a twin of shape [6] with entries -1 to 5"),
        (np.where(GLUED == 3, -2, GLUED), None, "expected a twin of shape [6] with entries -1 to 5"),
        (np.where(GLUED == 1, -1, GLUED), None, "half-edge 1 has twin 3, which does not point back"),
        (
            np.where(GLUED == 3, 1, np.where(GLUED == 1, -1, GLUED)),
            None,
            "half-edge 1 has twin 1, which does not point",
        ),
        (GLUED, np.ones(5), "expected twin_flipped of shape [6], the same on both sides of an edge"),
        (GLUED, [0, 1, 0, 0, 0, 0], "the same on both sides"),
        (GLUED, [0, 1, 0, 1, 0, 0], "half-edges 1 and 3 are glued but have different vertices at their ends"),
        ([3, -1, -1, 0, -1, -1], None, "half-edges 0 and 3 are glued but have different vertices at their ends"),
    ],
)
def test_gluing_that_does_not_fit(twin, flipped, problem):
    assert problem in refusal(lambda: checked_gluing(TWO, twin, flipped, NAME)).problem


# lengths


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "sides", [[1, 1, 2], [1, 1, 3], [0, 1, 1], [-1, 1, 1], [np.nan, 1, 1], [np.inf, np.inf, 1], [1, 1, 2 - 1e-10]]
)
def test_lengths_that_make_no_triangle(sides):
    lengths = np.array([[3.0, 4, 5], sides])
    error = refusal(lambda: check_triangles(lengths, np.full(6, -1), NAME))
    assert error.problem.startswith("the edges of face 1 are ")
    assert error.problem.endswith("make no triangle (1 such faces)")


def test_lengths_that_do():
    check_triangles(np.array([[3.0, 4, 5], [5, 1, 4.5]]), np.array([-1, -1, 3, 2, -1, -1]), NAME)
    check_triangles(np.array([[1.0, 1, 2 - 1e-8]]), OPEN, NAME)
    error = refusal(
        lambda: check_triangles(np.array([[3.0, 4, 5], [5.1, 1, 4.5]]), np.array([-1, -1, 3, 2, -1, -1]), NAME)
    )
    assert error.problem == "half-edges 2 and 3 are glued but 5 and 5.1 long"


# units


@pytest.mark.parametrize(("dtype", "low", "high"), [(np.float32, 1e-19, 1e18), (np.float64, 1e-154, 1e153)])
def test_units_whose_squares_do_not_fit_are_refused_and_others_are_not(dtype, low, high):
    number = np.finfo(dtype)

    def check(length):
        check_unit(np.full((2, 3), length), float(number.tiny), float(number.max), dtype.__name__, NAME)
        # what is allowed has areas, sums of some of them and their inverses in the type
        area = dtype(length) ** 2
        assert np.isfinite(32 * area)
        assert area >= number.tiny

    for length in (low * 30, 1.0, high / 30):
        check(length)
    for length in (low / 30, high * 30):
        error = refusal(lambda wrong=length: check(wrong))
        assert "do not fit into " + dtype.__name__ in error.problem
        assert "scale the vertices" in error.remedy
    check_unit(np.empty((0, 3)), float(number.tiny), float(number.max), "x", NAME)


def test_every_check_is_tested_here():
    public = {
        name for name in vars(validation) if name.startswith("check") or name in ("point_cloud", "triangle_slack")
    }
    assert public <= set(globals())
