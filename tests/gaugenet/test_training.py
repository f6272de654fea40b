"""Training: the same bits from the same seed and after a resumption, logs, learning rates, refusals."""

import dataclasses
import json
import math

import numpy as np
import pytest
import torch

from gaugenet.checkpoint import Checkpoint, ResumeState
from gaugenet.config import Config, DataConfig, ModelConfig, TrainConfig
from gaugenet.data.dataset import prepare_mesh
from gaugenet.evaluation import Batch, check_gauge, check_sides, check_surfaces, evaluate, predict
from gaugenet.meshes.neighborhoods import Nearest
from gaugenet.meshes.repair import mesh_from_arrays
from gaugenet.meshes.shapes import mobius_strip
from gaugenet.training import Silent, SurfaceData, build_model, learning_rate, shuffled, train


def surface(seed, kind="vertex"):
    """A bumpy sphere with three classes by height; a tenth of its elements have no label."""
    from scipy.spatial import ConvexHull

    rng = np.random.default_rng(seed)
    points = rng.standard_normal((90 + 10 * seed, 3))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    faces = ConvexHull(points).simplices.astype(np.int64)
    points = points * (1 + 0.3 * points[:, :1]) * [1, 0.7, 1.3]
    mesh = mesh_from_arrays(points, faces, name=f"bump {seed}")
    height = mesh.vertices[:, 2] if kind == "vertex" else mesh.vertices[mesh.faces].mean(1)[:, 2]
    labels = np.digitize(height, [-0.4, 0.4])
    labels[rng.random(len(labels)) < 0.1] = -100
    return prepare_mesh(mesh, Nearest(10), features="xyz", labels=labels, label_kind=kind, name=f"bump {seed}")


@pytest.fixture(scope="module")
def data():
    return SurfaceData([surface(i) for i in range(4)], [surface(7), surface(8)], ("a", "b", "c"), (0, 1, 2))


CONFIG = Config(
    data=DataConfig(features="xyz", neighbors=10),
    model=ModelConfig(width=4, blocks=1, dropout=0.3),
    train=TrainConfig(epochs=4, batch_size=2, lr=0.02, test_every=2, weight_decay=0.01, threads=1),
)


@pytest.fixture(autouse=True, scope="module")
def _threads():
    """The configuration sets the number of threads of the process; other tests keep theirs."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


class Killed(Silent):
    """Stops the run after an epoch, as Ctrl-C or a power cut would."""

    def __init__(self, after):
        self.after = after

    def epoch(self, record):
        if record.epoch == self.after:
            raise KeyboardInterrupt


def weights_of(folder):
    return Checkpoint.load(folder / "model.safetensors").weights


def identical(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


def test_the_same_seed_gives_the_same_bits_and_another_seed_others(data, tmp_path):
    torch.rand(3)  # the state before the run must not matter
    train(CONFIG, data, tmp_path / "a")
    train(CONFIG, data, tmp_path / "b")
    other = dataclasses.replace(CONFIG, train=dataclasses.replace(CONFIG.train, seed=1))
    train(other, data, tmp_path / "c")
    assert identical(weights_of(tmp_path / "a"), weights_of(tmp_path / "b"))
    assert not identical(weights_of(tmp_path / "a"), weights_of(tmp_path / "c"))


def test_a_killed_run_goes_on_to_the_same_bits(data, tmp_path):
    straight = train(CONFIG, data, tmp_path / "straight")
    with pytest.raises(KeyboardInterrupt):
        train(CONFIG, data, tmp_path / "killed", Killed(after=2))
    torch.manual_seed(99)
    half = weights_of(tmp_path / "killed")
    state = ResumeState.load(tmp_path / "killed" / "resume.safetensors")
    assert state.epoch == 2
    # what was logged after the last saved state belongs to no run
    with open(tmp_path / "killed" / "log.jsonl", "a") as f:
        f.write('{"epoch": 3}\n')
    resumed = train(CONFIG, data, tmp_path / "killed", resume=state)
    assert identical(weights_of(tmp_path / "straight"), weights_of(tmp_path / "killed"))
    assert not identical(half, weights_of(tmp_path / "killed"))
    assert resumed.test == straight.test

    logs = [
        [json.loads(line) for line in (tmp_path / run / "log.jsonl").read_text().splitlines()]
        for run in ("straight", "killed")
    ]
    for record in (*logs[0], *logs[1]):
        del record["seconds"]
    assert logs[0] == logs[1]
    assert [record["epoch"] for record in logs[0]] == [1, 2, 3, 4]
    assert [record["test_accuracy"] is not None for record in logs[0]] == [False, True, False, True]


def test_a_run_killed_between_its_last_two_writes_is_completed(data, tmp_path):
    """The resumable state is that of the last epoch, the weights are still those of an epoch before."""
    with pytest.raises(KeyboardInterrupt):
        train(CONFIG, data, tmp_path, Killed(after=3))
    old = (tmp_path / "model.safetensors").read_bytes()
    state = ResumeState.load(tmp_path / "resume.safetensors")
    train(CONFIG, data, tmp_path, resume=state)
    # copies: loaded weights may be views of the file that is written next
    last = {name: weight.clone() for name, weight in weights_of(tmp_path).items()}
    (tmp_path / "model.safetensors").write_bytes(old)
    train(CONFIG, data, tmp_path, resume=ResumeState.load(tmp_path / "resume.safetensors"))
    assert identical(weights_of(tmp_path), last)
    assert Checkpoint.load(tmp_path / "model.safetensors").epoch == CONFIG.train.epochs


def test_without_the_generators_a_resumed_run_differs(data, tmp_path):
    """The twin of the test above: the dropout depends on the state of the generator, so it must be restored."""
    train(CONFIG, data, tmp_path / "straight")
    with pytest.raises(KeyboardInterrupt):
        train(CONFIG, data, tmp_path / "killed", Killed(after=2))
    state = ResumeState.load(tmp_path / "killed" / "resume.safetensors")
    wrong = dataclasses.replace(state, rng=state.rng | {"torch": torch.Generator().manual_seed(5).get_state()})
    train(CONFIG, data, tmp_path / "killed", resume=wrong)
    assert not identical(weights_of(tmp_path / "straight"), weights_of(tmp_path / "killed"))


def test_how_often_is_tested_does_not_change_the_weights(data, tmp_path):
    train(CONFIG, data, tmp_path / "rare")
    often = dataclasses.replace(CONFIG, train=dataclasses.replace(CONFIG.train, test_every=1))
    train(often, data, tmp_path / "often")
    assert identical(weights_of(tmp_path / "rare"), weights_of(tmp_path / "often"))


def test_a_run_learns_and_its_summary_tells_the_truth(data, tmp_path):
    config = CONFIG.override(["train.epochs=16", "model.dropout=0", "train.lr=0.03"])
    result = train(config, data, tmp_path)
    assert result.test.accuracy > 0.8  # the height is among the features; three classes, the largest about 0.4
    assert result.gauge.changed == 0
    assert result.gauge.total == sum(len(s.labels) for s in data.test)
    assert result.gauge.error < 1e-5
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["test"]["accuracy"] == result.test.accuracy
    assert summary["gauge"]["changed"] == 0

    checkpoint = Checkpoint.load(result.weights)
    model = build_model(checkpoint.config, checkpoint.n_features, len(checkpoint.class_names))
    assert evaluate(model, data.test, 3) != result.test
    checkpoint.restore(model)
    assert evaluate(model, data.test, 3) == result.test


def test_labels_of_faces(tmp_path):
    data = SurfaceData([surface(i, "face") for i in range(3)], [surface(7, "face")], ("a", "b", "c"), (0, 1, 2))
    config = CONFIG.override(["train.epochs=8", "model.dropout=0", "train.lr=0.03"])
    assert train(config, data, tmp_path).test.accuracy > 0.7
    assert Checkpoint.load(tmp_path / "model.safetensors").label_kind == "face"


@pytest.mark.parametrize("kind", ["vertex", "face"])
def test_a_batch_gives_what_its_surfaces_give_alone(kind):
    samples = [surface(i, kind) for i in range(3)]
    model = build_model(CONFIG, 3, 3).eval()
    batch = Batch.of(samples)
    together = model(batch.features, batch.geometry, batch.faces).split(batch.sizes)
    for a, b in zip(together, predict(model, samples)):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)
    assert not model.training


@pytest.mark.parametrize("group", ["SO(2)", "O(2)"])
def test_the_gauge_check_passes_for_the_network_and_fails_for_a_broken_one(data, group):
    config = CONFIG.override([f"model.group={group}"])
    model = build_model(config, 3, 3)
    good = check_gauge(model, data.test, group, 3)
    assert (good.changed, good.error < 1e-5) == (0, True)

    class Broken(torch.nn.Module):
        def forward(self, features, geometry, faces=None):
            logits = model(features, geometry, faces)
            return logits.index_add(0, geometry.target, geometry.theta.cos()[:, None] * logits[geometry.source.long()])

    bad = check_gauge(Broken(), data.test, group, 3)
    assert bad.error > 1e-2
    assert bad.changed > 0


def test_a_one_sided_surface_needs_reflections():
    shape = mobius_strip()
    sample = prepare_mesh(shape.mesh, Nearest(8), features="constant", name="strip")
    check_surfaces([sample], "O(2)")
    with pytest.raises(ValueError, match=r"strip: the surface is one-sided.*smallest admissible group is"):
        check_surfaces([sample], "SO(2)")
    with pytest.raises(ValueError, match=r"strip: the surface is one-sided.*use --group 'O\(2\)'"):
        check_sides(shape.mesh, "strip", "C4")
    check_sides(shape.mesh, "strip", "D4")
    curved = surface(1)
    with pytest.raises(ValueError, match=r"bump 1: the surface turns frames by angles outside C4.*'SO\(2\)'"):
        check_surfaces([curved], "C4")


def test_a_loss_that_is_not_finite_names_epoch_and_surface(data, tmp_path):
    spoiled = data.train[2].replace(features=torch.full_like(data.train[2].features, math.nan))
    with pytest.raises(FloatingPointError, match=r"input features of .*bump 2.* are not finite"):
        train(CONFIG, dataclasses.replace(data, train=[*data.train[:2], spoiled]), tmp_path / "run")
    wild = CONFIG.override(["train.lr=1e30", "train.clip=0", "train.warmup=0"])
    with pytest.raises(FloatingPointError, match=r"no longer finite in epoch \d+ at .*bump .*train.lr"):
        train(wild, data, tmp_path / "run2")
    assert not (tmp_path / "run").exists()


def test_a_set_without_labels_is_refused(data, tmp_path):
    bare = [s.replace(labels=torch.full_like(s.labels, -100)) for s in data.train]
    with pytest.raises(ValueError, match="has a label"):
        train(CONFIG, dataclasses.replace(data, train=bare), tmp_path)
    # a surface without labels among others is passed over
    train(CONFIG.override(["train.epochs=1"]), dataclasses.replace(data, train=[*data.train[:3], bare[3]]), tmp_path)


def test_a_run_is_not_resumed_with_other_settings(data, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        train(CONFIG, data, tmp_path, Killed(after=1))
    state = ResumeState.load(tmp_path / "resume.safetensors")
    with pytest.raises(ValueError, match=r"train.lr is 0.5 but the run to resume began with 0.02"):
        train(CONFIG.override(["train.lr=0.5"]), data, tmp_path, resume=state)


def test_the_learning_rate_rises_then_falls_to_zero():
    config = TrainConfig(lr=1.0, warmup=0.1)
    rates = [learning_rate(step, 100, config) for step in range(100)]
    assert rates[:10] == sorted(rates[:10])
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert max(rates) == 1.0
    assert rates[-1] < 1e-3
    flat = [learning_rate(step, 100, dataclasses.replace(config, schedule="constant")) for step in range(10, 100)]
    assert set(flat) == {1.0}


def test_every_epoch_has_an_order_of_its_own():
    orders = {tuple(shuffled(6, seed, epoch)) for seed in range(3) for epoch in range(4)}
    assert len(orders) > 8
    assert all(sorted(order) == list(range(6)) for order in orders)
    assert shuffled(6, 1, 2) == shuffled(6, 1, 2)
