"""The files of a run and when they are written."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

from gaugenet.checkpoint import Checkpoint, ResumeState
from gaugenet.config import Config
from gaugenet.meshes.atomic import write_atomically
from gaugenet.training.records import EpochRecord, TrainResult
from gaugenet.training.surfaces import SurfaceData

WEIGHTS, RESUME, LOG, SUMMARY, CONFIG = (
    "model.safetensors",
    "resume.safetensors",
    "log.jsonl",
    "summary.json",
    "config.toml",
)
"""Names of the files of a run."""


def save_epoch(folder: Path, data: SurfaceData, record: EpochRecord, state: ResumeState) -> None:
    """Leave the state after a whole epoch, its line in the log, and the weights to predict with."""
    _begin(folder, state)
    with open(folder / LOG, "w" if record.epoch == 1 else "a", encoding="utf-8") as f:
        f.write(json.dumps(dataclasses.asdict(record)) + "\n")
    state.save(folder / RESUME)
    save_weights(folder, data, state)


def save_within_epoch(folder: Path, state: ResumeState) -> None:
    """Leave the state in the middle of an epoch; log and weights stay those of the last whole one."""
    _begin(folder, state)
    if state.epoch == 0:  # those of a run that is replaced
        (folder / LOG).unlink(missing_ok=True)
        (folder / WEIGHTS).unlink(missing_ok=True)
    state.save(folder / RESUME)


def save_weights(folder: Path, data: SurfaceData, state: ResumeState) -> None:
    """The best weights where the run looks for them, else the last."""
    best = state.validations.best_epoch if state.best else 0
    Checkpoint(
        weights=state.best or state.weights,
        config=state.config,
        quantities=data.quantities,
        class_names=data.class_names,
        label_values=data.label_values,
        label_kind=data.label_kind,
        n_features=data.n_features,
        epoch=best or state.epoch,
    ).save(folder / WEIGHTS)


def save_summary(folder: Path, result: TrainResult) -> None:
    """Its presence says that the run has ended."""
    values = {f.name: getattr(result, f.name) for f in dataclasses.fields(result) if f.name != "model"}
    values |= {"weights": result.weights.name, "log": result.log.name}
    text = json.dumps(values, indent=1, default=dataclasses.asdict) + "\n"
    write_atomically(folder / SUMMARY, text.encode())


def cut_log(folder: Path, epoch: int) -> None:
    """Drop what a killed run logged after the state that it goes on from."""
    path = folder / LOG
    if path.exists():
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        write_atomically(path, "".join(lines[:epoch]).encode())


def _begin(folder: Path, state: ResumeState) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    config: Config = state.config
    write_atomically(folder / CONFIG, config.to_toml().encode())
    (folder / SUMMARY).unlink(missing_ok=True)
