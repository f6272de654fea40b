"""Values on the group against the layers on coefficients."""

import pytest
import torch

from gaugenet.field_type import FieldType
from gaugenet.nn.regular import RegularNonlinearity
from gaugenet.nn.sign_aware import SignNonlinearity
from gaugenet.nn.value_basis import ValueNonlinearity, from_values, to_values

MIXED = "D4: 2x0 + 3xregular + 1x1 + 2xquotient[reflection]"


def test_values_are_permuted():
    field = FieldType.parse(MIXED)
    g = torch.Generator().manual_seed(0)
    x = torch.randn(6, field.dim, 1, generator=g, dtype=torch.float64)
    assert (from_values(field, to_values(field, x)) - x).abs().max() < 1e-14
    angle, flip = field.group.sample(6, g)
    moved = to_values(field, field.transform(x[..., 0], angle, flip)[..., None])[..., 0]
    here = to_values(field, x)[..., 0]
    for term in field.terms:
        if term.representation.stabilizer is not None:
            a, b = moved[:, term.start : term.stop], here[:, term.start : term.stop]
            assert (a.sort(1).values - b.sort(1).values).abs().max() < 1e-13


def test_the_same_as_the_layers_on_coefficients():
    g = torch.Generator().manual_seed(1)
    field = FieldType.parse("D4: 2x0 + 3xregular + 2xquotient[C2]")
    layer, other = ValueNonlinearity(field, activation="relu").double(), RegularNonlinearity(field).double()
    layer.bias.data = torch.randn(7, generator=g, dtype=torch.float64)
    for p, b in zip(other.bias, layer.bias.data.split([2, 3, 2]), strict=True):
        p.data = b
    x = torch.randn(9, field.dim, generator=g, dtype=torch.float64)
    got = from_values(field, layer(to_values(field, x[..., None])[..., 0])[..., None])[..., 0]
    assert (got - other(x)).abs().max() < 1e-13
    field = FieldType.parse("reflection: 3xtrivial + 2xsign")
    layer, other = ValueNonlinearity(field).double(), SignNonlinearity(field).double()
    layer.bias.data = other.bias.data = torch.randn(5, generator=g, dtype=torch.float64)
    x = torch.randn(9, 5, generator=g, dtype=torch.float64)
    assert (layer(x) - other(x)).abs().max() < 1e-14


def test_components_that_mix_are_refused():
    with pytest.raises(ValueError, match="mix"):
        ValueNonlinearity(FieldType.parse("D4: 2x1"))
    with pytest.raises(ValueError, match="activation"):
        ValueNonlinearity(FieldType.parse("D4: 2x0"), activation="square")
