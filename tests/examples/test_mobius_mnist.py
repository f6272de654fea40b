"""The seven networks of the Möbius MNIST example: parameters, isometries, data, and the runner."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from example_files import load

from gaugenet.nn.chart_transport import chart_transport

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "examples" / "mobius_mnist"


model, data, triangulated = (
    load("mobius_mnist", "model"),
    load("mobius_mnist", "data"),
    load("mobius_mnist", "triangulated"),
)

PARAMETERS = {
    "cnn": 1_501_162,
    "cnn-small": 832_190,
    "scalar": 901_962,
    "sign": 819_962,
    "regular": 751_914,
    "irreps": 752_162,
    "mixed": 752_038,
}


@pytest.mark.parametrize("name", PARAMETERS)
def test_parameters_are_those_of_the_paper(name):
    assert sum(p.numel() for p in model.MobiusNetwork(name).parameters()) == PARAMETERS[name]


def narrow(name):
    network = model.MobiusNetwork(name).double().eval()
    g = torch.Generator().manual_seed(1)
    for p in network.parameters():
        p.data.add_(torch.randn(p.shape, generator=g, dtype=p.dtype), alpha=0.05)
    return network


def isometry_error(network, n_layers, pool, step):
    """Over all shifts by multiples of `step`, of the field after so many layers, relative."""
    image = torch.rand(1, 28, 28, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    steps = torch.arange(0, 56, step)
    images = data.move_along(image.expand(len(steps), -1, -1), steps)
    with torch.no_grad():
        field, atlas = network.features(images.flatten(1).T.contiguous()[..., None], n_layers, pool=pool)
    kind = model.field_types(network.model)[n_layers]
    still, error = field[:, :1], 0.0
    for n, s in enumerate(steps.tolist()):
        move = atlas.move(0, s * atlas.columns // 28)
        expected = chart_transport(move, kind, values=True, dtype=field.dtype, device=field.device)(still)
        error = max(error, float((field[:, n : n + 1] - expected).abs().max() / still.abs().max()))
    return error


@pytest.mark.parametrize("name", [*model.FIELDS, "normalised"])
def test_all_56_isometries_of_the_strip(name, monkeypatch):
    monkeypatch.setattr(model, "WIDTHS", (1, 2, 2, 3, 2))
    network = narrow(name)
    assert isometry_error(network, 5, pool=False, step=1) < 1e-12
    assert isometry_error(network, 5, pool=True, step=4) < 1e-12
    assert isometry_error(network, 6, pool=True, step=4) < 1e-12
    network.atlas = network.atlas.without_transitions()
    if name != "scalar":
        assert isometry_error(network, 5, pool=False, step=1) > 1e-3


def test_the_plain_network_has_none_of_them(monkeypatch):
    monkeypatch.setattr(model, "WIDTHS", (1, 2, 2, 3, 2))
    assert isometry_error(narrow("cnn"), 5, pool=False, step=1) > 1e-2


def test_logits_do_not_change_where_pooling_allows():
    network = narrow("mixed")
    image = torch.rand(1, 28, 28, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    steps = torch.arange(0, 56, 4)
    with torch.no_grad():
        logits = network(data.move_along(image.expand(len(steps), -1, -1), steps))
    assert (logits - logits[:1]).abs().max() < 1e-12 * logits.abs().max()


def test_digits_move_as_the_protocol_says():
    image = np.random.default_rng(0).random((28, 28))
    for s in (0, 1, 13, 27, 28, 40, 55):
        expected = np.roll(image, s % 28, axis=1)
        expected[:, : s % 28] = expected[::-1, : s % 28]
        if s >= 28:
            expected = expected[::-1]
        got = data.move_along(torch.from_numpy(image)[None], torch.tensor([s]))[0].numpy()
        assert (got == expected).all()


def test_the_picture_is_drawn(tmp_path, monkeypatch, capsys):
    pytest.importorskip("matplotlib")
    pixels, labels = np.random.default_rng(0).integers(0, 256, (2, 28, 28), dtype=np.uint8), np.zeros(2, np.uint8)
    np.savez(tmp_path / "mnist.npz", x_train=pixels, y_train=labels, x_test=pixels, y_test=labels)
    monkeypatch.setitem(sys.modules, "data", data)
    picture = load("mobius_mnist", "picture")
    command = ["picture.py", "--out", str(tmp_path / "strip.png"), "--every", "28", "--data"]
    monkeypatch.setattr(sys, "argv", [*command, str(tmp_path / "mnist.npz")])
    picture.main()
    assert (tmp_path / "strip.png").stat().st_size > 5000
    monkeypatch.setattr(sys, "argv", [*command, "nothing.npz"])
    with pytest.raises(SystemExit):
        picture.main()
    assert "no file nothing.npz" in capsys.readouterr().err


def test_runner_resumes_and_prints_the_table(tmp_path, monkeypatch, capsys):
    rng = np.random.default_rng(0)
    n = 128
    pixels, labels = rng.integers(0, 256, (n, 28, 28), dtype=np.uint8), rng.integers(0, 10, n, dtype=np.uint8)
    np.savez(tmp_path / "mnist.npz", x_train=pixels, y_train=labels, x_test=pixels[:20], y_test=labels[:20])
    for name, module in (("data", data), ("model", model), ("triangulated", triangulated)):
        monkeypatch.setitem(sys.modules, name, module)
    runner = load("mobius_mnist", "run")

    def call(out, epochs=2):
        command = ["run.py", "--data", str(tmp_path / "mnist.npz"), "--out", str(tmp_path / out)]
        command += ["--models", "scalar", "--train", "centred", "--epochs", str(epochs)]
        monkeypatch.setattr(sys, "argv", command)
        runner.main()
        return capsys.readouterr().out

    table = call("whole")
    result = json.loads((tmp_path / "whole" / "scalar-centred-0.json").read_text())
    assert result["parameters"] == PARAMETERS["scalar"]
    assert "| 901,962 | – | 1.60 ± 0.10 |" in table
    assert "done before" in call("whole")
    with pytest.raises(SystemExit):
        call("whole", epochs=3)
    assert "scalar-centred-0.json is of a run with epochs = 2 and now epochs is 3" in capsys.readouterr().err
    # interrupted after the first epoch, then again: the same losses
    train_epoch, trained = runner.train_epoch, []

    def interrupted(*arguments):
        if len(trained) == 1:
            raise KeyboardInterrupt
        trained.append(arguments)
        return train_epoch(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(runner, "train_epoch", interrupted)
        with pytest.raises(KeyboardInterrupt):
            call("halves")
    call("halves")
    resumed = json.loads((tmp_path / "halves" / "scalar-centred-0.json").read_text())
    assert resumed["train_loss"] == result["train_loss"]
    assert resumed["test_error_percent"] == result["test_error_percent"]


def test_a_killed_run_goes_on_to_the_same_bits(tmp_path):
    """Killed without warning after the first epoch was written, then started again."""
    rng = np.random.default_rng(0)
    pixels, labels = rng.integers(0, 256, (128, 28, 28), dtype=np.uint8), rng.integers(0, 10, 128, dtype=np.uint8)
    np.savez(tmp_path / "mnist.npz", x_train=pixels, y_train=labels, x_test=pixels[:4], y_test=labels[:4])

    def start(out):
        command = [sys.executable, str(FOLDER / "run.py"), "--data", str(tmp_path / "mnist.npz"), "--epochs", "2"]
        command += ["--models", "normalised", "--out", str(tmp_path / out), "--precision", "bfloat16"]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": str(ROOT)})

    with start("whole") as whole, start("halves") as killed:
        while "epoch 1" not in killed.stdout.readline():
            assert killed.poll() is None
        killed.kill()
        whole.communicate(timeout=100)
    assert not list((tmp_path / "halves").glob("*.json"))
    with start("halves") as again:
        assert "epoch 1," not in again.communicate(timeout=100)[0]
    ends = [json.loads(next((tmp_path / out).glob("*.json")).read_text()) for out in ("whole", "halves")]
    assert ends[0]["train_loss"] == ends[1]["train_loss"]
    assert ends[0]["test_error_percent"] == ends[1]["test_error_percent"]
