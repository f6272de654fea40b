"""A flat grid of vertices with discs of neighbours, numbered in rows or at random, visited along a Hilbert curve."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from gaugenet.kernels.transport_conv import ConvEdges


def hilbert(x: NDArray[np.int64], y: NDArray[np.int64], bits: int = 10) -> NDArray[np.int64]:
    """Position of each point of a 2^bits × 2^bits grid on the curve (Hilbert 1891)."""
    distance, side = np.zeros_like(x), 1 << (bits - 1)
    while side:
        right, up = (x & side) > 0, (y & side) > 0
        distance += side * side * ((3 * right) ^ up)
        x, y = x & (side - 1), y & (side - 1)
        mirrored = ~up & right
        x, y = np.where(mirrored, side - 1 - x, x), np.where(mirrored, side - 1 - y, y)
        x, y = np.where(up, x, y), np.where(up, y, x)
        side >>= 1
    return distance


def grid(side: int, squared_radius: int, shuffled: bool, radial: int = 3) -> dict[str, ConvEdges]:
    """The same edges without and with an order of visiting; every vertex is its own neighbour too."""
    reach = range(-int(squared_radius**0.5), int(squared_radius**0.5) + 1)
    offsets = [(a, b) for a in reach for b in reach if a * a + b * b <= squared_radius]
    at = np.stack(np.meshgrid(np.arange(side), np.arange(side), indexing="ij"), -1).reshape(-1, 2)
    n = side * side
    number = np.random.default_rng(0).permutation(n) if shuffled else np.arange(n)
    targets, sources = [], []
    for offset in offsets:
        other = at + np.array(offset)
        inside = ((other >= 0) & (other < side)).all(1)
        targets.append(number[np.flatnonzero(inside)])
        sources.append(number[other[inside] @ np.array([side, 1])])
    target, source = np.concatenate(targets), np.concatenate(sources)
    by_target = np.lexsort((source, target))
    row_ptr = torch.from_numpy(np.concatenate([[0], np.bincount(target, minlength=n).cumsum()]))
    order = torch.from_numpy(number[np.argsort(hilbert(at[:, 0], at[:, 1]), kind="stable")])
    generator = torch.Generator().manual_seed(0)
    scalars = torch.rand(len(source), radial, generator=generator)
    alpha, beta = (6.28 * torch.rand(2, len(source), generator=generator)).unbind()
    given = (row_ptr, torch.from_numpy(source[by_target]), n, scalars, alpha)
    return {
        "without": ConvEdges.from_csr(*given, beta=beta),
        "with": ConvEdges.from_csr(*given, beta=beta, order=order, reverse_order=order),
    }
