"""Random problems for the operator, and the one table of tolerances."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor

from gaugenet.kernels.transport_conv import ConvEdges, TransportBlock, transport_conv

TOLERANCE = {
    # relative to the largest entry; sums of up to some thousand products of numbers of order one
    "float64": 1e-13,  # rounding 1e-16, times the length of the sums and the recurrence for cos mα, sin mα
    "float32": 5e-6,  # rounding 6e-8, the same factors
    "bfloat16": 2e-2,  # sums are float32; what remains is rounding the inputs and the result to 8 bits
    "float16": 2e-3,  # the same with 11 bits
}

MIXES: dict[str, tuple[list[TransportBlock], list[TransportBlock]]] = {
    "SO(2), one vector wide": (
        [TransportBlock(0, 0, 1, 16), TransportBlock(1, 0, 2, 16), TransportBlock(2, 0, 2, 16)],
        [TransportBlock(0, 0, 1, 16), TransportBlock(1, 0, 2, 16), TransportBlock(2, 0, 2, 16)],
    ),
    "parities, odd widths": (
        [TransportBlock(0, 0, 1, 3), TransportBlock(0, 1, 1, 5), TransportBlock(1, 0, 2, 7)],
        [
            TransportBlock(2, 0, 2, 3),
            TransportBlock(0, 1, 1, 2),
            TransportBlock(1, 1, 2, 9),
            TransportBlock(0, 0, 1, 1),
        ],
    ),
    "C6 with its sign block": (
        [TransportBlock(3, 0, 1, 4), TransportBlock(1, 0, 2, 2), TransportBlock(3, 1, 1, 3)],
        [TransportBlock(2, 0, 2, 20), TransportBlock(3, 1, 1, 6), TransportBlock(3, 0, 1, 1)],
    ),
    "same order twice, not side by side": (
        [TransportBlock(1, 0, 2, 2), TransportBlock(0, 0, 1, 1), TransportBlock(1, 1, 2, 18)],
        [TransportBlock(1, 0, 2, 10), TransportBlock(0, 0, 1, 40), TransportBlock(1, 1, 2, 11)],
    ),
    "wide": ([TransportBlock(0, 0, 1, 90)], [TransportBlock(4, 0, 2, 45), TransportBlock(0, 1, 1, 70)]),
    "order 0 in two components": ([TransportBlock(0, 0, 2, 3)], [TransportBlock(0, 1, 2, 4)]),
}


def random_blocks(rng: random.Random) -> list[TransportBlock]:
    """Up to six blocks in any order: what the named mixes keep side by side may stand apart here."""
    return [
        TransportBlock(rng.randrange(3), rng.randrange(2), rng.choice((1, 2)), rng.choice((1, 2, 3, 5, 17)))
        for _ in range(rng.randint(1, 6))
    ]


MIXES |= {
    f"random {seed}": (random_blocks(random.Random(2 * seed)), random_blocks(random.Random(2 * seed + 1)))
    for seed in range(8)
}
MIXES["one order in one and two components, others between"] = (
    [TransportBlock(1, 0, 1, 2), TransportBlock(0, 0, 1, 3), TransportBlock(1, 0, 2, 2)],
    [TransportBlock(1, 0, 1, 2), TransportBlock(0, 0, 1, 3), TransportBlock(1, 0, 2, 2)],
)


@dataclass
class Case:
    x: Tensor
    weight: Tensor
    edges: ConvEdges
    in_blocks: Sequence[TransportBlock]
    out_blocks: Sequence[TransportBlock]
    grad: Tensor
    """A random gradient of the result."""

    def run(self, implementation: str | None = None) -> Tensor:
        return transport_conv(
            self.x, self.weight, self.edges, self.in_blocks, self.out_blocks, implementation=implementation
        )

    def to(self, device: str) -> Case:
        """Itself, moved."""
        self.x, self.weight, self.grad = (t.to(device) for t in (self.x, self.weight, self.grad))
        self.edges = self.edges.to(device=device)
        return self

    def arguments(self, implementation: str | None) -> tuple[Any, ...]:
        """What the registered operators take after their tensors."""
        e = self.edges
        flat = [[number for block in blocks for number in block] for blocks in (self.in_blocks, self.out_blocks)]
        return (
            *(e.scalars, e.pre, e.pre_flip, e.post, e.post_flip, e.row_ptr, e.source, None),
            *(e.reverse_row_ptr, e.reverse_target, e.reverse_edge, e.order, e.reverse_order, False),
            *(*flat, implementation),
        )

    def all(self, implementation: str | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """Result, gradient to x, gradient to weight."""
        x, weight = self.x.detach().requires_grad_(), self.weight.detach().requires_grad_()
        out = transport_conv(x, weight, self.edges, self.in_blocks, self.out_blocks, implementation=implementation)
        return out.detach(), *torch.autograd.grad(out, (x, weight), self.grad)


def make_case(
    mix: str = "parities, odd widths",
    degrees: Sequence[int] = (3, 0, 1, 7, 2),
    n_source: int = 6,
    n_scalars: int = 3,
    geometry: Sequence[str] = ("alpha", "flip", "beta", "post_flip"),
    dtype: torch.dtype = torch.float64,
    seed: int = 0,
) -> Case:
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    row_ptr = torch.tensor([0, *degrees]).cumsum(0)
    n_edges = sum(degrees)
    source = torch.randint(0, max(n_source, 1), (n_edges,), generator=generator)
    angles = {"alpha": 3 * normal(n_edges), "beta": 3 * normal(n_edges)}
    flips = {name: torch.randint(0, 2, (n_edges,), generator=generator) * 2 - 1 for name in ("flip", "post_flip")}
    given = {name: value for name, value in (angles | flips).items() if name in geometry}
    edges = ConvEdges.from_csr(row_ptr, source, n_source, normal(n_edges, n_scalars), **given)
    in_blocks, out_blocks = MIXES[mix]
    c_in, c_out = sum(b.width for b in in_blocks), sum(b.width for b in out_blocks)
    real = torch.float32 if dtype in (torch.bfloat16, torch.float16) else dtype
    return Case(
        normal(n_source, c_in).to(dtype),
        normal(n_scalars, c_out, c_in).to(dtype),
        edges.to(dtype=real),
        in_blocks,
        out_blocks,
        normal(len(degrees), c_out).to(dtype),
    )


def relative_error(found: Tensor, expected: Tensor) -> float:
    """Largest difference relative to the largest entry; NaN stays NaN and fails every comparison."""
    scale = float(expected.double().abs().max()) if expected.numel() else 1.0
    difference = (found.double() - expected.double()).abs()
    return float(difference.max()) / max(scale, 1e-300) if expected.numel() else 0.0


@pytest.fixture(scope="session")
def case() -> Callable[..., Case]:
    return make_case


@pytest.fixture(scope="session")
def error() -> Callable[[Tensor, Tensor], float]:
    return relative_error


@pytest.fixture(scope="session")
def tolerance() -> dict[str, float]:
    return TOLERANCE


@pytest.fixture(params=sorted(MIXES))
def mix(request: pytest.FixtureRequest) -> str:
    return str(request.param)


GEOMETRIES = {
    "nothing": (),
    "harmonic": ("alpha",),
    "harmonic with flips": ("alpha", "flip"),
    "aligned": ("alpha", "beta"),
    "aligned with flips": ("alpha", "flip", "beta"),
    "transposed with flips": ("alpha", "beta", "post_flip"),
    "post only": ("beta", "post_flip"),
    "flips only": ("flip", "post_flip"),
    "all": ("alpha", "flip", "beta", "post_flip"),
}


@pytest.fixture(params=sorted(GEOMETRIES))
def geometry(request: pytest.FixtureRequest) -> tuple[str, ...]:
    return GEOMETRIES[request.param]
