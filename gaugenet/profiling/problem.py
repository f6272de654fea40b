"""One call of the operator with its numbers: what is checked and timed."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from gaugenet.kernels.cost import Workload
from gaugenet.kernels.csr import reverse_csr
from gaugenet.kernels.transport_conv import ConvEdges, TransportBlock

HALF = (torch.bfloat16, torch.float16)
_SAMPLES = 8
"""Runs of consecutive targets that stand for all targets where there are many."""

Blocks = tuple[TransportBlock, ...]


@dataclass(frozen=True, eq=False)
class OperatorProblem:
    """out = transport_conv(x, weight, edges, in_blocks, out_blocks), and a gradient of its result."""

    name: str
    x: Tensor
    """[S, C_in]"""
    weight: Tensor
    """[B, C_out, C_in]"""
    edges: ConvEdges
    in_blocks: Blocks
    out_blocks: Blocks
    grad: Tensor
    """[T, C_out]"""
    in_type: str = ""
    out_type: str = ""

    @classmethod
    def random(
        cls,
        name: str,
        edges: ConvEdges,
        in_blocks: Sequence[tuple[int, int, int, int]],
        out_blocks: Sequence[tuple[int, int, int, int]],
        dtype: torch.dtype = torch.float32,
        *,
        weight: Tensor | None = None,
        in_type: str = "",
        out_type: str = "",
        seed: int = 0,
    ) -> OperatorProblem:
        """Normal features and gradient, the weight given or normal, on the edges given."""
        blocks_in, blocks_out = (tuple(TransportBlock(*b) for b in blocks) for blocks in (in_blocks, out_blocks))
        c_in, c_out = (sum(b.width for b in blocks) for blocks in (blocks_in, blocks_out))
        device, b = edges.source.device, edges.scalars.shape[1]
        generator = torch.Generator(device).manual_seed(seed)

        def normal(*shape: int) -> Tensor:
            return torch.randn(shape, generator=generator, device=device)

        if weight is None:
            weight = normal(b, c_out, c_in) / max(b * c_in, 1) ** 0.5
        return cls(
            name,
            normal(edges.n_source, c_in).to(dtype),
            weight.detach().to(device, dtype),
            edges.to(dtype=torch.float32 if dtype in HALF else dtype),
            blocks_in,
            blocks_out,
            normal(edges.n_target, c_out).to(dtype),
            in_type,
            out_type,
        )

    @property
    def dtype(self) -> torch.dtype:
        return self.x.dtype

    @property
    def device(self) -> torch.device:
        return self.x.device

    @property
    def geometry(self) -> frozenset[str]:
        """Which of pre, pre_flip, post, post_flip there are."""
        names = ("pre", "pre_flip", "post", "post_flip")
        return frozenset(n for n in names if getattr(self.edges, n) is not None)

    @property
    def degree(self) -> float:
        """Mean number of edges per target."""
        return self.edges.n_edges / max(self.edges.n_target, 1)

    @property
    def workload(self) -> Workload:
        """Its sizes, from which the roofline is."""
        return Workload(
            self.edges.n_source,
            self.edges.n_target,
            self.edges.n_edges,
            self.weight.shape[0],
            self.in_blocks,
            self.out_blocks,
            itemsize=self.x.element_size(),
            geometry_itemsize=self.edges.scalars.element_size(),
            **{name: name in self.geometry for name in ("pre", "post", "pre_flip", "post_flip")},
        )

    def to(self, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> OperatorProblem:
        """The same numbers elsewhere, or rounded."""
        real = torch.float32 if dtype in HALF else dtype
        moved = {n: getattr(self, n).to(device=device, dtype=dtype) for n in ("x", "weight", "grad")}
        return dataclasses.replace(self, edges=self.edges.to(device, real), **moved)

    def sampled(self, max_edges: int) -> tuple[OperatorProblem, Tensor]:
        """The part of the problem at some of its targets, and which (int64 [T']); all where there are few edges.

        Where the gradient of the result is zero at all other targets, both problems have the same gradients.
        """
        edges, n = self.edges, self.edges.n_target
        everything = torch.arange(n, device=self.device)
        if edges.n_edges <= max_edges:
            return self, everything
        length = max(int(max_edges / self.degree) // _SAMPLES, 1)
        starts = torch.linspace(0, n - length, _SAMPLES, device=self.device).long()
        rows = torch.unique((starts[:, None] + everything[:length]).flatten())
        first, last = edges.row_ptr[rows].long(), edges.row_ptr[rows + 1].long()
        counts = last - first
        row_ptr = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
        within = torch.arange(int(row_ptr[-1]), device=self.device) - torch.repeat_interleave(row_ptr[:-1], counts)
        kept = torch.repeat_interleave(first, counts) + within
        row_ptr, source = row_ptr.int(), edges.source[kept]
        pre, pre_flip, post, post_flip = (
            None if value is None else value[kept] for value in (edges.pre, edges.pre_flip, edges.post, edges.post_flip)
        )
        reverse = reverse_csr(row_ptr, source, edges.n_source)
        part = ConvEdges(
            *(edges.n_source, len(rows), row_ptr, source, *reverse),
            *(edges.scalars[kept], pre, pre_flip, post, post_flip),
        )
        return dataclasses.replace(self, edges=part, grad=self.grad[rows]), rows

    def describe(self) -> dict[str, Any]:
        """For people and for JSON."""
        return {
            "name": self.name,
            "in_type": self.in_type,
            "out_type": self.out_type,
            "n_source": self.edges.n_source,
            "n_target": self.edges.n_target,
            "n_edges": self.edges.n_edges,
            "degree": self.degree,
            "n_scalars": self.weight.shape[0],
            "c_in": self.x.shape[1],
            "c_out": self.weight.shape[1],
            "geometry": sorted(self.geometry),
            "dtype": str(self.dtype).removeprefix("torch."),
            "device": self.device.type,
        }


def banded_edges(
    n: int,
    degree: int,
    n_scalars: int,
    geometry: Sequence[str] = ("alpha", "beta"),
    device: torch.device | str = "cpu",
    seed: int = 0,
    rotation_order: int = 0,
) -> ConvEdges:
    """Random edges between vertices of near numbers, as of a mesh numbered along its surface; float32 or float64.

    Args:
        n: vertices.
        degree: mean edges per vertex; every vertex has one more, one less or as many.
        n_scalars: B.
        geometry: which of alpha, flip, beta, post_flip there are.
        rotation_order: N makes the angles alpha multiples of 2π/N; 0 any.
    """
    generator = torch.Generator(device).manual_seed(seed)

    def integers(low: int, high: int, size: int) -> Tensor:
        return torch.randint(low, high, (size,), generator=generator, device=device)

    counts = integers(max(degree - 1, 0), degree + 2, n)
    row_ptr = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
    target = torch.repeat_interleave(torch.arange(n, device=device), counts)
    source = (target + integers(-300, 301, len(target))).clamp(0, n - 1)
    full = 2 * torch.pi

    def angle() -> Tensor:
        turn = torch.rand(len(target), generator=generator, device=device, dtype=torch.float64)
        return full * ((turn * rotation_order).floor() / rotation_order if rotation_order else turn)

    given: dict[str, Tensor] = {}
    for name in geometry:
        given[name] = 2 * integers(0, 2, len(target)) - 1 if "flip" in name else angle()
    scalars = torch.rand(len(target), n_scalars, generator=generator, device=device, dtype=torch.float64)
    return ConvEdges.from_csr(row_ptr, source, n, scalars / max(degree, 1), **given)
