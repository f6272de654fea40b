"""Gated and norm non-linearities against their formulas."""

import torch
from torch.nn import functional

from gaugenet.field_type import FieldType
from gaugenet.nn.nonlinearity import GatedNonlinearity, NormNonlinearity

FIELD = FieldType.parse("O(2): 2x0 + 1x0- + 2x1")


def features():
    return torch.randn(30, FIELD.dim, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def randomized(layer):
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for p in layer.double().parameters():
            p.add_(0.3 * torch.randn(p.shape, generator=generator, dtype=p.dtype))
    return layer


def test_norms_are_scaled_and_directions_kept():
    layer, x = randomized(NormNonlinearity(FIELD, eps=0.0)), features()
    out, b = layer(x).detach(), layer.bias.detach()
    torch.testing.assert_close(out[:, :2], functional.silu(x[:, :2] + b[:2]))
    torch.testing.assert_close(out[:, 2], x[:, 2].sign() * (x[:, 2].abs() + b[2]).relu())
    for c in range(2):
        vector, found = x[:, [3 + c, 5 + c]], out[:, [3 + c, 5 + c]]
        norm = vector.norm(dim=1, keepdim=True)
        torch.testing.assert_close(found, vector * (norm + b[3 + c]).relu() / norm)


def test_gates_are_between_zero_and_one_and_keep_directions():
    layer, x = randomized(GatedNonlinearity(FIELD)), features()
    out, iota = layer(x).detach(), layer.invariants(x)
    mixed = layer.linear(iota).detach()
    torch.testing.assert_close(out[:, :2], functional.silu(x[:, :2] + mixed[:, :2]))
    gates = torch.sigmoid(mixed[:, 2:])
    torch.testing.assert_close(out[:, 2:], x[:, 2:] * torch.cat([gates, gates[:, 1:]], 1))


def test_fields_that_vanish_by_symmetry_stay_at_rounding():
    """On a regular grid a constant gives no vectors but rounding; a norm must not blow those up to its bias."""
    field = FieldType.parse("SO(2): 1x0 + 2x1")
    layer = NormNonlinearity(field).double()
    with torch.no_grad():
        layer.bias.fill_(0.5)
    noise = 1e-16 * torch.randn(40, field.dim, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    noise.requires_grad_()
    vectors = layer(noise)[:, 1:]
    assert vectors.abs().max() < 1e-13
    (gradient,) = torch.autograd.grad(vectors.sum(), noise)
    assert gradient.abs().max() < 1e3
    # the twin is the formula as it is often written
    norm = noise[:, 1:].norm(dim=1, keepdim=True)
    assert (noise[:, 1:] * (norm + 0.5).relu() / norm).abs().max() > 0.1
