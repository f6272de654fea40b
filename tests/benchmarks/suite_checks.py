"""Correctness part of the GPU suite: float64, gauge transformations, second derivatives, repeated runs, sanitizer."""

from __future__ import annotations

import dataclasses
import itertools
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from gaugenet.equivariance import audit
from gaugenet.groups import StructureGroup
from gaugenet.kernels._triton_fused import VARIABLE
from gaugenet.meshes.geometry import MeshGeometry
from gaugenet.models.segmentation import hidden_type
from gaugenet.nn.convolution import GaugeConv
from gaugenet.profiling.gate import all_passes, gate, runs
from gaugenet.profiling.layers import problem_of
from gaugenet.profiling.problem import OperatorProblem, banded_edges

GROUPS = ("trivial", "reflection", "C6", "D4", "SO(2)", "O(2)")
DTYPES = (torch.float64, torch.float32, torch.bfloat16, torch.float16)
DEGREES = (6, 30)
"""Edges per vertex: one for each form of the aggregate kernel."""

ODD_IN = [(0, 0, 1, 3), (1, 0, 2, 5), (0, 1, 1, 2), (2, 0, 2, 17), (1, 1, 2, 1)]
ODD_OUT = [(2, 0, 2, 3), (0, 1, 1, 2), (1, 0, 2, 9), (3, 0, 1, 1), (3, 1, 1, 2)]
"""Blocks of no round width, in no order."""

EVERYTHING = ("alpha", "flip", "beta", "post_flip")

Record = dict[str, Any]

FORMS = ("apart", "fused")
"""Of the Triton implementation: sums stored and contracted by the vendor's library, or contracted in registers."""


@contextmanager
def form(name: str) -> Iterator[None]:
    """Forces one; in float64 there is only ``"apart"``."""
    before = os.environ.get(VARIABLE)
    os.environ[VARIABLE] = name
    try:
        yield
    finally:
        if before is None:
            del os.environ[VARIABLE]
        else:
            os.environ[VARIABLE] = before


def random_geometry(group: str, n: int, degree: int, dtype: torch.dtype, device: torch.device) -> MeshGeometry:
    """Random edges whose transporters lie in the group: the operator asks no more of a surface."""
    structure = StructureGroup.parse(group)
    generator = torch.Generator().manual_seed(0)
    e = n * degree
    phi, flip = structure.sample(e, generator)

    def uniform(*shape: int) -> Tensor:
        return torch.rand(shape, generator=generator, dtype=torch.float64)

    weight = uniform(n, degree)
    geometry = MeshGeometry(
        row_ptr=degree * torch.arange(n + 1, dtype=torch.int32),
        source=torch.randint(0, n, (e,), generator=generator, dtype=torch.int32),
        r=uniform(e),
        theta=6.28 * uniform(e),
        phi=phi,
        flip=flip,
        weight=(weight / weight.sum(1, keepdim=True)).flatten(),
        radius=torch.ones(n, dtype=torch.float64),
        area=uniform(n),
        boundary=torch.zeros(n, dtype=torch.bool),
        mesh_ptr=torch.tensor([0, n]),
        rotation_order=structure.rotation_order,
    )
    return geometry.to(device, dtype)


def layer_of(group: str, width: int) -> GaugeConv:
    field = hidden_type(StructureGroup.parse(group), width, 2, "gated")
    return GaugeConv(field, field, generator=torch.Generator().manual_seed(0))


def problems(n: int, width: int, device: torch.device) -> Iterator[OperatorProblem]:
    """Layers of every group, then blocks, widths and graphs that no layer has."""
    for group in GROUPS:
        layer = layer_of(group, width).to(device)
        for degree in DEGREES:
            geometry = random_geometry(group, n, degree, torch.float64, device)
            yield problem_of(layer, geometry, f"{group}, {degree} edges", torch.float64)
    for degree in (1, *DEGREES):
        for geometry in (EVERYTHING, ("alpha",), ("alpha", "beta"), ("beta", "post_flip"), ()):
            edges = banded_edges(n, degree, 3, geometry, device)
            name = f"odd blocks, {' '.join(geometry) or 'no transport'}, {degree} edges"
            whole = OperatorProblem.random(name, edges, ODD_IN, ODD_OUT, torch.float64)
            yield whole
            if geometry == EVERYTHING and degree > 1:
                part, _ = whole.sampled(edges.n_edges // 2)
                yield dataclasses.replace(part, name=f"{name}, fewer targets than sources")


def correctness(implementation: str, n: int, width: int, device: torch.device) -> list[Record]:
    """The implementation against the definition in float64, all passes, in every dtype."""
    found = []
    for exact in problems(n, width, device):
        for dtype in DTYPES:
            problem = exact.to(dtype=dtype)
            candidates, reasons = runs(problem, peer=False)
            name = str(dtype).removeprefix("torch.")
            if implementation not in candidates:
                found.append({"problem": exact.name, "dtype": name, "passed": False, "error": reasons[implementation]})
                continue
            for each in FORMS if dtype != torch.float64 else FORMS[:1]:
                with form(each):
                    (check,) = gate(problem, {implementation: candidates[implementation]})
                found.append({"problem": exact.name, "dtype": name, "form": each, **check.to_json()})
    return found


def equivariance(n: int, width: int, device: torch.device) -> list[Record]:
    """Whole layers, with another gauge at every vertex; the implementation is what dispatch chooses."""
    found = []
    for group in GROUPS:
        for dtype in (torch.float64, torch.float32):
            layer = layer_of(group, width)
            for degree in DEGREES:
                report = audit(layer, layer.in_type, layer.out_type, random_geometry(group, n, degree, dtype, device))
                # nothing can be at stake in the trivial group
                passed = report.passed and (report.conclusive or group == "trivial")
                head = {"group": group, "dtype": str(dtype).removeprefix("torch."), "degree": degree}
                found.append({**head, "error": report.error, "sensitivity": report.sensitivity, "passed": passed})
    return found


def second_derivatives(implementation: str, device: torch.device) -> Record:
    """torch's gradgradcheck in float64 on a small problem."""
    edges = banded_edges(5, 3, 2, EVERYTHING, device)
    problem = OperatorProblem.random("", edges, [(0, 1, 1, 1), (1, 0, 2, 1)], [(2, 0, 2, 1)], torch.float64)
    run = runs(problem, peer=False)[0][implementation]
    inputs = (problem.x.requires_grad_(), problem.weight.requires_grad_())
    try:
        return {"passed": torch.autograd.gradgradcheck(run, inputs)}
    except Exception as error:
        return {"passed": False, "error": f"{type(error).__name__}: {error}"[:500]}


def repeatability(implementation: str, n: int, width: int, device: torch.device, times: int = 10) -> list[Record]:
    """Whether all passes give the same bits every time."""
    found = []
    for dtype, degree, each in itertools.product(DTYPES, DEGREES, FORMS):
        geometry = random_geometry("O(2)", n, degree, torch.float64, device)
        problem = problem_of(layer_of("O(2)", width).to(device), geometry, "", torch.float64).to(dtype=dtype)
        run = runs(problem, peer=False)[0][implementation]
        with form(each):
            first = all_passes(run, problem)
            again = [all_passes(run, problem) for _ in range(times - 1)]
        same = all(torch.equal(a, b) for one in again for a, b in zip(first, one, strict=True))
        name = str(dtype).removeprefix("torch.")
        found.append({"dtype": name, "degree": degree, "form": each, "runs": times, "passed": same})
    return found


def sanitizer(script: str) -> Record:
    """compute-sanitizer over `script --one-case`; not run where it is not installed."""
    tool = shutil.which("compute-sanitizer")
    if tool is None:
        return {"ran": False, "passed": True, "why": "compute-sanitizer is not on the path"}
    results: Record = {"ran": True, "passed": True}
    # torch's caching allocator would hide an access beyond the end of a tensor
    environment = os.environ | {"PYTORCH_NO_CUDA_MEMORY_CACHING": "1"}
    for check in ("memcheck", "racecheck", "synccheck"):
        command = [tool, "--tool", check, "--error-exitcode", "9", sys.executable, script, "--one-case"]
        try:
            done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=900)
        except subprocess.TimeoutExpired:
            results[check] = {"passed": False, "output": "no end within 15 minutes"}
        else:
            results[check] = {"passed": done.returncode == 0, "output": (done.stdout + done.stderr)[-2000:]}
        results["passed"] = results["passed"] and results[check]["passed"]
    return results


def one_case(implementation: str, device: torch.device) -> None:
    """A small run of every pass and of both forms, for the sanitizer."""
    for degree, each in itertools.product(DEGREES, FORMS):
        problem = OperatorProblem.random("", banded_edges(67, degree, 3, EVERYTHING, device), ODD_IN, ODD_OUT)
        with form(each):
            all_passes(runs(problem, peer=False)[0][implementation], problem)
