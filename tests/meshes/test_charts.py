"""Atlases against the quotients they stand for."""

import copy
import dataclasses
import pickle

import numpy as np
import pytest
import torch

from gaugenet.meshes.chart_atlases import cylinder, flat_plane, flat_torus, klein_bottle, mobius_strip
from gaugenet.meshes.charts import ChartAtlas, Gluing, transition
from gaugenet.meshes.sphere_atlases import icosahedral_atlas

ROWS, COLUMNS = 5, 4


def everywhere():
    i, j = (g.ravel() for g in np.meshgrid(np.arange(-7, 12), np.arange(-9, 13), indexing="ij"))
    return i, j


def expected(name, i, j):
    """(row, column, flip, inside) from the deck transformations alone."""
    turns = np.floor_divide(j, COLUMNS)
    glide = name in ("mobius_strip", "klein_bottle")
    flipped = glide & (turns % 2 == 1)
    row = np.where(flipped, ROWS - 1 - i, i)
    inside = np.ones(len(i), bool)
    if name in ("flat_plane",):
        inside &= turns == 0
    if name in ("flat_plane", "cylinder", "mobius_strip"):
        inside &= (row >= 0) & (row < ROWS)
    return row % ROWS, j % COLUMNS, np.where(flipped, -1, 1), inside


@pytest.mark.parametrize("make", [flat_plane, cylinder, flat_torus, mobius_strip, klein_bottle])
def test_coordinates_beyond_the_sides_are_those_of_the_quotient(make):
    atlas, (i, j) = make(ROWS, COLUMNS), everywhere()
    pull = atlas.pull(np.zeros(len(i), np.int64), i, j)
    row, column, flip, inside = expected(make.__name__, i, j)
    assert (pull.inside.numpy() == inside).all()
    assert (pull.source.numpy()[inside] == (row * COLUMNS + column)[inside]).all()
    assert (pull.flip.numpy()[inside] == flip[inside]).all()
    assert np.abs(np.cos(pull.angle.numpy()[inside]) - 1).max() == 0


def test_groups_of_the_atlases():
    groups = [make(4, 4).structure_group for make in (flat_plane, cylinder, flat_torus, mobius_strip, klein_bottle)]
    assert groups == ["trivial", "trivial", "trivial", "reflection", "reflection"]
    assert mobius_strip(4, 4).without_transitions().structure_group == "trivial"


def test_coarser_atlas_is_glued_like_the_fine_one():
    for make in (mobius_strip, klein_bottle, flat_torus, cylinder):
        coarse, direct = make(12, 8).coarser(2), make(6, 4)
        assert coarse.sides == direct.sides
    with pytest.raises(ValueError, match="not made of"):
        mobius_strip(6, 5).coarser(2)


def test_a_quarter_turn_is_carried_by_the_transition():
    # beyond the right side lies this chart again, turned by 90 degrees: rows there run along columns here
    gluing = Gluing(0, ((0, 1), (-1, 0)), (-3, 2))
    angle, flip = transition(gluing, "square")
    # the step from here to there, (x, y) -> there; the transporter undoes it
    there = np.array([[0.0, -1.0], [1.0, 0.0]])
    back = np.array([[np.cos(angle), -flip * np.sin(angle)], [np.sin(angle), flip * np.cos(angle)]])
    assert flip == 1
    assert np.abs(back @ there - np.eye(2)).max() < 1e-12
    back = Gluing(0, ((0, -1), (1, 0)), (2, 3))
    chart = ChartAtlas("turned", 3, 3, (((), (gluing,), (back,), ()),))
    assert chart.structure_group == "C4"


def test_wrong_gluings_are_refused():
    with pytest.raises(ValueError, match="isometry"):
        ChartAtlas("sheared", 3, 3, (((), (Gluing(0, ((1, 1), (0, 1)), (0, 3)),), (), ()),))
    with pytest.raises(ValueError, match="four sides"):
        ChartAtlas("open", 3, 3, (((), (), ()),))
    with pytest.raises(ValueError, match='"square" or "hexagonal"'):
        ChartAtlas("triangles", 3, 3, (((), (), (), ()),), lattice="triangular")
    with pytest.raises(ValueError, match="from 0 to 8"):
        ChartAtlas("cone", 3, 3, (((), (), (), ()),), cones=(9,))
    with pytest.raises(ValueError, match="at least one pixel"):
        mobius_strip(4, 4).coarser(0)
    with pytest.raises(ValueError, match="0 pixels or more"):
        mobius_strip(4, 4).halo(-1)
    with pytest.raises(ValueError, match="charts from 0 to 0, got 0 to 1"):
        mobius_strip(4, 4).pull(np.array([0, 1]), np.zeros(2, np.int64), np.zeros(2, np.int64))
    with pytest.raises(ValueError, match="level from 1 to 9"):
        icosahedral_atlas(2.5)


def test_once_or_a_hundred_times_around_is_the_same():
    for atlas in (flat_torus(3, 4), cylinder(3, 4)):
        there = atlas.move(0, 1)
        for far in (401, -399):
            assert all(torch.equal(a, b) for a, b in zip(atlas.move(0, far), there))
    strip = mobius_strip(3, 4)
    assert all(torch.equal(a, b) for a, b in zip(strip.move(0, 408), strip.move(0, 0)))


def test_what_is_remembered_belongs_to_one_atlas():
    atlas = flat_torus(4, 4)
    atlas.halo(1)
    assert atlas.structure_group == "trivial"
    open_one = dataclasses.replace(atlas, sides=flat_plane(4, 4).sides)
    assert not open_one.halo(1).inside.all()
    assert atlas.halo(1).inside.all()
    # a copy and a file hold what an atlas is, and no tensors of a device
    for copied in (copy.deepcopy(atlas), pickle.loads(pickle.dumps(atlas))):
        assert copied.sides == atlas.sides
        assert copied.memo == {}


def test_an_atlas_works_under_another_default_device():
    with torch.device("meta"):
        pull = icosahedral_atlas(1).halo(1)
    assert all(torch.equal(a, b) for a, b in zip(pull, icosahedral_atlas(1).halo(1)))


def test_halo_of_the_mobius_strip():
    atlas = mobius_strip(4, 6)
    halo = atlas.halo(2)
    assert len(halo.source) == 8 * 10
    assert halo is atlas.halo(2)
    grid = torch.where(halo.inside, halo.source, -1).view(8, 10)
    assert (grid[2:6, 2:8].flatten() == torch.arange(24)).all()
    assert grid[2, 8] == 3 * 6 + 0
    assert (grid[:2] == -1).all()
