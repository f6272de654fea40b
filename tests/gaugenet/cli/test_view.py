"""``gaugenet view`` and ``gaugenet report``, run as a person runs them."""

import numpy as np
import pytest

from gaugenet.cli import run
from gaugenet.meshes import shapes
from gaugenet.meshes.io import save_ply

image = pytest.importorskip("matplotlib.image", reason="matplotlib is not installed")


@pytest.fixture(scope="module")
def ball(tmp_path_factory):
    folder = tmp_path_factory.mktemp("view")
    mesh = shapes.sphere(subdivisions=2).mesh
    save_ply(folder / "ball.ply", mesh.vertices, mesh.faces)
    (folder / "ball.labels.txt").write_text("".join(f"{5 * int(z > 0)}\n" for z in mesh.vertices[:, 2]))
    np.save(folder / "ball.y.npy", np.cross(mesh.vertices, [0.0, 0.0, 1.0]))
    return folder / "ball.ply"


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["--feature", "curvature:K_0.06"],
        ["--field", "4"],
        ["--transport", "7"],
        ["--weights", "7"],
        ["--frames"],
        ["--values"],
    ],
    ids=lambda o: o[0] if o else "labels",
)
def test_each_picture_of_a_mesh(ball, tmp_path, capsys, options):
    out = tmp_path / "new" / "a.png"
    assert run(["view", str(ball), "--out", str(out), *options]) == 0
    assert "picture" in capsys.readouterr().out
    picture = np.round(255 * image.imread(out)[:, :, :3])
    assert (picture < 250).any(2).mean() > 0.2, "the ball fills a good part of the picture"


def test_labels_beside_the_mesh_or_given_are_drawn(ball, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run(["view", str(ball)]) == 0
    p = 255 * image.imread(tmp_path / "ball.png")[:, :, :3]
    assert (p[:, :, 0] > p[:, :, 2] + 60).sum() > 1000, "class 0 is red"
    assert (p[:, :, 2] > p[:, :, 0] + 40).sum() > 1000, "class 1 is blue"
    np.savetxt(tmp_path / "faces.txt", np.arange(320) % 3, fmt="%d")
    assert run(["view", str(ball), "--labels", "faces.txt", "--out", "faces.png"]) == 0
    np.savetxt(tmp_path / "wrong.txt", np.arange(7), fmt="%d")
    assert run(["view", str(ball), "--labels", "wrong.txt"]) == 2
    assert "expected 162 labels (vertices) or 320 (triangles), got 7" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (["--transport", "162"], "there is no vertex 162: expected 0 to 161"),
        (["--feature", "hks4:9"], "there is no column '9'; hks4 has hks_0, hks_1, hks_2, hks_3"),
        (["--feature", "hks4", "--frames"], "--feature and --frames are two pictures"),
        (["--up", "x"], "expected up="),
        (["--window", "--field", "4"], "leave out --window for the other pictures"),
    ],
)
def test_refusals_in_a_line(ball, tmp_path, capsys, options, problem):
    assert run(["view", str(ball), "--out", str(tmp_path / "a.png"), *options]) == 2
    said = capsys.readouterr().err
    assert problem in said
    assert said.count("\n") == 1


def test_a_run_is_drawn_and_reported(tmp_path, capsys):
    settings = ["data.train_meshes=2", "data.test_meshes=1", "data.vertices=700", "data.features=constant+gauss"]
    settings += ["data.neighbors=6", "model.width=2", "model.blocks=1", f"data.cache={tmp_path / 'cache'}"]
    command = ["train", "--epochs", "2", "--out", str(tmp_path / "run")]
    assert run([*command, *(word for s in settings for word in ("--set", s))]) == 0
    assert run(["view", str(tmp_path / "run")]) == 0
    assert (tmp_path / "run" / "curves.png").is_file()
    assert image.imread(tmp_path / "run" / "errors.png").shape[1] == 1440
    assert run(["report", str(tmp_path / "run"), "--out", str(tmp_path / "report.html")]) == 0
    page = (tmp_path / "report.html").read_text()
    assert page.count("data:image/png;base64,") == 2
    assert "predictions that changed" in page
    assert run(["view", str(tmp_path / "cache")]) == 2
    assert "give a mesh, or the folder of a run" in capsys.readouterr().err
