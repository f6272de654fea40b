"""The correctness gate: no implementation is timed before it agrees with the definition in float64."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from gaugenet.kernels.dispatch import IMPLEMENTATIONS
from gaugenet.kernels.dispatch import Problem as Tensors
from gaugenet.kernels.transport_conv import transport_conv
from gaugenet.profiling.edge_first import EdgeFirst
from gaugenet.profiling.problem import OperatorProblem

Run = Callable[[Tensor, Tensor], Tensor]
"""(x, weight) -> out"""

PEER = "edge first"

TOLERANCE = {
    # of the largest entry: forward and gradient to x, weight gradient (its sums run over all edges)
    torch.float64: (1e-12, 1e-11),
    torch.float32: (5e-6, 2e-5),
    torch.bfloat16: (2e-2, 2e-2),
    torch.float16: (2e-3, 4e-3),
}

_REFERENCE_NUMBERS = 2**25
"""Entries of one tensor of edges × channels of the float64 reference: 256 MiB."""


@dataclass(frozen=True)
class Check:
    """Largest difference from the float64 reference over the largest entry, per pass."""

    implementation: str
    forward: float
    grad_x: float
    grad_weight: float
    tolerance: float
    tolerance_weight: float
    error: str = ""
    """What it raised, if it did not run to its end."""

    @property
    def passed(self) -> bool:
        # NaN fails every comparison
        most = self.tolerance, self.tolerance, self.tolerance_weight
        return not self.error and all(e <= t for e, t in zip((self.forward, self.grad_x, self.grad_weight), most))

    def to_json(self) -> dict[str, Any]:
        # JSON has no NaN
        values = {k: (v if not isinstance(v, float) or v == v else None) for k, v in asdict(self).items()}
        return {**values, "passed": self.passed}


def runs(problem: OperatorProblem, peer: bool = True) -> tuple[dict[str, Run], dict[str, str]]:
    """What can solve the problem on its device, and the reasons of what cannot."""
    found: dict[str, Run] = {}
    reasons: dict[str, str] = {}
    for implementation in IMPLEMENTATIONS:
        reason = implementation.why_not(Tensors(problem.device.type, problem.dtype))
        if reason is not None:
            reasons[implementation.name] = reason
        else:
            found[implementation.name] = _forced(problem, implementation.name)
    if peer:
        found[PEER] = EdgeFirst(problem)
    return found, reasons


def _forced(problem: OperatorProblem, name: str) -> Run:
    def run(x: Tensor, weight: Tensor) -> Tensor:
        return transport_conv(x, weight, problem.edges, problem.in_blocks, problem.out_blocks, implementation=name)

    return run


def all_passes(run: Run, problem: OperatorProblem) -> tuple[Tensor, Tensor, Tensor]:
    """Result, gradient to x, gradient to weight."""
    x, weight = problem.x.detach().requires_grad_(), problem.weight.detach().requires_grad_()
    out = run(x, weight)
    to_x, to_weight = torch.autograd.grad(out, (x, weight), problem.grad)
    return out.detach(), to_x, to_weight


def gate(problem: OperatorProblem, candidates: Mapping[str, Run]) -> list[Check]:
    """Check every candidate on the whole problem; the reference is computed at a sample of its targets if it is large.

    The candidates see the whole problem, with a gradient that is zero outside of the sample.
    """
    widest = max(problem.x.shape[1], problem.weight.shape[1], 1)
    part, rows = problem.sampled(max(_REFERENCE_NUMBERS // widest, 1))
    exact = part.to(dtype=torch.float64)
    expected = all_passes(_forced(exact, "reference"), exact)
    grad = torch.zeros_like(problem.grad)
    grad[rows] = part.grad
    probe = dataclasses.replace(problem, grad=grad)
    return [_check(name, run, probe, rows, expected) for name, run in candidates.items()]


def _check(name: str, run: Run, problem: OperatorProblem, rows: Tensor, expected: tuple[Tensor, ...]) -> Check:
    tolerances = TOLERANCE[problem.dtype]
    try:
        out, to_x, to_weight = all_passes(run, problem)
    except (RuntimeError, ValueError, TypeError, IndexError) as error:
        nan = float("nan")
        return Check(name, nan, nan, nan, *tolerances, f"{type(error).__name__}: {error}".splitlines()[0])
    forward, grad_x, grad_weight = (relative_error(a, b) for a, b in zip((out[rows], to_x, to_weight), expected))
    return Check(name, forward, grad_x, grad_weight, *tolerances)


def relative_error(found: Tensor, expected: Tensor) -> float:
    """Largest difference over the largest entry; NaN stays NaN."""
    if expected.numel() == 0:
        return 0.0
    scale = float(expected.abs().max())
    return float((found.double() - expected.double()).abs().max()) / max(scale, 1e-300)
