"""The triangulations behind the named surfaces: what is glued, and that faces tile."""

import numpy as np
import pytest

from gaugenet.meshes.grids import (
    antipodes,
    cone_rings,
    hull_faces,
    icosahedron_faces,
    icosphere,
    rectangle,
    sphere_points,
    subdivided,
)

EULER = [("open", False, 1), ("open", True, 0), ("translation", False, 0), ("translation", True, 0), ("glide", True, 0)]


def areas(corners):
    a, b, c = corners[:, 0], corners[:, 1], corners[:, 2]
    return 0.5 * ((b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0])


@pytest.mark.parametrize("jitter", [0.0, 0.2])
@pytest.mark.parametrize(("seam", "closed", "euler"), EULER)
def test_faces_tile_the_rectangle_and_are_glued_in_pairs(seam, closed, euler, jitter):
    grid = rectangle(6, 5, 3.0, 2.0, seam=seam, closed=closed, jitter=jitter)
    area = areas(grid.corners)
    assert (area > 0).all()
    assert area.sum() == pytest.approx(6.0)
    inner = np.flatnonzero(grid.twin >= 0)
    np.testing.assert_array_equal(grid.twin[grid.twin[inner]], inner)
    np.testing.assert_array_equal(grid.twin_flipped[grid.twin[inner]], grid.twin_flipped[inner])
    length = grid.edge_lengths.ravel()
    np.testing.assert_allclose(length[inner], length[grid.twin[inner]], rtol=1e-12)
    edges = len(inner) // 2 + (grid.twin < 0).sum()
    assert len(grid.uv) - edges + len(grid.faces) == euler
    # half-edges of a pair have the same ends
    tail, head = grid.faces.ravel(), np.roll(grid.faces, -1, axis=1).ravel()
    ends = np.sort(np.stack([tail, head], 1), axis=1)
    np.testing.assert_array_equal(ends[inner], ends[grid.twin[inner]])


@pytest.mark.parametrize(("seam", "flipped"), [("translation", 0), ("glide", 5)])
def test_flips_are_on_the_seam_only(seam, flipped):
    grid = rectangle(6, 5, 3.0, 2.0, seam=seam)
    assert grid.twin_flipped.sum() == 2 * flipped
    u = grid.corners[..., 0]
    on_seam = (u == 3.0) & (np.roll(u, -1, axis=1) == 3.0) | (u == 0.0) & (np.roll(u, -1, axis=1) == 0.0)
    assert on_seam.ravel()[grid.twin_flipped].all()


def test_one_cell_glued_by_half_edges_is_a_torus():
    grid = rectangle(1, 1, 1.0, 1.0, seam="translation", closed=True, intrinsic=True)
    assert len(grid.uv) == 1
    assert (grid.twin >= 0).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n": 3, "m": 5, "seam": "glide"}, "at least 4"),
        ({"n": 5, "m": 3, "closed": True}, "at least"),
        ({"n": 5, "m": 5, "jitter": 0.3}, "jitter"),
    ],
)
def test_too_few_cells_or_too_much_jitter_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        rectangle(length=1.0, width=1.0, **options)


def test_rings_cover_the_developed_cone():
    faces, slant, azimuth = cone_rings(5, 0.5, 0.2, seed=1)
    corner = slant[faces]
    # about the azimuth of a corner that is not the apex, so that no face spans the seam
    turn = azimuth[faces] - azimuth[faces[:, 1:2]]
    turn = 0.5 * ((turn + np.pi) % (2 * np.pi) - np.pi)
    area = areas(np.stack([corner * np.cos(turn), corner * np.sin(turn)], 2))
    assert (area > 0).all()
    # inscribed in the sector of angle 2π · 0.5 and radius 1
    assert 0.95 * np.pi / 2 < area.sum() < np.pi / 2
    with pytest.raises(ValueError, match="rings"):
        cone_rings(0, 0.5, 0.0, 0)


def test_spheres():
    points, faces = icosahedron_faces()
    assert faces.shape == (20, 3)
    lengths = np.linalg.norm(points[faces] - points[np.roll(faces, -1, axis=1)], axis=2)
    np.testing.assert_allclose(lengths, lengths[0, 0], rtol=1e-12)
    points, faces = icosphere(2)
    assert (len(points), len(faces)) == (162, 320)
    np.testing.assert_allclose(np.linalg.norm(points, axis=1), 1, rtol=1e-12)
    np.testing.assert_allclose(points[antipodes(points)], -points, atol=1e-12)
    with pytest.raises(ValueError, match="subdivisions"):
        icosphere(9)
    with pytest.raises(ValueError, match="antipode"):
        antipodes(sphere_points(20, "random", 0))


@pytest.mark.parametrize("sampling", ["fibonacci", "random"])
def test_points_on_the_sphere_and_their_hull(sampling):
    points = sphere_points(50, sampling, 3)
    np.testing.assert_allclose(np.linalg.norm(points, axis=1), 1, rtol=1e-12)
    faces = hull_faces(points)
    assert len(faces) == 96  # 2 V - 4: a triangulated sphere
    a, b, c = (points[faces[:, k]] for k in range(3))
    volume = np.einsum("ni,ni->n", np.cross(a, b), c) / 6
    assert (volume > 0).all()
    finer, quarters = subdivided(points, faces)
    assert (len(finer), len(quarters)) == (50 + 144, 384)
    a, b, c = (finer[quarters[:, k]] for k in range(3))
    assert np.einsum("ni,ni->n", np.cross(a, b), c).sum() / 6 == pytest.approx(volume.sum())
