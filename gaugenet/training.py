"""One training run, from prepared surfaces to weights: deterministic, logged, resumable to the bit."""

from __future__ import annotations

import dataclasses
import json
import math
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor, nn

from gaugenet.checkpoint import (
    Checkpoint,
    ResumeState,
    restore_rng,
    restore_weights,
    rng_state,
)
from gaugenet.config import Config, TrainConfig
from gaugenet.evaluation import Batch, GaugeCheck, check_gauge, check_surfaces, evaluate
from gaugenet.meshes.atomic import write_atomically
from gaugenet.metrics import Metrics
from gaugenet.models.segmentation import SegmentationNetwork

if TYPE_CHECKING:
    from gaugenet.data.dataset import SurfaceSample

WEIGHTS, RESUME, LOG, SUMMARY, CONFIG = (
    "model.safetensors",
    "resume.safetensors",
    "log.jsonl",
    "summary.json",
    "config.toml",
)
"""Names of the files of a run."""

_REMEMBERED_EDGES = 30_000_000
"""Layers keep what they derive from the geometry (about 50 bytes per edge) for sets of up to this many edges."""

_FEW_VERTICES = 3000
"""Vertices of a step below which one thread is quicker than two."""

_MAY_CHANGE = ("data.cache", "train.epochs", "train.test_every", "train.threads", "train.device")
"""Settings that a resumed run may change; all others must be those of its beginning."""


@dataclass(frozen=True, eq=False)
class SurfaceData:
    """What a run learns from and is tested on."""

    train: Sequence[SurfaceSample]
    test: Sequence[SurfaceSample]
    class_names: tuple[str, ...]
    label_values: tuple[int, ...]
    """The value in the user's label files of each class."""

    @property
    def n_classes(self) -> int:
        return len(self.class_names)

    @property
    def n_features(self) -> int:
        return int(self.train[0].features.shape[1])


@dataclass(frozen=True)
class EpochRecord:
    """One line of the log."""

    epoch: int
    loss: float
    """Mean over the labelled elements of what is minimised, the cross-entropy (of smoothed labels), in nats."""
    train_accuracy: float
    """During the epoch, with the weights as they were at each step."""
    test_accuracy: float | None
    lr: float
    seconds: float


@dataclass(frozen=True)
class TrainResult:
    """How a run ended."""

    test: Metrics | None
    """None where there is no test split."""
    gauge: GaugeCheck
    """On the test surfaces, or on the training surfaces where there are none."""
    model: SegmentationNetwork
    weights: Path
    log: Path
    n_parameters: int
    epochs: int
    seconds: float


class Progress(Protocol):
    """Who is told how far a run has come."""

    def start(self, model: nn.Module, first_epoch: int, epochs: int, batches: int) -> None: ...

    def batch(self, epoch: int, done: int, loss: float) -> None: ...

    def epoch(self, record: EpochRecord) -> None: ...


class Silent:
    """Tells nobody."""

    def start(self, model: nn.Module, first_epoch: int, epochs: int, batches: int) -> None: ...

    def batch(self, epoch: int, done: int, loss: float) -> None: ...

    def epoch(self, record: EpochRecord) -> None: ...


def build_model(config: Config, n_features: int, n_classes: int) -> SegmentationNetwork:
    """The network of a configuration, with the initial weights of its seed."""
    m = config.model
    return SegmentationNetwork(
        m.group,
        n_features,
        n_classes,
        width=m.width,
        max_frequency=m.max_frequency,
        blocks=m.blocks,
        n_radial=m.radial,
        nonlinearity=m.nonlinearity,
        dropout=m.dropout,
        seed=config.train.seed,
    )


def train(
    config: Config,
    data: SurfaceData,
    out_dir: str | Path,
    progress: Progress | None = None,
    *,
    resume: ResumeState | None = None,
) -> TrainResult:
    """Train, test, and leave weights, log and resumable state in `out_dir`.

    The same configuration, data and number of threads give the same bits; so does a run that was killed and
    goes on from `resume`. Testing and saving draw no random numbers. `out_dir` is made when the first epoch
    is done.

    Raises:
        ValueError: a surface is not admissible, nothing is labelled, or `resume` belongs to another
        configuration. FloatingPointError: the loss is no longer finite.
    """
    progress = progress or Silent()
    out_dir = Path(out_dir)
    t = config.train
    device = device_of(t.device)
    use_threads(t, data.train)
    if not any(bool((s.labels >= 0).any()) for s in data.train):
        raise ValueError("no vertex or face of the training surfaces has a label; check the label files")
    check_surfaces([*data.train, *data.test], config.model.group)
    _seed_all(t.seed)
    model = build_model(config, data.n_features, data.n_classes).to(device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=t.lr, weight_decay=t.weight_decay)
    first, step, spent = 1, 0, 0.0
    if resume is not None:
        check_same_run(config, resume.config)
        restore_weights(model, resume.weights)
        optimizer.load_state_dict(resume.optimizer)
        restore_rng(resume.rng)
        first, step, spent = resume.epoch + 1, resume.step, resume.seconds
        _cut_log(out_dir / LOG, resume.epoch)
    batches = -(-len(data.train) // t.batch_size)
    remember = sum(s.geometry.n_edges for s in (*data.train, *data.test)) <= _REMEMBERED_EDGES
    progress.start(model, first, t.epochs, batches)
    began = time.perf_counter()
    for epoch in range(first, t.epochs + 1):
        epoch_began = time.perf_counter()
        loss, accuracy, lr = _train_epoch(model, optimizer, data, t, epoch, step, batches, device, remember, progress)
        step += batches
        tested = data.test and (epoch % t.test_every == 0 or epoch == t.epochs)
        test_accuracy = (
            evaluate(model, data.test, data.n_classes, device=device, remember=remember).accuracy if tested else None
        )
        now = time.perf_counter()
        record = EpochRecord(epoch, loss, accuracy, test_accuracy, lr, now - epoch_began)
        state = ResumeState(
            model.state_dict(), optimizer.state_dict(), rng_state(), epoch, step, config, spent + now - began
        )
        _save_epoch(out_dir, config, data, record, state)
        progress.epoch(record)
    if resume is not None and first > t.epochs:
        # it may have been killed between the two writes that end an epoch
        _checkpoint(config, data, resume).save(out_dir / WEIGHTS)
    test = evaluate(model, data.test, data.n_classes, device=device) if data.test else None
    result = TrainResult(
        test=test,
        gauge=check_gauge(
            model, data.test or data.train, config.model.group, data.n_classes, seed=t.seed, device=device
        ),
        model=model,
        weights=out_dir / WEIGHTS,
        log=out_dir / LOG,
        n_parameters=sum(p.numel() for p in model.parameters()),
        epochs=t.epochs,
        seconds=spent + time.perf_counter() - began,
    )
    write_atomically(out_dir / SUMMARY, _summary(result).encode())
    return result


def learning_rate(step: int, steps: int, config: TrainConfig) -> float:
    """Rises over the warmup, then stays or falls along half a cosine to 0: a function of the step alone."""
    warmup = max(round(config.warmup * steps), 1)
    if step < warmup:
        return config.lr * (step + 1) / (warmup + 1)
    if config.schedule == "constant":
        return config.lr
    return config.lr * 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(steps - warmup, 1)))


def shuffled(n: int, seed: int, epoch: int) -> list[int]:
    """The order of the surfaces in an epoch: a function of seed and epoch alone."""
    generator = torch.Generator().manual_seed((seed * 1_000_003 + epoch) % 2**63)
    return torch.randperm(n, generator=generator).tolist()


def check_same_run(config: Config, before: Config) -> None:
    """Raise a ValueError that names the first setting that a resumed run must not change but does."""
    new, old = config.tables(), before.tables()
    for table in old:
        for key, value in old[table].items():
            name = f"{table}.{key}"
            if name not in _MAY_CHANGE and new[table][key] != value:
                raise ValueError(
                    f"{name} is {new[table][key]!r} but the run to resume began with {value!r}; "
                    "leave it as it was, or start a new run"
                )


def _train_epoch(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    data: SurfaceData,
    config: TrainConfig,
    epoch: int,
    step: int,
    batches: int,
    device: torch.device,
    remember: bool,
    progress: Progress,
) -> tuple[float, float, float]:
    """One pass over the training surfaces: mean loss, accuracy, last learning rate."""
    model.train()
    total_loss = total_right = 0.0
    counted = 0
    lr = 0.0
    for done, samples in enumerate(_batches(data.train, config, epoch), 1):
        lr = learning_rate(step + done - 1, config.epochs * batches, config)
        batch = Batch.of(samples, device, remember=remember)
        n = int((batch.labels >= 0).sum())
        if n == 0:
            continue
        for group in optimizer.param_groups:
            group["lr"] = lr
        optimizer.zero_grad(set_to_none=True)
        logits = model(batch.features, batch.geometry, batch.faces)
        loss = nn.functional.cross_entropy(logits, batch.labels, label_smoothing=config.label_smoothing)
        torch.autograd.backward(loss)
        norm = nn.utils.clip_grad_norm_(model.parameters(), config.clip or math.inf)
        if not math.isfinite(loss.item()) or not math.isfinite(norm.item()):
            raise FloatingPointError(_why_not_finite(loss, batch, epoch, lr))
        optimizer.step()
        right = int((logits.argmax(1) == batch.labels).sum())
        total_loss, total_right, counted = total_loss + loss.item() * n, total_right + right, counted + n
        progress.batch(epoch, done, total_loss / counted)
    return total_loss / counted, total_right / counted, lr


def _batches(samples: Sequence[SurfaceSample], config: TrainConfig, epoch: int) -> Iterator[list[SurfaceSample]]:
    order = shuffled(len(samples), config.seed, epoch)
    for start in range(0, len(order), config.batch_size):
        yield [samples[i] for i in order[start : start + config.batch_size]]


def _why_not_finite(loss: Tensor, batch: Batch, epoch: int, lr: float) -> str:
    names = ", ".join(batch.names)
    if not bool(batch.features.isfinite().all()):
        return f"the input features of {names} are not finite (epoch {epoch}); look at it with gaugenet inspect"
    what = "loss" if not math.isfinite(loss.item()) else "gradient"
    return (
        f"the {what} is no longer finite in epoch {epoch} at {names} (learning rate {lr:.2g}): "
        "lower --set train.lr or set train.clip"
    )


def _save_epoch(out_dir: Path, config: Config, data: SurfaceData, record: EpochRecord, state: ResumeState) -> None:
    out_dir.mkdir(parents=True, exist_ok=True)
    write_atomically(out_dir / CONFIG, config.to_toml().encode())
    (out_dir / SUMMARY).unlink(missing_ok=True)
    with open(out_dir / LOG, "w" if record.epoch == 1 else "a", encoding="utf-8") as f:
        f.write(json.dumps(dataclasses.asdict(record)) + "\n")
    state.save(out_dir / RESUME)
    _checkpoint(config, data, state).save(out_dir / WEIGHTS)


def _checkpoint(config: Config, data: SurfaceData, state: ResumeState) -> Checkpoint:
    return Checkpoint(
        weights=state.weights,
        config=config,
        class_names=data.class_names,
        label_values=data.label_values,
        label_kind=data.train[0].label_kind,
        n_features=data.n_features,
        epoch=state.epoch,
    )


def _cut_log(path: Path, epoch: int) -> None:
    """Drop what a killed run logged after the state that it goes on from."""
    if path.exists():
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        write_atomically(path, "".join(lines[:epoch]).encode())


def _summary(result: TrainResult) -> str:
    values = {f.name: getattr(result, f.name) for f in dataclasses.fields(result) if f.name != "model"}
    values |= {"weights": result.weights.name, "log": result.log.name}
    return json.dumps(values, indent=1, default=dataclasses.asdict) + "\n"


def use_threads(config: TrainConfig, surfaces: Sequence[SurfaceSample]) -> None:
    """Let torch, and with it the operator, use as many threads of the processor as the configuration says.

    Where it leaves the choice, one thread for steps of few vertices (waking the others takes longer than their share of
    the work: compare `gaugenet train --set train.threads=1` and `=2`), otherwise as many as torch uses now. The choice
    holds for the whole process.
    """
    if config.threads:
        torch.set_num_threads(config.threads)
    elif config.batch_size * sum(s.geometry.n_vertices for s in surfaces) < _FEW_VERTICES * len(surfaces):
        torch.set_num_threads(1)


def device_of(name: str) -> torch.device:
    """The device of that name.

    Raises:
        ValueError: there is no such device here.
    """
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ValueError(f"train.device {name!r} cannot be used here ({reason}); use 'cpu'") from None
    return device


def _seed_all(seed: int) -> None:
    import numpy as np

    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002 - layers of users may draw from the global one
    torch.manual_seed(seed)
