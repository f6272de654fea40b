"""Orders, rounds and random numbers."""

import random

import numpy as np
import pytest
import torch

from gaugenet.config import TrainConfig
from gaugenet.training import World, shuffled
from gaugenet.training.order import first_places, number_of, rounds_of_step, seed_all, steps_per_epoch


def test_every_epoch_has_an_order_of_its_own():
    orders = {tuple(shuffled(6, seed, epoch)) for seed in range(3) for epoch in range(4)}
    assert len(orders) > 8
    assert all(sorted(order) == list(range(6)) for order in orders)
    assert shuffled(6, 1, 2) == shuffled(6, 1, 2)


@pytest.mark.parametrize(("batch", "accumulate", "size"), [(1, 1, 1), (2, 1, 2), (1, 2, 3), (3, 2, 2)])
def test_every_surface_is_learned_from_once_in_an_epoch(batch, accumulate, size):
    config = TrainConfig(batch_size=batch, accumulate=accumulate)
    for n in (1, 7, 12, 13):
        seen, places = [], []
        for step in range(steps_per_epoch(n, config, World(0, size))):
            for rank in range(size):
                rounds = rounds_of_step(n, config, World(rank, size), 2, step)
                assert len(rounds) <= accumulate
                seen += [i for one in rounds for i in one.surfaces]
                places += [one.place for one in rounds]
        assert sorted(seen) == list(range(n))
        assert places == sorted(set(places))


def test_a_process_needs_its_own_surfaces_first():
    config = TrainConfig(batch_size=2)
    orders = [first_places(11, config, World(rank, 2)) for rank in range(2)]
    assert all(sorted(order) == list(range(11)) for order in orders)
    for rank, order in enumerate(orders):
        mine = [i for s in range(3) for one in rounds_of_step(11, config, World(rank, 2), 1, s) for i in one.surfaces]
        assert order[: len(mine)] == mine
    assert first_places(11, config, World()) == shuffled(11, 0, 1)


def test_processes_take_the_rounds_that_one_process_would_accumulate():
    alone, two = TrainConfig(batch_size=2, accumulate=4), TrainConfig(batch_size=2, accumulate=2)
    for step in range(2):
        shared = [one for rank in range(2) for one in rounds_of_step(13, two, World(rank, 2), 1, step)]
        assert rounds_of_step(13, alone, World(), 1, step) == shared


def test_the_generators_follow_the_number():
    def draw():
        return [torch.rand(2).tolist(), np.random.rand(), random.random()]  # noqa: NPY002

    seed_all(number_of("round", 1, 2))
    first = draw()
    seed_all(number_of("round", 12))
    assert draw() != first
    seed_all(number_of("round", 1, 2))
    assert draw() == first
