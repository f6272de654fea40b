"""Learned differential operators."""

import pytest
import torch

from gaugenet.equivariance import audit
from gaugenet.field_type import FieldType
from gaugenet.nn.differential import ConnectionLaplacian, Divergence, Gradient
from gaugenet.nn.steerable_derivative import DifferentialConv
from gaugenet.nn.tangent import scalar_type, tangent_type

FIELDS = ["SO(2): 2x0 + 2x1 + 1x2", "O(2): 1x0 + 2x0- + 2x1", "C6: 1xregular", "D4: 1xregular", "reflection: 2xregular"]


@pytest.mark.parametrize("text", FIELDS)
def test_it_is_equivariant(text, random_geometry, cross_level):
    field = FieldType.parse(text)
    layer = DifferentialConv(field, field, length=0.3)
    for geometry in (random_geometry(field.group.name, degree=9), cross_level(field.group.name)):
        report = audit(layer, field, field, geometry, trials=1)
        assert report.passed, str(report)
    unlike = random_geometry(field.group.name, degree=9)

    def broken(x, g):
        return layer.double()(x, g.replace(theta=g.theta.abs()))

    assert not audit(broken, field, field, unlike, trials=1).passed


@pytest.mark.parametrize("fixed", ["gradient", "divergence", "laplacian"])
def test_the_classical_operators_are_among_them(fixed, random_geometry):
    """Some coefficients give each of them: the least squares fit over coefficients leaves nothing."""
    layer = {
        "gradient": Gradient("SO(2)"),
        "divergence": Divergence("SO(2)"),
        "laplacian": ConnectionLaplacian(tangent_type("SO(2)")),
    }[fixed]
    geometry = random_geometry(degree=9)
    x = torch.randn(24, layer.in_type.dim, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    learned = DifferentialConv(layer.in_type, layer.out_type, bias=False).double()
    parameters, columns = list(learned.parameters()), []
    with torch.no_grad():
        for p in parameters:
            p.zero_()
        for p in parameters:
            for i in range(p.numel()):
                p.view(-1)[i] = 1.0
                columns.append(learned(x, geometry).flatten())
                p.zero_()
        basis, wanted = torch.stack(columns, 1), layer(x, geometry).flatten()
        residual = wanted - basis @ torch.linalg.lstsq(basis, wanted[:, None], driver="gelsd").solution[:, 0]
    assert residual.abs().max() < 1e-10 * wanted.abs().max()


def test_errors_say_what_was_expected(random_geometry):
    with pytest.raises(ValueError, match="must be positive"):
        DifferentialConv(scalar_type("SO(2)"), scalar_type("SO(2)"), length=0.0)
    with pytest.raises(ValueError, match=r"expected features \[24, 1\]"):
        DifferentialConv(scalar_type("SO(2)"), scalar_type("SO(2)"))(torch.zeros(24, 2), random_geometry())
