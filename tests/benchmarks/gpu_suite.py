"""Everything that only a GPU can tell, in one command: `python tests/benchmarks/gpu_suite.py --out results.json`.

Needs torch, triton, numpy, scipy and numba. Correctness against float64 in all passes, groups and dtypes, gauge
equivariance, second derivatives, equal bits over ten runs, compute-sanitizer where it is installed; then timings beside
edge-first peers, and the search for better configurations. The file is written after every part.

Exit codes: 0 all right, 1 something is wrong (nothing is timed then), 2 no GPU here.
`--dry-run` walks the same path on the CPU implementation, small: a test of the suite, not of a GPU.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

# torch's profiler, which counts memory on a CPU, reports every start and stop unless told otherwise before torch loads
os.environ.setdefault("KINETO_LOG_LEVEL", "99")
import torch

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[2]))
import suite_checks
import suite_timings

from gaugenet.profiling.machine import describe_machine, machine_line, measure_peaks

FORMAT, VERSION = "gaugenet-gpu-suite", 1


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="JSON file of the results")
    parser.add_argument("--dry-run", action="store_true", help="the same path on the CPU implementation, small")
    parser.add_argument("--quick", action="store_true", help="no tuning, no compiled peers, the first three workloads")
    parser.add_argument("--one-case", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if not options.dry_run and not torch.cuda.is_available():
        print("no GPU: torch finds no CUDA or ROCm device here; --dry-run tests the suite itself", file=sys.stderr)
        return 2
    device = torch.device("cpu" if options.dry_run else "cuda")
    implementation = "cpu" if options.dry_run else "triton"
    if options.one_case:
        suite_checks.one_case(implementation, device)
        return 0
    results: dict[str, Any] = {
        "format": FORMAT,
        "version": VERSION,
        "date": time.strftime("%Y-%m-%d"),
        "dry_run": options.dry_run,
        "implementation": implementation,
        "machine": describe_machine(device),
    }
    print(machine_line(results["machine"]), flush=True)
    results["passed"] = _check(results, options, implementation, device)
    if results["passed"]:
        _time(results, options, implementation, device)
    _write(results, options.out)
    print("all right" if results["passed"] else "WRONG: nothing is timed, or a workload failed its check")
    return 0 if results["passed"] else 1


def _check(results: dict[str, Any], options: argparse.Namespace, implementation: str, device: torch.device) -> bool:
    n, width = (24, 2) if options.dry_run else (500, 16)
    results["correctness"] = suite_checks.correctness(implementation, n, width, device)
    results["equivariance"] = suite_checks.equivariance(n, width, device)
    results["second_derivatives"] = [suite_checks.second_derivatives(implementation, device)]
    results["repeatability"] = suite_checks.repeatability(implementation, n, width, device)
    if device.type == "cuda":
        results["sanitizer"] = [suite_checks.sanitizer(str(Path(__file__).resolve()))]
    parts = ("correctness", "equivariance", "second_derivatives", "repeatability", "sanitizer")
    passed = True
    for part in parts:
        if part not in results:
            continue
        wrong = [record for record in results[part] if not record["passed"]]
        print(f"{part.replace('_', ' ')}: {len(results[part]) - len(wrong)} of {len(results[part])}", flush=True)
        for record in wrong:
            print(f"  FAIL {record}"[:400])
        passed = passed and not wrong
    _write(results, options.out)
    return passed


def _time(results: dict[str, Any], options: argparse.Namespace, implementation: str, device: torch.device) -> None:
    sizes = suite_timings.TINY if options.dry_run else suite_timings.SIZES[: 3 if options.quick else None]
    dtypes = sorted({size.dtype for size in sizes}, key=str)
    peaks = {dtype: measure_peaks(device, dtype) for dtype in dtypes}
    results["peaks"] = {str(dtype).removeprefix("torch."): peak.to_json() for dtype, peak in peaks.items()}
    results["benchmarks"], results["tuning"] = [], []
    for size in sizes:
        compiled = device.type == "cuda" and not options.quick
        record = suite_timings.benchmark(size, implementation, peaks[size.dtype], device, compiled)
        results["benchmarks"].append(record)
        results["passed"] = results["passed"] and record["passed"]
        print(f"{size}: {'checked' if record['passed'] else 'FAIL'}")
        for row in record["rows"]:
            memory = "–" if row["peak_mib"] is None else f"{row['peak_mib']:,.1f}"
            spread = f"({row['p20']:.3f}–{row['p80']:.3f})"
            print(
                f"  {row['pass']:<16} {row['peer']:<28} {row['ms']:9.3f} ms {spread:<20} {memory:>10} MiB", flush=True
            )
        for problem in record["problems"]:
            print(f"  {problem['peer']}: {problem['error']}"[:160])
        _write(results, options.out)
    if device.type == "cuda" and not options.quick:
        for size in sizes:
            record = suite_timings.tune(size, device, results["machine"]["architecture"])
            results["tuning"].append(record)
            best = record["best"]
            if best is not None:
                gain = f"{record['gain'] or 0:.2f}× the speed of the stored one"
                print(f"best for {size}: {best['name']}, {best['ms']:.3f} ms, {gain}")
            _write(results, options.out)


def _write(results: dict[str, Any], path: Path | None) -> None:
    if path is not None:
        path.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main())
