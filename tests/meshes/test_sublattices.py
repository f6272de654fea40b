"""Every second pixel of an atlas."""

import pytest

from gaugenet.meshes.chart_atlases import flat_plane, flat_torus, mobius_strip
from gaugenet.meshes.sphere_atlases import icosahedral_atlas
from gaugenet.meshes.sublattices import sublattice, sublattice_start


@pytest.mark.parametrize("level", [2, 3, 5])
def test_of_the_icosahedron_it_is_the_level_below(level):
    got, expected = sublattice(icosahedral_atlas(level)), icosahedral_atlas(level - 1)
    assert (got.rows, got.columns, got.lattice) == (expected.rows, expected.columns, "hexagonal")
    assert got.sides == expected.sides
    assert got.cones == expected.cones


def test_without_transitions_it_has_none_either():
    coarse = sublattice(icosahedral_atlas(2).without_transitions())
    assert coarse.structure_group == "trivial"
    assert coarse.cones == icosahedral_atlas(1).cones


def test_of_flat_surfaces():
    assert sublattice(flat_torus(4, 6)).sides == flat_torus(2, 3).sides
    assert sublattice_start(flat_torus(4, 6)) == (0, 0)
    assert sublattice(flat_plane(2, 4)).n_pixels == 2


def test_what_cannot_be_halved_is_refused():
    with pytest.raises(ValueError, match="even numbers"):
        sublattice(flat_torus(3, 6))
    with pytest.raises(ValueError, match="across a side"):
        # row i is glued to row 3 − i: even rows to odd ones
        sublattice(mobius_strip(4, 4))
    with pytest.raises(ValueError, match="cone point"):
        sublattice(icosahedral_atlas(1))
