"""From a problem to its figures: a dictionary that prints as tables, writes as JSON and is compared with another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gaugenet.kernels import cost
from gaugenet.kernels.dispatch import choose
from gaugenet.profiling.gate import PEER, gate, runs
from gaugenet.profiling.machine import Peaks
from gaugenet.profiling.problem import OperatorProblem
from gaugenet.profiling.static_cards import static_cards
from gaugenet.profiling.timing import (
    BACKWARD,
    FORWARD,
    PASSES,
    WEIGHT_GRADIENT,
    Times,
    clock_name,
    measure,
    passes,
    peak_memory,
)

FORMAT, VERSION = "gaugenet-profile", 1

COSTS = {FORWARD: cost.forward, BACKWARD: cost.backward, WEIGHT_GRADIENT: cost.weight_gradient}

Figures = dict[str, Any]


def profile_problem(
    problem: OperatorProblem, peaks: Peaks, *, repeats: int = 15, seconds: float = 4.0, compile_cards: bool = False
) -> Figures:
    """Check every implementation, and time them all if all are right.

    GB/s and TFLOP/s are the bytes and flops that the operator needs (`gaugenet.kernels.cost`) over the time taken,
    for all implementations alike: what an implementation moves or computes beyond them earns it nothing.
    """
    candidates, reasons = runs(problem)
    chosen, why = choose(problem.device.type, problem.dtype)
    checks = gate(problem, candidates)
    figures: Figures = {
        **problem.describe(),
        "chosen": chosen.name,
        "why": why,
        "not_run": reasons,
        "gate": [check.to_json() for check in checks],
        "passed": all(check.passed for check in checks),
        "clock": clock_name(problem.device),
        "passes": [],
        "cards": static_cards(problem, compiled=compile_cards),
    }
    if not figures["passed"]:
        return figures
    calls = {name: passes(run, problem) for name, run in candidates.items()}
    for each in PASSES:
        times = measure(
            {name: calls[name][each] for name in candidates}, problem.device, repeats=repeats, seconds=seconds
        )
        for name in candidates:
            memory = peak_memory(calls[name][each], problem.device)
            figures["passes"].append(_row(problem, each, name, times, memory, peaks))
    return figures


def _row(
    problem: OperatorProblem, each: str, name: str, times: Mapping[str, Times], memory: float | None, peaks: Peaks
) -> Figures:
    needed, taken = COSTS[each](problem.workload), times[name]
    seconds = taken.median / 1e3
    roof = needed.milliseconds(peaks.flops_per_second, peaks.bytes_per_second)
    compute = needed.flops / peaks.flops_per_second > needed.bytes / peaks.bytes_per_second
    return {
        "pass": each,
        "implementation": name,
        "ms": taken.median,
        "p20": taken.p20,
        "p80": taken.p80,
        "flops": needed.flops,
        "bytes": needed.bytes,
        "gb_per_s": needed.bytes / seconds / 1e9,
        "percent_of_bandwidth": 100 * needed.bytes / seconds / peaks.bytes_per_second,
        "tflop_per_s": needed.flops / seconds / 1e12,
        "percent_of_flops": 100 * needed.flops / seconds / peaks.flops_per_second,
        "bound": "compute" if compute else "memory",
        "roof_ms": roof,
        "percent_of_roof": 100 * roof / taken.median,
        "times_faster_than_reference": times["reference"].median / taken.median if "reference" in times else None,
        "times_faster_than_edge_first": times[PEER].median / taken.median if PEER in times else None,
        "peak_mib": None if memory is None else memory / 2**20,
    }


def report(machine: Figures, peaks: Peaks, problems: Sequence[Figures]) -> Figures:
    """The whole, as it is written to JSON."""
    missing = []
    if machine["gpu"] is None:
        missing = [
            "no GPU: Triton kernels are not timed (their static cards are compiled offline)",
            "no GPU: no device bandwidth, cache bandwidth, tensor throughput or GPU memory",
        ]
    return {
        "format": FORMAT,
        "version": VERSION,
        "machine": machine,
        "peaks": peaks.to_json(),
        "missing": missing,
        "passed": all(p["passed"] for p in problems),
        "problems": list(problems),
    }


def compare(old: Figures, new: Figures) -> tuple[list[Figures], list[str]]:
    """Times of both where both have them, ratio old / new (above 1: faster now), and what else differs.

    Raises:
        ValueError: `old` is no report of this format and version.
    """
    if old.get("format") != FORMAT or old.get("version") != VERSION:
        raise ValueError(
            f"expected a report of gaugenet profile --json, version {VERSION}, got {old.get('format')!r} version "
            f"{old.get('version')!r}; write it again"
        )
    notes = [
        f"{name}: {old['machine'].get(name)} → {new['machine'].get(name)}"
        for name in ("cpu", "gpu", "threads", "torch", "triton")
        if old["machine"].get(name) != new["machine"].get(name)
    ]
    before = {p["name"]: p for p in old["problems"]}
    lines: list[Figures] = []
    for problem in new["problems"]:
        earlier = before.get(problem["name"])
        if earlier is None:
            notes.append(f"{problem['name']}: not in the earlier report")
            continue
        sizes = ("n_target", "n_edges", "n_scalars", "c_in", "c_out", "dtype", "device", "clock")
        notes += [f"{problem['name']}: {s} {earlier[s]} → {problem[s]}" for s in sizes if earlier[s] != problem[s]]
        times = {(r["pass"], r["implementation"]): r["ms"] for r in earlier["passes"]}
        for row in problem["passes"]:
            key = row["pass"], row["implementation"]
            if key in times:
                head = {"problem": problem["name"], "pass": key[0], "implementation": key[1]}
                lines.append(head | {"old_ms": times[key], "new_ms": row["ms"], "times_faster": times[key] / row["ms"]})
    return lines, notes
