"""MNIST on a Möbius strip: digits, and the same digits moved along the strip."""

from __future__ import annotations

import torch
from torch import Tensor


def move_along(images: Tensor, steps: Tensor) -> Tensor:
    """Each image moved by its own number of pixels along the strip: [N, size, size], int64 [N].

    Rolled by s mod size, the columns that wrapped turned over across the width; once more round the strip turns all of
    it over, so that 2 · size steps are the identity.
    """
    n, rows, columns = images.shape
    from_column = torch.arange(columns) - steps[:, None]
    turned = (from_column // columns) % 2 == 1
    row = torch.arange(rows)
    from_row = torch.where(turned[:, None, :], rows - 1 - row[:, None], row[:, None])
    return images[torch.arange(n)[:, None, None], from_row, (from_column % columns)[:, None, :]]


def shifted(images: Tensor, seed: int) -> Tensor:
    """Each image moved once by a number of pixels that is uniform over the whole way round, twice."""
    generator = torch.Generator().manual_seed(seed)
    return move_along(images, torch.randint(2 * images.shape[2], (len(images),), generator=generator))
