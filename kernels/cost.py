"""What the operator must move and compute at least: the roofline that `gaugenet profile` measures against.

With S sources, T targets, E edges, B scalars and n terms τ (`gaugenet.kernels._triton_plan`):

    aggregate:  E (2 n B C_in + 3 C_in) flops, the scaled sums and the rotation of each source
    contract:   2 T Σ_products terms · B · C_in · columns flops

and at least x, the edges, the weight and the result cross the memory once. The two-kernel form also writes and reads
A, T n B C_in numbers. Edge first (the definition) contracts every edge: E · 2 B C_in C_out flops, and at least one
tensor of E · (C_in + C_out) numbers written and read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from gaugenet.kernels._reference import TransportBlock
from gaugenet.kernels._triton_plan import ContractionPlan, contraction_plan


class Cost(NamedTuple):
    """Of one pass."""

    flops: float
    bytes: float
    """Through main memory."""

    def __add__(self, other: object) -> Cost:
        if not isinstance(other, Cost):
            return NotImplemented
        return Cost(self.flops + other.flops, self.bytes + other.bytes)

    @property
    def intensity(self) -> float:
        """Flops per byte."""
        return self.flops / self.bytes if self.bytes else float("inf")

    def milliseconds(self, flops_per_second: float, bytes_per_second: float) -> float:
        """The roofline's lower bound on a machine of these peaks."""
        return 1e3 * max(self.flops / flops_per_second, self.bytes / bytes_per_second)


@dataclass(frozen=True)
class Workload:
    """One call of the operator, without its numbers."""

    n_source: int
    n_target: int
    n_edges: int
    n_scalars: int
    in_blocks: tuple[TransportBlock, ...]
    out_blocks: tuple[TransportBlock, ...]
    pre: bool = True
    post: bool = False
    pre_flip: bool = False
    post_flip: bool = False
    itemsize: int = 4
    """Bytes of a number of x and of the result."""
    geometry_itemsize: int = 4

    @property
    def plan(self) -> ContractionPlan:
        return contraction_plan(self.in_blocks, self.out_blocks, self.post, self.post_flip)

    @property
    def transposed(self) -> Workload:
        """The operator that gives the gradient to x."""
        return Workload(
            self.n_target,
            self.n_source,
            self.n_edges,
            self.n_scalars,
            self.out_blocks,
            self.in_blocks,
            self.post,
            self.pre,
            self.post_flip,
            self.pre_flip,
            self.itemsize,
            self.geometry_itemsize,
        )

    @property
    def edge_bytes(self) -> int:
        """Index, scalars, angles and flips of all edges, and the row pointers."""
        numbers = self.n_scalars + 2 * (self.pre + self.post)
        return self.n_edges * (4 + numbers * self.geometry_itemsize + self.pre_flip + self.post_flip) + 4 * (
            self.n_target + 1
        )


def forward(work: Workload) -> Cost:
    """Aggregate and contract in one: A never leaves the chip."""
    plan = work.plan
    rotation = 3 * plan.c_in if work.pre else 0
    flops = work.n_edges * (2 * len(plan.terms) * work.n_scalars * plan.c_in + rotation)
    flops += 2 * work.n_target * work.n_scalars * plan.multiply_adds
    weight = work.n_scalars * plan.c_out * plan.c_in
    fields = work.n_source * plan.c_in + work.n_target * plan.c_out
    return Cost(flops, (fields + weight) * work.itemsize + work.edge_bytes)


def sums(work: Workload) -> Cost:
    """What the two-kernel form adds: A written once and read once."""
    numbers = work.n_target * len(work.plan.terms) * work.n_scalars * work.plan.c_in
    return Cost(0.0, 2 * numbers * work.geometry_itemsize)


def weight_gradient(work: Workload) -> Cost:
    """The forward's aggregation again, and one product of the same size; the gradient is read instead of written."""
    return forward(work)


def backward(work: Workload) -> Cost:
    """Both gradients: the transposed operator, and the weight gradient from whichever aggregation costs less."""
    reverse = work.transposed
    apart = forward(reverse) + weight_gradient(work)
    product = 2 * work.n_source * work.n_scalars * reverse.plan.multiply_adds
    together = forward(reverse) + Cost(product, work.n_source * work.plan.c_in * work.itemsize)
    return min(apart, together, key=lambda cost: cost.flops)


def edge_first(work: Workload) -> Cost:
    """The definition's forward: transport, contract and rotate every edge, then add up."""
    plan, e = work.plan, work.n_edges
    flops = e * (2 * work.n_scalars * plan.c_in * plan.c_out + 3 * (plan.c_in * work.pre + plan.c_out * work.post))
    once = forward(work).bytes
    return Cost(flops, once + 2 * e * (plan.c_in + plan.c_out) * work.itemsize)


def workload(
    x_shape: Sequence[int],
    n_target: int,
    n_edges: int,
    n_scalars: int,
    in_blocks: Sequence[tuple[int, int, int, int]],
    out_blocks: Sequence[tuple[int, int, int, int]],
    geometry: Sequence[str] = ("pre",),
    itemsize: int = 4,
) -> Workload:
    """A workload from the shapes of a call; `geometry` names which of pre, post, pre_flip, post_flip there are."""
    return Workload(
        x_shape[0],
        n_target,
        n_edges,
        n_scalars,
        tuple(TransportBlock(*b) for b in in_blocks),
        tuple(TransportBlock(*b) for b in out_blocks),
        itemsize=itemsize,
        geometry_itemsize=max(itemsize, 4),
        **{name: name in geometry for name in ("pre", "post", "pre_flip", "post_flip")},
    )
