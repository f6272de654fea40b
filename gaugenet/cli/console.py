"""What the commands share: the console, the settings, the progress of a run."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from torch import nn

from gaugenet.config import Config
from gaugenet.training import EpochRecord

console = Console(highlight=False, soft_wrap=True)

_LINES = 10
"""Plain lines of progress where the output is no terminal."""
_SILENCE = 30.0
"""Seconds after which one of them is said at the next occasion."""


def load_config(path: Path | None, assignments: Sequence[str]) -> Config:
    """Settings of a file (or the defaults), then those of the command line."""
    config = Config.load(path) if path is not None else Config()
    return config.override(assignments)


def say(label: str, text: object) -> None:
    """One aligned line ``label  text``."""
    console.print(f"[cyan]{label:<12}[/] {escape(str(text))}")


@contextmanager
def steps(what: str) -> Iterator[Callable[[int, int, str], None]]:
    """A function to call with the number done, the number in all and what was done last or is being done.

    It moves a bar that vanishes at the end; where there is no terminal it prints a few plain lines, and more where one
    step takes long.
    """
    if not console.is_terminal:
        said, when = 0, time.monotonic()

        def line(done: int, total: int, name: str) -> None:
            nonlocal said, when
            every = max(-(-total // _LINES), 1)
            if total > 1 and (done // every > said or done == total):
                said, when = done // every, time.monotonic()
                console.print(f"{what}: {done}/{total}")
            elif time.monotonic() - when > _SILENCE:
                when = time.monotonic()
                console.print(f"{what}: {done}/{total}, {escape(name)}")

        yield line
        return
    with _bar() as bar:
        task = bar.add_task(what, total=None)

        def move(done: int, total: int, name: str) -> None:
            bar.update(task, completed=done, total=total, description=f"{what} {escape(name)}")

        yield move


class TrainProgress:
    """Progress of `gaugenet.training.train`: a bar per run and a line per epoch that was tested."""

    def __init__(self) -> None:
        self.last_epoch = 0
        """Last epoch that was saved."""
        self._bar: Progress | None = None
        self._task = TaskID(0)
        self._first = self._epochs = self._batches = 0

    def start(self, model: nn.Module, first_epoch: int, epochs: int, batches: int) -> None:
        parameters = sum(p.numel() for p in model.parameters())
        say("model", f"{_hidden_type(model)} · {parameters:,} parameters")
        self.last_epoch = first_epoch - 1
        self._first, self._epochs, self._batches = first_epoch, epochs, batches
        if console.is_terminal:
            self._bar = _bar()
            self._task = self._bar.add_task("training", total=(epochs - first_epoch + 1) * batches)
            self._bar.start()

    def batch(self, epoch: int, done: int, loss: float) -> None:
        if self._bar is not None:
            place = (epoch - self._first) * self._batches + done
            self._bar.update(self._task, completed=place, description=f"epoch {epoch}/{self._epochs} loss {loss:.3f}")

    def epoch(self, record: EpochRecord) -> None:
        self.last_epoch = record.epoch
        every = max(self._epochs // _LINES, 1)
        kind, test = record.score("test")
        if test is None and record.epoch % every and record.epoch != self._epochs:
            return
        scores = [(name, record.score(part)[1]) for name, part in (("train", "train"), ("val", "validation"))]
        shown = [f"{name} {100 * value:5.2f} %" for name, value in (*scores, ("test", test)) if value is not None]
        line = (
            f"epoch {record.epoch:>3}/{self._epochs} · loss {record.loss:.4f} · "
            f"{'error · ' if kind == 'error' else ''}{' · '.join(shown)} · {record.seconds:.1f} s"
        )
        (self._bar.console if self._bar is not None else console).print(line)

    def close(self) -> None:
        """Take the bar off the screen."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


def _hidden_type(model: nn.Module) -> object:
    model = getattr(model, "network", model)
    backbone = getattr(model, "backbone", None)
    return getattr(model, "hidden_type", "") if backbone is None else backbone.out_type


def _bar() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
    )
