"""The processes that train together: one, or as many as ``torchrun`` started."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

import torch

_T = TypeVar("_T")

_PATIENCE = timedelta(days=2)
"""How long a process waits for the others, who may be preparing surfaces. If one ends, torchrun ends them all."""


@dataclass(frozen=True)
class World:
    """This process among those that train together."""

    rank: int = 0
    size: int = 1
    device: torch.device = torch.device("cpu")  # noqa: RUF009 - immutable

    @property
    def is_first(self) -> bool:
        """Whether it is the one that writes."""
        return self.rank == 0

    def sum(self, values: Sequence[float]) -> list[float]:
        """The sums of `values` over all processes, in float64."""
        if self.size == 1:
            return list(values)
        total = torch.tensor(values, dtype=torch.float64, device=self.device)
        torch.distributed.all_reduce(total)
        return total.tolist()

    def of_first(self, value: _T) -> _T:
        """What the first process gave (anything that can be pickled); the others' values do not matter."""
        if self.size == 1:
            return value
        held = [value]
        torch.distributed.broadcast_object_list(held, src=0, device=self.device)
        return held[0]

    def wait(self) -> None:
        """Until all processes are here."""
        if self.size > 1:
            torch.distributed.barrier()


def started_by_torchrun() -> bool:
    """Whether there are other processes in which the same program runs."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1


@contextmanager
def joined_world(device: torch.device) -> Iterator[World]:
    """This process among those of ``torchrun``, or alone. A process group that is there already is used and left.

    Let go of `torch.nn.parallel.DistributedDataParallel` before the end of the block, e.g. by a function that makes and
    uses it: it keeps the group, whose threads then end with the interpreter.

    Raises:
        ValueError: torch was built without ``torch.distributed``.
    """
    if not started_by_torchrun():
        yield World(device=device)
        return
    distributed = torch.distributed
    if not distributed.is_available():
        raise ValueError("this torch was built without torch.distributed: start one process, without torchrun")
    if distributed.is_initialized():
        yield World(distributed.get_rank(), distributed.get_world_size(), device)
        return
    # gloo's threads end with the last reference to the group; one that gives a tensor back while the interpreter ends
    # kills the process (SIGABRT). This module keeps the group of its import as a default argument for ever, and
    # DistributedDataParallel imports it: so it comes before there is a group.
    from torch.distributed.nn import functional  # noqa: F401

    distributed.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=_PATIENCE)
    try:
        yield World(distributed.get_rank(), distributed.get_world_size(), device)
    finally:
        gc.collect()  # DistributedDataParallel holds the group too, and is held by cycles
        distributed.destroy_process_group()
