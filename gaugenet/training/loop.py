"""One training run, from prepared surfaces to weights: deterministic, logged, resumable to the bit."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from gaugenet.checkpoint import ResumeState, restore_weights
from gaugenet.config import Config
from gaugenet.evaluation import check_gauge, check_surfaces, evaluate
from gaugenet.models.field_regression import Scaled
from gaugenet.tasks import NumberTask
from gaugenet.training import files
from gaugenet.training.device import device_of, use_threads
from gaugenet.training.network import build_model
from gaugenet.training.order import number_of, rounds_of_step, seed_all, steps_per_epoch
from gaugenet.training.records import EpochRecord, Progress, Silent, TrainResult
from gaugenet.training.resume import check_same_data, check_same_run, check_same_world
from gaugenet.training.schedule import learning_rate
from gaugenet.training.step import Stepper, Totals
from gaugenet.training.surfaces import SurfaceData
from gaugenet.training.tensorboard import Events, check_tensorboard
from gaugenet.validations import Validations, check_validation, needs_validation
from gaugenet.world import World, joined_world

if TYPE_CHECKING:
    from gaugenet.data.dataset import SurfaceSample

_REMEMBERED_EDGES = 30_000_000
"""Layers keep what they derive from the geometry (about 50 bytes per edge) for sets of up to this many edges."""


def train(
    config: Config,
    data: SurfaceData,
    out_dir: str | Path,
    progress: Progress | None = None,
    *,
    resume: ResumeState | None = None,
) -> TrainResult:
    """Train, validate, test, and leave weights, log and resumable state in `out_dir`.

    The same configuration, data, number of threads and of processes give the same bits; so does a run that was killed
    and goes on from `resume`, be it in the middle of an epoch. `out_dir` is made when the first state is saved. Under
    ``torchrun`` all processes call this with the same arguments; surfaces are shared out, and the first process writes.

    Raises:
        ValueError: a surface is not admissible, nothing is labelled, there is nothing to validate on where the settings
        need it, or `resume` belongs to another configuration. FloatingPointError: the loss is no longer finite.
    """
    with joined_world(device_of(config.train.device)) as world:
        return _Run(config, data, Path(out_dir), progress or Silent(), resume, world).train()


class _Run:
    def __init__(
        self,
        config: Config,
        data: SurfaceData,
        folder: Path,
        progress: Progress,
        resume: ResumeState | None,
        world: World,
    ) -> None:
        t = config.train
        self.config, self.data, self.folder, self.world = config, data, folder, world
        self.progress = progress if world.is_first else Silent()
        use_threads(t, data.described)
        data.check()
        check_validation(t, len(data.validation))
        if t.tensorboard:
            check_tensorboard()
        check_surfaces(data.ready or [], config.model.group)
        seed_all(number_of("start", t.seed))
        self.model = build_model(config, data.n_features, data.task)
        if isinstance(data.task, NumberTask) and isinstance(self.model, Scaled):
            self.model.set_scale(*data.task.scales(data.described))
        self.model.to(world.device)
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=t.lr, weight_decay=t.weight_decay)
        self.epoch, self.done, self.totals = 0, 0, Totals()
        """Whole epochs; steps of the one after them, and what they summed up to."""
        self.validations, self.best = Validations(), dict[str, Tensor]()
        self.events: Events | None = None
        self.began, self.spent, self.epoch_spent = time.perf_counter(), 0.0, 0.0
        self.digests = data.digests()
        if resume is not None:
            self._take_up(resume)
        self.stepper = Stepper(self.model, self.optimizer, t, world, data.task)
        self.steps = steps_per_epoch(len(data.train), t, world)
        self.remember = False

    def _take_up(self, state: ResumeState) -> None:
        check_same_run(self.config, state.config)
        check_same_world(self.world, state)
        check_same_data(self.digests, state.data)
        restore_weights(self.model, state.weights)
        self.optimizer.load_state_dict(state.optimizer)
        self.epoch, self.done, self.totals = state.epoch, state.done, Totals(*state.totals)
        self.validations, self.best = state.validations, state.best
        self.spent, self.epoch_spent = state.seconds, state.epoch_seconds
        if self.world.is_first:
            files.cut_log(self.folder, state.epoch)

    @property
    def _ended(self) -> bool:
        t = self.config.train
        return self.epoch >= t.epochs or self.validations.ended(self.epoch, t)

    def train(self) -> TrainResult:
        t = self.config.train
        self.progress.start(self.model, self.epoch + 1, t.epochs, self.steps)
        if self._ended and self.world.is_first:
            # it may have been killed between the two writes that end an epoch
            files.save_weights(self.folder, self.data, self._state())
        while not self._ended:
            self._epoch()
        if self.events is not None:
            self.events.close()
        if self.best:
            restore_weights(self.model, self.best)
        data, device, task = self.data, self.world.device, self.data.task
        result = TrainResult(
            test=evaluate(self.model, data.test, task, device=device, world=self.world) if data.test else None,
            gauge=check_gauge(
                self.model,
                data.test or data.train,
                self.config.model.group,
                task,
                seed=t.seed % 2**63,
                device=device,
            ),
            model=self.model,
            weights=self.folder / files.WEIGHTS,
            log=self.folder / files.LOG,
            n_parameters=sum(p.numel() for p in self.model.parameters()),
            epochs=self.epoch,
            seconds=self._seconds,
            best_epoch=self.validations.best_epoch if self.best else None,
        )
        if self.world.is_first:
            files.save_summary(self.folder, result)
        self.world.wait()
        return result

    def _epoch(self) -> None:
        t, epoch = self.config.train, self.epoch + 1
        began = saved = time.perf_counter()
        samples = self.data.ready
        self.remember = samples is not None and sum(s.geometry.n_edges for s in samples) <= _REMEMBERED_EDGES
        self.model.train()
        lr = 0.0
        for step in range(self.done, self.steps):
            lr = learning_rate(self.epoch * self.steps + step, t.epochs * self.steps, t, self.validations.falls)
            self.stepper.step(list(self._rounds(epoch, step)), lr, epoch, self.totals, self.remember)
            self.done = step + 1
            self.progress.batch(epoch, self.done, self.totals.mean_loss)
            now = time.perf_counter()
            if self.done < self.steps and self.world.is_first and self._is_due(now - saved):
                files.save_within_epoch(self.folder, self._state(self.epoch_spent + now - began))
                saved = now
        validation, test = self._validate(epoch)
        seconds = self.epoch_spent + time.perf_counter() - began
        scores = {"train": self.data.task.score(self.totals.mean_seen), "validation": validation, "test": test}
        record = EpochRecord.of(epoch, self.totals.mean_loss, lr, seconds, scores, self.data.task)
        self.epoch, self.done, self.totals, self.epoch_spent = epoch, 0, Totals(), 0.0
        if self.world.is_first:
            files.save_epoch(self.folder, self.data, record, self._state())
            if t.tensorboard:
                self._log_events(record)
        self.progress.epoch(record)

    def _log_events(self, record: EpochRecord) -> None:
        # begun with the first epoch that is done: before, a run leaves no files
        self.events = self.events or Events(self.folder, self.epoch - 1)
        self.events.add(record)

    def _rounds(self, epoch: int, step: int) -> Iterator[tuple[int, Sequence[SurfaceSample]]]:
        surfaces = self.data.train
        rounds = rounds_of_step(len(surfaces), self.config.train, self.world, epoch, step)
        for one in rounds:
            yield one.place, [self.data.learned(i, epoch, self.config.train.seed) for i in one.surfaces]
        if not rounds:
            # all processes must take part in a step: this one with a surface whose labels do not count
            yield 0, [self.data.task.without_truth(surfaces[0])]

    def _is_due(self, seconds: float) -> bool:
        t = self.config.train
        if t.save_every:
            return self.done % t.save_every == 0
        return 0 < t.save_seconds <= seconds

    def _validate(self, epoch: int) -> tuple[float | None, float | None]:
        """Scores on the validation and on the test surfaces, where it is time for them. Draws no random number."""
        t = self.config.train
        due = epoch % t.test_every == 0 or epoch == t.epochs
        validation = test = None
        if self.data.validation and (due or needs_validation(t)):
            validation = self._score(self.data.validation)
            self.validations = self.validations.after(epoch, self.data.task.better(validation), t)
            if t.patience and self.validations.best_epoch == epoch:
                self.best = {name: weight.detach().cpu().clone() for name, weight in self.model.state_dict().items()}
        if self.data.test and due:
            test = self._score(self.data.test)
        return validation, test

    def _score(self, surfaces: Sequence[SurfaceSample]) -> float:
        task = self.data.task
        scores = evaluate(
            self.model, surfaces, task, device=self.world.device, remember=self.remember, world=self.world
        )
        return task.score_of(scores)

    @property
    def _seconds(self) -> float:
        return self.spent + time.perf_counter() - self.began

    def _state(self, epoch_seconds: float = 0.0) -> ResumeState:
        return ResumeState(
            weights=self.model.state_dict(),
            optimizer=self.optimizer.state_dict(),
            epoch=self.epoch,
            done=self.done,
            totals=(self.totals.loss, self.totals.seen, self.totals.counted),
            config=self.config,
            validations=self.validations,
            best=self.best,
            processes=self.world.size,
            data=self.digests,
            seconds=self._seconds,
            epoch_seconds=epoch_seconds,
        )
