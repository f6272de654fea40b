"""``gaugenet evaluate``: what does not depend on place and frames stays, and what is of another kind is refused."""

import json

import pytest
import torch

from gaugenet.checkpoint import Checkpoint
from gaugenet.cli import run
from gaugenet.cli.evaluate import _certain, _interpolated
from gaugenet.cli.surfaces import dataset_of
from gaugenet.config import Config
from gaugenet.data.features import FeatureSpec
from gaugenet.data.labelled import IGNORED
from gaugenet.data.meshings import CHANGES
from gaugenet.training import build_model

SMALL = ["model.width=4", "model.blocks=1", "data.neighbors=10", "data.test_meshes=1", "data.vertices=600"]


@pytest.fixture
def weights(tmp_path, monkeypatch):
    """A function that saves a network with random weights, which reads certain features."""
    monkeypatch.setenv("GAUGENET_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)

    def save(features):
        config = Config().override([*SMALL, f"data.features={features}"]).resolved()
        data = dataset_of(config.data)
        n_features = FeatureSpec.parse(features).n_features
        model = build_model(config, n_features, data.n_classes)
        names, values = data.class_names, data.class_values
        Checkpoint(model.state_dict(), config, names, values, "vertex", n_features, 0).save("model.safetensors")

    return save


def rows(*options):
    threads = torch.get_num_threads()
    assert run(["evaluate", "model.safetensors", *options, "--json", "out.json"]) == 0
    torch.set_num_threads(threads)
    with open("out.json") as file:
        return {row["change"]: row for row in json.load(file)["rows"]}


def test_all_changes(weights, monkeypatch, capsys):
    weights("hks8")
    monkeypatch.setattr("gaugenet.cli.evaluate.CHANGES", {k: CHANGES[k] for k in ("rotated", "finer", "irregular")})
    found = rows("--rotated", "--remeshed")
    assert list(found)[:3] == ["as they are", "new frames", "rotated"]
    still = found["as they are"]
    for change in ("new frames", "rotated"):
        # a vertex on the border of two classes may go either way by rounding
        assert found[change]["accuracy"] == pytest.approx(still["accuracy"], abs=0.005)
        assert found[change]["elements"] == still["elements"]
        assert found[change]["limit"] == 1
    assert found["finer"]["elements"] > 3.5 * still["elements"]
    assert 0.85 < found["irregular"]["limit"] < 1
    shown = capsys.readouterr().out
    assert "every triangle cut into four" in shown
    assert f"{100 * still['accuracy']:.2f} %" in shown


def test_a_network_that_reads_places_depends_on_them(weights):
    weights("xyz")
    found = rows("--rotated")
    assert list(found) == ["as they are", "new frames", "rotated"]
    assert found["new frames"]["accuracy"] == found["as they are"]["accuracy"]
    assert abs(found["rotated"]["accuracy"] - found["as they are"]["accuracy"]) > 0.01


def test_other_classes_are_refused(weights, tmp_path, capsys):
    weights("hks8")
    for split in ("train", "test"):
        (tmp_path / "set" / split).mkdir(parents=True)
        (tmp_path / "set" / split / "a.obj").write_text(
            "v 0 0 0\nv 1 0 0\nv 0 1 0\nv 0 0 1\nf 1 3 2\nf 1 2 4\nf 1 4 3\n"
        )
        (tmp_path / "set" / split / "a.labels.txt").write_text("0\n0\n1\n1\n")
    assert run(["evaluate", "model.safetensors", "set"]) == 2
    assert "12 per vertex; got 2 per vertex" in capsys.readouterr().err


def test_wrong_numbers_of_surfaces_and_places_are_refused_before_the_work(weights, capsys):
    weights("hks8")
    assert run(["evaluate", "model.safetensors", "--surfaces", "-1"]) == 2
    assert "--surfaces is a number of test surfaces" in capsys.readouterr().err
    assert run(["evaluate", "model.safetensors", "--json", "/dev/null/out.json"]) == 2
    out, err = capsys.readouterr()
    assert (out, err.startswith("gaugenet: error: /dev/null")) == ("", True)


def test_probabilities_at_a_border_may_say_more_than_carried_labels():
    near, weights = torch.tensor([[0, 1, 1]]), torch.tensor([[0.4, 0.6, 0.0]])
    assert _interpolated(torch.tensor([[0.9, 0.1], [0.48, 0.52]]), near, weights).tolist() == [0]
    assert _interpolated(_certain(torch.tensor([0, 1]), 2), near, weights).tolist() == [1]
    assert _interpolated(_certain(torch.tensor([IGNORED, IGNORED]), 2), near, weights).tolist() == [IGNORED]
