"""Medians with their spread, of several implementations side by side, and the memory they take."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from gaugenet.profiling.gate import Run
from gaugenet.profiling.machine import synchronize
from gaugenet.profiling.problem import OperatorProblem

FORWARD, BACKWARD, WEIGHT_GRADIENT = PASSES = ("forward", "backward", "weight gradient")
"""Backward is both gradients."""


class Times(NamedTuple):
    """Milliseconds."""

    median: float
    p20: float
    p80: float

    @classmethod
    def of(cls, milliseconds: list[float]) -> Times:
        if len(milliseconds) < 2:
            return cls(*milliseconds * 3)
        low, *_, high = statistics.quantiles(milliseconds, n=5, method="inclusive")
        return cls(statistics.median(milliseconds), low, high)


def clock_name(device: torch.device) -> str:
    """Which clock `measure` reads on this device with the present number of threads."""
    if device.type == "cuda":
        return "device"
    return "process" if torch.get_num_threads() == 1 else "wall"


def measure(
    calls: Mapping[str, Callable[[], object]], device: torch.device, *, repeats: int = 15, seconds: float = 4.0
) -> dict[str, Times]:
    """Times of each call.

    On a GPU: `triton.testing.do_bench`, which empties the cache before each run. Elsewhere the calls take turns, so
    that all see the same moods of the machine; with one thread the clock is the processor time of this process.

    Args:
        repeats: runs of each call, after one that does not count.
        seconds: no round begins after so long (at least two are made).
    """
    if device.type == "cuda":
        return {name: _on_gpu(call) for name, call in calls.items()}
    clock = time.process_time if clock_name(device) == "process" else time.perf_counter
    found: dict[str, list[float]] = {name: [] for name in calls}
    for call in calls.values():
        call()
    began = time.perf_counter()
    for done in range(repeats):
        if done >= 2 and time.perf_counter() - began > seconds:
            break
        for name, call in calls.items():
            start = clock()
            call()
            found[name].append(1e3 * (clock() - start))
    return {name: Times.of(times) for name, times in found.items()}


def _on_gpu(call: Callable[[], object]) -> Times:
    from triton.testing import do_bench

    middle, low, high = do_bench(call, quantiles=[0.5, 0.2, 0.8])
    return Times(middle, low, high)


def passes(run: Run, problem: OperatorProblem) -> dict[str, Callable[[], object]]:
    """A call per pass. The gradients reuse one result, so that they are timed without the forward."""
    x, weight = problem.x.detach().requires_grad_(), problem.weight.detach().requires_grad_()
    out = run(x, weight)

    def forward() -> object:
        with torch.no_grad():
            return run(x, weight)

    def backward() -> object:
        return torch.autograd.grad(out, (x, weight), problem.grad, retain_graph=True)

    def weight_gradient() -> object:
        return torch.autograd.grad(out, (weight,), problem.grad, retain_graph=True)

    return dict(zip(PASSES, (forward, backward, weight_gradient)))


def peak_memory(call: Callable[[], object], device: torch.device) -> float | None:
    """Bytes that torch holds at most during the call beyond those before it; None where it cannot be told."""
    if device.type == "cuda":
        synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        call()
        synchronize(device)
        return float(torch.cuda.max_memory_allocated(device) - before)
    from torch.profiler import ProfilerActivity, profile

    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as recorded:
        call()
    results = getattr(recorded.profiler, "kineto_results", None)
    if results is None:
        return None
    steps = sorted((e.start_ns(), e.nbytes()) for e in results.events() if e.name() == "[memory]")
    held = most = 0
    for _, step in steps:
        held += step
        most = max(most, held)
    return float(most)


def forward_and_backward(run: Run, problem: OperatorProblem) -> Callable[[], tuple[Tensor, ...]]:
    """Both passes in one call, as in training."""
    x, weight = problem.x.detach().requires_grad_(), problem.weight.detach().requires_grad_()
    return lambda: torch.autograd.grad(run(x, weight), (x, weight), problem.grad)
