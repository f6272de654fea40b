"""Every launch goes through Triton's own binding of arguments and its compiler, with a driver that stands for a GPU.

The interpreter leaves out both, and compiling kernels offline the first: which numbers become constants, what an
alignment says, which options the backend knows. Nothing is launched; results are not looked at.
"""

import importlib.util
import os

import pytest
import torch

from gaugenet.kernels._reference import EdgeArrays, TransportBlock

pytestmark = [
    pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="Triton is not installed"),
    pytest.mark.skipif(os.environ.get("TRITON_INTERPRET") == "1", reason="the interpreter compiles nothing"),
    pytest.mark.skipif(torch.cuda.is_available(), reason="the kernels themselves run here"),
]

ONE = [TransportBlock(0, 0, 1, 1)]


@pytest.fixture
def launched(monkeypatch):
    """Names of the kernels that were compiled, in order."""
    from triton.backends.compiler import GPUTarget
    from triton.runtime import JITFunction, driver

    from gaugenet.kernels import _triton

    class Driver:
        def get_current_target(self):
            return GPUTarget("cuda", 90, 32)

        def get_current_device(self):
            return 0

        def get_current_stream(self, device=None):
            return 0

    names = []
    run = JITFunction.run

    def compiled(self, *arguments, grid, warmup, **options):
        names.append(self.fn.__name__)
        return run(self, *arguments, grid=grid, warmup=True, **options)

    monkeypatch.setattr(JITFunction, "run", compiled)
    monkeypatch.setattr(_triton, "architecture", lambda device: "sm_90")
    monkeypatch.setattr(driver, "_active", Driver())
    return names


def passes(problem):
    """All that `gaugenet.kernels._triton` does."""
    from gaugenet.kernels import _triton

    e, blocks = problem.edges, (tuple(problem.in_blocks), tuple(problem.out_blocks))
    edges = EdgeArrays(e.scalars, e.pre, e.pre_flip, e.post, e.post_flip, e.row_ptr, e.source, None, False)
    back = e.reverse_row_ptr, e.reverse_target, e.reverse_edge
    reverse = EdgeArrays(e.scalars, e.post, e.post_flip, e.pre, e.pre_flip, *back, True)
    _triton.conv(problem.x, problem.weight, edges, *blocks)
    _triton.weight_grad(problem.x, problem.grad, edges, *blocks)
    _triton.backward(problem.x, problem.weight, problem.grad, edges, reverse, *blocks)


@pytest.mark.parametrize(
    ("form", "degrees", "kernels"),
    [
        ("apart", (3, 0, 2), {"aggregate"}),
        ("apart", (30, 14), {"aggregate", "aggregate_dot"}),
        ("fused", (3, 0, 2), {"fused", "fused_weight_grad"}),
    ],
    ids=["by edge", "by product", "fused"],
)
def test_launches_compile(case, launched, monkeypatch, form, degrees, kernels):
    monkeypatch.setenv("GAUGENET_TRITON_FORM", form)
    passes(case("SO(2), one vector wide", degrees, n_scalars=2, geometry=("alpha", "beta"), dtype=torch.float32))
    assert set(launched) == kernels


@pytest.mark.parametrize("form", ["apart", "fused"])
def test_launches_of_ones_compile(case, launched, monkeypatch, form):
    """One target, one scalar, one column in and out: all numbers are 1."""
    monkeypatch.setenv("GAUGENET_TRITON_FORM", form)
    problem = case("order 0 in two components", (1,), n_source=1, n_scalars=1, geometry=(), dtype=torch.float32)
    problem.in_blocks = problem.out_blocks = ONE
    problem.x, problem.weight, problem.grad = problem.x[:, :1], problem.weight[:, :1, :1], problem.grad[:, :1]
    passes(problem)
    assert launched


def test_launches_of_half_precision_and_of_odd_places_compile(case, launched):
    """bfloat16 that begins at no multiple of 16 bytes, flips, and an order of visiting."""
    problem = case("parities, odd widths", (3, 1), n_scalars=2, dtype=torch.bfloat16)
    problem.x = torch.cat([problem.x.new_zeros(1), problem.x.flatten()])[1:].view(problem.x.shape)
    passes(problem)
    assert launched


def test_what_triton_refuses_is_noticed(case, launched, monkeypatch):
    from gaugenet.kernels._triton_config import AggregateConfig

    monkeypatch.setenv("GAUGENET_TRITON_FORM", "apart")
    monkeypatch.setattr(
        AggregateConfig, "options", property(lambda self: {"enable_fp_fusion": True, "no_such_option": 1})
    )
    with pytest.raises(KeyError, match="no_such_option"):
        passes(case("order 0 in two components", (2, 1), n_scalars=1, dtype=torch.float32))
