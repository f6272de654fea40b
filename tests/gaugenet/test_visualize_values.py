"""Numbers and mistakes on surfaces: what is drawn can be found in the picture."""

import numpy as np
import pytest

from gaugenet.meshes import shapes
from gaugenet.visualize_values import RIGHT, WRONG, Comparison, draw_comparisons, draw_values, mistake_colors

image = pytest.importorskip("matplotlib.image", reason="matplotlib is not installed")

FACES = np.array([[0, 2, 1], [0, 1, 3], [1, 2, 3], [2, 0, 3]])


def pixels(path):
    return np.round(255 * image.imread(path)[:, :, :3]).astype(int)


def test_mistakes_are_red_by_the_share_of_corners_and_unlabelled_faces_grey():
    labels, predicted = np.array([0, 1, 2, -1]), np.array([0, 1, 1, 5])
    colors = 255 * mistake_colors(labels, predicted, FACES, 4)
    third = (2 * np.array(RIGHT) + np.array(WRONG)) / 3
    assert np.allclose(colors, [third, RIGHT, third, third])
    assert np.allclose(255 * mistake_colors(labels, labels, FACES[:2], 4)[1], RIGHT)
    by_face = 255 * mistake_colors(np.array([0, 1, -1, 1]), np.array([0, 0, 0, 1]), FACES, 9)
    assert np.allclose(by_face, [RIGHT, WRONG, (150, 150, 150), RIGHT])
    with pytest.raises(ValueError, match="expected labels and predictions of 4 vertices or 4 faces"):
        mistake_colors(labels[:3], predicted[:3], FACES, 4)


def test_red_shows_in_the_picture_where_something_is_wrong_only(tmp_path):
    mesh = shapes.sphere(subdivisions=2).mesh
    labels = np.zeros(mesh.n_vertices, int)
    wrong = (mesh.vertices[:, 2] > 0.3).astype(int)
    red = []
    for name, predicted in (("right", labels), ("wrong", wrong)):
        draw_comparisons(
            tmp_path / f"{name}.png", [Comparison(name, mesh.vertices, mesh.faces, labels + 3, predicted + 3)], 6
        )
        p = pixels(tmp_path / f"{name}.png")[:, 960:]
        red.append(((p[:, :, 0] > 100) & (p[:, :, 1] < 70) & (p[:, :, 2] < 70)).sum())
    assert red[0] == 0
    assert red[1] > 1000


def test_a_scale_goes_with_the_values(tmp_path):
    mesh = shapes.sphere(subdivisions=2).mesh
    z = mesh.vertices[:, 2].copy()
    draw_values(tmp_path / "a.png", mesh.vertices, mesh.faces, z, "height")
    p = pixels(tmp_path / "a.png")
    left = p[:, : int(0.85 * p.shape[1])]
    for channel, other in ((0, 2), (2, 0)):  # red above and blue below
        rows = np.nonzero(left[:, :, channel] > left[:, :, other] + 25)[0]
        assert len(rows) > 1000
        assert (rows.mean() < p.shape[0] / 2) == (channel == 0)
    z[:50] = np.nan
    draw_values(tmp_path / "b.png", mesh.vertices, mesh.faces, z)
    draw_values(tmp_path / "c.png", mesh.vertices, mesh.faces, np.ones(mesh.n_faces))
    with pytest.raises(ValueError, match=r"expected 162 values \(vertices\) or 320 \(faces\), got \(3,\)"):
        draw_values(tmp_path / "d.png", mesh.vertices, mesh.faces, np.ones(3))
