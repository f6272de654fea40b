"""What `write_outcomes` writes and says of classes and numbers."""

import numpy as np
import pytest
import torch

from gaugenet.cli.outcomes import write_outcomes
from gaugenet.data.dataset import prepare_mesh
from gaugenet.data.quantities import Quantities, SurfaceTargets
from gaugenet.data.targets import VertexTargets
from gaugenet.meshes.neighborhoods import Nearest
from gaugenet.meshes.shapes import sphere
from gaugenet.tasks import ClassTask, NumberTask


@pytest.fixture(scope="module")
def sample():
    return prepare_mesh(sphere(subdivisions=0).mesh, Nearest(5), features="constant")


def said(capsys):
    """The words of each line."""
    return [line.split() for line in capsys.readouterr().out.splitlines()]


def test_classes_of_surfaces(sample, tmp_path, capsys):
    samples = [sample.replace(labels=torch.tensor([label])) for label in (1, -100)]
    outputs = [torch.tensor([[1.0, 3.0]]).log(), torch.tensor([[4.0, 1.0]]).log()]
    task, folder = ClassTask(2, "surface"), tmp_path / "new"
    files = write_outcomes(folder, task, ["cat", "dog"], ["a.obj", "b.obj"], samples, outputs, 0)
    assert files == [folder / "surface_labels.txt", folder / "probabilities.csv"]
    assert files[0].read_text() == "a.obj dog\nb.obj cat\n"
    lines = said(capsys)
    assert lines[0] == ["surface", "class", "probability", "label"]
    assert lines[1:] == [["a.obj", "dog", "75.0", "%", "dog"], ["b.obj", "cat", "80.0", "%"]]


@pytest.mark.parametrize("known", [True, False])
def test_numbers_of_surfaces(known, sample, tmp_path, capsys):
    targets = SurfaceTargets(np.array([30.0, 0.5]), ("age", "drag")) if known else None
    task = NumberTask(Quantities(("age", "drag"), per_surface=True))
    output = torch.tensor([[31.5, 0.25]])
    files = write_outcomes(tmp_path, task, (), ["a.obj"], [sample.replace(targets=targets)], [output], 0)
    assert [file.name for file in files] == ["surface_values.txt"]
    assert files[0].read_text() == "file age drag\na.obj 31.5 0.25\n"
    header, line = said(capsys)
    assert header == (
        ["surface", "age", "age", "known", "drag", "drag", "known"] if known else ["surface", "age", "drag"]
    )
    assert line == (["a.obj", "31.5", "30", "0.25", "0.5"] if known else ["a.obj", "31.5", "0.25"])


def test_numbers_at_vertices(sample, tmp_path, monkeypatch, capsys):
    x = sample.mesh.vertices
    targets = VertexTargets(x[:, 2:].copy(), np.empty((12, 0, 3)), ("p",))
    samples, output = [sample.replace(targets=targets)] * 2, targets.coefficients(sample.geometry) + 1
    task = NumberTask(targets.quantities)
    drawn = []

    def draw(folder, predictions):
        drawn.append([p.name for p in predictions])
        return [folder / "p.png"]

    monkeypatch.setattr("gaugenet.cli.outcomes.draw_numbers", draw)
    files = write_outcomes(tmp_path, task, (), ["a", "b"], samples, [output, 2 * output], 1)
    assert ([file.name for file in files], drawn) == (["a.npz", "b.npz", "p.png"], [["a"]])
    with np.load(tmp_path / "b.npz") as file:
        assert np.abs(file["p"] - 2 * (x[:, 2] + 1)).max() < 1e-6

    def missing(folder, predictions):
        raise ImportError("no matplotlib here")

    monkeypatch.setattr("gaugenet.cli.outcomes.draw_numbers", missing)
    files = write_outcomes(tmp_path, task, (), ["a", "b"], samples, [output, output], 1)
    assert [file.name for file in files] == ["a.npz", "b.npz"]
    assert "no matplotlib here" in capsys.readouterr().out
