"""What the figures were measured on, and what it could do at best."""

from __future__ import annotations

import os
import platform
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

_REPEATS = 7
_CALLS = 20


@dataclass(frozen=True)
class Peaks:
    """Measured in the same run as everything else: the roofs."""

    bytes_per_second: float
    """Read and write of a copy that no cache holds."""
    flops_per_second: float
    """Of a matrix product in the dtype of the problem, at torch's default precision."""
    cached_bytes_per_second: float = 0.0
    """Of a copy that the last cache holds; 0: not measured."""

    def to_json(self) -> dict[str, float]:
        return asdict(self)


def describe_machine(device: torch.device) -> dict[str, Any]:
    """Processor, GPU, cores and versions."""
    found: dict[str, Any] = {
        "cpu": _cpu_name(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "triton": _version("triton"),
        "numba": _version("numba"),
        "gpu": None,
        "gpu_memory_gib": None,
        "architecture": None,
        "runtime": torch.version.cuda or torch.version.hip,
    }
    if device.type == "cuda":
        from gaugenet.kernels._triton_config import architecture

        properties = torch.cuda.get_device_properties(device)
        found |= {
            "gpu": properties.name,
            "gpu_memory_gib": round(properties.total_memory / 2**30, 1),
            "multiprocessors": properties.multi_processor_count,
            "architecture": architecture(device),
        }
    return found


def machine_line(machine: dict[str, Any]) -> str:
    """One line for people."""
    parts = [machine["cpu"], f"{machine['cores']} cores, {machine['threads']} threads used"]
    if machine["gpu"]:
        parts.insert(0, f"{machine['gpu']} ({machine['architecture']}, {machine['gpu_memory_gib']} GiB)")
    versions = [f"{name} {machine[name]}" for name in ("torch", "triton", "numba") if machine[name]]
    return " · ".join([*parts, *versions, "" if machine["gpu"] else "no GPU"]).rstrip(" ·")


def measure_peaks(device: torch.device, dtype: torch.dtype) -> Peaks:
    """Copy bandwidth and the speed of a matrix product, the best of a few runs.

    The product is torch's, so that a kernel which uses the machine better can reach more than all of it.
    """
    gpu = device.type == "cuda"
    large = torch.empty((2**30 if gpu else 2**26) // 4, device=device)
    small = torch.empty((2**24 if gpu else 2**20) // 4, device=device)
    size = 8192 if gpu else 768
    left = torch.randn(size, size, device=device).to(dtype)
    return Peaks(
        _bandwidth(large, device),
        2 * size**3 / _seconds(lambda: left @ left, device),
        _bandwidth(small, device),
    )


def _bandwidth(source: torch.Tensor, device: torch.device) -> float:
    target = torch.empty_like(source)
    return 2 * source.numel() * source.element_size() / _seconds(lambda: target.copy_(source), device)


def _seconds(run: Callable[[], object], device: torch.device) -> float:
    """Shortest of a few runs after one that does not count: a roof is what the machine can do when nothing disturbs it.

    On a GPU one run is many calls, since a launch takes its time. With one thread on a CPU, by processor time.
    """
    times = []
    calls = _CALLS if device.type == "cuda" else 1
    clock = time.process_time if device.type == "cpu" and torch.get_num_threads() == 1 else time.perf_counter
    for _ in range(_REPEATS + 1):
        synchronize(device)
        began = clock()
        for _ in range(calls):
            run()
        synchronize(device)
        times.append((clock() - began) / calls)
    return min(times[1:])


def synchronize(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _version(name: str) -> str | None:
    module = sys.modules.get(name)
    if module is not None:
        return str(getattr(module, "__version__", "")) or None
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _cpu_name() -> str:
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()
