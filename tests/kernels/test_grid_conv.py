"""All ways to correlate against the definition."""

import pytest
import torch

from gaugenet.kernels import grid_conv
from gaugenet.kernels.grid_conv import by_taps, fourier
from gaugenet.kernels.grid_conv import direct as direct_on_images


def by_definition(x, w):
    k = w.shape[0]
    h, wd = x.shape[0] - k + 1, x.shape[1] - k + 1
    out = torch.zeros(h, wd, x.shape[2], w.shape[3], dtype=x.dtype)
    for a in range(k):
        for b in range(k):
            out = out + x[a : a + h, b : b + wd] @ w[a, b]
    return out


def all_taps(x, w):
    k = w.shape[0]
    return by_taps(x, w.flatten(0, 1), [(a, b) for a in range(k) for b in range(k)], k)


def direct(x, w):
    return direct_on_images(x.permute(2, 0, 1, 3).contiguous(), w).permute(1, 2, 0, 3).contiguous()


@pytest.mark.parametrize("correlate", [all_taps, direct, fourier])
@pytest.mark.parametrize(("rows", "columns", "k"), [(7, 9, 5), (8, 6, 3), (5, 5, 5), (3, 3, 1), (11, 12, 5), (4, 7, 3)])
def test_forward_and_both_gradients(correlate, rows, columns, k):
    g = torch.Generator().manual_seed(rows * columns + k)
    x = torch.randn(rows, columns, 3, 2, generator=g, dtype=torch.float64, requires_grad=True)
    w = torch.randn(k, k, 2, 4, generator=g, dtype=torch.float64, requires_grad=True)
    expected = by_definition(x, w)
    out = correlate(x, w)
    assert out.is_contiguous()
    scale = expected.abs().max()
    assert (out - expected).abs().max() <= 1e-13 * scale
    weights = torch.randn(expected.shape, generator=g, dtype=torch.float64)
    for got, right in zip(
        torch.autograd.grad(out, (x, w), weights), torch.autograd.grad(expected, (x, w), weights), strict=True
    ):
        assert (got - right).abs().max() <= 1e-13 * right.abs().max()


@pytest.mark.parametrize("correlate", [all_taps, direct, fourier])
def test_float32_stays_within_rounding(correlate):
    g = torch.Generator().manual_seed(0)
    x = torch.randn(18, 18, 4, 64, generator=g, dtype=torch.float64)
    w = torch.randn(5, 5, 64, 32, generator=g, dtype=torch.float64)
    expected = by_definition(x, w)
    off = (correlate(x.float(), w.float()) - expected).abs().max() / expected.abs().max()
    assert off < 2e-6


@pytest.mark.parametrize("correlate", [all_taps, direct, fourier])
def test_any_layout_of_memory(correlate):
    """Images first, of which grids first are a view; and weights the other way round."""
    g = torch.Generator().manual_seed(0)
    x = torch.randn(2, 6, 7, 3, generator=g, dtype=torch.float64).permute(1, 2, 0, 3).requires_grad_()
    w = torch.randn(4, 3, 3, 3, generator=g, dtype=torch.float64).permute(2, 3, 1, 0).requires_grad_()
    probe = torch.randn(2, 4, 5, 4, generator=g, dtype=torch.float64).permute(1, 2, 0, 3)
    expected, out = by_definition(x, w), correlate(x, w)
    assert (out - expected).abs().max() < 1e-13
    right = torch.autograd.grad(expected, (x, w), probe)
    for got, exact in zip(torch.autograd.grad(out, (x, w), probe), right, strict=True):
        assert (got - exact).abs().max() <= 1e-13 * exact.abs().max()


@pytest.mark.parametrize("correlate", [all_taps, fourier])
def test_no_images(correlate):
    x, w = torch.zeros(6, 7, 0, 3, requires_grad=True), torch.ones(3, 3, 3, 4, requires_grad=True)
    out = correlate(x, w)
    assert out.shape == (4, 5, 0, 4)
    to_x, to_w = torch.autograd.grad(out.sum(), (x, w))
    assert to_x.shape == x.shape
    assert not to_w.any()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_taps_of_half_precision_with_weights_of_float32(dtype):
    g = torch.Generator().manual_seed(0)
    x = torch.randn(6, 7, 2, 3, generator=g).to(dtype).requires_grad_()
    w = torch.randn(3, 3, 3, 4, generator=g).requires_grad_()
    out = all_taps(x, w)
    probe = torch.randn(out.shape, generator=g).to(dtype)
    exact = [t.detach().double().requires_grad_() for t in (x, w)]
    expected = by_definition(*exact)
    right = (expected, *torch.autograd.grad(expected, exact, probe.double()))
    found = (out, *torch.autograd.grad(out, (x, w), probe))
    assert [t.dtype for t in found] == [dtype, dtype, torch.float32]
    for got, values in zip(found, right, strict=True):
        assert (got - values).norm() < 1e-2 * values.norm()


def test_some_taps_are_a_kernel_with_zeros():
    g = torch.Generator().manual_seed(0)
    x = torch.randn(6, 7, 2, 3, generator=g, dtype=torch.float64)
    w = torch.randn(3, 3, 3, 4, generator=g, dtype=torch.float64)
    cells = [(0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (2, 0), (2, 1)]
    kept = torch.stack([w[a, b] for a, b in cells])
    w[0, 0] = w[2, 2] = 0
    assert (by_taps(x, kept, cells, 3) - by_definition(x, w)).abs().max() < 1e-13


def test_direct_adds_a_bias():
    g = torch.Generator().manual_seed(0)
    x = torch.randn(2, 6, 7, 3, generator=g, dtype=torch.float64)
    w, b = torch.randn(3, 3, 3, 4, generator=g, dtype=torch.float64), torch.randn(4, generator=g, dtype=torch.float64)
    expected = by_definition(x.permute(1, 2, 0, 3), w).permute(2, 0, 1, 3) + b
    assert (direct_on_images(x, w, b) - expected).abs().max() < 1e-13


@pytest.mark.parametrize("block", [200, 4_000, 100_000])
def test_blocks_of_any_size_give_the_same(block, monkeypatch):
    monkeypatch.setattr(grid_conv, "_BLOCK", block)
    monkeypatch.setattr(grid_conv, "_LEAST_ROWS", 5)
    g = torch.Generator().manual_seed(0)
    x = torch.randn(6, 7, 3, 4, generator=g, dtype=torch.float64)
    w = torch.randn(3, 3, 4, 2, generator=g, dtype=torch.float64, requires_grad=True)
    bias = torch.randn(2, generator=g, dtype=torch.float64)
    cells = [(a, b) for a in range(3) for b in range(3)]
    expected = by_definition(x, w)
    with torch.no_grad():
        assert (grid_conv.taps_sum(x, w.flatten(0, 1), bias, cells, 3) - expected - bias).abs().max() < 1e-13
    grad = torch.randn(6, 7, 3, 2, generator=g, dtype=torch.float64)
    (right,) = torch.autograd.grad(expected, w, grad[1:5, 1:6])
    found = grid_conv.taps_gradient(x, grad, cells, 3, margin=1)
    assert (found.view_as(w) - right).abs().max() < 1e-12


def test_under_autocast_values_and_gradients_stay_within_bfloat16():
    g = torch.Generator().manual_seed(0)
    x = torch.rand(11, 11, 8, 16, generator=g, dtype=torch.float64, requires_grad=True)  # a mean, as after an ELU
    w = torch.randn(5, 5, 16, 8, generator=g, dtype=torch.float64, requires_grad=True)
    expected = by_definition(x, w)
    weights = torch.randn(expected.shape, generator=g, dtype=torch.float64)
    right = (expected, *torch.autograd.grad(expected, (x, w), weights))
    short = [t.detach().float().requires_grad_() for t in (x, w)]
    with torch.autocast("cpu", torch.bfloat16):
        out = fourier(*short)
    assert out.dtype == torch.bfloat16
    for got, exact in zip((out, *torch.autograd.grad(out, short, weights.to(out))), right, strict=True):
        assert 1e-4 < (got - exact).norm() / exact.norm() < 1e-2


@pytest.mark.parametrize("correlate", [all_taps, direct, fourier])
def test_second_derivatives(correlate):
    g = torch.Generator().manual_seed(0)
    x = torch.randn(4, 5, 2, 2, generator=g, dtype=torch.float64, requires_grad=True)
    w = torch.randn(3, 3, 2, 1, generator=g, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(correlate, (x, w))


def _by_x_and_w(correlate):
    """A number made of the gradients of a loss by both, and its gradients; w twice, so that one input depends on the
    other."""
    g = torch.Generator().manual_seed(0)
    x = torch.randn(6, 5, 2, 2, generator=g, dtype=torch.float64, requires_grad=True)
    w = torch.randn(3, 3, 2, 2, generator=g, dtype=torch.float64, requires_grad=True)
    loss = correlate(correlate(x, w), w).pow(3).sum()
    first = torch.autograd.grad(loss, (x, w), create_graph=True)
    return torch.autograd.grad(first[0].pow(2).sum() + first[1].pow(2).sum(), (x, w))


@pytest.mark.parametrize("correlate", [all_taps, direct, fourier])
def test_second_derivatives_where_saved_tensors_are_moved_away(correlate):
    with torch.autograd.graph.saved_tensors_hooks(lambda t: t.clone(), lambda t: t):
        found = _by_x_and_w(correlate)
    torch.testing.assert_close(found, _by_x_and_w(by_definition), rtol=1e-11, atol=1e-11)


def test_gradients_to_be_differentiated_are_not_rounded_under_autocast():
    g = torch.Generator().manual_seed(0)
    x = torch.randn(6, 5, 2, 4, generator=g, requires_grad=True)
    w = torch.randn(3, 3, 4, 4, generator=g)
    with torch.autocast("cpu", torch.bfloat16):
        (found,) = torch.autograd.grad(all_taps(x, w).sum(), x, create_graph=True)
    (expected,) = torch.autograd.grad(by_definition(x, w).sum(), x)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


def test_a_transform_leaves_no_matrices_of_its_own_behind():
    x, w = torch.randn(7, 10, 1, 2), torch.randn(5, 5, 2, 2)
    torch.func.grad(lambda x: fourier(x, w).sum())(x)
    kept = grid_conv._kept_matrices(7, 10, 5, x.dtype, x.device)
    assert not any(torch._C._functorch.is_functorch_wrapped_tensor(m) for m in kept)


def test_an_export_leaves_no_matrices_without_numbers_behind():
    """Of a size that no other test has."""

    class Fourier(torch.nn.Module):
        def forward(self, x, w):
            return fourier(x, w)

    g = torch.Generator().manual_seed(0)
    x = torch.randn(13, 17, 1, 2, generator=g, dtype=torch.float64)
    w = torch.randn(3, 3, 2, 2, generator=g, dtype=torch.float64)
    exported = torch.export.export(Fourier(), (x, w)).module()
    for out in (fourier(x, w), exported(x, w)):
        assert (out - by_definition(x, w)).abs().max() < 1e-12


@pytest.mark.parametrize("correlate", [direct, fourier])
def test_weights_of_float32_with_half_precision(correlate):
    g = torch.Generator().manual_seed(0)
    x, w = (torch.randn(*shape, generator=g) for shape in ((6, 7, 2, 3), (3, 3, 3, 2)))
    out = correlate(x.bfloat16(), w)
    assert out.dtype == torch.bfloat16
    assert torch.equal(out, correlate(x.bfloat16(), w.bfloat16()))
