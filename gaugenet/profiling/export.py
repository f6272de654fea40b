"""What other programs show: traces of torch's profiler, and proton's tree of GPU kernels."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from gaugenet.profiling.gate import runs
from gaugenet.profiling.machine import synchronize
from gaugenet.profiling.problem import OperatorProblem
from gaugenet.profiling.timing import PASSES, forward_and_backward, passes

_RUNS = 10
"""Of each pass, under proton."""


def write_traces(folder: Path, problem: OperatorProblem) -> Iterator[tuple[str, Path]]:
    """(implementation, file for chrome://tracing or Perfetto) of one forward and backward each."""
    from torch.profiler import ProfilerActivity, profile

    candidates, _ = runs(problem)
    folder.mkdir(parents=True, exist_ok=True)
    gpu = [ProfilerActivity.CUDA] if problem.device.type == "cuda" else []
    for name, run in candidates.items():
        call = forward_and_backward(run, problem)
        call()
        with profile(activities=[ProfilerActivity.CPU, *gpu], profile_memory=True) as recorded:
            call()
        file = folder / f"{name.replace(' ', '-')}.json"
        recorded.export_chrome_trace(str(file))
        yield name, file


def write_proton(file: Path, problem: OperatorProblem) -> Path:
    """Times of all GPU kernels, by implementation and pass, for ``proton-viewer``.

    Args:
        file: gets proton's own ending, ``.hatchet``, unless it has it.

    Returns:
        The file.

    Raises:
        RuntimeError: proton cannot be had here; says why.
    """
    if problem.device.type != "cuda":
        raise RuntimeError("proton records the kernels of a GPU, and this run is on the CPU; nothing is written")
    candidates, _ = runs(problem)
    calls = {name: passes(run, problem) for name, run in candidates.items()}
    for some in calls.values():
        for each in PASSES:
            some[each]()  # what is compiled at the first call is not recorded
    synchronize(problem.device)
    stem = file.with_suffix("") if file.suffix == ".hatchet" else file
    stem.parent.mkdir(parents=True, exist_ok=True)
    try:
        import triton.profiler as proton

        session = proton.start(str(stem), hook="triton")
    except Exception as error:  # no library of the driver, no right to its counters, another profiler that runs
        raise RuntimeError(f"proton does not start here ({str(error) or type(error).__name__})") from error
    try:
        for name, some in calls.items():
            for each in PASSES:
                with proton.scope(f"{name}: {each}"):
                    for _ in range(_RUNS):
                        some[each]()
        synchronize(problem.device)
    finally:
        proton.finalize(session)
    return stem.with_name(stem.name + ".hatchet")
