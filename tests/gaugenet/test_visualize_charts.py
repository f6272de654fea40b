"""Charts unfolded into the plane."""

import numpy as np
import pytest
import torch

from gaugenet.meshes.chart_atlases import mobius_strip
from gaugenet.meshes.sphere_atlases import icosahedral_atlas, icosahedral_points
from gaugenet.visualize_charts import draw_unfolded, unfolded


def test_the_net_keeps_the_faces_of_the_icosahedron():
    atlas, points = icosahedral_atlas(3), icosahedral_points(3)
    places, _ = unfolded(atlas)
    side = np.sqrt(2 - 2 / np.sqrt(5)) / 8
    plane = np.linalg.norm(places[:, None] - places, axis=2)
    assert plane[plane > 0].min() > 1 - 1e-9
    # inside of a chart and on one face, distances in the plane are those in space
    n, chart = np.arange(atlas.n_pixels), np.arange(atlas.n_pixels) % 5
    i, j = n // 5 // atlas.columns + 1, n // 5 % atlas.columns
    face = np.flatnonzero((chart == 2) & (i + j <= 8))
    space = np.linalg.norm(points[face][:, None] - points[face], axis=2) / side
    assert np.abs(plane[np.ix_(face, face)] - space).max() < 1e-9


@pytest.mark.parametrize("atlas", [icosahedral_atlas(2), mobius_strip(4, 9)], ids=["icosahedron", "strip"])
def test_pictures_are_written(tmp_path, atlas):
    values, vectors = torch.arange(atlas.n_pixels).float(), torch.ones(atlas.n_pixels, 2)
    draw_unfolded(tmp_path / "field.png", atlas, values, vectors, title="a field")
    assert (tmp_path / "field.png").stat().st_size > 5000
    draw_unfolded(tmp_path / "zero.png", atlas, values, 0 * vectors)
    with pytest.raises(ValueError, match="expected values"):
        draw_unfolded(tmp_path / "no.png", atlas, values[:-1])
    with pytest.raises(ValueError, match="expected vectors"):
        draw_unfolded(tmp_path / "no.png", atlas, values, vectors[:-1])
