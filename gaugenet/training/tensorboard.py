"""The log of a run for TensorBoard, beside ``log.jsonl``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gaugenet.training.records import PARTS, EpochRecord

FOLDER = "tensorboard"
"""Its name in the folder of a run."""


class Events:
    """Scalars of every epoch. What a killed run wrote after `epoch` whole epochs is taken back.

    Raises:
        ValueError: the package ``tensorboard`` is not installed.
    """

    def __init__(self, folder: Path, epoch: int) -> None:
        check_tensorboard()
        from torch.utils.tensorboard import SummaryWriter

        self._writer: Any = SummaryWriter(str(folder / FOLDER), purge_step=epoch + 1)

    def add(self, record: EpochRecord) -> None:
        """One epoch, written at once."""
        for name, value in (
            ("loss", record.loss),
            *(("/".join((kind, part)), value) for part in PARTS for kind, value in [record.score(part)]),
            ("lr", record.lr),
            ("seconds", record.seconds),
        ):
            if value is not None:
                self._writer.add_scalar(name, value, record.epoch)
        self._writer.flush()

    def close(self) -> None:
        self._writer.close()


def check_tensorboard() -> None:
    """Raise a ValueError unless ``tensorboard`` is installed."""
    try:
        import torch.utils.tensorboard  # noqa: F401
    except ImportError:
        raise ValueError(
            "train.tensorboard needs the package tensorboard: pip install 'gaugenet[tensorboard]', "
            "or leave it false (log.jsonl is always written)"
        ) from None
