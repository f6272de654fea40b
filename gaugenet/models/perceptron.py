"""The small network on invariants at the end of a model."""

from __future__ import annotations

import torch
from torch import nn


def linear(n_in: int, n_out: int, generator: torch.Generator | None) -> nn.Linear:
    """A linear layer that keeps the variance of its input, with biases 0."""
    layer = nn.Linear(n_in, n_out)
    nn.init.normal_(layer.weight, std=n_in**-0.5, generator=generator)
    nn.init.zeros_(layer.bias)
    return layer


def perceptron(
    n_in: int, n_out: int, *, hidden: int | None = None, dropout: float = 0.0, generator: torch.Generator | None = None
) -> nn.Sequential:
    """[..., n_in] → [..., n_out] through one hidden layer (2 · n_in by default), SiLU and dropout."""
    hidden = 2 * n_in if hidden is None else hidden
    return nn.Sequential(
        linear(n_in, hidden, generator), nn.SiLU(), nn.Dropout(dropout), linear(hidden, n_out, generator)
    )
