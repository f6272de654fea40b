"""Sums and largest values over all vertices of each surface of a batch."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from gaugenet.kernels.segment_reduce import Segments, segment_spread, segment_sum
from gaugenet.meshes.geometry import MeshGeometry

_BLOCK = 256
"""Vertices that are added up one after the other: their sums are added next, so that rounding stays small and a GPU has
something to do even on a single surface."""


@dataclass(frozen=True, eq=False)
class Surfaces:
    """Which surface each target belongs to. Build with `surfaces_of`."""

    vertices: Segments
    """The vertices of each surface."""
    blocks: Segments
    """The vertices of each block; every block lies within one surface."""
    of_block: Segments
    """The blocks of each surface."""
    area: Tensor
    """[V] area of each target over that of its surface; of sum 1 (0 on a surface without area)."""
    count: Tensor
    """[M] vertices of each surface, at least 1."""

    def sum(self, values: Tensor) -> Tensor:
        """[V, C] → [M, C], the same bits in every run."""
        if values.is_cuda:
            return segment_sum(segment_sum(values, self.blocks), self.of_block)
        out = values
        for segments in (self.blocks, self.of_block):
            out = out.new_zeros(segments.row_ptr.shape[0] - 1, out.shape[1]).index_add(0, segments.row, out)
        return out

    def max(self, values: Tensor) -> Tensor:
        """[V, C] → [M, C], 0 for a surface without vertices. The gradient goes to the first of the largest values."""
        index = self.vertices.row[:, None].expand_as(values)
        n = self.count.shape[0]
        with torch.no_grad():
            top = values.new_full((n, values.shape[1]), -torch.inf)
            top = top.scatter_reduce(0, index, values.detach(), "amax")
            number = torch.arange(values.shape[0], device=values.device)[:, None].expand_as(values)
            last = torch.full_like(top, values.shape[0], dtype=torch.int64)
            number = torch.where(values == top.index_select(0, self.vertices.row), number, values.shape[0])
            first = last.scatter_reduce(0, index, number, "amin")
        padded = torch.cat([values, values.new_zeros(1, values.shape[1])])
        return padded.gather(0, first)

    def spread(self, values: Tensor) -> Tensor:
        """[M, C] → [V, C]: to each vertex what its surface has."""
        if values.is_cuda:
            return segment_spread(values, self.vertices)
        return values.index_select(0, self.vertices.row)


def surfaces_of(geometry: MeshGeometry) -> Surfaces:
    """Derived from `mesh_ptr` once, then remembered by the geometry."""

    def build() -> Surfaces:
        count = geometry.mesh_ptr[1:] - geometry.mesh_ptr[:-1]
        n_blocks = (count + _BLOCK - 1) // _BLOCK
        of_block = torch.nn.functional.pad(n_blocks.cumsum(0), (1, 0))
        surface = torch.repeat_interleave(n_blocks)
        within = torch.arange(len(surface), device=geometry.device) - of_block[surface]
        starts = geometry.mesh_ptr[:-1][surface] + _BLOCK * within
        vertices = Segments.from_row_ptr(geometry.mesh_ptr)
        total = geometry.area.new_zeros(geometry.n_meshes).index_add(0, vertices.row, geometry.area)
        total = torch.where(total > 0, total, 1.0)
        return Surfaces(
            vertices,
            Segments.from_row_ptr(torch.cat([starts, geometry.mesh_ptr[-1:]])),
            Segments.from_row_ptr(of_block),
            geometry.area / total[vertices.row],
            count.clamp_min(1).to(geometry.dtype),
        )

    return geometry.remember("surfaces", build)
