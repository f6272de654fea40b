"""``gaugenet train --seeds``: the same run with several seeds, and what can be said about the mean."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rich.table import Table

from gaugenet.checkpoint import ResumeState
from gaugenet.cli.console import console, say
from gaugenet.config import Config
from gaugenet.meshes.atomic import write_atomically
from gaugenet.training import CONFIG, RESUME, SUMMARY, World, check_same_run
from gaugenet.training.seeds import Spread, spread_of

RESULTS = "seeds.json"
"""What came of all seeds, in the folder that holds a run for each."""

_SCORES = {"accuracy": "accuracy", "mean_iou": "mean class IoU", "mean_mesh_accuracy": "mean per surface"}
_ERRORS = {"error": "relative error"}

Run = Callable[[Config, Path, ResumeState | None], None]
"""Trains in a folder until the summary is there."""


def run_seeds(config: Config, seeds: Sequence[int], folder: Path, overwrite: bool, run: Run, world: World) -> None:
    """One run per seed in ``folder/seed-N``; those that are finished are not run again, unfinished ones go on.

    Raises:
        ValueError: a run that is there has other settings.
    """
    runs = {seed: (config.override([f"train.seed={seed}"]), folder / f"seed-{seed}") for seed in seeds}
    states = {seed: None if overwrite else _state_of(*one) for seed, one in runs.items()}
    finished = {seed for seed, one in runs.items() if not overwrite and _is_finished(*one)}
    # before any is trained: a process that is late would take what another has just written for an earlier run
    world.wait()
    for seed, (own, place) in runs.items():
        say("seed", f"{seed}: {place}{' is finished' if seed in finished else ''}")
        if seed not in finished:
            run(own, place, states[seed])
    if world.is_first:
        _conclude(folder, {seed: _read(place / SUMMARY) for seed, (_, place) in runs.items()})


def _state_of(config: Config, place: Path) -> ResumeState | None:
    if not (place / RESUME).exists():
        return None
    state = ResumeState.load(place / RESUME)
    try:
        check_same_run(config, state.config)
    except ValueError as error:
        raise ValueError(f"{place}: {error}; or give another --out, or --overwrite") from None
    return state


def _is_finished(config: Config, place: Path) -> bool:
    return (place / SUMMARY).exists() and Config.load(place / CONFIG).train.epochs == config.train.epochs


def _read(path: Path) -> dict[str, Any]:
    values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return values


def _conclude(folder: Path, summaries: dict[int, dict[str, Any]]) -> None:
    console.print()
    tests = {seed: summary["test"] for seed, summary in summaries.items()}
    if any(test is None for test in tests.values()):
        say("seeds", "there are no test surfaces, so there is nothing to compare")
        return
    scores = _ERRORS if all("error" in test for test in tests.values()) else _SCORES
    spreads: dict[str, Spread] = {name: spread_of([test[name] for test in tests.values()]) for name in scores}
    table = Table("seed", *scores.values(), box=None, pad_edge=False, header_style="cyan")
    for seed, test in tests.items():
        table.add_row(str(seed), *(f"{100 * test[name]:.2f} %" for name in scores))
    table.add_row("all", *(spreads[name].percent() for name in scores))
    console.print(table)
    results = {
        "seeds": {seed: {**test, "seconds": summaries[seed]["seconds"]} for seed, test in tests.items()},
        "test": {name: dataclasses.asdict(spread) for name, spread in spreads.items()},
    }
    write_atomically(folder / RESULTS, (json.dumps(results, indent=1) + "\n").encode())
    say("results", folder / RESULTS)
