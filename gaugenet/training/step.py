"""One step of the optimiser: rounds of batches, over all processes, in one precision or two."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import nn

from gaugenet.config import TrainConfig
from gaugenet.evaluation import Batch
from gaugenet.tasks import Task
from gaugenet.training.order import number_of, seed_all
from gaugenet.world import World

if TYPE_CHECKING:
    from gaugenet.data.dataset import SurfaceSample


@dataclass
class Totals:
    """Sums over the labelled elements of an epoch until now, of all processes."""

    loss: float = 0.0
    seen: float = 0.0
    """Elements that were right, or squared errors: what `Task.score` is about."""
    counted: float = 0.0

    @property
    def mean_loss(self) -> float:
        return self.loss / max(self.counted, 1.0)

    @property
    def mean_seen(self) -> float:
        return self.seen / max(self.counted, 1.0)


class Stepper:
    """Takes steps with the gradient of the mean over all labelled elements of a step:

        loss = (1/N) Σ_{processes} Σ_{rounds} Σ_{labelled elements} ℓ

    ℓ is what the task says (`Task.loss`): cross-entropy, or errors of numbers. N counts the labelled elements of all
    rounds of all processes, so the result does not depend on how surfaces are dealt out to rounds and processes, but
    for rounding. Every round sets the generators from its seed, epoch and place: dropout does not depend on it either,
    and a resumed run needs no state of them.
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        config: TrainConfig,
        world: World,
        task: Task,
    ) -> None:
        self.model, self.optimizer, self.config, self.world, self.task = model, optimizer, config, world, task
        self._parallel = None
        if world.size > 1:
            # sums gradients while the backward pass goes on; buffers are those of the first process
            self._parallel = nn.parallel.DistributedDataParallel(model)

    def step(
        self,
        rounds: Sequence[tuple[int, Sequence[SurfaceSample]]],
        lr: float,
        epoch: int,
        totals: Totals,
        remember: bool,
    ) -> None:
        """Change the weights, and add the step to `totals`.

        Args:
            rounds: place and surfaces of each; never empty, but surfaces may be without labels.
            remember: see `Batch.of`.

        Raises:
            FloatingPointError: loss or gradient is not finite.
        """
        (n,) = self.world.sum([sum(self.task.counted(s) for _, surfaces in rounds for s in surfaces)])
        if n == 0:
            return
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        self.optimizer.zero_grad(set_to_none=True)
        loss = seen = 0.0
        for i, (place, surfaces) in enumerate(rounds):
            is_last = i == len(rounds) - 1
            batch = Batch.of(surfaces, self.world.device, task=self.task, remember=remember)
            seed_all(number_of("round", self.config.seed, epoch, place))
            with self._together(is_last):
                round_loss, round_seen = self._round(batch, n)
            loss, seen = loss + round_loss, seen + round_seen
        norm = nn.utils.clip_grad_norm_(self.model.parameters(), self.config.clip or math.inf).item()
        loss, seen = self.world.sum([loss, seen])
        if not math.isfinite(loss) or not math.isfinite(norm):
            samples = [s for _, surfaces in rounds for s in surfaces]
            raise FloatingPointError(_why_not_finite(math.isfinite(loss), samples, epoch, lr))
        self.optimizer.step()
        totals.loss, totals.seen, totals.counted = totals.loss + loss, totals.seen + seen, totals.counted + n

    def _round(self, batch: Batch, n: float) -> tuple[float, float]:
        """The two sums of `Task.loss`; leaves the gradient of its share."""
        network = self._parallel or self.model
        with torch.autocast(self.world.device.type, torch.bfloat16, enabled=self.config.amp == "bf16"):
            output = network(*batch.inputs)
        output = output.float() if self.config.amp == "bf16" else output
        assert batch.truth is not None
        loss, seen = self.task.loss(self.model, output, batch.truth, self.config)
        # gradients are averaged over the processes
        torch.autograd.backward(loss * (self.world.size / n))
        return loss.item(), seen

    def _together(self, is_last: bool) -> AbstractContextManager[None]:
        if self._parallel is None or is_last:
            return nullcontext()
        return self._parallel.no_sync()


def _why_not_finite(loss_is: bool, samples: Sequence[SurfaceSample], epoch: int, lr: float) -> str:
    for sample in samples:
        if not bool(sample.features.isfinite().all()):
            return (
                f"the input features of {sample.name} are not finite (epoch {epoch}); look at it with gaugenet inspect"
            )
    names = ", ".join(s.name for s in samples)
    return (
        f"the {'gradient' if loss_is else 'loss'} is no longer finite in epoch {epoch} at {names} "
        f"(learning rate {lr:.2g}): lower --set train.lr or set train.clip"
    )
