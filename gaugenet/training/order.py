"""Which surfaces are learned from when, by which process, and with which random numbers."""

from __future__ import annotations

import hashlib
import random
from dataclasses import dataclass

import torch

from gaugenet.config import TrainConfig
from gaugenet.world import World


def shuffled(n: int, seed: int, epoch: int) -> list[int]:
    """The order of the surfaces in an epoch: a function of seed and epoch alone."""
    generator = torch.Generator().manual_seed((seed * 1_000_003 + epoch) % 2**63)
    return torch.randperm(n, generator=generator).tolist()


@dataclass(frozen=True)
class Round:
    """A batch that is computed at once."""

    surfaces: tuple[int, ...]
    place: int
    """Its number among those of its epoch, over all processes: what its random numbers depend on."""


def surfaces_per_step(config: TrainConfig, world: World) -> int:
    return config.batch_size * config.accumulate * world.size


def steps_per_epoch(n: int, config: TrainConfig, world: World) -> int:
    return -(-n // surfaces_per_step(config, world))


def rounds_of_step(n: int, config: TrainConfig, world: World, epoch: int, step: int) -> list[Round]:
    """What this process computes in a step, at most `accumulate` rounds; in the last step of an epoch perhaps nothing.

    The surfaces of a step are those that one process would take with `world.size` times as many rounds, and each round
    is the same in both, so that the two differ in the order of additions only.

    Args:
        n: surfaces in an epoch.
        epoch: from 1.
        step: of the epoch, from 0.
    """
    rounds = config.accumulate * world.size
    order = shuffled(n, config.seed, epoch)
    first = step * rounds
    mine = range(first + world.rank * config.accumulate, first + (world.rank + 1) * config.accumulate)
    found = [Round(tuple(order[i * config.batch_size : (i + 1) * config.batch_size]), i) for i in mine]
    return [one for one in found if one.surfaces]


def first_places(n: int, config: TrainConfig, world: World) -> list[int]:
    """All surfaces, in the order in which this process needs them in the first epoch; those of others come last."""
    steps = range(steps_per_epoch(n, config, world))
    mine = [i for step in steps for one in rounds_of_step(n, config, world, 1, step) for i in one.surfaces]
    return mine + [i for i in shuffled(n, config.seed, 1) if i not in set(mine)]


def number_of(*parts: int | str) -> int:
    """A number below 2⁶³ that depends on all parts; those of different parts have nothing to do with each other."""
    return int.from_bytes(hashlib.sha256(repr(parts).encode()).digest()[:8]) >> 1


def seed_all(number: int) -> None:
    """Set the generators of torch, numpy and Python, from which layers draw (dropout) or may draw."""
    import numpy as np

    random.seed(number)
    np.random.seed(number % 2**32)  # noqa: NPY002 - layers of users may draw from the global one
    torch.manual_seed(number)
