"""Time the operator beside edge-first peers: `python tests/benchmarks/bench_operator.py [--threads N] [--quick]`.

One process, interleaved runs, medians with the 20th and 80th percentile; every peer is first checked in float64.
With one thread the clock is the process's own time, so that other work on the machine counts less.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[2]))
from edge_first import Problem, flat, gem_conv

from gaugenet.kernels.transport_conv import ConvEdges, TransportBlock, explain, transport_conv

N, R, M = 6890, 3, 2


def random_problem(degree: int, channels: int, dtype: torch.dtype) -> tuple[Problem, ConvEdges]:
    """A banded random graph: like a mesh whose vertices are numbered along the surface."""
    generator = torch.Generator().manual_seed(0)
    counts = torch.randint(degree - 1, degree + 2, (N,), generator=generator)
    row_ptr = torch.cat([torch.zeros(1, dtype=torch.int64), counts.cumsum(0)])
    target = torch.repeat_interleave(torch.arange(N), counts)
    offset = torch.randint(-300, 301, target.shape, generator=generator)
    source = (target + offset).clamp(0, N - 1)
    alpha, beta = (torch.rand(2, len(source), generator=generator, dtype=torch.float64) * 6.28).unbind()
    radial = torch.rand(len(source), R, generator=generator, dtype=torch.float64)
    edges = ConvEdges.from_csr(row_ptr, source, N, radial, alpha, beta=beta).to(dtype=dtype)
    problem = Problem(source, target, alpha.to(dtype), beta.to(dtype), radial.to(dtype), N, channels, M)
    return problem, edges


def runs(degree: int, channels: int, dtype: torch.dtype) -> dict[str, tuple[Callable[[], Tensor], list[Tensor]]]:
    """Name -> (forward that returns [T, C_out] flat, leaves)."""
    problem, edges = random_problem(degree, channels, dtype)
    blocks = [TransportBlock(0, 0, 1, channels), *(TransportBlock(m, 0, 2, channels) for m in range(1, M + 1))]
    width = channels * (2 * M + 1)
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(N, width, generator=generator, dtype=torch.float64).to(dtype)
    weight = torch.randn(R, width, width, generator=generator, dtype=torch.float64).to(dtype) / width**0.5
    columns = problem.columns
    x_gem = x[:, columns].contiguous().requires_grad_()
    weight_gem = weight[:, columns][:, :, :, columns].permute(0, 3, 4, 1, 2).contiguous().requires_grad_()
    x_flat, w_flat = x.clone().requires_grad_(), weight.clone().requires_grad_()
    x.requires_grad_(), weight.requires_grad_()
    return {
        "operator": (lambda: transport_conv(x, weight, edges, blocks, blocks), [x, weight]),
        "GEM-CNN": (lambda: gem_conv(x_gem, weight_gem, problem).transpose(1, 2).flatten(1), [x_gem, weight_gem]),
        "edge-first, flat": (lambda: flat(x_flat, w_flat, problem), [x_flat, w_flat]),
    }


def check(degree: int, channels: int) -> float:
    """Largest relative difference between the peers, forward and gradients, in float64."""
    grads = {}
    for name, (forward, leaves) in runs(degree, channels, torch.float64).items():
        out = forward()
        probe = torch.randn(out.shape, generator=torch.Generator().manual_seed(2), dtype=out.dtype)
        to_x, to_weight = torch.autograd.grad(out, leaves, probe)
        if name == "GEM-CNN":
            to_x = to_x.transpose(1, 2).flatten(1)
            to_weight = to_weight.permute(0, 4, 3, 2, 1).flatten(3).flatten(1, 2)
        grads[name] = (out.detach(), to_x, to_weight)
    ours = grads.pop("operator")
    return max(float((a - b).abs().max() / b.abs().max()) for theirs in grads.values() for a, b in zip(ours, theirs))


def measure(degree: int, channels: int, repeats: int) -> None:
    cases = runs(degree, channels, torch.float32)
    clock = time.process_time if torch.get_num_threads() == 1 else time.perf_counter
    forward_ms: dict[str, list[float]] = {name: [] for name in cases}
    both_ms: dict[str, list[float]] = {name: [] for name in cases}
    probe = torch.randn(N, channels * (2 * M + 1))
    for repeat in range(repeats + 1):
        for name, (forward, leaves) in cases.items():
            start = clock()
            with torch.no_grad():
                forward()
            middle = clock()
            torch.autograd.grad(forward(), leaves, probe)
            end = clock()
            if repeat:
                forward_ms[name].append(1e3 * (middle - start))
                both_ms[name].append(1e3 * (end - middle))
    for name in cases:
        cells = []
        for times in (forward_ms, both_ms):
            ratio = statistics.median(times[name]) / statistics.median(times["operator"])
            low, *_, high = statistics.quantiles(times[name], n=5)
            cells.append(f"{statistics.median(times[name]):8.2f} ({low:.2f}-{high:.2f}) x{ratio:.1f}")
        print(f"k={degree:<3} C={channels:<3} {name:<18} forward {cells[0]:<34} + backward {cells[1]}", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--quick", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    print(explain(torch.zeros(0)))
    print(f"N={N}, R={R}, M={M}, float32, {arguments.threads} thread(s), ms: median (p20-p80), ratio to the operator")
    for degree, channels in ((7, 16), (24, 16)) if arguments.quick else ((7, 16), (7, 32), (24, 16), (24, 32)):
        print(f"k={degree:<3} C={channels:<3} largest relative difference in float64: {check(degree, channels):.1e}")
        measure(degree, channels, arguments.repeats)
