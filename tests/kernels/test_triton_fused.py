"""The fused kernels against the definition in float64, how layers are cut for them, and when they are chosen.

As `test_triton.py`: without a GPU the kernels run in Triton's interpreter, in a process of their own.
"""

import dataclasses
import importlib.util
import os
import subprocess
import sys

import pytest
import torch

from gaugenet.kernels import _triton_fused
from gaugenet.kernels._triton_fused import FusedConfig, Traffic
from gaugenet.kernels._triton_plan import contraction_plan

INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
INSTALLED = importlib.util.find_spec("triton") is not None
DEVICE = "cuda" if torch.cuda.is_available() and not INTERPRETED else "cpu"

runs = pytest.mark.skipif(
    not INSTALLED or (DEVICE == "cpu" and not INTERPRETED), reason="needs a GPU or TRITON_INTERPRET=1"
)
NAMES = ("result", "gradient to x", "gradient to weight")


@pytest.mark.skipif(not INSTALLED, reason="Triton is not installed")
@pytest.mark.skipif(INTERPRETED or DEVICE == "cuda", reason="the tests below run here")
def test_in_the_interpreter():
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", __file__]
    done = subprocess.run(command, env=os.environ | {"TRITON_INTERPRET": "1"}, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-4000:]


@pytest.fixture
def fused(monkeypatch):
    """Only the fused kernels run, on memory that holds NaN first; the number of launches of each is counted."""
    from gaugenet.kernels import _triton

    def nan(shape, like):
        return torch.full(shape, float("nan"), dtype=like.dtype, device=like.device)

    launched = {"conv": 0, "weight_grad": 0}

    def counted(name):
        right = getattr(_triton_fused, name)

        def call(*arguments):
            launched[name] += 1
            return right(*arguments)

        return call

    for name in launched:
        monkeypatch.setattr(_triton_fused, name, counted(name))
    monkeypatch.setattr(_triton, "_empty", nan)
    monkeypatch.setattr(_triton_fused, "traffic", lambda *_: Traffic(0.0, 1.0))
    return launched


def compare(problem, error, bound, exact, launched):
    for name, found, right in zip(NAMES, problem.to(DEVICE).all("triton"), exact.all("reference")):
        assert (found.dtype, found.shape) == (problem.x.dtype, right.shape)
        assert error(found.cpu(), right) < bound, name
    assert launched == {"conv": 2, "weight_grad": 1}


@runs
@pytest.mark.parametrize("mix", ["SO(2), one vector wide", "same order twice, not side by side", "random 3"])
def test_it_equals_the_reference(case, mix, error, tolerance, fused):
    """Mixes of blocks, with both flips and both angles."""
    arguments = {"degrees": (3, 0, 1, 4), "n_scalars": 2}
    problem = case(mix, dtype=torch.float32, **arguments)
    compare(problem, error, tolerance["float32"], case(mix, **arguments), fused)


@runs
@pytest.mark.parametrize("geometry", [(), ("alpha", "flip"), ("alpha", "beta"), ("alpha", "beta", "post_flip")])
def test_geometries(case, geometry, error, tolerance, fused):
    arguments = {"degrees": (2, 0, 3), "geometry": geometry, "n_scalars": 2}
    problem = case(dtype=torch.float32, **arguments)
    compare(problem, error, tolerance["float32"], case(**arguments), fused)


@runs
@pytest.mark.parametrize(
    ("degrees", "n_scalars"),
    [((0, 1, 0, 0, 60, 0), 1), ((1, 0, 2) * 28, 1), ((1, 0, 2), 9)],
    ids=["one long row", "several programs and slices", "several rounds of scalars"],
)
def test_degrees_and_scalars(case, degrees, n_scalars, error, tolerance, fused):
    arguments = {"degrees": degrees, "n_source": 19, "n_scalars": n_scalars, "geometry": ("alpha", "beta")}
    problem = case(dtype=torch.float32, **arguments)
    compare(problem, error, tolerance["float32"], case(**arguments), fused)


@runs
def test_a_wrong_kernel_is_noticed(case, error, fused):
    """The comparison above, with one angle of one edge changed for the implementation alone."""
    arguments = {"degrees": (2, 0, 3), "n_scalars": 2}
    expected, problem = case(**arguments).all("reference"), case(dtype=torch.float32, **arguments).to(DEVICE)
    problem.edges.pre[2, 1] *= -1
    for found, right in zip(problem.all("triton"), expected):
        assert error(found.cpu(), right) > 1e-3


@runs
@pytest.mark.parametrize("name", ["bfloat16", "float16"])
def test_other_dtypes(case, name, error, tolerance, fused):
    arguments = {"mix": "SO(2), one vector wide", "degrees": (5, 0, 8, 1), "geometry": ("alpha", "beta")}
    compare(case(dtype=getattr(torch, name), **arguments), error, tolerance[name], case(**arguments), fused)


@runs
@pytest.mark.parametrize("form", ["fused", "apart"])
def test_order_of_visiting(case, error, tolerance, fused, monkeypatch, form):
    """Rows come back in their own places, in both forms and in both directions."""
    if form == "apart":
        monkeypatch.setattr(_triton_fused, "traffic", lambda *_: Traffic(1.0, 0.0))
    arguments = {"degrees": (2, 0, 3, 1, 4), "n_source": 7, "n_scalars": 2}
    exact, problem = case(**arguments), case(dtype=torch.float32, **arguments)
    order = torch.tensor([3, 0, 4, 2, 1], dtype=torch.int32), torch.tensor([6, 2, 0, 5, 1, 4, 3], dtype=torch.int32)
    problem.edges = dataclasses.replace(problem.edges, order=order[0], reverse_order=order[1])
    for name, found, right in zip(NAMES, problem.to(DEVICE).all("triton"), exact.all("reference")):
        assert error(found.cpu(), right) < tolerance["float32"], name


@runs
def test_second_derivatives(case, error, tolerance, fused):
    """Gradients of the gradients run on the same kernels."""
    blocks = [(0, 1, 1, 1), (1, 0, 2, 2)], [(2, 0, 2, 1), (0, 1, 1, 2)]

    def small(dtype):
        problem = case("order 0 in two components", (2, 0, 1), n_source=2, n_scalars=2, dtype=dtype)
        generator = torch.Generator().manual_seed(1)
        problem.in_blocks, problem.out_blocks = blocks
        problem.x = torch.randn(2, 5, generator=generator, dtype=torch.float64).to(dtype)
        problem.weight = torch.randn(2, 4, 5, generator=generator, dtype=torch.float64).to(dtype)
        return problem

    exact, problem = small(torch.float64), small(torch.float32).to(DEVICE)

    def second(problem, implementation):
        x, weight = problem.x.requires_grad_(), problem.weight.requires_grad_()
        (to_x,) = torch.autograd.grad((problem.run(implementation) ** 2).sum(), x, create_graph=True)
        return torch.autograd.grad((to_x**2).sum(), (x, weight))

    for ours, right in zip(second(problem, "triton"), second(exact, "reference")):
        assert error(ours.cpu(), right) < 4 * tolerance["float32"]  # a product of three sums


@runs
def test_ten_runs_give_the_same_bits(case, fused):
    problem = case("order 0 in two components", (2, 0, 1), n_scalars=1, dtype=torch.float32).to(DEVICE)
    first = problem.all("triton")
    for _ in range(9):
        assert all(torch.equal(again, once) for again, once in zip(problem.all("triton"), first))


def test_pieces_cover_every_column_once(mix, case):
    """Of the result and of each matrix, whatever the limits; only terms of the group are asked for."""
    problem = case(mix)
    for has_post, most_sums, columns, block in ((True, 3, 64, 64), (True, 6, 32, 16), (False, 2, 16, 32)):
        plan = contraction_plan(tuple(problem.in_blocks), tuple(problem.out_blocks), has_post, has_post)
        config = FusedConfig(64, 16, 8, most_sums, columns, "tf32x3", block)
        groups = _triton_fused.groups(plan, 5, config)
        written = [c for g in groups for p in g.pieces for c in range(p.out, p.out + p.width)]
        assert sorted(written) == list(range(plan.c_out))
        packed = [(p.start, c) for g in groups for p in g.pieces for c in range(p.column, p.column + p.width)]
        assert len(set(packed)) == len(packed) == plan.c_out
        for group in groups:
            assert len(group.codes) * group.block_b <= max(most_sums, len(group.codes))
            assert len(group.pieces) == 1 or sum(p.block for p in group.pieces) <= columns
            for p in group.pieces:
                assert set(plan.terms[p.first_term : p.first_term + p.n_terms]) <= set(group.codes)
                assert p.width <= p.block <= block
                assert p.block in _triton_fused.WIDTHS


def field(channels):
    return (0, 0, 1, channels), (1, 0, 2, channels), (2, 0, 2, channels)


@pytest.mark.parametrize(("channels", "wins"), [(16, True), (32, True), (128, False)])
def test_narrow_layers_are_fused_and_wide_ones_are_not(channels, wins):
    """The packed weight of a wide layer is larger than the sums of the targets that read it."""
    from gaugenet.kernels._reference import TransportBlock

    blocks = tuple(TransportBlock(*b) for b in field(channels))
    plan = contraction_plan(blocks, blocks, True, False)
    config = _triton_fused.config("sm_90", torch.float32, 7)
    moved = _triton_fused.traffic(plan, config, 3, 100_000, 7, 4, False)
    assert (moved.fused < moved.apart) == wins


def test_where_there_is_none():
    assert _triton_fused.config("sm_90", torch.float64, 7) is None
    assert _triton_fused.config("sm_90", torch.float32, 30) is None
    assert _triton_fused.config("sm_100", torch.float32, 7, triton="3.6.0") is None
    assert _triton_fused.config("sm_100", torch.float32, 7, triton="3.10.0") is not None


def test_the_form_can_be_forced(monkeypatch):
    from gaugenet.kernels._reference import TransportBlock

    blocks = tuple(TransportBlock(*b) for b in field(128))
    plan = contraction_plan(blocks, blocks, True, False)
    for form, is_fused in (("auto", False), ("fused", True), ("apart", False)):
        monkeypatch.setenv("GAUGENET_TRITON_FORM", form)
        chosen = _triton_fused.choose("sm_90", torch.float32, plan, 3, 1000, 30_000, gradient=False)
        assert (chosen is not None) == is_fused
    monkeypatch.setenv("GAUGENET_TRITON_FORM", "both")
    with pytest.raises(ValueError, match="expected auto, fused, apart"):
        _triton_fused.choose("sm_90", torch.float32, plan, 3, 1000, 30_000, gradient=False)
