"""Segment reductions against loops over segments in numpy, and what torch asks of an operator."""

import shutil

import numpy as np
import pytest
import torch

from gaugenet.kernels.segment_reduce import (
    Segments,
    segment_largest,
    segment_mean,
    segment_softmax,
    segment_spread,
    segment_sum,
)

COUNTS = [0, 3, 1, 0, 5, 2, 0]
OPS = {"sum": segment_sum, "mean": segment_mean, "softmax": segment_softmax, "largest": segment_largest}


@pytest.fixture(params=["row_ptr", "index"])
def segments(request):
    if request.param == "row_ptr":
        return Segments.from_row_ptr(torch.tensor([0, *COUNTS]).cumsum(0).int())
    index = torch.repeat_interleave(torch.arange(len(COUNTS)), torch.tensor(COUNTS))
    return Segments.from_index(index[torch.randperm(len(index), generator=torch.Generator().manual_seed(0))], 7)


@pytest.fixture
def values():
    return torch.randn(sum(COUNTS), 3, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def members(segments):
    return [np.flatnonzero(segments.row.numpy() == p) for p in range(len(COUNTS))]


def test_against_loops(segments, values):
    v = values.numpy()
    zero = np.zeros(v.shape[1:])
    softmax = np.zeros_like(v)
    for p, rows in enumerate(members(segments)):
        total = sum((v[r] for r in rows), zero)
        np.testing.assert_allclose(segment_sum(values, segments)[p], total, atol=1e-15)
        np.testing.assert_allclose(segment_mean(values, segments)[p], total / max(len(rows), 1), atol=1e-15)
        for c in range(4):
            best = max(rows, key=lambda r: (v[r, :, c] ** 2).sum(), default=None)
            expected = zero[:, c] if best is None else v[best, :, c]
            np.testing.assert_array_equal(segment_largest(values, segments)[p, :, c], expected)
        if len(rows):
            softmax[rows] = np.exp(v[rows]) / np.exp(v[rows]).sum(0)
    np.testing.assert_allclose(segment_softmax(values, segments), softmax, atol=1e-14)


def test_sum_and_spread_are_transposed(segments, values):
    other = torch.randn(len(COUNTS), 3, 4, dtype=torch.float64)
    torch.testing.assert_close(
        (segment_sum(values, segments) * other).sum(), (values * segment_spread(other, segments)).sum()
    )


def test_of_equal_norms_the_first_is_kept_with_its_sign():
    segments = Segments.from_index(torch.tensor([1, 0, 1, 0, 1]), 3)
    values = torch.tensor([-2.0, 1.0, 2.0, -1.0, 0.5]).view(5, 1, 1)
    assert segment_largest(values, segments).flatten().tolist() == [1.0, -2.0, 0.0]


def test_the_largest_vector_turns_with_its_segment(segments, values):
    """A different orthogonal matrix per segment before or after; the sum of absolute values would not pass."""
    matrix = torch.linalg.qr(torch.randn(len(COUNTS), 3, 3, dtype=torch.float64)).Q
    turned = segment_spread(matrix, segments) @ values
    torch.testing.assert_close(segment_largest(turned, segments), matrix @ segment_largest(values, segments))


def test_softmax_of_large_numbers_does_not_overflow(segments, values):
    found = segment_softmax(1e4 + values, segments)
    torch.testing.assert_close(found, segment_softmax(values, segments), rtol=1e-9, atol=1e-12)


def test_nan_reaches_the_result(segments, values):
    entry = int(members(segments)[4][2])
    values[entry, 1, 2] = torch.nan
    out = segment_largest(values, segments)
    assert out[4, 1, 2].isnan()
    assert out.isnan().sum() == 1


@pytest.mark.parametrize("name", OPS)
def test_derivatives(segments, values, name):
    leaf = values.clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda v: OPS[name](v, segments), leaf)
    assert torch.autograd.gradgradcheck(lambda v: OPS[name](v, segments), leaf)


@pytest.mark.parametrize("name", ["segment_sum", "segment_spread", "segment_max", "segment_first_largest"])
def test_opcheck(segments, values, name):
    argument = values[: len(COUNTS)] if name == "segment_spread" else values
    if name in ("segment_sum", "segment_spread"):
        argument = argument.clone().requires_grad_()
    torch.library.opcheck(getattr(torch.ops.gaugenet, name), (argument, segments.row_ptr, segments.row, segments.entry))


@pytest.mark.parametrize("name", OPS)
def test_empty(name):
    segments = Segments.from_row_ptr(torch.zeros(4).long())
    out = OPS[name](torch.zeros(0, 2, 3, requires_grad=True), segments)
    assert out.shape == ((0, 2, 3) if name == "softmax" else (3, 2, 3))
    assert not out.any()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_dtypes_and_autocast(segments, values, dtype):
    for name, op in OPS.items():
        found = op(values.to(dtype), segments)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            assert torch.equal(op(values.to(dtype), segments), found), name
        assert found.dtype == dtype
        torch.testing.assert_close(found.double(), op(values.to(dtype).double(), segments), rtol=8e-3, atol=8e-3)


def test_half_precision_adds_in_float32():
    segments = Segments.from_row_ptr(torch.tensor([0, 1000]))
    assert segment_sum(torch.ones(1000, dtype=torch.bfloat16), segments).item() == 1000


def every(values, segments):
    weighted = segment_softmax(values, segments) * values
    return segment_largest(weighted, segments) + segment_mean(values, segments)


@pytest.mark.parametrize("backend", ["aot_eager", "inductor"])
def test_compiles_without_a_graph_break(segments, values, backend):
    if backend == "inductor" and not (shutil.which("g++") or shutil.which("clang++")):
        pytest.skip("inductor compiles C++ on a CPU, and there is no compiler here")
    torch._dynamo.reset()
    results = []
    for function in (every, torch.compile(every, fullgraph=True, backend=backend)):
        leaf = values.clone().requires_grad_()
        out = function(leaf, segments)
        results.append((out.detach(), *torch.autograd.grad(out.square().sum(), leaf)))
    for found, expected in zip(*results):
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


def test_equal_to_the_bit_in_every_run():
    generator = torch.Generator().manual_seed(0)
    segments = Segments.from_index(torch.randint(0, 200, (5000,), generator=generator), 200)
    values = torch.randn(5000, 2, 8, generator=generator, requires_grad=True)
    threads = torch.get_num_threads()
    first = None
    try:
        for run in range(10):
            torch.set_num_threads(1 + run % 2)
            out = every(values, segments)
            now = (out.detach(), *torch.autograd.grad(out.square().sum(), values))
            first = first or now
            assert all(torch.equal(a, b) for a, b in zip(now, first))
    finally:
        torch.set_num_threads(threads)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: Segments.from_row_ptr(torch.tensor([0, 3, 2])), "must not decrease"),
        (lambda: Segments.from_row_ptr(torch.tensor([0.0, 1.0])), "expected int32 or int64"),
        (lambda: Segments.from_index(torch.tensor([0, 4]), 3), r"segments are 0 .. 2, got 0 .. 4"),
        (lambda: Segments.from_index(torch.tensor([True]), 3), "expected int32 or int64"),
        (lambda: segment_sum(torch.zeros(2), Segments.from_row_ptr(torch.tensor([0, 3]))), "one row per entry"),
        (lambda: segment_largest(torch.zeros(3, 2), Segments.from_row_ptr(torch.tensor([0, 3]))), r"\[E, D, C\]"),
    ],
)
def test_errors(call, says):
    with pytest.raises(ValueError, match=says):
        call()
