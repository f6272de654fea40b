"""The fast path against the definition: forward, input gradient and weight gradient at once."""

import dataclasses

import numpy as np
import pytest
import torch

from gaugenet.kernels import _cpu, _cpu_edgewise


@pytest.fixture(autouse=True)
def poisoned(monkeypatch):
    """All memory that the fast path takes without writing it holds NaN first."""

    def nan(size, dtype):
        return torch.full((size,), float("nan"), dtype=dtype).numpy()

    monkeypatch.setattr(_cpu, "_empty", nan)


@pytest.fixture(autouse=True, params=["aggregate first", "edge by edge"])
def way(request, monkeypatch):
    """Both, wherever there is an edge, however many there are."""
    edgewise = request.param == "edge by edge"
    monkeypatch.setattr(_cpu_edgewise, "_PACKING", 10**9 if edgewise else -(10**9))
    monkeypatch.setattr(_cpu_edgewise, "_FEW", 10**9)
    return request.param


NAMES = ("result", "gradient to x", "gradient to weight")


def compare(problem, error, bound):
    for name, found, expected in zip(NAMES, problem.all("cpu"), problem.all("reference")):
        assert found.dtype == expected.dtype
        assert found.shape == expected.shape
        assert error(found, expected) < bound, name


def test_it_equals_the_reference(case, mix, geometry, error, tolerance):
    compare(case(mix, geometry=geometry), error, tolerance["float64"])


@pytest.mark.parametrize("n_scalars", [1, 2, 5, 15, 30])
def test_scalars(case, n_scalars, error, tolerance):
    compare(case("parities, odd widths", n_scalars=n_scalars), error, tolerance["float64"])


@pytest.mark.parametrize("seed", range(4))
def test_degrees(case, seed, error, tolerance):
    """Empty rows at the ends and between, rows longer than a window of edges, rows that straddle windows."""
    rng = np.random.default_rng(seed)
    degrees = [0, *rng.choice([0, 0, 1, 2, 6, 40, 129, 200], size=40).tolist(), 0]
    compare(case("SO(2), one vector wide", degrees, n_source=17, seed=seed), error, tolerance["float64"])


def test_one_long_row_among_empty_ones(case, error, tolerance):
    compare(case("parities, odd widths", [0, 0, 700, 0], n_source=900), error, tolerance["float64"])


@pytest.mark.parametrize(("degrees", "n_source"), [((), 3), ((0, 0), 3), ((), 0), ((0, 0, 0), 0)])
def test_no_edges(case, degrees, n_source, error, tolerance):
    problem = case("parities, odd widths", degrees, n_source=n_source)
    out, to_x, to_weight = problem.all("cpu")
    assert out.shape == (len(degrees), 27)
    assert not any(t.any() for t in (out, to_x, to_weight))


@pytest.mark.parametrize("empty", ["n_scalars", "in", "out"])
def test_nothing_to_contract(case, empty):
    problem = case(n_scalars=0 if empty == "n_scalars" else 3)
    if empty == "in":
        problem.x, problem.weight, problem.in_blocks = problem.x[:, :0], problem.weight[:, :, :0], []
    if empty == "out":
        problem.grad, problem.weight, problem.out_blocks = problem.grad[:, :0], problem.weight[:, :0], []
    out, to_x, to_weight = problem.all("cpu")
    assert not any(t.any() for t in (out, to_x, to_weight))
    assert to_weight.shape == problem.weight.shape


@pytest.mark.parametrize("name", ["float32", "bfloat16", "float16"])
@pytest.mark.parametrize("geometry", [("alpha", "beta"), ("alpha", "flip", "beta", "post_flip")])
def test_other_dtypes(case, name, geometry, error, tolerance):
    problem = case("SO(2), one vector wide", [5, 0, 30, 1], geometry=geometry, dtype=getattr(torch, name))
    exact = case("SO(2), one vector wide", [5, 0, 30, 1], geometry=geometry)
    for which, found, expected in zip(NAMES, problem.all("cpu"), exact.all("reference")):
        assert found.dtype == getattr(torch, name)
        assert error(found, expected) < tolerance[name], which


def test_strided_arguments(case, error, tolerance):
    problem = case("parities, odd widths")
    expected = problem.run("reference")
    problem.x = problem.x.T.contiguous().T
    problem.weight = problem.weight.mT.contiguous().mT
    assert error(problem.run("cpu"), expected) < tolerance["float64"]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_results_are_equal_to_the_bit(case, dtype, error, tolerance):
    """Ten times with one and with two threads, several segments of targets long; and right."""
    rng = np.random.default_rng(0)
    degrees = rng.integers(0, 9, size=3000).tolist()
    problem = case("same order twice, not side by side", degrees, n_source=2500, dtype=dtype)
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        first = problem.all("cpu")
        for name, found, expected in zip(NAMES, first, problem.all("reference")):
            assert error(found, expected) < tolerance[str(dtype).removeprefix("torch.")], name
        for repeat in range(10):
            torch.set_num_threads(1 + repeat % 2)
            for name, again, once in zip(NAMES, problem.all("cpu"), first):
                assert torch.equal(again, once), name
    finally:
        torch.set_num_threads(threads)


def test_weight_gradient_alone_is_that_of_both(case, error, tolerance):
    """Both gradients share the reversed aggregation; the weight gradient alone goes over the edges as they stand."""
    problem = case("SO(2), one vector wide", [4] * 30, n_source=20)
    both = problem.all("cpu")[2]
    weight = problem.weight.clone().requires_grad_()
    problem.weight = weight
    (alone,) = torch.autograd.grad(problem.run("cpu"), weight, problem.grad)
    assert error(alone, both) < tolerance["float64"]


def test_scalars_of_the_harmonic_form_do_not_share_the_aggregation(case, error, tolerance):
    """Without a post-rotation and with many scalars the reversed edges have many more sums: the other branch."""
    problem = case("SO(2), one vector wide", [4] * 30, n_source=20, n_scalars=15, geometry=("alpha",))
    compare(problem, error, tolerance["float64"])


@pytest.mark.parametrize("geometry", [("alpha", "beta"), ("alpha", "flip", "beta", "post_flip")])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_an_order_of_visiting_rows_changes_no_bit(case, dtype, geometry, error, tolerance):
    """Of the result and the gradient to x; the gradient to the weight is a sum over rows in the order of visiting."""
    degrees = np.random.default_rng(0).choice([0, 1, 2, 6, 40, 129, 200], size=80).tolist()
    problem = case("parities, odd widths", degrees, n_source=70, dtype=dtype, geometry=geometry)
    plain = problem.all("cpu")
    generator = torch.Generator().manual_seed(0)
    problem.edges = dataclasses.replace(
        problem.edges,
        order=torch.randperm(80, generator=generator).int(),
        reverse_order=torch.randperm(70, generator=generator).int(),
    )
    ordered = problem.all("cpu")
    for name, found, expected in zip(NAMES[:2], ordered, plain):
        assert torch.equal(found, expected), name
    assert error(ordered[2], plain[2]) < tolerance[str(dtype).removeprefix("torch.")]
    reference = problem.all("reference")
    assert error(ordered[2], reference[2]) < tolerance[str(dtype).removeprefix("torch.")]
    problem.edges = dataclasses.replace(problem.edges, reverse_order=problem.edges.reverse_order.flip(0))
    assert not torch.equal(problem.all("cpu")[2], ordered[2])  # the order is used


@pytest.mark.parametrize("needed", ["x", "weight"])
def test_an_order_with_one_gradient_alone(case, needed, error, tolerance):
    problem = case("SO(2), one vector wide", [4] * 30, n_source=20)
    expected = problem.all("reference")[1 if needed == "x" else 2]
    problem.edges = dataclasses.replace(
        problem.edges, order=torch.arange(29, -1, -1).int(), reverse_order=torch.arange(19, -1, -1).int()
    )
    leaf = getattr(problem, needed).clone().requires_grad_()
    setattr(problem, needed, leaf)
    (found,) = torch.autograd.grad(problem.run("cpu"), leaf, problem.grad)
    assert error(found, expected) < tolerance["float64"]
