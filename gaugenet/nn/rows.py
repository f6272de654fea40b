"""Neighbourhoods as dense rows, a bounded number of them at a time: for layers that need every neighbour by itself.

Attention and non-linear messages cannot be aggregated first. They run over chunks of targets, whose neighbourhoods are
padded to one length, so that sums over neighbours are products of small dense matrices. What a chunk needs of the size
of its edges is thrown away behind it and made again for gradients, so memory stays that of a few features per vertex.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from gaugenet.field_type import FieldType
from gaugenet.kernels.segment_reduce import Segments, segment_spread
from gaugenet.meshes.geometry import MeshGeometry

_FEWEST = 16384
"""Edges of a chunk below which its overhead would show."""


@dataclass(frozen=True, eq=False)
class Row:
    """The neighbourhoods of P targets of about the same number of neighbours, padded to D."""

    target: Tensor
    """int64 [P]"""
    edge: Tensor
    """int64 [P, D], any edge where there is padding."""
    source: Tensor
    """int64 [P * D]"""
    by_source: Segments | None
    """The same, for sums over sources in a fixed order; None on a CPU, which adds in order anyway."""
    weight: Tensor
    """[P, D] quadrature weights, 0 on padding."""
    theta: Tensor
    """[P, D]"""
    phi: Tensor
    """[P, D]"""
    flip: Tensor | None
    """[P, D] of ±1 in the dtype of the geometry; None where no transporter flips."""

    def gather(self, x: Tensor) -> Tensor:
        """[S, ...] → [P, D, ...]: of each edge what its source has, in the frame of the source."""
        values = x.index_select(0, self.source) if self.by_source is None else segment_spread(x, self.by_source)
        return values.reshape(*self.weight.shape, *x.shape[1:])


@dataclass(frozen=True, eq=False)
class Rows:
    """All targets that have neighbours, in chunks."""

    chunks: tuple[Row, ...]
    target: Tensor
    """int64, the targets of all chunks, one chunk after the other."""
    n_targets: int

    def run(self, function: Callable[..., Tensor], *per_chunk: Sequence[Any]) -> Tensor:
        """``function(chunk, *values of the chunk)`` [P, ...] of every chunk → [V, ...]; 0 where no neighbours are.

        With several chunks nothing that the function made is kept: it is called again for gradients.
        """
        calls = [partial(function, *arguments) for arguments in zip(self.chunks, *per_chunk, strict=True)]
        if len(calls) > 1 and torch.is_grad_enabled():
            parts = [checkpoint(call, use_reentrant=False, preserve_rng_state=False) for call in calls]
        else:
            parts = [call() for call in calls]
        found = torch.cat(parts)
        return found.new_zeros(self.n_targets, *found.shape[1:]).index_copy(0, self.target, found)


def rows_of(geometry: MeshGeometry, edges_per_chunk: int | None = None) -> Rows:
    """Derived once per geometry and size, then remembered.

    Args:
        edges_per_chunk: padding included; by default the number of sources, but at least 16,384. A single target
            with more neighbours is a chunk of its own.

    Raises:
        ValueError: the number is below 1, or there is no edge.
    """
    limit = max(_FEWEST, geometry.n_sources) if edges_per_chunk is None else edges_per_chunk
    if limit < 1:
        raise ValueError(f"edges_per_chunk must be at least 1, not {edges_per_chunk}")
    if geometry.n_edges == 0:
        raise ValueError("no target of this geometry has a neighbour: was the radius meant to be larger?")

    def build() -> Rows:
        degree = (geometry.row_ptr[1:] - geometry.row_ptr[:-1]).long()
        order = torch.argsort(degree, stable=True)
        order = order[degree[order] > 0]
        sizes = degree[order].tolist()
        chunks, first = [], 0
        while first < len(sizes):
            last = _chunk_end(sizes, first, limit)
            chunks.append(_row(geometry, order[first:last], sizes[last - 1]))
            first = last
        return Rows(tuple(chunks), order, geometry.n_vertices)

    return geometry.remember(("rows", limit), build)


def _chunk_end(sizes: list[int], first: int, limit: int) -> int:
    """The targets first:end make a chunk: at most a quarter of it is padding, and it has no more than `limit` edges."""
    widest = sizes[first] + max(1, sizes[first] // 4)
    low, high = first + 1, len(sizes)
    while low < high:
        middle = (low + high + 1) // 2
        if sizes[middle - 1] <= widest and (middle - first) * sizes[middle - 1] <= limit:
            low = middle
        else:
            high = middle - 1
    return low


def _row(geometry: MeshGeometry, target: Tensor, width: int) -> Row:
    start = geometry.row_ptr[target].long()
    degree = geometry.row_ptr[target + 1].long() - start
    place = torch.arange(width, device=geometry.device)
    inside = place < degree[:, None]
    edge = torch.where(inside, start[:, None] + place, start[:, None])
    source = geometry.source[edge].long().flatten()
    return Row(
        target,
        edge,
        source,
        Segments.from_index(source, geometry.n_sources) if source.is_cuda else None,
        torch.where(inside, geometry.weight[edge], 0.0),
        geometry.theta[edge],
        geometry.phi[edge],
        geometry.flip[edge].to(geometry.dtype) if geometry.has_flips else None,
    )


def carry(field_type: FieldType, x: Tensor, angle: Tensor, flip: Tensor | None) -> Tensor:
    """ρ(angle, flip) x for many elements at once; `FieldType.transform` with any leading dimensions.

    Args:
        x: [..., field_type.dim].
        angle, flip: [...], they broadcast against x without its last dimension.
    """
    return torch.cat(carried_components(field_type, x, angle, flip), -1)


def carried_components(field_type: FieldType, x: Tensor, angle: Tensor, flip: Tensor | None) -> list[Tensor]:
    """`carry`, in parts: block after block, and in each one component [..., multiplicity] after the other."""
    turns: dict[int, tuple[Tensor, Tensor]] = {}
    sign = None if flip is None else flip[..., None]
    parts = []
    for b in field_type.blocks:
        part, order = x[..., b.start : b.stop], b.irrep.frequency
        if order and order not in turns:
            turns[order] = torch.cos(order * angle)[..., None], torch.sin(order * angle)[..., None]
        if b.irrep.dim == 1:
            part = part * turns[order][0] if order else part
            parts.append(part * sign if b.irrep.parity and sign is not None else part)
            continue
        cos, sin = turns[order]
        first, second = part[..., : b.multiplicity], part[..., b.multiplicity :]
        second = second if sign is None else second * sign
        parts += [cos * first - sin * second, sin * first + cos * second]
    return parts
