"""Atlases of the icosahedron and the cube against their points in space."""

import numpy as np
import pytest

from gaugenet.meshes.chart_geometry import chart_geometry
from gaugenet.meshes.sphere_atlases import cube_atlas, cube_points, icosahedral_atlas, icosahedral_points

HEXAGON = [(0, 1), (1, 0), (1, -1), (0, -1), (-1, 0), (-1, 1)]
CROSS = [(0, 1), (1, 0), (0, -1), (-1, 0)]


def neighbours(atlas, steps):
    grid = np.meshgrid(np.arange(atlas.rows), np.arange(atlas.columns), np.arange(atlas.n_charts), indexing="ij")
    i, j, c = (g.ravel() for g in grid)
    return [atlas.pull(c, i + di, j + dj) for di, dj in steps]


@pytest.mark.parametrize("level", [1, 2, 4])
def test_icosahedron_has_every_point_once_and_six_neighbours(level):
    atlas, points = icosahedral_atlas(level), icosahedral_points(level)
    assert len(points) == atlas.n_pixels == 10 * 4**level
    assert len(np.unique(points.round(9), axis=0)) == len(points)
    holes = np.isin(np.arange(atlas.n_pixels), atlas.cones)
    corners = np.abs(np.linalg.norm(points, axis=1) - 1) < 1e-9
    assert (holes == corners).all()
    edge = np.sqrt(2 - 2 / np.sqrt(5)) / 2**level
    missing = 0
    for pull in neighbours(atlas, HEXAGON):
        inside = pull.inside.numpy() & ~holes
        distance = np.linalg.norm(points[pull.source.numpy()] - points, axis=1)[inside]
        # across an edge of the icosahedron the straight distance is shorter than that on the surface
        assert distance.max() < edge * (1 + 1e-9)
        assert distance.min() > edge * 0.8
        missing += (~inside & ~holes).sum()
    assert missing == 12 * 5
    assert atlas.structure_group == "C6"


@pytest.mark.parametrize("n", [2, 3, 6])
def test_cube_has_four_neighbours_everywhere(n):
    atlas, points = cube_atlas(n), cube_points(n)
    for pull in neighbours(atlas, CROSS):
        distance = np.linalg.norm(points[pull.source.numpy()] - points, axis=1) * n / 2
        assert pull.inside.all()
        assert np.minimum(np.abs(distance - 1), np.abs(distance - np.sqrt(0.5))).max() < 1e-9
    corner = neighbours(atlas, [(1, 1), (1, -1), (-1, 1), (-1, -1)])
    assert sum(int((~pull.inside).sum()) for pull in corner) == 8 * 3
    assert atlas.structure_group == "C4"


@pytest.mark.parametrize(
    ("atlas", "steps"), [(icosahedral_atlas(2), HEXAGON), (cube_atlas(4), CROSS)], ids=["icosahedron", "cube"]
)
def test_a_step_there_and_back(atlas, steps):
    """The neighbour of a neighbour, in the direction that the transition says, is where we came from."""
    n = len(steps)
    holes = np.isin(np.arange(atlas.n_pixels), atlas.cones)
    found = neighbours(atlas, steps)
    for k, pull in enumerate(found):
        turn = np.round(pull.angle.numpy() * n / (2 * np.pi)).astype(int)
        # direction k here is direction k − turn there, and back is half a turn on
        back = (k - turn + n // 2) % n
        for p in np.flatnonzero(pull.inside.numpy() & ~holes):
            q = int(pull.source[p])
            assert int(found[back[p]].source[q]) == p
            assert abs(np.exp(1j * (float(found[back[p]].angle[q]) + float(pull.angle[p]))) - 1) < 1e-9


def test_geometry_of_the_icosahedron():
    geometry = chart_geometry(icosahedral_atlas(2), 1)
    degree = np.diff(geometry.row_ptr.numpy())
    holes = list(icosahedral_atlas(2).cones)
    assert (degree[holes] == 0).all()
    assert np.bincount(np.delete(degree, holes)).tolist() == [0, 0, 0, 0, 0, 60, 90]
    assert geometry.structure_group == "C6"
    with pytest.raises(ValueError, match="level"):
        icosahedral_atlas(0)
