import math

import pytest
import torch

from gaugenet.radial import RadialBasis

KINDS = ["gaussian", "cosine", "hat", "bessel"]
SUMS_TO_ONE = ["gaussian", "cosine", "hat"]
X = torch.linspace(0, 1, 1001, dtype=torch.float64)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n", [1, 2, 3, 6])
def test_shape_dtype_and_support(kind, n):
    basis = RadialBasis(n, kind)
    for dtype in (torch.float32, torch.float64):
        values = basis(X.to(dtype))
        assert values.shape == (1001, n)
        assert values.dtype == dtype
        assert values.isfinite().all()
    assert (basis(torch.tensor([1.01, 5.0])) == 0).all()
    # the rim itself is inside, also when r and R were rounded apart
    rim = torch.tensor([1.0, 1.0 + 1e-6], dtype=torch.float64)
    torch.testing.assert_close(basis(rim)[0], basis(rim)[1], rtol=0, atol=1e-4)
    assert (basis(rim).sum(1) > 0.9).all() or kind == "bessel"


@pytest.mark.parametrize("kind", SUMS_TO_ONE)
@pytest.mark.parametrize("n", [1, 2, 3, 6])
def test_partition_of_unity(kind, n):
    values = RadialBasis(n, kind)(X)
    torch.testing.assert_close(values.sum(1), torch.ones_like(X), rtol=0, atol=1e-14)
    assert (values >= 0).all()


@pytest.mark.parametrize("kind", KINDS)
def test_functions_are_linearly_independent(kind):
    assert torch.linalg.matrix_rank(RadialBasis(5, kind)(X)) == 5


@pytest.mark.parametrize("kind", ["cosine", "hat"])
def test_local_functions_are_one_at_their_own_center_only(kind):
    centers = torch.linspace(0, 1, 4, dtype=torch.float64)
    torch.testing.assert_close(RadialBasis(4, kind)(centers), torch.eye(4, dtype=torch.float64), rtol=0, atol=1e-14)


def test_bessel_functions_vanish_at_the_rim_and_are_orthogonal():
    values = RadialBasis(4, "bessel")(X)
    torch.testing.assert_close(values[-1], torch.zeros(4, dtype=torch.float64), rtol=0, atol=1e-13)
    gram = torch.trapezoid(values[:, :, None] * values[:, None, :] * (X**2)[:, None, None], X, dim=0)
    off_diagonal = gram - torch.diag(gram.diagonal())
    assert off_diagonal.abs().max() < 1e-10 * gram.abs().max()
    torch.testing.assert_close(gram.diagonal(), gram[0, 0].expand(4))
    assert RadialBasis(4, "bessel").energy == pytest.approx(1, abs=1e-5)


def test_energy_of_hats_in_closed_form():
    """With two hats the energy is int_0^1 2 x (x^2 + (1 - x)^2) dx = 2/3."""
    assert RadialBasis(2, "hat").energy == pytest.approx(2 / 3, abs=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_differentiable(kind):
    x = torch.tensor([0.0, 0.1, 0.37, 0.81], dtype=torch.float64)
    inside = x[1:].requires_grad_()
    assert torch.autograd.gradcheck(RadialBasis(3, kind), (inside,))


def test_gaussians_are_as_documented():
    x = torch.tensor([0.2], dtype=torch.float64)
    raw = [math.exp(-((0.2 - c) ** 2) / (2 * 0.25**2)) for c in (0.0, 0.5, 1.0)]
    expected = torch.tensor([[r / sum(raw) for r in raw]], dtype=torch.float64)
    torch.testing.assert_close(RadialBasis(3, "gaussian")(x), expected)


def test_a_small_frozen_value():
    assert RadialBasis(3) == RadialBasis(3)
    assert len({RadialBasis(3), RadialBasis(3), RadialBasis(3, "hat")}) == 2
    with pytest.raises(AttributeError):
        RadialBasis(3).n = 4


@pytest.mark.parametrize(("n", "kind", "message"), [(0, "hat", ">= 1"), (2.5, "hat", ">= 1"), (3, "spline", "bessel")])
def test_errors(n, kind, message):
    with pytest.raises(ValueError, match=message):
        RadialBasis(n, kind)
