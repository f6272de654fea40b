"""What a run tells while it goes on, and when it has ended."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from torch import nn

from gaugenet.evaluation import GaugeCheck
from gaugenet.metrics import Metrics
from gaugenet.models.segmentation import SegmentationNetwork


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
    """Of the last step."""
    seconds: float
    validation_accuracy: float | None = None


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
