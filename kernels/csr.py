"""Compressed sparse rows: the edges of every target, and the same edges seen from their sources."""

from __future__ import annotations

import numbers

import torch
from torch import Tensor


def row_of_each_edge(row_ptr: Tensor, n_edges: int) -> Tensor:
    """The row that holds each edge.

    Args:
        row_ptr: int32 [T + 1], edges of row t are row_ptr[t] .. row_ptr[t + 1] - 1.
        n_edges: E, known to the caller so that nothing waits for a device.

    Returns:
        int64 [E].
    """
    rows = torch.arange(row_ptr.shape[0] - 1, device=row_ptr.device)
    return torch.repeat_interleave(rows, (row_ptr[1:] - row_ptr[:-1]).long(), output_size=n_edges)


def check_csr(row_ptr: Tensor, source: Tensor, n_source: int) -> None:
    """Check a CSR once, when it is built; this waits for the device.

    Raises:
        ValueError: `row_ptr` does not start at 0, decreases or does not end at E, or a source is out of range.
    """
    if not isinstance(n_source, numbers.Integral) or n_source < 0:
        raise ValueError(f"n_source: expected the number of sources, an integer of at least 0, got {n_source!r}")
    if row_ptr.dim() != 1 or row_ptr.shape[0] < 1 or source.dim() != 1:
        raise ValueError(
            f"expected row_ptr [T + 1] and source [E], got shapes {tuple(row_ptr.shape)} and {tuple(source.shape)}"
        )
    for name, tensor in (("row_ptr", row_ptr), ("source", source)):
        if tensor.dtype not in (torch.int32, torch.int64):
            raise ValueError(f"{name} holds integers: expected int32 or int64, got {tensor.dtype}")
    n_edges, n_target = source.shape[0], row_ptr.shape[0] - 1
    if max(n_edges, n_source, n_target) >= 2**31:
        counts = f"{n_edges}, {n_source} and {n_target}"
        raise ValueError(f"edges, sources and targets are counted in int32, got {counts}; split the graph")
    first, last = int(row_ptr[0]), int(row_ptr[-1])
    if first != 0 or last != n_edges:
        raise ValueError(f"row_ptr must start at 0 and end at the number of edges {n_edges}, got {first} and {last}")
    if bool((row_ptr[1:] < row_ptr[:-1]).any()):
        raise ValueError("row_ptr must not decrease: sort the edges by target and count them per target")
    if n_edges and (int(source.min()) < 0 or int(source.max()) >= n_source):
        raise ValueError(
            f"sources must lie in 0 .. {n_source - 1}, got {int(source.min())} .. {int(source.max())}; "
            "was n_source meant to be larger?"
        )


def check_permutation(order: Tensor | None, n: int, name: str) -> None:
    """Check an order of visiting rows once, when it is given; this waits for the device.

    Raises:
        ValueError: `order` does not hold each of 0 .. n - 1 once.
    """
    if order is None:
        return
    if order.shape != (n,) or order.dtype not in (torch.int32, torch.int64):
        raise ValueError(f"{name}: expected int32 or int64 [{n}], got {order.dtype} {tuple(order.shape)}")
    if not torch.equal(order.long().sort().values, torch.arange(n, device=order.device)):
        raise ValueError(f"{name}: expected a permutation, each of 0 .. {n - 1} once")


def reverse_csr(row_ptr: Tensor, source: Tensor, n_source: int) -> tuple[Tensor, Tensor, Tensor]:
    """The transposed CSR: the edges sorted by source, those of one source in their old order.

    Args:
        row_ptr: int32 [T + 1].
        source: int32 [E], sorted by target.

    Returns:
        reverse_row_ptr int32 [S + 1]; reverse_target int32 [E], the target of each edge in the new order;
        reverse_edge int32 [E], where per-edge data of each edge in the new order lie.
    """
    edge = torch.argsort(source, stable=True)
    target = row_of_each_edge(row_ptr, source.shape[0])
    reverse_row_ptr = torch.zeros(n_source + 1, dtype=torch.int32, device=source.device)
    reverse_row_ptr[1:] = torch.bincount(source, minlength=n_source).cumsum(0)
    return reverse_row_ptr, target[edge].to(torch.int32), edge.to(torch.int32)
