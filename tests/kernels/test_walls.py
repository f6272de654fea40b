"""Nothing is read or written beside the tensors given: all of them end, or begin, at memory that may not be touched.

An access out of place ends the process, so that these tests run in one of their own; without a GPU the Triton kernels
run in it in the interpreter. (On a GPU compute-sanitizer does the same: `tests/benchmarks/gpu_suite.py`.)
"""

import ctypes
import dataclasses
import importlib.util
import mmap
import os
import subprocess
import sys

import pytest
import torch

from gaugenet.kernels import _cpu, _cpu_edgewise

ALONE = os.environ.get("GAUGENET_TEST_WALLS") == "1"
INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
INSTALLED = importlib.util.find_spec("triton") is not None
NO_ACCESS = 0
GEOMETRY = ("row_ptr", "source", "reverse_row_ptr", "reverse_target", "reverse_edge", "scalars")
GEOMETRY += ("pre", "pre_flip", "post", "post_flip", "order", "reverse_order")

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="memory is protected as Linux does it")
alone = pytest.mark.skipif(not ALONE, reason="runs in a process of its own")


@pytest.mark.skipif(ALONE, reason="the tests below run here")
@pytest.mark.parametrize("interpret", ["0", "1"], ids=["cpu", "triton"])
def test_in_a_process_of_its_own(interpret):
    if interpret == "1" and not INSTALLED:
        pytest.skip("Triton is not installed")
    command = [sys.executable, "-X", "faulthandler", "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", __file__]
    environment = os.environ | {"GAUGENET_TEST_WALLS": "1", "TRITON_INTERPRET": interpret}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]


def walled(tensor, side):
    """A copy that ends where an unreadable page begins, or begins where one ends. Never given back."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    size, page = tensor.numel() * tensor.element_size(), mmap.PAGESIZE
    if size == 0:
        return tensor
    inside = -(-size // page) * page
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
    start = libc.mmap(None, ctypes.c_size_t(inside + 2 * page), NO_ACCESS, flags, -1, ctypes.c_long(0))
    assert libc.mprotect(start + page, inside, mmap.PROT_READ | mmap.PROT_WRITE) == 0
    at = start + page + (inside - size if side == "end" else 0)
    copy = torch.frombuffer((ctypes.c_char * size).from_address(at), dtype=tensor.dtype).view(tensor.shape)
    return copy.copy_(tensor)


PROBLEMS = {
    "all": ("parities, odd widths", (3, 0, 1, 2), 2, ("alpha", "flip", "beta", "post_flip")),
    "many edges": ("parities, odd widths", (35, 0, 1), 2, ("alpha", "beta")),
    "scalars left over": ("wide", (2, 0, 1), 17, ()),
    "few scalars left over": ("wide", (2, 0, 1), 5, ()),
    "one vector": ("SO(2), one vector wide", (2, 0, 3), 3, ("alpha", "beta")),
}


WAYS = {"aggregate first": -(10**9), "edge by edge": 10**9}
CASES = [(way, name, side) for way in WAYS for name in PROBLEMS for side in ("end", "start")]
if INTERPRETED:  # which takes long
    CASES = [("apart", name, "end") for name in PROBLEMS if name != "few scalars left over"]
    CASES += [("fused", name, "end") for name in ("all", "few scalars left over")]
    CASES += [("apart", "all", "start"), ("fused", "all", "start")]


@alone
@pytest.mark.parametrize(("form", "name", "side"), CASES)
def test_nothing_beyond_the_tensors_is_touched(case, error, tolerance, monkeypatch, form, name, side):
    mix, degrees, n_scalars, geometry = PROBLEMS[name]
    problem = case(mix, degrees, n_scalars=n_scalars, geometry=geometry, dtype=torch.float32)
    generator = torch.Generator().manual_seed(0)
    order, reverse_order = (torch.randperm(n, generator=generator).int() for n in (len(degrees), 6))
    edges = dataclasses.replace(problem.edges, order=order, reverse_order=reverse_order)
    expected = problem.all("reference")
    arrays = {n: walled(value, side) for n in GEOMETRY if (value := getattr(edges, n)) is not None}
    problem.edges = dataclasses.replace(edges, **arrays)
    problem.x, problem.weight, problem.grad = (walled(t, side) for t in (problem.x, problem.weight, problem.grad))
    if form in WAYS:
        monkeypatch.setattr(_cpu_edgewise, "_PACKING", WAYS[form])
        monkeypatch.setattr(_cpu_edgewise, "_FEW", 10**9)
        monkeypatch.setattr(
            _cpu, "_empty", lambda size, dtype: walled(torch.full((size,), -7.0, dtype=dtype), side).numpy()
        )
    else:
        from gaugenet.kernels import _triton

        monkeypatch.setenv("GAUGENET_TRITON_FORM", form)
        monkeypatch.setattr(
            _triton, "_empty", lambda shape, like: walled(torch.full(shape, -7.0, dtype=like.dtype), side)
        )
    for found, right in zip(problem.all("cpu" if form in WAYS else "triton"), expected):
        assert error(found, right) < tolerance["float32"]


@alone
def test_a_step_beyond_ends_the_process():
    """The walls stand: a number beside a tensor cannot be read."""
    code = (
        f"import sys; sys.path.insert(0, {os.path.dirname(__file__)!r}); import torch, test_walls as t; "
        "whole = t.walled(torch.ones(8), 'end'); print(torch.as_strided(whole, (9,), (1,)).sum())"
    )
    environment = {k: v for k, v in os.environ.items() if k != "TRITON_INTERPRET"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert done.returncode < 0 or done.returncode == 1, done.stdout
    assert "tensor(" not in done.stdout
