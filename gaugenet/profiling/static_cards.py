"""The static kernel cards that belong to a problem, per target and Triton version."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gaugenet.kernels import cards
from gaugenet.kernels._cards_cases import LAUNCHES, TARGETS, Launch
from gaugenet.profiling.problem import OperatorProblem

SHAPE = ("BLOCK_M", "BLOCK_C", "BLOCK_B")


def launch_of(problem: OperatorProblem) -> Launch:
    """The forward's aggregation."""
    return Launch(
        problem.name,
        problem.dtype,
        problem.in_blocks,
        problem.out_blocks,
        problem.weight.shape[0],
        problem.geometry,
        round(problem.degree),
        reverse=False,
    )


def static_cards(problem: OperatorProblem) -> list[dict[str, Any]]:
    """The recorded cards of the kernel that a GPU would run, one per Triton version and target.

    ``exact`` says whether the recorded launch has every constant in common with the problem's; otherwise it is the
    recorded launch of the same kernel and dtype that has most.
    """
    found = []
    for version, stored in _versions():
        for target in TARGETS:
            ours = launch_of(problem)
            try:
                differences = {launch: _difference(ours, launch, target) for launch in LAUNCHES}
            except ValueError:
                continue  # the configuration has no shape with room for so many sums
            launch = min(LAUNCHES, key=lambda one: differences[one])
            key = f"{launch.kernel(target)} | {launch.name} | {target}"
            if differences[launch] < _INCOMPARABLE and key in stored:
                exact = differences[launch] == 0
                head = {"triton": version, "target": target, "launch": launch.name, "exact": exact}
                found.append({**head, "kernel": launch.kernel(target), **stored[key]})
    return found


_INCOMPARABLE = 1000


def _difference(ours: Launch, other: Launch, target: str) -> int:
    if ours.dtype != other.dtype or ours.kernel(target) != other.kernel(target):
        return _INCOMPARABLE
    mine, theirs = ours.arguments(target), other.arguments(target)
    # the compiler is told where rows of x are multiples of 16 long
    aligned = (cards.launch_width(ours) % 16 == 0) == (cards.launch_width(other) % 16 == 0)
    if mine == theirs and aligned:
        return 0
    shape: int = sum(mine[1].get(name) != theirs[1].get(name) for name in SHAPE)
    constants: int = sum(mine[1].get(name) != theirs[1].get(name) for name in mine[1].keys() | theirs[1].keys())
    options = int(mine[2] != theirs[2])
    return 1 + 10 * shape + constants + 5 * options + 2 * (not aligned)


def _versions() -> Iterator[tuple[str, dict[str, cards.Card]]]:
    for file in sorted(cards.FOLDER.glob("cards-*.json")):
        version = file.stem.removeprefix("cards-")
        stored = cards.load(version)
        if stored is not None:
            yield version, stored
