"""A run: the same bits from the same seed and after a resumption, logs, refusals."""

import dataclasses
import json
import math

import pytest
import torch

from gaugenet.checkpoint import Checkpoint, ResumeState
from gaugenet.data.augmentation import Augmentation
from gaugenet.data.dataset import prepare_mesh
from gaugenet.data.features import FeatureSpec
from gaugenet.evaluation import evaluate
from gaugenet.meshes.neighborhoods import Nearest
from gaugenet.settings import AugmentConfig
from gaugenet.training import Silent, SurfaceData, build_model, train


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


def test_the_same_seed_gives_the_same_bits_and_another_seed_others(data, tmp_path, config):
    torch.rand(3)  # the state before the run must not matter
    train(config, data, tmp_path / "a")
    train(config, data, tmp_path / "b")
    other = dataclasses.replace(config, train=dataclasses.replace(config.train, seed=1))
    train(other, data, tmp_path / "c")
    assert identical(weights_of(tmp_path / "a"), weights_of(tmp_path / "b"))
    assert not identical(weights_of(tmp_path / "a"), weights_of(tmp_path / "c"))


def test_a_killed_run_goes_on_to_the_same_bits(data, tmp_path, config):
    straight = train(config, data, tmp_path / "straight")
    with pytest.raises(KeyboardInterrupt):
        train(config, data, tmp_path / "killed", Killed(after=2))
    torch.manual_seed(99)
    half = weights_of(tmp_path / "killed")
    state = ResumeState.load(tmp_path / "killed" / "resume.safetensors")
    assert state.epoch == 2
    # what was logged after the last saved state belongs to no run
    with open(tmp_path / "killed" / "log.jsonl", "a") as f:
        f.write('{"epoch": 3}\n')
    resumed = train(config, data, tmp_path / "killed", resume=state)
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


def test_a_run_does_not_go_on_with_other_surfaces(data, tmp_path, config):
    with pytest.raises(KeyboardInterrupt):
        train(config, data, tmp_path, Killed(after=1))
    state = ResumeState.load(tmp_path / "resume.safetensors")
    with pytest.raises(ValueError, match="train/bump 0 is gone since the run to resume began"):
        train(config, dataclasses.replace(data, train=data.train[1:]), tmp_path, resume=state)


def test_a_run_killed_between_its_last_two_writes_is_completed(data, tmp_path, config):
    """The resumable state is that of the last epoch, the weights are still those of an epoch before."""
    with pytest.raises(KeyboardInterrupt):
        train(config, data, tmp_path, Killed(after=3))
    old = (tmp_path / "model.safetensors").read_bytes()
    state = ResumeState.load(tmp_path / "resume.safetensors")
    train(config, data, tmp_path, resume=state)
    # copies: loaded weights may be views of the file that is written next
    last = {name: weight.clone() for name, weight in weights_of(tmp_path).items()}
    (tmp_path / "model.safetensors").write_bytes(old)
    train(config, data, tmp_path, resume=ResumeState.load(tmp_path / "resume.safetensors"))
    assert identical(weights_of(tmp_path), last)
    assert Checkpoint.load(tmp_path / "model.safetensors").epoch == config.train.epochs


def test_how_often_is_tested_does_not_change_the_weights(data, tmp_path, config):
    train(config, data, tmp_path / "rare")
    often = dataclasses.replace(config, train=dataclasses.replace(config.train, test_every=1))
    train(often, data, tmp_path / "often")
    assert identical(weights_of(tmp_path / "rare"), weights_of(tmp_path / "often"))


def test_a_run_learns_and_its_summary_tells_the_truth(data, tmp_path, config):
    config = config.override(["train.epochs=16", "model.dropout=0", "train.lr=0.03"])
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


def test_labels_of_faces(tmp_path, config, surface):
    data = SurfaceData([surface(i, "face") for i in range(3)], [surface(7, "face")], ("a", "b", "c"), (0, 1, 2))
    config = config.override(["train.epochs=8", "model.dropout=0", "train.lr=0.03"])
    assert train(config, data, tmp_path).test.accuracy > 0.7
    assert Checkpoint.load(tmp_path / "model.safetensors").label_kind == "face"


def test_a_loss_that_is_not_finite_names_epoch_and_surface(data, tmp_path, config):
    spoiled = data.train[2].replace(features=torch.full_like(data.train[2].features, math.nan))
    with pytest.raises(FloatingPointError, match=r"input features of .*bump 2.* are not finite"):
        train(config, dataclasses.replace(data, train=[*data.train[:2], spoiled]), tmp_path / "run")
    wild = config.override(["train.lr=1e30", "train.clip=0", "train.warmup=0"])
    with pytest.raises(FloatingPointError, match=r"no longer finite in epoch \d+ at .*bump .*train.lr"):
        train(wild, data, tmp_path / "run2")
    assert not (tmp_path / "run").exists()


def test_a_set_without_labels_is_refused(data, tmp_path, config):
    bare = [s.replace(labels=torch.full_like(s.labels, -100)) for s in data.train]
    with pytest.raises(ValueError, match="has a label"):
        train(config, dataclasses.replace(data, train=bare), tmp_path)
    # a surface without labels among others is passed over
    train(config.override(["train.epochs=1"]), dataclasses.replace(data, train=[*data.train[:3], bare[3]]), tmp_path)


def test_a_run_is_not_resumed_with_other_settings(data, tmp_path, config):
    with pytest.raises(KeyboardInterrupt):
        train(config, data, tmp_path, Killed(after=1))
    state = ResumeState.load(tmp_path / "resume.safetensors")
    with pytest.raises(ValueError, match=r"train.lr is 0.5 but the run to resume began with 0.02"):
        train(config.override(["train.lr=0.5"]), data, tmp_path, resume=state)
    moved = config.override(["data.path=elsewhere"])
    with pytest.raises(ValueError, match="is gone since the run to resume began"):
        train(moved, dataclasses.replace(data, train=data.train[:-1]), tmp_path, resume=state)
    # the same surfaces in another folder
    assert train(moved, data, tmp_path, resume=state).test is not None


class KilledWithin(Silent):
    """Stops the run after a step."""

    def __init__(self, epoch, step):
        self.at = epoch, step

    def batch(self, epoch, done, loss):
        if (epoch, done) == self.at:
            raise KeyboardInterrupt


def resumed(config, data, folder):
    return train(config, data, folder, resume=ResumeState.load(folder / "resume.safetensors"))


def records(folder):
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [{name: value for name, value in line.items() if name != "seconds"} for line in lines]


@pytest.mark.parametrize(("epoch", "step"), [(1, 3), (3, 2), (3, 4)])
def test_a_run_killed_within_an_epoch_goes_on_to_the_same_bits(config, data, tmp_path, epoch, step):
    config = config.override(["train.batch_size=1", "train.save_every=2"])
    straight = train(config, data, tmp_path / "straight")
    with pytest.raises(KeyboardInterrupt):
        train(config, data, tmp_path / "killed", KilledWithin(epoch, step))
    state = ResumeState.load(tmp_path / "killed" / "resume.safetensors")
    # after step 4, the last, nothing was saved yet
    assert (state.epoch, state.done) == (epoch - 1, 2 if step > 2 else 0)
    after = resumed(config, data, tmp_path / "killed")
    assert identical(weights_of(tmp_path / "straight"), weights_of(tmp_path / "killed"))
    assert records(tmp_path / "straight") == records(tmp_path / "killed")
    assert after.test == straight.test


def test_states_are_saved_by_the_clock_too(config, data, tmp_path):
    config = config.override(["train.batch_size=1", "train.save_seconds=1e-9"])
    with pytest.raises(KeyboardInterrupt):
        train(config, data, tmp_path, KilledWithin(1, 3))
    assert ResumeState.load(tmp_path / "resume.safetensors").done == 2
    never = config.override(["train.save_seconds=0"])
    with pytest.raises(KeyboardInterrupt):
        train(never, data, tmp_path / "never", KilledWithin(1, 3))
    assert not (tmp_path / "never").exists()


def test_a_run_within_its_first_epoch_leaves_nothing_of_the_run_it_replaces(config, data, tmp_path):
    train(config, data, tmp_path)
    with pytest.raises(KeyboardInterrupt):
        train(config.override(["train.batch_size=1", "train.save_every=1"]), data, tmp_path, KilledWithin(1, 2))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["config.toml", "resume.safetensors"]


def test_random_numbers_before_and_between_steps_do_not_matter(config, data, tmp_path):
    """The dropout of a step depends on seed, epoch and place alone: that is why resuming needs no state of it."""

    class Draws(Silent):
        def batch(self, epoch, done, loss):
            torch.rand(3)

    train(config, data, tmp_path / "a")
    train(config, data, tmp_path / "b", Draws())
    assert identical(weights_of(tmp_path / "a"), weights_of(tmp_path / "b"))
    without = config.override(["model.dropout=0"])
    train(without, data, tmp_path / "c")
    assert not identical(weights_of(tmp_path / "a"), weights_of(tmp_path / "c"))


def test_early_stopping_keeps_the_best_weights_also_when_resumed(config, data, tmp_path):
    config = config.override(["train.epochs=30", "train.patience=2", "train.lr=0.1", "train.schedule=constant"])
    parts = data.set_aside(0.5, 0)
    straight = train(config, parts, tmp_path / "straight")
    log = records(tmp_path / "straight")
    accuracies = [line["validation_accuracy"] for line in log]
    best = accuracies.index(max(accuracies)) + 1
    assert straight.epochs == len(log) == best + 2 < 30
    assert straight.best_epoch == best == Checkpoint.load(straight.weights).epoch
    assert evaluate(straight.model, parts.validation, 3).accuracy == max(accuracies)
    last = ResumeState.load(tmp_path / "straight" / "resume.safetensors").weights
    assert not identical(last, weights_of(tmp_path / "straight"))

    with pytest.raises(KeyboardInterrupt):
        train(config, parts, tmp_path / "killed", Killed(after=best + 1))
    resumed(config, parts, tmp_path / "killed")
    assert identical(weights_of(tmp_path / "straight"), weights_of(tmp_path / "killed"))
    assert records(tmp_path / "killed") == log
    # nothing is left to do
    again = resumed(config, parts, tmp_path / "killed")
    assert (again.epochs, again.test) == (straight.epochs, straight.test)


def test_plateau_lowers_the_rate_where_validation_stays(config, data, tmp_path):
    config = config.override(
        ["train.epochs=8", "train.schedule=plateau", "train.decay_every=1", "train.decay=0.5", "train.lr=1e-9"]
    )
    train(config, data.set_aside(0.5, 0), tmp_path)
    rates = [line["lr"] for line in records(tmp_path)]
    assert rates[2:] == [rates[2] * 0.5**i for i in range(6)]


def test_patience_without_validation_is_refused(config, data, tmp_path):
    with pytest.raises(ValueError, match=r"train\.patience waits"):
        train(config.override(["train.patience=1"]), data, tmp_path)


def test_another_number_of_processes_does_not_go_on(config, data, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        train(config, data, tmp_path, Killed(after=1))
    state = dataclasses.replace(ResumeState.load(tmp_path / "resume.safetensors"), processes=2)
    with pytest.raises(ValueError, match="was trained by 2 processes and now there are 1"):
        train(config, data, tmp_path, resume=state)


def test_an_augmented_run_killed_within_an_epoch_goes_on_to_the_same_bits(config, data, tmp_path):
    features = FeatureSpec.parse("xyz")
    augment = Augmentation(
        AugmentConfig(rotation="all", noise=0.1, variants=1),
        features,
        lambda s: prepare_mesh(s.mesh, Nearest(10), features=features, labels=s.labels, name=s.name),
    )
    config = config.override(["train.batch_size=1", "train.save_every=1"])
    changed = dataclasses.replace(data, augment=augment)
    train(config, changed, tmp_path / "straight")
    with pytest.raises(KeyboardInterrupt):
        train(config, changed, tmp_path / "killed", KilledWithin(2, 3))
    resumed(config, changed, tmp_path / "killed")
    assert identical(weights_of(tmp_path / "straight"), weights_of(tmp_path / "killed"))
    train(config, data, tmp_path / "plain")
    assert not identical(weights_of(tmp_path / "straight"), weights_of(tmp_path / "plain"))
