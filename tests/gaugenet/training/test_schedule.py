"""Learning rates."""

import dataclasses
import itertools

import pytest

from gaugenet.config import TrainConfig
from gaugenet.training import learning_rate


def test_the_learning_rate_rises_then_falls_to_zero():
    config = TrainConfig(lr=1.0, warmup=0.1)
    rates = [learning_rate(step, 100, config) for step in range(100)]
    assert rates[:10] == sorted(rates[:10])
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert max(rates) == 1.0
    assert rates[-1] < 1e-3
    flat = [learning_rate(step, 100, dataclasses.replace(config, schedule="constant")) for step in range(10, 100)]
    assert set(flat) == {1.0}


def rates(steps=100, falls=0, **settings):
    return [learning_rate(i, steps, TrainConfig(lr=1.0, warmup=0.1, **settings), falls) for i in range(steps)]


def test_linear_ends_at_zero_with_equal_falls():
    after = rates(schedule="linear")[10:]
    assert after[0] == 1.0
    assert [a - b for a, b in itertools.pairwise(after)] == pytest.approx([1 / 90] * 89)


def test_step_falls_between_epochs_only():
    # 20 epochs of 5 steps: falls after epochs 8 and 16
    found = rates(schedule="step", epochs=20, decay_every=8, decay=0.5)
    assert found[10:40] == [1.0] * 30
    assert found[40:80] == [0.5] * 40
    assert found[80:] == [0.25] * 20


def test_plateau_falls_as_often_as_it_is_told():
    assert set(rates(schedule="plateau", decay=0.5)[10:]) == {1.0}
    assert set(rates(schedule="plateau", decay=0.5, falls=3)[10:]) == {0.125}
    assert set(rates(schedule="constant", falls=3)[10:]) == {1.0}
