"""Where a run computes, and with how many threads."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from gaugenet.config import TrainConfig
from gaugenet.world import started_by_torchrun

if TYPE_CHECKING:
    from gaugenet.data.dataset import SurfaceSample
    from gaugenet.data.labelled import LabelledMesh

_FEW_VERTICES = 3000
"""Vertices of a step below which one thread is quicker than two."""


def device_of(name: str) -> torch.device:
    """The device of that name; of several graphics cards, "cuda" means one of its own for each process of torchrun.

    Raises:
        ValueError: there is no such device here.
    """
    if name == "cuda" and started_by_torchrun():
        name = f"cuda:{os.environ.get('LOCAL_RANK', '0')}"
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ValueError(f"train.device {name!r} cannot be used here ({reason}); use 'cpu'") from None
    return device


def use_threads(config: TrainConfig, surfaces: Sequence[SurfaceSample | LabelledMesh]) -> None:
    """Let torch, and with it the operator, use as many threads of the processor as the configuration says.

    Where it leaves the choice, one thread for steps of few vertices (waking the others takes longer than their share of
    the work: compare `gaugenet train --set train.threads=1` and `=2`), otherwise as many as torch uses now. The choice
    holds for the whole process.
    """
    if config.threads:
        torch.set_num_threads(config.threads)
    elif config.batch_size * sum(s.mesh.n_vertices for s in surfaces) < _FEW_VERTICES * len(surfaces):
        torch.set_num_threads(1)
