"""Time the operator beside edge-first peers: `python tests/benchmarks/bench_operator.py [--quick] [--json FILE]`.

Runs of one process are interleaved; figures are medians with the 20th and 80th percentile; every peer is first checked
in float64. With one thread the clock is the process's own time, so that other work on the machine counts less; two
threads are compared with one by wall clock. Peak extra memory is that of one forward + backward in a process of its own
(the kernel's high-water mark of resident memory, reset before, minus what was resident before; Linux only).
"""

from __future__ import annotations

import argparse
import ctypes
import itertools
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[2]))
from edge_first import Problem, flat, gem_conv
from grid_order import grid

from gaugenet.kernels.transport_conv import ConvEdges, TransportBlock, explain, transport_conv

N, R, M = 6890, 3, 2
CASES = ((7, 16), (7, 32), (24, 16), (24, 32))
SIZES = ((12, 4), (100, 8), (1000, 16), (100_000, 16))
GRID = [*itertools.product((1, 10, 100, 1000), (1, 7), (4, 16, 64, 128), (True, False))]
GRID += itertools.product((1, 10, 100), (200,), (4, 16, 64, 128), (True, False))
GRID += itertools.product((100_000,), (1, 7), (4, 16), (True, False))
"""Targets, edges of each, copies of each frequency, with a post-rotation."""
PARTS = ["cases", "sizes", "grid", "order"]
PEERS = ("operator", "GEM-CNN", "edge-first, flat")
Run = tuple[Callable[[], Tensor], list[Tensor]]


def random_problem(degree: int, channels: int, dtype: torch.dtype, n: int = N) -> tuple[Problem, ConvEdges]:
    """A banded random graph: like a mesh whose vertices are numbered along the surface."""
    generator = torch.Generator().manual_seed(0)
    counts = torch.randint(degree - 1, degree + 2, (n,), generator=generator)
    row_ptr = torch.cat([torch.zeros(1, dtype=torch.int64), counts.cumsum(0)])
    target = torch.repeat_interleave(torch.arange(n), counts)
    offset = torch.randint(-300, 301, target.shape, generator=generator)
    source = (target + offset).clamp(0, n - 1)
    alpha, beta = (torch.rand(2, len(source), generator=generator, dtype=torch.float64) * 6.28).unbind()
    radial = torch.rand(len(source), R, generator=generator, dtype=torch.float64)
    edges = ConvEdges.from_csr(row_ptr, source, n, radial, alpha, beta=beta).to(dtype=dtype)
    problem = Problem(source, target, alpha.to(dtype), beta.to(dtype), radial.to(dtype), n, channels, M)
    return problem, edges


def blocks(channels: int) -> list[TransportBlock]:
    return [TransportBlock(0, 0, 1, channels), *(TransportBlock(m, 0, 2, channels) for m in range(1, M + 1))]


def runs(degree: int, channels: int, dtype: torch.dtype, n: int = N) -> dict[str, Run]:
    """Name -> (forward that returns [T, C_out] flat, leaves)."""
    problem, edges = random_problem(degree, channels, dtype, n)
    width, kinds = channels * (2 * M + 1), blocks(channels)
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(n, width, generator=generator, dtype=torch.float64).to(dtype)
    weight = torch.randn(R, width, width, generator=generator, dtype=torch.float64).to(dtype) / width**0.5
    columns = problem.columns
    x_gem = x[:, columns].contiguous().requires_grad_()
    weight_gem = weight[:, columns][:, :, :, columns].permute(0, 3, 4, 1, 2).contiguous().requires_grad_()
    x_flat, w_flat = x.clone().requires_grad_(), weight.clone().requires_grad_()
    x.requires_grad_(), weight.requires_grad_()
    return {
        "operator": (lambda: transport_conv(x, weight, edges, kinds, kinds), [x, weight]),
        "GEM-CNN": (lambda: gem_conv(x_gem, weight_gem, problem).transpose(1, 2).flatten(1), [x_gem, weight_gem]),
        "edge-first, flat": (lambda: flat(x_flat, w_flat, problem), [x_flat, w_flat]),
        "reference": (
            lambda: transport_conv(x, weight, edges, kinds, kinds, implementation="reference"),
            [x, weight],
        ),
    }


def check(degree: int, channels: int) -> float:
    """Largest relative difference between the peers, forward and gradients, in float64."""
    grads = {}
    for name, (forward, leaves) in runs(degree, channels, torch.float64).items():
        if name not in PEERS:
            continue
        out = forward()
        probe = torch.randn(out.shape, generator=torch.Generator().manual_seed(2), dtype=out.dtype)
        to_x, to_weight = torch.autograd.grad(out, leaves, probe)
        if name == "GEM-CNN":
            to_x = to_x.transpose(1, 2).flatten(1)
            to_weight = to_weight.permute(0, 4, 3, 2, 1).flatten(3).flatten(1, 2)
        grads[name] = (out.detach(), to_x, to_weight)
    ours = grads.pop("operator")
    return max(float((a - b).abs().max() / b.abs().max()) for theirs in grads.values() for a, b in zip(ours, theirs))


def interleaved(
    cases: dict[str, Run], repeats: int, clock: Callable[[], float] = time.process_time
) -> dict[str, dict[str, Any]]:
    """ms of forward and of forward + backward: median, p20, p80; how many of the first name's medians each takes."""
    times: dict[str, tuple[list[float], list[float]]] = {name: ([], []) for name in cases}
    for repeat in range(repeats + 1):
        for name, (forward, leaves) in cases.items():
            start = clock()
            with torch.no_grad():
                out = forward()
            middle = clock()
            torch.autograd.grad(forward(), leaves, torch.ones_like(out))
            end = clock()
            if repeat:
                times[name][0].append(1e3 * (middle - start))
                times[name][1].append(1e3 * (end - middle))
    result: dict[str, dict[str, Any]] = {}
    for name in cases:
        row: dict[str, Any] = {}
        for key, values, first in zip(("forward", "both"), times[name], times[next(iter(cases))]):
            low, *_, high = statistics.quantiles(values, n=5)
            row[key] = [statistics.median(values), low, high]
            row[f"{key}_ratio"] = statistics.median(values) / statistics.median(first)
        result[name] = row
    return result


def beside_the_reference(n: int, degree: int, copies: int, post: bool) -> dict[str, Any]:
    """How many times faster than the reference, forward and forward + backward, and ms of both: medians of blocks in
    turn, each long enough for the clock."""
    generator = torch.Generator().manual_seed(0)
    n_edges, kinds, width = n * degree, blocks(copies), copies * (2 * M + 1)
    source = torch.randint(0, n, (n_edges,), generator=generator)
    alpha, beta = (torch.rand(2, n_edges, generator=generator) * 6.28).unbind()
    radial = torch.rand(n_edges, R, generator=generator)
    row_ptr = degree * torch.arange(n + 1)
    edges = ConvEdges.from_csr(row_ptr, source, n, radial, alpha, beta=beta if post else None)
    x, weight = torch.randn(n, width, generator=generator), torch.randn(R, width, width, generator=generator)
    leaves, probe, result = [x.requires_grad_(), weight.requires_grad_()], torch.ones(n, width), {}
    for key in ("forward", "both"):

        def once(name: str, key: str = key) -> None:
            with torch.set_grad_enabled(key == "both"):
                out = transport_conv(x, weight, edges, kinds, kinds, implementation=name)
            if key == "both":
                torch.autograd.grad(out, leaves, probe)

        def block(name: str, calls: int) -> float:
            start = time.process_time()
            for _ in range(calls):
                once(name)
            return 1e3 * (time.process_time() - start) / calls

        names = ("cpu", "reference")
        one = sum(block(name, 2) for name in names)
        calls, turns = max(1, min(50, int(20 / one))), max(3, min(9, int(1500 / one)))
        times = [[block(name, calls) for name in names] for _ in range(turns)]
        result[key] = [statistics.median(row[i] for row in times) for i in (0, 1)]
        result[f"{key}_ratio"] = statistics.median(row[1] / row[0] for row in times)
    return result


def two_threads(degree: int, channels: int, repeats: int) -> float:
    """Wall-clock speed-up of forward + backward with two threads over one: medians of blocks of six calls in turn, as a
    training makes them, without the first of each, which wakes the threads."""
    forward, leaves = runs(degree, channels, torch.float32)["operator"]
    probe, taken = torch.ones(N, channels * (2 * M + 1)), {1: [], 2: []}  # type: ignore[var-annotated]
    before = torch.get_num_threads()
    for call in range(12 * repeats):
        threads = 1 + call // 6 % 2
        torch.set_num_threads(threads)
        start = time.perf_counter()
        torch.autograd.grad(forward(), leaves, probe)
        if call % 6:
            taken[threads].append(time.perf_counter() - start)
    torch.set_num_threads(before)
    return statistics.median(taken[1]) / statistics.median(taken[2])


def peak_memory(name: str, degree: int, channels: int) -> float:
    """MB that one forward + backward takes at most, beside what was there; the results are part of it. In this process;
    only a tiny problem has run before, so that code is loaded and no large memory is kept."""
    for n in (64, N):
        forward, leaves = runs(degree, channels, torch.float32, n)[name]
        ctypes.CDLL(None).malloc_trim(0)  # what building the problem freed would serve the run unseen
        Path("/proc/self/clear_refs").write_text("5")
        before = _status("VmRSS")
        torch.autograd.grad(forward(), leaves, torch.ones(n, channels * (2 * M + 1)))
    return (_status("VmHWM") - before) / 1e3


def _status(key: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(key))


def in_a_process(name: str, degree: int, channels: int) -> float | None:
    if not Path("/proc/self/clear_refs").exists():
        return None
    command = [sys.executable, __file__, "--memory", name, str(degree), str(channels)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-1])


def ordered(repeats: int, side: int, squared_radius: int) -> dict[str, Any]:
    """Of a large grid with C = 32: without and with an order of visiting, numbered in rows and at random."""
    found = {}
    kinds, width = blocks(32), 32 * (2 * M + 1)
    x, weight = torch.randn(side * side, width, requires_grad=True), torch.randn(R, width, width, requires_grad=True)
    for numbering in ("rows", "shuffled"):
        cases: dict[str, Run] = {}
        for name, edges in grid(side, squared_radius, numbering == "shuffled").items():
            cases[f"{name} order"] = (lambda e=edges: transport_conv(x, weight, e, kinds, kinds), [x, weight])  # type: ignore[misc]
            degree = edges.n_edges / edges.n_target
        found[f"N={side * side}, C=32, k={degree:.1f}, {numbering}"] = interleaved(cases, repeats)
    return found


def show(title: str, table: dict[str, dict[str, Any]]) -> None:
    print(f"\n{title}\n\n| | forward, ms | ratio | forward + backward, ms | ratio |\n|---|---|---|---|---|")
    for name, row in table.items():
        cells = [
            f"{row[k][0]:.2f} ({row[k][1]:.2f}–{row[k][2]:.2f}) | {row[k + '_ratio']:.2f}" for k in ("forward", "both")
        ]
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


def main(quick: bool, repeats: int, parts: list[str]) -> dict[str, Any]:
    torch.set_num_threads(1)
    machine = {"torch": torch.__version__, "processor": platform.processor() or platform.machine()}
    machine |= {"cores": os.cpu_count(), "load": list(os.getloadavg()), "operator": explain(torch.zeros(0))}
    print(f"{machine}\n\nN={N}, R={R}, M={M}, float32: median (p20–p80), ratio to the first row")
    record: dict[str, Any] = {"machine": machine, "cases": {}, "sizes": {}, "grid": {}, "order": {}}
    for degree, channels in () if "cases" not in parts else CASES[::2] if quick else CASES:
        name = f"k={degree}, C={channels}"
        case: dict[str, Any] = {"error": check(degree, channels)}
        every = runs(degree, channels, torch.float32)
        case["times"] = interleaved({peer: every[peer] for peer in PEERS}, repeats)
        case["two_threads"] = two_threads(degree, channels, repeats)
        case["memory_mb"] = {peer: in_a_process(peer, degree, channels) for peer in PEERS}
        record["cases"][name] = case
        show(f"{name}: largest relative difference in float64 {case['error']:.1e}", case["times"])
        print(f"\nTwo threads: ×{case['two_threads']:.2f}. Peak extra memory, MB: {case['memory_mb']}")
    for n, channels in () if "sizes" not in parts else SIZES[:3] if quick else SIZES:
        every = runs(7, channels, torch.float32, n)
        few = 3 if n > N else 5 * repeats
        table = interleaved({name: every[name] for name in ("operator", "reference")}, few)
        record["sizes"][f"N={n}, C={channels}"] = table
        show(f"N={n}, C={channels}, k=7: beside the reference", table)
    for n, degree, copies, post in () if "grid" not in parts else GRID[:16] if quick else GRID:
        name = f"N={n}, k={degree}, C={copies}, {'with a' if post else 'no'} post-rotation"
        row = record["grid"][name] = beside_the_reference(n, degree, copies, post)
        print(f"{name}: {row['forward_ratio']:.2f} / {row['both_ratio']:.2f} times the reference", flush=True)
    for squared_radius in () if quick or "order" not in parts else (5, 9):
        for name, table in ordered(3, 361, squared_radius).items():
            record["order"][name] = table
            show(name, table)
    return record


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", type=Path, help="write all figures there")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--memory", nargs=3, metavar=("PEER", "DEGREE", "CHANNELS"), help="print MB of one peer only")
    arguments = parser.parse_args()
    if arguments.memory:
        torch.set_num_threads(1)
        peer, *numbers = arguments.memory
        print(peak_memory(peer, *map(int, numbers)))
    else:
        figures = main(arguments.quick, 3 if arguments.quick else arguments.repeats, arguments.parts)
        if arguments.json:
            arguments.json.write_text(json.dumps(figures, indent=1) + "\n")
