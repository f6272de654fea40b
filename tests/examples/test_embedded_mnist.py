"""The two networks of the embedded MNIST example: size, gauges, the way of the pixels, and the runner."""

import json
import sys

import numpy as np
import pytest
import torch
from example_files import load

from gaugenet.equivariance import random_gauge
from gaugenet.meshes.hierarchy import batch_hierarchies

network, surface = load("embedded_mnist", "network"), load("embedded_mnist", "surface")


@pytest.fixture(scope="module")
def hills():
    mesh, pixel = surface.surface("hills")
    return mesh, torch.from_numpy(pixel), surface.hierarchy_of(mesh)


def test_both_are_of_one_size():
    count = {m: sum(p.numel() for p in network.ImageNetwork(m).parameters()) for m in network.MODELS}
    assert count == {"gauge-equivariant": 137_698, "isotropic": 137_160}


def test_the_rows_of_an_image_lie_from_top_to_bottom():
    for name in surface.SURFACES:
        mesh, pixel = surface.surface(name)
        assert sorted(pixel.tolist()) == list(range(28 * 28))
        row, column = pixel // 28, pixel % 28
        assert column == pytest.approx(mesh.vertices[:, 0])
        assert row == pytest.approx(13.5 - mesh.vertices[:, 1])
        assert (mesh.vertices[:, 2] == 0).all() == (name == "flat")


def trained(model):
    g = torch.Generator().manual_seed(0)
    net = network.ImageNetwork(model).double().eval()
    for p in net.parameters():
        p.data.add_(torch.randn(p.shape, generator=g, dtype=p.dtype), alpha=0.05)
    return net


@pytest.mark.parametrize("model", network.MODELS)
def test_logits_do_not_depend_on_the_frames(model, hills):
    two = batch_hierarchies([hills[2].to(dtype=torch.float64)] * 2)
    g = torch.Generator().manual_seed(1)
    x = torch.randn(2 * 784, 1, generator=g, dtype=torch.float64)
    turned = two.transform([random_gauge("SO(2)", level, g)[0] for level in two.levels])
    net = trained(model)
    with torch.no_grad():
        before, after = net(x, two), net(x, turned)
        alone = net(x[:784], hills[2].to(dtype=torch.float64))
    assert (after - before).abs().max() < 1e-12 * before.abs().max()
    assert (alone - before[:1]).abs().max() < 1e-12 * before.abs().max()
    # frames turned on the finest level only, and the steps between levels left as they were: no gauge transformation
    wrong = type(two)((turned.levels[0], *two.levels[1:]), two.pool, two.unpool, two.kept, two.parent)
    with torch.no_grad():
        off = (net(x, wrong) - before).abs().max() / before.abs().max()
    assert off > 1e-6 if model == "gauge-equivariant" else off < 1e-12


def test_the_runner_trains_and_writes(tmp_path, monkeypatch, capsys):
    rng = np.random.default_rng(0)
    pixels, labels = rng.integers(0, 256, (8, 28, 28), dtype=np.uint8), rng.integers(0, 10, 8, dtype=np.uint8)
    np.savez(tmp_path / "mnist.npz", x_train=pixels, y_train=labels, x_test=pixels[:5], y_test=labels[:5])
    for name, module in (("network", network), ("surface", surface)):
        monkeypatch.setitem(sys.modules, name, module)
    runner = load("embedded_mnist", "run")

    def call(*more):
        command = ["run.py", "--data", str(tmp_path / "mnist.npz"), "--epochs", "1", *more]
        monkeypatch.setattr(sys, "argv", command)
        runner.main()

    call("--batch", "4", "--json", str(tmp_path / "out.json"))
    results = json.loads((tmp_path / "out.json").read_text())["results"]
    assert [r["model"] for r in results] == list(network.MODELS)
    assert all(r["gauge_error"] < 1e-5 and set(r["test_error_percent"]) == {"flat", "hills"} for r in results)
    with pytest.raises(SystemExit):
        call("--batch", "9")
    assert "less than a batch of 9" in capsys.readouterr().err
