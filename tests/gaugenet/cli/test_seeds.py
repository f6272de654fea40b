"""`gaugenet train --seeds`: runs side by side, a table, and what is finished is not done again."""

import json

import pytest
import torch

from gaugenet.checkpoint import Checkpoint
from gaugenet.cli import run

TINY = {
    "data.train_meshes": 2,
    "data.test_meshes": 1,
    "data.vertices": 600,
    "data.neighbors": 8,
    "data.features": "xyz",
    "model.width": 4,
    "model.blocks": 1,
    "train.threads": 1,
    "train.epochs": 1,
}


@pytest.fixture(autouse=True)
def _own_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("GAUGENET_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


def train(*words):
    return run(["train", *(f"--set={name}={value}" for name, value in TINY.items()), *words])


def test_seeds_are_trained_once_and_summed_up(tmp_path, capsys):
    assert train("--seeds", "0,1", "--out", "both") == 0
    out = capsys.readouterr().out
    assert "mean class IoU" in out
    assert "(95 %: ±" in out
    results = json.loads((tmp_path / "both" / "seeds.json").read_text())
    accuracies = [
        json.loads((tmp_path / "both" / f"seed-{i}" / "summary.json").read_text())["test"]["accuracy"] for i in (0, 1)
    ]
    assert [results["seeds"][i]["accuracy"] for i in ("0", "1")] == accuracies
    assert results["test"]["accuracy"]["mean"] == pytest.approx(sum(accuracies) / 2)
    kept = [(tmp_path / "both" / f"seed-{i}" / "model.safetensors").read_bytes() for i in (0, 1)]
    assert kept[0] != kept[1]

    # an unfinished seed goes on, finished ones are left alone
    (tmp_path / "both" / "seed-1" / "summary.json").unlink()
    times = {i: (tmp_path / "both" / f"seed-{i}" / "model.safetensors").stat().st_mtime_ns for i in (0, 1)}
    assert train("--seeds", "0,1,2", "--out", "both") == 0
    out = capsys.readouterr().out
    assert out.count("is finished") == 1
    assert (tmp_path / "both" / "seed-0" / "model.safetensors").stat().st_mtime_ns == times[0]
    assert (tmp_path / "both" / "seed-1" / "model.safetensors").read_bytes() == kept[1]
    assert len(json.loads((tmp_path / "both" / "seeds.json").read_text())["seeds"]) == 3

    assert train("--seeds", "0", "--out", "both", "--set", "train.lr=1") == 2
    err = capsys.readouterr().err
    assert "train.lr is 1.0 but the run to resume began with 0.003" in err
    assert "--overwrite" in err
    assert train("--seeds", "0,0") == 2
    assert "twice" in capsys.readouterr().err
    assert train("--seeds", "1", "--resume", "both/seed-1") == 2
    assert err.count("\n") == 1


def test_preparing_in_the_background_gives_the_same_bits(tmp_path, monkeypatch):
    assert train("--out", "before", "--set", "data.validation=0.5") == 0
    monkeypatch.setenv("GAUGENET_CACHE", str(tmp_path / "another"))
    assert train("--out", "during", "--set", "data.validation=0.5", "--set", "data.background=true") == 0
    a, b = (Checkpoint.load(tmp_path / run / "model.safetensors").weights for run in ("before", "during"))
    assert all(torch.equal(a[k], b[k]) for k in a)
