"""Where neighbours are missing, and who stands beside them."""

import numpy as np
import pytest
import torch

from gaugenet.meshes.chart_atlases import cylinder, flat_plane, flat_torus, klein_bottle, mobius_strip
from gaugenet.meshes.chart_corners import corner_pairs
from gaugenet.meshes.chart_geometry import chart_geometry
from gaugenet.meshes.sphere_atlases import cube_atlas, cube_points, icosahedral_atlas, icosahedral_points


@pytest.mark.parametrize("level", [1, 2, 3])
def test_every_corner_of_the_icosahedron_is_missed_by_the_five_around_it(level):
    atlas, points = icosahedral_atlas(level), icosahedral_points(level)
    pairs = corner_pairs(atlas)
    assert len(pairs.pixel) == 60
    # the missing place closes the parallelogram of the two beside it
    p, left, right = (points[i.numpy()] for i in (pairs.pixel, pairs.left.source, pairs.right.source))
    side = np.sqrt(2 - 2 / np.sqrt(5)) / 2**level
    assert np.abs(np.linalg.norm(left - p, axis=1) - side).max() < 0.2 * side
    corners = icosahedral_points(1)
    corners = np.concatenate([corners[np.linalg.norm(corners, axis=1) > 1 - 1e-9], [[0, 0, 1.0], [0, 0, -1.0]]])
    nearest = np.linalg.norm(p[:, None] - corners, axis=2)
    assert np.abs(np.sort(nearest, axis=1)[:, 0] - side).max() < 1e-9
    # left and right are next to the same corner
    found = np.linalg.norm(left[:, None] - corners, axis=2) + np.linalg.norm(right[:, None] - corners, axis=2) + nearest
    assert np.abs(found.min(1) - 3 * side).max() < 1e-9
    assert (np.bincount(found.argmin(1)) == 5).all()


def test_every_corner_of_the_cube_is_missed_by_the_three_around_it():
    atlas, points = cube_atlas(4), cube_points(4)
    pairs = corner_pairs(atlas)
    assert len(pairs.pixel) == 24
    p, left, right = (points[i.numpy()] for i in (pairs.pixel, pairs.left.source, pairs.right.source))
    assert (np.sign(p) == np.sign(left)).all()
    assert (np.sign(p) == np.sign(right)).all()
    assert np.abs(left).min() == np.abs(right).min() == 0.75


@pytest.mark.parametrize("make", [flat_plane, cylinder, mobius_strip, flat_torus, klein_bottle])
def test_nothing_stands_beyond_a_border(make):
    assert len(corner_pairs(make(4, 5)).pixel) == 0


@pytest.mark.parametrize("atlas", [icosahedral_atlas(1), icosahedral_atlas(2), cube_atlas(3)], ids=str)
def test_geometry_with_corners(atlas):
    plain, filled = chart_geometry(atlas, 1), chart_geometry(atlas, 1, corners="mean")
    total = torch.zeros(atlas.n_pixels, dtype=torch.float64).index_add_(0, filled.target, filled.weight)
    full = {"hexagonal": 6, "square": 8}[atlas.lattice]
    alive = torch.ones(atlas.n_pixels, dtype=torch.bool)
    alive[list(atlas.cones)] = False
    assert (total[alive] - 1).abs().max() < 1e-12
    assert filled.n_edges == plain.n_edges + 2 * len(corner_pairs(atlas).pixel)
    assert not filled.boundary[alive].any()
    assert plain.boundary[alive].any()
    shares = (filled.weight * full).round(decimals=9)
    assert set(shares.tolist()) == {0.5, 1.0}
    with pytest.raises(ValueError, match="radius 1"):
        chart_geometry(atlas, 2, corners="mean")
    with pytest.raises(ValueError, match="corners"):
        chart_geometry(atlas, 1, corners="none")
