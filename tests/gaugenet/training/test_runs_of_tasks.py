"""Runs that learn classes of surfaces, numbers of surfaces, and fields at vertices."""

import json

import numpy as np
import pytest
import torch

from gaugenet.checkpoint import Checkpoint, ResumeState
from gaugenet.data.quantities import SurfaceTargets
from gaugenet.data.targets import VertexTargets
from gaugenet.evaluation import check_gauge, evaluate
from gaugenet.training import Silent, SurfaceData, build_model, train


def classes(sample, number):
    kind = number % 2
    return sample.replace(label_kind="surface", labels=torch.tensor([kind]), features=sample.features + 3 * kind)


def ages(sample, number):
    sample = classes(sample, number)
    targets = SurfaceTargets(np.array([50.0 + 30 * (number % 2)]), ("age",))
    return sample.replace(labels=torch.tensor([-100]), targets=targets)


def flows(sample, number):
    """A height, and the tangent part of the upward direction, which its gradient is."""
    v = sample.mesh.vertices
    frame = sample.geometry.frame.double().numpy()
    up = 4 * np.einsum("vk,vkc->vc", frame[:, :2, 2], frame[:, :2])
    targets = VertexTargets(100 + 3 * v[:, 2:], up[:, None], ("height",), ("up",))
    return sample.replace(labels=torch.full_like(sample.labels, -100), targets=targets)


KINDS = {"classes": classes, "ages": ages, "flows": flows}


@pytest.fixture(scope="module", params=KINDS)
def run_data(request, surface):
    samples = [KINDS[request.param](surface(i), i) for i in range(6)]
    targets = samples[0].targets
    names = {"classes": ("small", "large")}.get(request.param, ())
    quantities = None if targets is None else targets.quantities
    return SurfaceData(samples[:4], samples[4:], names, tuple(range(len(names))), quantities=quantities)


class KilledWithin(Silent):
    def __init__(self, epoch, step):
        self.at = (epoch, step)

    def batch(self, epoch, done, loss):
        if (epoch, done) == self.at:
            raise KeyboardInterrupt


def test_a_run_learns_and_what_it_leaves_is_the_same_network(run_data, tmp_path, config):
    config = config.override(["train.epochs=16", "model.dropout=0", "train.lr=0.03", "train.label_smoothing=0"])
    result = train(config, run_data, tmp_path)
    summary = json.loads((tmp_path / "summary.json").read_text())
    log = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    if run_data.quantities is None:
        assert result.test.accuracy == log[-1]["test_accuracy"] == 1.0
        assert (summary["gauge"]["changed"], log[-1]["test_error"]) == (0, None)
    else:
        assert result.test.error == log[-1]["test_error"] < 0.6
        assert log[0]["train_error"] > log[-1]["train_error"]
        assert (summary["gauge"]["changed"], log[-1]["test_accuracy"]) == (None, None)
        assert result.gauge.metrics.error == pytest.approx(result.test.error, rel=1e-3)
    assert result.gauge.error < 1e-5
    checkpoint = Checkpoint.load(tmp_path / "model.safetensors")
    assert checkpoint.task == run_data.task
    model = build_model(checkpoint.config, checkpoint.n_features, checkpoint.task)
    checkpoint.restore(model)
    assert evaluate(model, run_data.test, checkpoint.task) == result.test


def test_a_run_killed_within_an_epoch_goes_on_to_the_same_bits(run_data, tmp_path, config):
    config = config.override(["train.save_every=1", "train.batch_size=1", "train.epochs=3"])
    train(config, run_data, tmp_path / "straight")
    with pytest.raises(KeyboardInterrupt):
        train(config, run_data, tmp_path / "killed", KilledWithin(2, 3))
    state = ResumeState.load(tmp_path / "killed" / "resume.safetensors")
    assert (state.epoch, state.done) == (1, 2)
    torch.manual_seed(5)
    train(config, run_data, tmp_path / "killed", resume=state)
    a, b = (Checkpoint.load(tmp_path / run / "model.safetensors").weights for run in ("straight", "killed"))
    assert a.keys() == b.keys()
    assert all(torch.equal(a[k], b[k]) for k in a)


def test_the_smallest_error_of_a_validation_is_the_best(run_data, tmp_path, config):
    config = config.override(["train.patience=50", "train.test_every=1", "train.epochs=5"])
    parts = SurfaceData(
        run_data.train[:3], run_data.test, run_data.class_names, run_data.label_values, run_data.train[3:],
        quantities=run_data.quantities,
    )  # fmt: skip
    result = train(config, parts, tmp_path)
    log = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    key, best = ("validation_accuracy", max) if run_data.quantities is None else ("validation_error", min)
    assert log[result.best_epoch - 1][key] == best(record[key] for record in log)


def test_a_network_whose_vectors_do_not_turn_is_noticed(surface, config):
    samples = [flows(surface(i), i) for i in range(2)]
    data = SurfaceData(samples, [], quantities=samples[0].targets.quantities)
    model = build_model(config, 3, data.task)
    assert check_gauge(model, samples, "SO(2)", data.task).error < 1e-5
    model.register_forward_hook(lambda module, args, out: out + torch.tensor([0.0, 0.0, 0.1, 0.0]))
    assert check_gauge(model, samples, "SO(2)", data.task).error > 1e-2
