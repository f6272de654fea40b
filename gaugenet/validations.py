"""What follows from the validations of a run so far: the best weights, the end, falls of the learning rate."""

from __future__ import annotations

from dataclasses import dataclass

from gaugenet.config import TrainConfig


@dataclass(frozen=True)
class Validations:
    """The validations until now. The earliest of several equally good ones is the best."""

    best: float | None = None
    """Largest accuracy, or smallest error with a minus; None before the first."""
    best_epoch: int = 0
    """Where it was reached."""
    waiting_since: int = 0
    """Epoch of the best one or of the last fall of the learning rate, whichever came later."""
    falls: int = 0
    """Of the learning rate, by the schedule plateau."""

    def after(self, epoch: int, score: float, config: TrainConfig) -> Validations:
        """With that of one more epoch: its accuracy, or its error with a minus."""
        if self.best is None or score > self.best:
            return Validations(score, epoch, epoch, self.falls)
        if epoch - self.waiting_since < config.decay_every:
            return self
        return Validations(self.best, self.best_epoch, epoch, self.falls + 1)

    def ended(self, epoch: int, config: TrainConfig) -> bool:
        """Whether `patience` is at its end after that epoch."""
        return config.patience > 0 and epoch - self.best_epoch >= config.patience


def needs_validation(config: TrainConfig) -> bool:
    """Whether the run's course depends on validations, so that there is one after every epoch."""
    return config.patience > 0 or config.schedule == "plateau"


def check_validation(config: TrainConfig, n: int) -> None:
    """Raise a ValueError where the run's course depends on validations and there are no surfaces for them."""
    if needs_validation(config) and not n:
        name = "train.patience" if config.patience else "train.schedule plateau"
        raise ValueError(
            f"{name} waits for better validations, but there are no validation surfaces: "
            "set data.validation, e.g. to 0.1, or put meshes into val/"
        )
