"""``gaugenet train``."""

from __future__ import annotations

import dataclasses
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import torch

from gaugenet.checkpoint import ResumeState
from gaugenet.cli import InterruptedRunError
from gaugenet.cli.console import TrainProgress, console, load_config, say
from gaugenet.cli.outcomes import write_outcomes
from gaugenet.cli.seeds import run_seeds
from gaugenet.cli.surfaces import prepared_data, start_background
from gaugenet.config import EMBEDDED, Config
from gaugenet.evaluation import predict
from gaugenet.kernels.dispatch import explain
from gaugenet.prediction import Prediction, draw_predictions
from gaugenet.tasks import ClassTask
from gaugenet.training import (
    RESUME,
    SUMMARY,
    SurfaceData,
    TrainResult,
    World,
    check_same_run,
    device_of,
    joined_world,
    train,
    use_threads,
)
from gaugenet.training.order import surfaces_per_step
from gaugenet.training.seeds import parse_seeds

_PICTURES = 4
"""Surfaces whose predictions are written at the end."""


def run_train(
    *,
    path: Path | None,
    task: str,
    config_file: Path | None,
    group: str,
    epochs: int | None,
    out: Path | None,
    resume: Path | None,
    overwrite: bool,
    seeds: str,
    assignments: Sequence[str],
) -> None:
    """Prepare data, train, and say what came of it."""
    options = list(assignments)
    if path is not None:
        options.append(f"data.path={path}")
    if task:
        options.append(f"data.task={task}")
    if group:
        options.append(f"model.group={group}")
    if epochs is not None:
        options.append(f"train.epochs={epochs}")
    wanted = parse_seeds(seeds) if seeds else []
    state = None
    if resume is not None:
        if out is not None or config_file is not None or overwrite or seeds:
            raise ValueError(
                "--resume goes on in the folder and with the settings of that run; "
                "leave out --out, --config, --overwrite and --seeds (with --seeds, the same command again goes on)"
            )
        state = _state_of(resume)
        config = _absolute(state.config.override(options))
        check_same_run(config, state.config)
        folder = resume if resume.is_dir() else resume.parent
    else:
        config = _absolute(load_config(config_file, options)).resolved()
        folder = _new_folder(config, out, overwrite)
    with joined_world(device_of(config.train.device)) as world:
        console.quiet = not world.is_first
        folder = world.of_first(folder)
        data = _prepare(config, world)
        first = dataclasses.replace(config.train, seed=wanted[0]) if wanted else config.train
        preparation = start_background(data, first, world)
        try:
            if wanted:
                _train_seeds(config, wanted, data, folder, overwrite, world)
            else:
                _train(config, data, folder, state, world)
        finally:
            if preparation is not None:
                preparation.stop()


def _train_seeds(
    config: Config, seeds: Sequence[int], data: SurfaceData, folder: Path, overwrite: bool, world: World
) -> None:
    def train_one(one: Config, place: Path, begun: ResumeState | None) -> None:
        _train(one, data, place, begun, world)

    try:
        run_seeds(config, seeds, folder, overwrite, train_one, world)
    except InterruptedRunError as stop:
        again = f"the same command with --out {folder} goes on with all seeds"
        raise InterruptedRunError(f"{str(stop).partition(';')[0]}; {again}") from None


def _prepare(config: Config, world: World) -> SurfaceData:
    if not world.is_first:
        # the first process fills the cache, from which the others read
        world.wait()
    data = prepared_data(config.data, config.model.group, config.augment)
    if world.is_first:
        world.wait()
    use_threads(config.train, data.described)
    say("operator", explain(torch.empty(0, device=world.device)).removeprefix("operator: "))
    if world.size > 1:
        say("processes", f"{world.size}, {surfaces_per_step(config.train, world)} surfaces per step")
    return data


def _train(config: Config, data: SurfaceData, folder: Path, state: ResumeState | None, world: World) -> None:
    progress = TrainProgress()
    try:
        result = train(config, data, folder, progress, resume=state)
    except KeyboardInterrupt:
        raise InterruptedRunError(_interrupted(folder, progress.last_epoch)) from None
    finally:
        progress.close()
    if not world.is_first:
        return
    # the training has replaced all other files of the run that was there
    shutil.rmtree(folder / "predictions", ignore_errors=True)
    _summary(config, data, result, _write_pictures(config, result, data, folder))


def _interrupted(folder: Path, last_epoch: int) -> str:
    go_on = f"go on with: gaugenet train --resume {folder}"
    if last_epoch:
        return f"interrupted after epoch {last_epoch}; {go_on}"
    if (folder / RESUME).exists() and not (folder / SUMMARY).exists():
        return f"interrupted within the first epoch; {go_on}"
    return "interrupted before the first epoch was done; nothing was written"


def _state_of(run: Path) -> ResumeState:
    state = ResumeState.load(run / RESUME if run.is_dir() else run)
    if state.validations.ended(state.epoch, state.config.train):
        say("resumed", f"{run} is finished (no better validation for {state.config.train.patience} epochs)")
    elif state.epoch >= state.config.train.epochs:
        say("resumed", f"{run} is finished ({state.epoch} epochs); more --epochs make it go on")
    return state


def _absolute(config: Config) -> Config:
    """A run is resumed from anywhere, so the folder of its data must not depend on where it was begun."""
    if config.data.path == EMBEDDED:
        return config
    return config.override([f"data.path={Path(config.data.path).expanduser().absolute()}"])


def _new_folder(config: Config, out: Path | None, overwrite: bool) -> Path:
    if out is None:
        stem = Path(config.data.path).name or "data"
        taken = [int(p.name[-3:]) for p in Path("runs").glob(f"{stem}-[0-9][0-9][0-9]")]
        out = Path("runs") / f"{stem}-{max(taken, default=0) + 1:03d}"
    existing = next(p for p in (out.absolute(), *out.absolute().parents) if p.exists())
    if not existing.is_dir():
        raise ValueError(f"{existing} is a file; give a folder for the run with --out")
    if not os.access(existing, os.W_OK | os.X_OK):
        raise ValueError(f"{existing} may not be written to; give another folder with --out")
    if not overwrite and (out / SUMMARY).exists():
        raise ValueError(f"{out} holds a finished run; give another --out, or --overwrite to replace it")
    if not overwrite and (out / RESUME).exists():
        raise ValueError(f"{out} holds an unfinished run; go on with --resume {out}, or give --overwrite to replace it")
    return out


def _write_pictures(config: Config, result: TrainResult, data: SurfaceData, folder: Path) -> list[Path]:
    """Coloured PLY files of the first test surfaces, and one PNG of them all; for other tasks: `write_outcomes`."""
    target = folder / "predictions"
    device = device_of(config.train.device)
    if not isinstance(data.task, ClassTask) or data.task.of_surfaces:
        some = data.test or data.train
        some = some if data.task.of_surfaces else some[:_PICTURES]
        names = [s.path.name if s.path is not None and data.task.of_surfaces else s.name for s in some]
        outputs = list(predict(result.model, some, device=device))
        return write_outcomes(target, data.task, data.class_names, names, some, outputs, _PICTURES)
    target.mkdir(parents=True, exist_ok=True)
    predictions, titles, written = [], [], []
    shown = (data.test or data.train)[:_PICTURES]
    for sample, logits in zip(shown, predict(result.model, shown, device=device)):
        classes = logits.argmax(1)
        prediction = Prediction(sample.name, sample.mesh, classes.numpy(), sample.label_kind, data.n_classes)
        known = sample.labels >= 0
        right = f"{100 * (classes == sample.labels)[known].double().mean().item():.1f} % right" if known.any() else ""
        predictions.append(prediction)
        titles.append(f"{sample.name}: {right}" if right else sample.name)
        if sample.mesh.vertices is not None:
            # names are distinct within a split; cut at a dot they need not be
            prediction.write_ply(target / f"{sample.name}.ply")
            written.append(target / f"{sample.name}.ply")
    try:
        draw_predictions(target / "predictions.png", predictions, titles)
        written.append(target / "predictions.png")
    except ImportError as error:
        say("picture", error)
    return written


def _summary(config: Config, data: SurfaceData, result: TrainResult, pictures: Sequence[Path]) -> None:
    console.print()
    if result.test is None:
        say("test", "there are no test surfaces, so the check below is on the training surfaces")
    else:
        say("test", result.test)
    gauge = result.gauge
    say("new gauge", f"{gauge.metrics} with a random element of {config.model.group} at every vertex")
    if gauge.changed is not None:
        say("", f"{gauge.changed} of {gauge.total:,} predictions changed")
    what = "logits" if gauge.changed is not None else "predictions, turned with the frames,"
    say("equivariance", f"largest difference of {what} {gauge.error:.1e}, relative (float32)")
    if result.best_epoch is not None:
        say("best", f"epoch {result.best_epoch} of {result.epochs} by validation: its weights were kept")
    say("time", f"{result.seconds:.1f} s for {result.epochs} epochs")
    say("weights", result.weights)
    say("log", result.log)
    for path in pictures:
        say("prediction", path)
