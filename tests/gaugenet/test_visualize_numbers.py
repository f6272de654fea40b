"""Pictures of predicted numbers: a column for each panel, and colours where the numbers differ."""

import numpy as np
import pytest

from gaugenet.meshes import shapes
from gaugenet.visualize_numbers import NumberComparison, draw_number_comparisons

image = pytest.importorskip("matplotlib.image", reason="matplotlib is not installed")


@pytest.fixture(scope="module")
def mesh():
    return shapes.sphere(subdivisions=1).mesh


def panels(path):
    """The three columns of a picture, [rows, columns, 3] in 0 to 255."""
    return np.array_split(np.round(255 * image.imread(path)[:, :, :3]).astype(int), 3, axis=1)


def violet(p):
    """Pixels of the dark end of viridis, violet."""
    return int((p[:, :, 2] > p[:, :, 1] + 40).sum())


def yellow(p):
    """Pixels of its bright end."""
    return int((p[:, :, 0] + p[:, :, 1] > 2 * p[:, :, 2] + 150).sum())


def test_truth_and_prediction_share_a_scale(mesh, tmp_path):
    low, high = np.zeros(mesh.n_vertices), np.ones(mesh.n_vertices)
    path = tmp_path / "a.png"
    draw_number_comparisons(path, [NumberComparison("ball", mesh.vertices, mesh.faces, low, high)], "p")
    truth, predicted, _ = (p[:, :350] for p in panels(path))  # without the scales
    assert (violet(truth) > 5000, violet(predicted) > 5000) == (True, False)
    assert (yellow(truth) > 5000, yellow(predicted) > 5000) == (False, True)


def test_of_vectors_the_lengths_are_drawn(mesh, tmp_path):
    n = mesh.n_vertices
    truth = np.where(np.arange(n)[:, None] % 2 == 0, [3.0, 4.0, 0.0], [0.0, 1.0, 0.0])
    rows = [
        (NumberComparison("ball", mesh.vertices, mesh.faces, truth, 2 * truth),),
        (NumberComparison("ball", mesh.vertices, mesh.faces, *(np.linalg.norm(k * truth, axis=1) for k in (1, 2))),),
    ]
    for name, row in zip("ab", rows):
        draw_number_comparisons(tmp_path / f"{name}.png", row)
    a, b = (np.concatenate(panels(tmp_path / f"{name}.png"), 1) for name in "ab")
    assert np.array_equal(a, b)
    turned = np.roll(truth, 1, axis=1)
    draw_number_comparisons(tmp_path / "c.png", [rows[0][0]._replace(predicted=2 * turned)])
    c = panels(tmp_path / "c.png")
    # as long, but elsewhere: the prediction looks the same, the error does not
    assert np.array_equal(c[1][:, :350], panels(tmp_path / "a.png")[1][:, :350])
    assert not np.array_equal(c[2], panels(tmp_path / "a.png")[2])


def test_what_is_not_known_is_not_drawn(mesh, tmp_path):
    rows = [NumberComparison("ball", mesh.vertices, mesh.faces, None, mesh.vertices[:, 2])] * 2
    draw_number_comparisons(tmp_path / "a.png", rows, "height")
    first, *others = panels(tmp_path / "a.png")
    assert first.shape[0] == int(150 * 6.55)
    assert violet(first) > 2000
    assert min(p[:, 60:].min() for p in others) == 255


def test_what_is_refused(mesh, tmp_path):
    with pytest.raises(ValueError, match="at least one surface"):
        draw_number_comparisons(tmp_path / "a.png", [])
    with pytest.raises(ValueError, match="expected numbers at the 42 vertices of ball"):
        draw_number_comparisons(tmp_path / "a.png", [NumberComparison("ball", mesh.vertices, mesh.faces, None, [1, 2])])
    few, many = np.zeros((42, 3)), np.zeros(42)
    with pytest.raises(ValueError, match="expected numbers at the 42 vertices of ball"):
        draw_number_comparisons(tmp_path / "a.png", [NumberComparison("ball", mesh.vertices, mesh.faces, few, many)])
