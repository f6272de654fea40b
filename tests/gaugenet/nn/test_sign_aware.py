"""The sign-aware non-linearity against its formula."""

import pytest
import torch

from gaugenet.field_type import FieldType
from gaugenet.nn.sign_aware import SignNonlinearity

FIELD = FieldType.parse("reflection: 2xtrivial + 3xsign")


def test_it_is_the_published_formula_away_from_zero():
    layer = SignNonlinearity(FIELD).double()
    with torch.no_grad():
        layer.bias.copy_(torch.tensor([0.3, -0.2, 0.5, -0.7, 0.1]))
        x = torch.randn(40, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
        x = x + x.sign()
        elu = torch.nn.functional.elu
        expected = torch.cat(
            [elu(x[:, :2] + layer.bias[:2]), x[:, 2:].sign() * elu(x[:, 2:].abs() + layer.bias[2:])], 1
        )
        torch.testing.assert_close(layer(x), expected, rtol=1e-4, atol=1e-5)
        flipped = x * torch.tensor([1, 1, -1, -1, -1])
        assert torch.equal(layer(flipped)[:, 2:], -layer(x)[:, 2:])
        # the twin: the activation as it is used on scalars
        assert (elu(-x + layer.bias) + elu(x + layer.bias)).abs().max() > 0.1


def test_a_field_that_vanishes_stays_zero():
    layer = SignNonlinearity(FIELD).double()
    with torch.no_grad():
        layer.bias.fill_(1.0)
    x = torch.zeros(3, 5, dtype=torch.float64, requires_grad=True)
    out = layer(x)[:, 2:]
    assert (out == 0).all()
    (gradient,) = torch.autograd.grad(out.sum(), x)
    assert gradient.isfinite().all()


def test_errors_say_what_was_expected():
    with pytest.raises(ValueError, match="one-dimensional irreps, which 1x1"):
        SignNonlinearity(FieldType.parse("O(2): 2x0- + 1x1"))
    with pytest.raises(ValueError, match="unknown activation 'gelu'"):
        SignNonlinearity(FIELD, activation="gelu")
