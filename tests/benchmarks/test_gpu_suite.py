"""The GPU suite without a GPU: its own code, walked on the CPU implementation; and that it finds what is wrong."""

import importlib.metadata
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from gaugenet.kernels._triton_config import AggregateConfig
from gaugenet.kernels._triton_fused import FusedConfig, groups

SUITE = Path(__file__).with_name("gpu_suite.py")

NEEDED = ("torch", "triton", "numpy", "scipy", "numba")
"""All that a GPU machine has."""


def absent() -> list[str]:
    """Every module that is installed here and would not be where only those, and what they ask for, are."""
    wanted, there = list(NEEDED), set()
    while wanted:
        name = wanted.pop()
        if name in there:
            continue
        there.add(name)
        try:
            asked = importlib.metadata.requires(name) or []
        except importlib.metadata.PackageNotFoundError:
            continue
        names = [re.split(r"[\s<>=!~;\[(]", line)[0] for line in asked if "extra ==" not in line]
        wanted += [re.sub(r"[-_.]+", "-", found).lower() for found in names]
    owners = importlib.metadata.packages_distributions()
    other = {
        module
        for module, found in owners.items()
        if not there & {re.sub(r"[-_.]+", "-", name).lower() for name in found} and module.isidentifier()
    }
    return sorted(other - {"gaugenet"})


BREAK = """
from gaugenet.kernels import _cpu
right = _cpu.weight_grad
_cpu.weight_grad = lambda *a: right(*a) * 1.001
right_backward = _cpu.backward
_cpu.backward = lambda *a: (right_backward(*a)[0], right_backward(*a)[1] * 1.001)
"""


def run_suite(*arguments: str, before: str = "") -> subprocess.CompletedProcess[str]:
    code = f"""
import runpy, sys
for name in {absent()}:
    sys.modules[name] = None
{before}
sys.argv = [{str(SUITE)!r}, *{list(arguments)}]
runpy.run_path({str(SUITE)!r}, run_name="__main__")
"""
    root = SUITE.parents[2]
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=root, check=False)


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    out = tmp_path_factory.mktemp("suite") / "results.json"
    done = run_suite("--dry-run", "--out", str(out))
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(out.read_text())


def test_what_is_absent():
    """Blocked in all runs of the suite here: what the package needs elsewhere and what tests need."""
    assert {"trimesh", "typer", "rich", "safetensors", "pytest"} <= set(absent())
    assert not {*NEEDED, "sympy", "llvmlite", "gaugenet"} & set(absent())


def test_dry_run_walks_every_part(results):
    assert results["format"] == "gaugenet-gpu-suite"
    assert results["passed"]
    assert results["dry_run"]
    assert results["machine"]["gpu"] is None
    assert {r["dtype"] for r in results["correctness"]} == {"float64", "float32", "bfloat16", "float16"}
    for group in ("trivial", "reflection", "C6", "D4", "SO(2)", "O(2)"):
        assert any(r["problem"].startswith(group) for r in results["correctness"])
        assert any(r["group"] == group for r in results["equivariance"])
    assert all(r["runs"] == 10 for r in results["repeatability"])


def test_dry_run_times_all_peers(results):
    for record in results["benchmarks"]:
        assert record["problems"] == []
        assert {r["peer"] for r in record["rows"]} == {"cpu", "edge first", "GEM-CNN"}
        assert {r["pass"] for r in record["rows"]} == {"forward", "backward", "weight gradient"}
        assert all(r["ms"] > 0 for r in record["rows"])


def test_a_wrong_gradient_is_found_and_nothing_is_timed(tmp_path):
    out = tmp_path / "results.json"
    done = run_suite("--dry-run", "--out", str(out), before=BREAK)
    assert done.returncode == 1
    found = json.loads(out.read_text())
    assert not found["passed"]
    assert "benchmarks" not in found
    exact = [r for r in found["correctness"] if r["dtype"] == "float64"]
    assert exact
    assert not any(r["passed"] for r in exact)
    assert all(r["grad_x"] < 1e-12 < r["grad_weight"] for r in exact)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_without_a_gpu_it_says_so_in_one_line():
    done = run_suite()
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert "--dry-run" in done.stderr


def test_every_alternative_is_a_configuration_of_the_kernel(monkeypatch):
    pytest.importorskip("triton")
    monkeypatch.syspath_prepend(str(SUITE.parent))
    import suite_timings

    for size in (*suite_timings.TINY, suite_timings.Size(300, 7, 32, 2, 3, torch.float32)):
        problem = size.problem(torch.device("cpu"))
        choices = suite_timings.alternatives(problem, "sm_90")
        plan = problem.workload.plan
        assert next(iter(choices)) == "stored"
        apart = [config for config in choices.values() if isinstance(config, AggregateConfig)]
        assert {config.dot is None for config in apart} == {True, False}
        for config in apart:
            assert config.constants(plan)["BLOCK_C"] in (16, 32)
            assert all(column % config.align == 0 for column in (plan.c_in, size.channels))
        fused = [config for config in choices.values() if isinstance(config, FusedConfig)]
        assert len(fused) == 54
        for config in fused:
            launches = groups(plan, problem.weight.shape[0], config)
            assert sum(group.columns for group in launches) == plan.c_out
