"""The static kernel cards that belong to a problem, per target and Triton version."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from gaugenet.kernels import _triton_fused, cards
from gaugenet.kernels._cards_cases import LAUNCHES, TARGETS, Launch
from gaugenet.profiling.problem import OperatorProblem

SHAPE = ("BLOCK_M", "BLOCK_C", "BLOCK_B")


_TRANSPOSED = {"pre": "post", "post": "pre", "pre_flip": "post_flip", "post_flip": "pre_flip"}


def launch_of(problem: OperatorProblem, reverse: bool = False) -> Launch:
    """The aggregation of the forward, or of the gradient to x (the transposed operator)."""
    rows = problem.edges.n_source if reverse else problem.edges.n_target
    return Launch(
        problem.name,
        problem.dtype,
        problem.out_blocks if reverse else problem.in_blocks,
        problem.in_blocks if reverse else problem.out_blocks,
        problem.weight.shape[0],
        frozenset(_TRANSPOSED[name] for name in problem.geometry) if reverse else problem.geometry,
        round(problem.edges.n_edges / max(rows, 1)),
        reverse,
    )


def launches_of(problem: OperatorProblem, target: str, reverse: bool = False) -> list[Launch]:
    """What a pass would launch there: every launch of the fused kernel, or the aggregation.

    Raises:
        ValueError: the configuration has no shape with room for so many sums.
    """
    launch = launch_of(problem, reverse)
    n_rows = problem.edges.n_source if reverse else problem.edges.n_target
    sizes = (launch.n_scalars, n_rows, problem.edges.n_edges)
    fused = _triton_fused.choose(target, launch.dtype, launch.plan, *sizes, gradient=False)
    if fused is None:
        launch.kernel(target)
        return [launch]
    n = len(_triton_fused.groups(launch.plan, launch.n_scalars, fused))
    return [replace(launch, fused="conv", group=g, name=f"{launch.name} {g + 1} of {n}") for g in range(n)]


def static_cards(problem: OperatorProblem, *, compiled: bool = False) -> list[dict[str, Any]]:
    """The cards of the kernels that a GPU would run, one per pass, Triton version and target.

    ``exact`` says whether the card is of a launch that has every constant in common with the problem's; otherwise it is
    of the recorded launch of the same kernel and dtype that has most.

    Args:
        compiled: compile the problem's own launches now, with the Triton that is installed, instead of looking for
            recorded ones; takes about a second each.

    Raises:
        ImportError: `compiled`, and there is no Triton here.
    """
    found: list[dict[str, Any]] = []
    for target in TARGETS:
        for reverse in (False, True):
            try:
                launches = launches_of(problem, target, reverse)
            except ValueError:
                continue
            cards_of = _compiled if compiled else _recorded
            each = "backward" if reverse else "forward"
            found += [{"pass": each, **card} for launch in launches for card in cards_of(launch, target)]
    return found


def _compiled(launch: Launch, target: str) -> Iterator[dict[str, Any]]:
    import triton

    head = {"triton": triton.__version__, "target": target, "launch": launch.name, "exact": True}
    yield {**head, "kernel": launch.kernel(target), **cards.compile_card(launch, target)}


def _recorded(ours: Launch, target: str) -> Iterator[dict[str, Any]]:
    differences = {launch: _difference(ours, launch, target) for launch in LAUNCHES}
    launch = min(LAUNCHES, key=lambda one: differences[one])
    key = f"{launch.kernel(target)} | {launch.name} | {target}"
    for version, stored in _versions():
        if differences[launch] < _INCOMPARABLE and key in stored:
            exact = differences[launch] == 0
            head = {"triton": version, "target": target, "launch": launch.name, "exact": exact}
            yield {**head, "kernel": launch.kernel(target), **stored[key]}


_INCOMPARABLE = 1000


def _difference(ours: Launch, other: Launch, target: str) -> int:
    if ours.dtype != other.dtype or ours.reverse != other.reverse or ours.kernel(target) != other.kernel(target):
        return _INCOMPARABLE
    mine, theirs = ours.arguments(target), other.arguments(target)
    # the compiler is told where rows of x are multiples of 16 long
    aligned = (ours.width % 16 == 0) == (other.width % 16 == 0)
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
