"""Colours that differ, PLY files in the order of the mesh, pictures in which the classes can be found."""

import numpy as np
import pytest
import trimesh

from gaugenet.visualize import UNLABELLED, draw_segmentation, segmentation_colors, write_colored_ply

VERTICES = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]], float)
FACES = np.array([[0, 2, 1], [0, 1, 3], [1, 2, 3], [2, 0, 3]])


@pytest.mark.parametrize("n", [1, 12, 16, 17, 100, 260])
def test_every_class_has_its_own_colour(n):
    colors = segmentation_colors(np.arange(n), n)
    assert colors.shape == (n, 3)
    assert colors.dtype == np.uint8
    assert len(np.unique(colors, axis=0)) == n
    assert not (colors == UNLABELLED).all(1).any()


def test_the_first_sixteen_differ_clearly():
    colors = segmentation_colors(np.arange(16), 16).astype(float)
    gaps = np.linalg.norm(colors[:, None] - colors[None], axis=2) + 1e3 * np.eye(16)
    assert gaps.min() > 40


def test_a_colour_does_not_depend_on_the_number_of_classes_and_unlabelled_is_grey():
    assert np.array_equal(segmentation_colors(np.arange(12), 12), segmentation_colors(np.arange(12), 260)[:12])
    assert segmentation_colors(np.array([-100, -1, 5]), 5).tolist() == [list(UNLABELLED)] * 3


@pytest.mark.parametrize("kind", ["vertex", "face"])
def test_ply_holds_the_mesh_and_its_colours(tmp_path, kind):
    labels = np.array([0, 1, 2, 1])
    write_colored_ply(tmp_path / "a.ply", VERTICES, FACES, labels, 3, label_kind=kind)
    read = trimesh.load(tmp_path / "a.ply", process=False)
    assert np.allclose(read.vertices, VERTICES)
    assert np.array_equal(read.faces, FACES)
    colors = read.visual.vertex_colors if kind == "vertex" else read.visual.face_colors
    assert np.array_equal(colors[:, :3], segmentation_colors(labels, 3))


def test_ply_with_labels_of_the_wrong_length_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"one label per vertex, 4 in all; got an array of \(3,\)"):
        write_colored_ply(tmp_path / "a.ply", VERTICES, FACES, np.zeros(3, int), 3)
    assert list(tmp_path.iterdir()) == []


def pixels(path):
    from matplotlib.image import imread

    return np.round(255 * imread(path)[..., :3]).astype(int)


def hue(rgb):
    """Colour without brightness, which shading changes."""
    return np.asarray(rgb, float) / np.maximum(np.linalg.norm(rgb, axis=-1, keepdims=True), 1)


def has_color(image, rgb):
    dark = image.sum(-1) < 700
    return int((np.abs(hue(image[dark]) - hue(rgb)).max(-1) < 0.06).sum())


@pytest.mark.parametrize("by", ["vertex", "face"])
def test_picture_shows_the_classes_that_face_the_eye_and_no_other(tmp_path, by):
    pytest.importorskip("matplotlib")
    ball = trimesh.creation.icosphere(subdivisions=3)
    height = ball.vertices[:, 2] if by == "vertex" else ball.triangles_center[:, 2]
    labels = np.where(height > 0, 1, 2)
    path = tmp_path / "ball.png"
    draw_segmentation(path, [(ball.vertices, ball.faces, labels, "ball")], 4, view=(90.0, 0.0))
    image = pixels(path)
    above, below = (has_color(image, segmentation_colors(np.array([k]), 4)[0]) for k in (1, 2))
    assert above > 5000
    assert below < above / 100, "what lies behind shines through"
    draw_segmentation(path, [(ball.vertices, ball.faces, labels, "ball")], 4, view=(-90.0, 0.0))
    image = pixels(path)
    above, below = (has_color(image, segmentation_colors(np.array([k]), 4)[0]) for k in (1, 2))
    assert below > 5000
    assert above < below / 100


def test_up_is_up(tmp_path):
    pytest.importorskip("matplotlib")
    ball = trimesh.creation.icosphere(subdivisions=2)
    for axis, up in ((1, "y"), (2, "z")):
        labels = np.where(ball.vertices[:, axis] > 0, 1, 2)
        draw_segmentation(tmp_path / "a.png", [(ball.vertices, ball.faces, labels, "")], 4, view=(0.0, 30.0), up=up)
        image = pixels(tmp_path / "a.png")
        top, bottom = image[: len(image) // 2], image[len(image) // 2 :]
        color = segmentation_colors(np.array([1]), 4)[0]
        assert has_color(top, color) > 20 * has_color(bottom, color)


def test_several_panels_and_refusals(tmp_path):
    pytest.importorskip("matplotlib")
    panel = (VERTICES, FACES, np.arange(4), "a title")
    draw_segmentation(tmp_path / "a.png", [panel] * 5, 4, columns=3)
    height, width, _ = pixels(tmp_path / "a.png").shape
    assert abs(width / height - 1.5) < 0.01
    with pytest.raises(ValueError, match="at least one surface"):
        draw_segmentation(tmp_path / "b.png", [], 4)
    with pytest.raises(ValueError, match=r"4 labels \(vertices\) or 4 \(faces\), got \(3,\)"):
        draw_segmentation(tmp_path / "b.png", [(VERTICES, FACES, np.arange(3), "")], 4)
    with pytest.raises(ValueError, match="up"):
        draw_segmentation(tmp_path / "b.png", [panel], 4, up="x")
    assert not (tmp_path / "b.png").exists()
