"""Polygons become triangles that cover them once, also where they are concave."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gaugenet.meshes.polygons import flattened, triangulated, whole


def cut(points, polygons):
    corners, sizes = flattened(polygons)
    return triangulated(corners, sizes, np.asarray(points, float))


def areas(points, faces):
    """Signed areas in the plane z = 0."""
    a, b, c = np.moveaxis(np.asarray(points)[faces], 1, 0)
    return np.cross(b - a, c - a)[:, 2] / 2


def shoelace(points):
    x, y = points[:, 0], points[:, 1]
    return (x * np.roll(y, -1) - y * np.roll(x, -1)).sum() / 2


@given(st.integers(0, 2**32 - 1))
def test_star_shaped_polygons_are_covered_once(seed):
    """Areas have the sign of the polygon and sum to its area (shoelace formula), so nothing overlaps or sticks out."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(4, 30))
    turn = 2 * np.pi * (np.arange(n) + rng.uniform(0.1, 0.9, n)) / n
    ring = np.stack([np.cos(turn), np.sin(turn), 0 * turn], 1) * rng.uniform(0.1, 1, (n, 1))
    faces, report = cut(ring, [np.arange(n)])
    found = areas(ring, faces)
    assert len(faces) == n - 2
    assert found.min() > 0
    assert found.sum() == pytest.approx(shoelace(ring))
    assert [r.kind for r in report] == ["polygons cut into triangles"]


def test_a_comb_anywhere_in_space_at_any_scale():
    teeth = np.array([[0, 0]] + [p for k in range(5) for p in ((k, 3), (k + 0.5, 0.5))] + [[5, 3], [5, 0]], float)[::-1]
    flat = np.column_stack([teeth, 0 * teeth[:, 0]])
    turn, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))
    for scale in (1e-12, 1.0, 1e12):
        faces, _ = cut(scale * (flat @ turn.T + 7), [range(len(flat))])
        assert areas(flat, faces).min() > 0
        assert areas(flat, faces).sum() == pytest.approx(shoelace(flat))


def test_a_corner_on_a_straight_side_makes_no_flat_triangle():
    points = np.array([[0.0, 0, 0], [1, 0, 0], [2, 0, 0], [2, 1, 0], [0, 1, 0]])
    for shift in range(5):
        assert areas(points, cut(points, [np.roll(np.arange(5), shift)])[0]).min() > 0.1


def test_a_concave_quad_is_cut_at_its_dent():
    points = np.array([[0.0, 0, 0], [2, 0, 0], [0.4, 0.4, 0], [0, 2, 0]])
    assert areas(points, cut(points, [[1, 2, 3, 0]])[0]).min() > 0
    assert areas(points, cut(points, [[0, 1, 2, 3]])[0]).min() > 0


def test_convex_polygons_are_fans_in_the_order_of_the_file():
    turn = np.arange(6) * np.pi / 3
    ring = np.stack([np.cos(turn), np.sin(turn), 0 * turn], 1)
    faces, _ = cut(ring, [[0, 2, 4], [1, 2, 3, 4, 5, 0], [0, 1, 2, 3], [0, 1]])
    np.testing.assert_array_equal(faces, [[0, 2, 4], [1, 2, 3], [1, 3, 4], [1, 4, 5], [1, 5, 0], [0, 1, 2], [0, 2, 3]])


def test_what_has_no_plane_or_crosses_itself_is_still_cut():
    points = np.array([[0.0, 0, 0], [1, 1, 0], [1, 0, 0], [0, 1.5, 0], [5, 5, np.nan], [0, 0, 0]])
    faces, report = cut(points, [[0, 1, 2, 3], [0, 1, 2, 4], [0, 1, 2, 77], [0, 5, 0, 5]])
    assert len(faces) == 8
    assert "polygons cut into triangles" in report[0].kind


def test_a_polygon_of_many_corners_ends():
    rng = np.random.default_rng(0)
    ring = rng.normal(size=(5000, 3)) * [1, 1, 0]
    faces, report = cut(ring, [np.arange(5000)])
    assert len(faces) == 4998
    assert report[1].kind == "polygons that cross themselves"


def test_whole_numbers():
    np.testing.assert_array_equal(whole(np.array([1.0, 2.0])), [1, 2])
    assert whole(np.array([2**64 - 1], np.uint64))[0] == 2**62
    assert whole([10**30])[0] == 2**62
    for wrong in ([1.5], [np.nan], [np.inf]):
        with pytest.raises(ValueError, match="not a whole number"):
            whole(wrong)
