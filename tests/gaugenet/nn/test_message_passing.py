"""Message passing against its equation, edge by edge with dense matrices."""

import pytest
import torch

from gaugenet.equivariance import audit
from gaugenet.field_type import FieldType
from gaugenet.nn.convolution import GaugeConv
from gaugenet.nn.message_passing import GaugeMessagePassing

MAPS = [
    ("SO(2): 2x0 + 1x1 + 2x2", "SO(2): 1x0 + 2x1", "gated"),
    ("O(2): 1x0 + 2x0- + 2x1", "O(2): 2x0 + 1x0- + 1x2", "norm"),
    ("C4: 1x0 + 2x1 + 1x2", "C4: 2xregular", "regular"),
    ("D3: 1xregular", "D3: 1x0- + 2x1", "tensor-product"),
    ("reflection: 2xtrivial + 1xsign", "reflection: 1xtrivial + 2xsign", "sign"),
    ("trivial: 2x0", "trivial: 3x0", "gated"),
]


def randomized(layer):
    generator = torch.Generator().manual_seed(0)
    layer = layer.double()
    with torch.no_grad():
        for p in layer.parameters():
            p.add_(0.3 * torch.randn(p.shape, generator=generator, dtype=p.dtype))
    return layer


def features(n, field, seed=2):
    return torch.randn(n, field.dim, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def by_definition(layer, x, own, geometry):
    basis, in_type, message_type = layer.basis, layer.in_type, layer.message_type
    radial = layer.radial(geometry.r / geometry.radius[geometry.target])
    weight = basis.expand(layer.coefficients)

    def kernel_at(theta):
        kernel = torch.einsum("eb,boi->eoi", basis.scalars(theta, radial), weight)
        if basis.form == "aligned":
            kernel = message_type.matrix(theta) @ kernel @ in_type.matrix(-theta)
        return kernel

    around = [torch.full_like(geometry.theta, 2 * torch.pi * j / 100) for j in range(100)]
    mean = torch.stack([kernel_at(theta) for theta in around]).mean(0)
    kernel = torch.where((geometry.r == 0)[:, None, None], mean, kernel_at(geometry.theta))
    moved = in_type.matrix(geometry.phi, geometry.flip) @ x[geometry.source.long()][:, :, None]
    message = (kernel @ moved)[:, :, 0] + layer.own(own)[geometry.target]
    message = layer.nonlinearities[0](message)
    for between, nonlinearity in zip(layer.between, list(layer.nonlinearities)[1:]):
        message = nonlinearity(between(message))
    total = torch.zeros(geometry.n_vertices, message_type.dim, dtype=torch.float64)
    total = total.index_add(0, geometry.target, geometry.weight[:, None] * message)
    return layer.bias(layer.aggregate(total) + layer.self_interaction(own))


@pytest.mark.parametrize(("in_text", "out_text", "nonlinearity"), MAPS)
def test_the_layer_is_its_equation(in_text, out_text, nonlinearity, random_geometry, cross_level):
    in_type, out_type = FieldType.parse(in_text), FieldType.parse(out_text)
    for per_chunk in (None, 30):
        layer = GaugeMessagePassing(
            in_type, out_type, nonlinearity=nonlinearity, edge_layers=2, edges_per_chunk=per_chunk
        )
        layer = randomized(layer)
        for geometry in (random_geometry(in_type.group.name), cross_level(in_type.group.name)):
            x = features(geometry.n_sources, in_type)
            given = features(geometry.n_vertices, in_type, 3) if geometry.is_cross_level else None
            with torch.no_grad():
                expected = by_definition(layer, x, x if given is None else given, geometry)
                torch.testing.assert_close(layer(x, geometry, given), expected, rtol=1e-11, atol=1e-11)
            report = audit(layer, in_type, out_type, geometry, trials=1)
            assert report.passed, str(report)


def test_gradients_through_chunks(random_geometry):
    field = FieldType.parse("O(2): 1x0 + 1x0- + 2x1")
    geometry, results = random_geometry("O(2)"), []
    for chunk in (None, 30):
        layer = GaugeMessagePassing(field, field, edges_per_chunk=chunk, generator=torch.Generator().manual_seed(1))
        layer = randomized(layer)
        x = features(24, field).requires_grad_()
        results.append(torch.autograd.grad(layer(x, geometry).sin().sum(), [x, *layer.parameters()]))
    torch.testing.assert_close(results[0], results[1], rtol=1e-11, atol=1e-11)


def test_messages_are_no_convolution(random_geometry):
    """Superposition fails, as it should: that is what the layer is for."""
    field = FieldType.parse("SO(2): 2x0 + 2x1")
    geometry, x, y = random_geometry(), features(24, field), features(24, field, 5)
    for layer, linear in ((GaugeMessagePassing(field, field), False), (GaugeConv(field, field), True)):
        f = randomized(layer)
        zero = torch.zeros_like(x)
        off = (f(x + y, geometry) - f(x, geometry) - f(y, geometry) + f(zero, geometry)).abs().max()
        assert (off < 1e-12) == linear


class NoTransport(GaugeMessagePassing):
    def forward(self, x, geometry, target=None):
        return super().forward(x, geometry.replace(phi=torch.zeros_like(geometry.phi)), target)


class PointwiseOnEdges(GaugeMessagePassing):
    def __init__(self, *fields):
        super().__init__(*fields)
        self.nonlinearities = torch.nn.ModuleList([torch.nn.SiLU()])


@pytest.mark.parametrize("text", ["SO(2): 2x0 + 2x1", "O(2): 2x0 + 2x1", "C5: 2x0 + 2x1"])
def test_broken_messages_are_caught(text, random_geometry):
    field = FieldType.parse(text)
    for broken in (NoTransport, PointwiseOnEdges):
        assert not audit(broken(field, field), field, field, random_geometry(field.group.name)).passed


def test_errors_say_what_was_expected(random_geometry):
    field = FieldType.parse("SO(2): 2x0 + 2x1")
    with pytest.raises(ValueError, match="at least one layer"):
        GaugeMessagePassing(field, field, edge_layers=0)
    with pytest.raises(ValueError, match="one structure group"):
        GaugeMessagePassing(field, field, message_type=FieldType.parse("C4: 1x0"))
    with pytest.raises(ValueError, match="unknown non-linearity"):
        GaugeMessagePassing(field, field, nonlinearity="relu")
    with pytest.raises(ValueError, match=r"expected features \[24, 6\]"):
        GaugeMessagePassing(field, field)(torch.zeros(24, 5), random_geometry())
