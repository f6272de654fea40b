"""Gluings that are no surface are refused, each by name; sides in parts and folded sides are surfaces."""

import pytest

from gaugenet.meshes.charts import ChartAtlas, Gluing
from gaugenet.meshes.sphere_atlases import cube_atlas, icosahedral_atlas

SAME = ((1, 0), (0, 1))
LEFT, RIGHT = Gluing(0, SAME, (0, 4)), Gluing(0, SAME, (0, -4))


def closed(left, right):
    """A chart of 3 × 4 pixels whose left and right side are glued."""
    return ChartAtlas("closed", 3, 4, ((left, right, (), ()),))


def test_surfaces():
    assert closed((LEFT,), (RIGHT,)).structure_group == "trivial"
    halves = (Gluing(0, SAME, (0, 4), stop=1), Gluing(0, SAME, (0, 4), start=1))
    assert closed(halves, (RIGHT,)).halo(1).inside.sum() == 3 * 6
    folded = Gluing(0, ((-1, 0), (0, -1)), (-1, 3))
    assert ChartAtlas("folded", 3, 4, (((), (), (folded,), ()),)).structure_group == "C2"
    for level in range(1, 4):
        assert icosahedral_atlas(level).without_transitions().n_charts == 5
    for n in range(1, 4):
        assert cube_atlas(n).n_charts == 6


@pytest.mark.parametrize(
    ("left", "right", "message"),
    [
        ((Gluing(1, SAME, (0, 4)),), (RIGHT,), "left side of chart 0 is glued to chart 1, expected one from 0 to 0"),
        ((Gluing(0, SAME, (0, 4.5)),), (RIGHT,), "integers"),
        ((RIGHT,), (LEFT,), "left side of chart 0 leads to no pixel"),
        ((LEFT,), (), r"left side of chart 0 leads from pixel \(0, 0\) to chart 0, and there is no way back"),
        ((Gluing(0, ((-1, 0), (0, 1)), (2, 4)),), (RIGHT,), "no way back"),
        ((Gluing(0, SAME, (0, 3)),), (RIGHT,), "no way back"),
        ((LEFT,), (Gluing(0, SAME, (0, -4), stop=2),), r"from pixel \(2, 0\)"),
        ((Gluing(0, SAME, (0, 4), stop=2), Gluing(0, SAME, (0, 4), start=1)), (RIGHT,), "overlap"),
    ],
)
def test_no_surfaces(left, right, message):
    with pytest.raises(ValueError, match=message):
        closed(left, right)
