"""Runs as a person starts them: two processes under torchrun, and one that is killed in the middle of an epoch."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from gaugenet.checkpoint import Checkpoint, ResumeState

COMMAND = ["-m", "gaugenet", "train"]
SETTINGS = {
    "data.neighbors": 10,
    "data.features": "xyz",
    "model.width": 4,
    "model.blocks": 1,
    "train.threads": 1,
    "train.test_every": 2,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Five training surfaces of unlike sizes with unlike numbers of labels, and two test surfaces."""
    from scipy.spatial import ConvexHull

    folder = tmp_path_factory.mktemp("set")
    for i in range(7):
        rng = np.random.default_rng(i)
        v = rng.standard_normal((60 + 15 * i, 3))
        v /= np.linalg.norm(v, axis=1, keepdims=True)
        f = ConvexHull(v).simplices
        inward = np.linalg.det(v[f]) < 0
        f[inward] = f[inward][:, ::-1]
        labels = np.where(v[:, 2] > 0, 8, 3)
        labels[rng.random(len(v)) < 0.12 * i] = -1
        split = folder / ("train" if i < 5 else "test")
        split.mkdir(exist_ok=True)
        np.savez(split / f"s{i}.npz", v=v * [1, 0.8, 1.2], f=f, label=labels)
    return folder


@pytest.fixture
def start(folder, tmp_path):
    """Start `gaugenet train` in a process (under torchrun: processes) of its own."""

    def start(*options, processes=1, **settings):
        launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
        words = [f"--set={name}={value}" for name, value in (SETTINGS | settings).items()]
        environment = os.environ | {
            "PYTHONPATH": os.pathsep.join(sys.path),
            "GAUGENET_CACHE": str(folder / "cache"),
            "OMP_NUM_THREADS": "1",
        }
        return subprocess.Popen(
            [sys.executable, *(launcher if processes > 1 else []), *COMMAND, *map(str, options), *words],
            env=environment,
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    return start


def finish(process):
    out, _ = process.communicate(timeout=400)
    assert process.returncode == 0, out
    return out


def weights(run):
    return Checkpoint.load(run / "model.safetensors").weights


def moments(run):
    """Adam's first moments: sums of gradients."""
    state = ResumeState.load(run / "resume.safetensors").optimizer["state"]
    return {i: values["exp_avg"] for i, values in state.items()}


def distances(a, b):
    """|a - b| of all entries, each relative to the largest of its tensor."""
    return torch.cat([((a[k] - b[k]).abs() / a[k].abs().max()).flatten() for k in a])


def same_to_rounding(one, two):
    """Adam divides a gradient by its size, so that where a gradient is nothing but rounding (a weight on which the
    loss does not depend) its sign decides about a whole step. Hence bounds for all gradients and nearly all weights."""
    of_weights = distances(weights(one), weights(two))
    return (
        float(distances(moments(one), moments(two)).max()) < 1e-5
        and float(of_weights.quantile(0.95)) < 1e-6
        and float(of_weights.max()) < 1e-2
    )


def test_two_processes_give_what_one_gives_with_batches_twice_as_large(start, folder, tmp_path):
    settings = {"model.dropout": 0, "train.epochs": 2, "train.accumulate": 2}
    # each of the two prepares surfaces while it learns, from a cache that is empty
    background = {"data.background": "true", "data.cache": tmp_path / "cache"}
    two = start(folder, "--out", "two", processes=2, **settings | background)
    one = start(folder, "--out", "one", **settings | {"train.batch_size": 2})
    said = finish(two)
    finish(one)
    assert said.count("new gauge") == 1  # the first process speaks for both
    assert "2, 4 surfaces per step" in said
    assert same_to_rounding(tmp_path / "one", tmp_path / "two")
    logs = [
        [json.loads(line) for line in (tmp_path / run / "log.jsonl").read_text().splitlines()] for run in ("one", "two")
    ]
    for x, y in zip(*logs):
        assert x["loss"] == pytest.approx(y["loss"], rel=1e-4)
        assert x["lr"] == y["lr"]


def kill_within(process, run, victim):
    """kill -9 for `victim()` when a state in the middle of an epoch, not the first, was saved. It is stopped before the
    state is read, so that none later is saved meanwhile."""
    give_up = time.monotonic() + 120
    while time.monotonic() < give_up and process.poll() is None:
        time.sleep(0.02)
        if (run / "resume.safetensors").exists():
            stopped = victim()
            os.kill(stopped, signal.SIGSTOP)
            time.sleep(0.05)
            state = ResumeState.load(run / "resume.safetensors")
            if state.epoch and state.done:
                os.kill(stopped, signal.SIGKILL)
                process.communicate(timeout=60)
                return state
            os.kill(stopped, signal.SIGCONT)
    process.terminate()
    raise AssertionError(process.communicate(timeout=60)[0])


def test_a_run_killed_within_an_epoch_goes_on_to_the_same_bits(start, folder, tmp_path):
    settings = {"model.dropout": 0.4, "train.save_every": 1, "train.schedule": "constant", "train.warmup": 0}
    process = start(folder, "--out", "killed", **settings | {"train.epochs": 100_000})
    state = kill_within(process, tmp_path / "killed", lambda: process.pid)
    assert 0 < state.done < 5
    settings["train.epochs"] = state.epoch + 2
    straight = start(folder, "--out", "straight", **settings)
    finish(start("--resume", "killed", **settings))
    finish(straight)
    a, b = weights(tmp_path / "straight"), weights(tmp_path / "killed")
    assert all(torch.equal(a[k], b[k]) for k in a)


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="finds the processes of torchrun in /proc")
def test_two_processes_of_which_one_is_killed_go_on_to_the_same_bits(start, folder, tmp_path):
    settings = {"model.dropout": 0.4, "train.save_every": 1, "train.schedule": "constant", "train.warmup": 0}
    process = start(folder, "--out", "killed", processes=2, **settings | {"train.epochs": 100_000})

    def worker():
        return int(Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()[-1])

    state = kill_within(process, tmp_path / "killed", worker)
    assert state.processes == 2
    settings["train.epochs"] = state.epoch + 2
    straight = start(folder, "--out", "straight", processes=2, **settings)
    finish(start("--resume", "killed", processes=2, **settings))
    finish(straight)
    a, b = weights(tmp_path / "straight"), weights(tmp_path / "killed")
    assert all(torch.equal(a[k], b[k]) for k in a)
