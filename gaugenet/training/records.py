"""What a run tells while it goes on, and when it has ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from torch import nn

from gaugenet.evaluation import GaugeCheck
from gaugenet.tasks import ClassTask, Scores, Task

PARTS = ("train", "validation", "test")


@dataclass(frozen=True)
class EpochRecord:
    """One line of the log."""

    epoch: int
    loss: float
    """Mean over the labelled elements of what is minimised: the cross-entropy (of smoothed labels), in nats, or the
    errors of numbers."""
    train_accuracy: float | None
    """Of classes. During the epoch, with the weights as they were at each step."""
    test_accuracy: float | None
    lr: float
    """Of the last step."""
    seconds: float
    validation_accuracy: float | None = None
    train_error: float | None = None
    """Of numbers: `RegressionMetrics.error`."""
    validation_error: float | None = None
    test_error: float | None = None

    @classmethod
    def of(
        cls,
        epoch: int,
        loss: float,
        lr: float,
        seconds: float,
        scores: Mapping[str, float | None],
        task: Task,
    ) -> EpochRecord:
        """A record with the scores on train, validation and test under the names that the task gives them."""
        accuracies = {name: scores[name] if isinstance(task, ClassTask) else None for name in PARTS}
        errors = {f"{name}_error": None if isinstance(task, ClassTask) else scores[name] for name in PARTS}
        return cls(
            epoch, loss, accuracies["train"], accuracies["test"], lr, seconds, accuracies["validation"], **errors
        )

    def score(self, part: str) -> tuple[str, float | None]:
        """Whether it is an accuracy or an error, and that of train, validation or test."""
        kind = "accuracy" if self.train_accuracy is not None else "error"
        return kind, getattr(self, f"{part}_{kind}")


@dataclass(frozen=True)
class TrainResult:
    """How a run ended."""

    test: Scores | None
    """None where there is no test split."""
    gauge: GaugeCheck
    """On the test surfaces, or on the training surfaces where there are none."""
    model: nn.Module
    weights: Path
    log: Path
    n_parameters: int
    epochs: int
    """That were trained."""
    seconds: float
    best_epoch: int | None = None
    """Whose weights these are, where training waits for better validations; None: of the last."""


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
