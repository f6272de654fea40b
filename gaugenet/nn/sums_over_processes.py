"""Sums over the processes that train together, with gradients."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def processes() -> int:
    """How many train together, 1 where no process group has been made."""
    distributed = torch.distributed
    return distributed.get_world_size() if distributed.is_available() and distributed.is_initialized() else 1


def sum_over_processes(x: Tensor) -> Tensor:
    """Σ_i x_i over all processes i, of the same shape on each; x itself where there is one only.

    With L = Σ_i L_i the gradient is ∂L/∂x_i = Σ_j ∂L_j/∂(Σ x), so every process must take part in the backward pass as
    well, and any number of times be differentiated.
    """
    if processes() == 1:
        return x
    total: Tensor = _Sum.apply(x)  # type: ignore[no-untyped-call]
    return total


class _Sum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        total = x.clone()
        torch.distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return sum_over_processes(gradient.contiguous())
