"""The point-wise non-linearity on samples: exact for finite groups, up to aliasing for continuous ones."""

import itertools

import pytest
import torch
from torch import nn

from gaugenet.equivariance import audit
from gaugenet.field_type import FieldType
from gaugenet.nn.regular import RegularNonlinearity

FINITE_REGULAR = [
    "C4: 2xregular",
    "C6: 2xregular + 1xquotient[C2] + 2x0",
    "D4: 2xregular + 1xquotient[reflection]",
    "reflection: 2xregular + 1xtrivial",
    "trivial: 4x0",
]


class AtVertices(nn.Module):
    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, x, geometry):
        return self.layer(x)


@pytest.mark.parametrize("text", FINITE_REGULAR)
def test_regular_nonlinearity_is_exact_for_finite_groups(text, random_geometry):
    field = FieldType.parse(text)
    layer = AtVertices(RegularNonlinearity(field))
    report = audit(layer, field, field, random_geometry(field.group.name))
    assert report.passed, str(report)
    assert report.conclusive or field.group.order == 1


@pytest.mark.parametrize("text", ["SO(2): 3xregular[2]", "O(2): 2xregular[2]"])
def test_aliasing_of_the_regular_nonlinearity_falls_with_the_samples(text, random_geometry):
    field = FieldType.parse(text)
    geometry = random_geometry(field.group.name)
    errors = [
        audit(AtVertices(RegularNonlinearity(field, n_samples=n)), field, field, geometry).error
        for n in (10, 40, 160, 640)
    ]
    assert errors[0] < 0.5
    # ReLU has a kink, so its Fourier coefficients fall like 1/n² and the aliasing with them.
    for coarse, fine in itertools.pairwise(errors):
        assert fine < coarse / 4
    assert errors[-1] < 1e-4


def test_components_that_mix_are_refused():
    with pytest.raises(ValueError, match="point-wise"):
        RegularNonlinearity(FieldType.parse("SO(2): 1x0 + 1x1"))


def test_it_is_its_formula():
    """ReLU of the values on the group, plus a bias, by the change of basis alone."""
    field = FieldType.parse("D3: 2xregular")
    layer = RegularNonlinearity(field).double()
    with torch.no_grad():
        layer.bias[0].copy_(torch.tensor([0.3, -0.2]))
    x = torch.randn(20, field.dim, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    basis = field.terms[0].representation.change_of_basis
    values = torch.einsum("hk,vkc->vhc", basis, x.reshape(20, 6, 2))
    expected = torch.einsum("hk,vhc->vkc", basis, (values + layer.bias[0]).relu()).reshape(20, -1)
    torch.testing.assert_close(layer(x), expected)
