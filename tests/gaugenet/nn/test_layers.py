"""Every layer commutes with a different random gauge transformation at every vertex, with non-zero biases."""

import pytest
import torch
from torch import nn

from gaugenet.equivariance import audit
from gaugenet.field_type import FieldType
from gaugenet.nn.bias import InvariantBias
from gaugenet.nn.block import ResidualBlock
from gaugenet.nn.convolution import GaugeConv
from gaugenet.nn.invariants import Invariants
from gaugenet.nn.nonlinearity import GatedNonlinearity, NormNonlinearity
from gaugenet.nn.normalization import FieldNorm
from gaugenet.nn.self_interaction import SelfInteraction

FIELDS = [
    "SO(2): 3x0 + 2x1 + 2x2",
    "SO(2): 2x1 + 1x0 + 1x3",
    "O(2): 2x0 + 3x0- + 2x1 + 1x2",
    "C4: 2x0 + 2x1 + 3x2",
    "C6: 2xregular + 1xquotient[C2]",
    "C5: 1x0 + 2x1 + 1x2",
    "D4: 2xregular + 1x0 + 1x0-",
    "D3: 2x0 + 1x0- + 2x1",
    "D2: 2x0 + 1x0- + 1x1 + 2x1-",
    "reflection: 3xtrivial + 2xsign + 2xregular",
    "trivial: 4x0",
]


class AtVertices(nn.Module):
    """A layer that needs no geometry, for the audit."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x, geometry):
        return self.layer(x)


def scalars(field: FieldType, n: int) -> FieldType:
    return FieldType(field.group, [(field.group.irreps(0)[0], n)])


def check(module, in_type, out_type, geometry):
    report = audit(module, in_type, out_type, geometry)
    assert report.passed, str(report)
    if in_type.group.order != 1:
        assert report.sensitivity > 1e-3, str(report)


@pytest.mark.parametrize("text", FIELDS)
def test_convolution_is_equivariant(text, random_geometry):
    field = FieldType.parse(text)
    geometry = random_geometry(field.group.name)
    check(GaugeConv(field, field), field, field, geometry)
    check(GaugeConv(scalars(field, 2), field), scalars(field, 2), field, geometry)
    check(GaugeConv(field, scalars(field, 3)), field, scalars(field, 3), geometry)


@pytest.mark.parametrize("text", FIELDS)
def test_layers_at_vertices_are_equivariant(text, random_geometry):
    field = FieldType.parse(text)
    geometry = random_geometry(field.group.name)
    for layer in (
        SelfInteraction(field, field),
        InvariantBias(field),
        FieldNorm(field),
        NormNonlinearity(field),
        GatedNonlinearity(field),
    ):
        check(AtVertices(layer), field, field, geometry)
    invariants = Invariants(field)
    report = audit(AtVertices(invariants), field, scalars(field, invariants.n_out), geometry)
    assert report.passed, str(report)


@pytest.mark.parametrize("text", ["SO(2): 3x0 + 2x1 + 2x2", "O(2): 2x0 + 1x0- + 2x1", "D4: 2xregular"])
@pytest.mark.parametrize("nonlinearity", ["gated", "norm"])
def test_residual_block_is_equivariant(text, nonlinearity, random_geometry):
    field = FieldType.parse(text)
    block = ResidualBlock(field, nonlinearity=nonlinearity)
    check(block, field, field, random_geometry(field.group.name))


class BiasEverywhere(nn.Module):
    """A bias on every channel, as the first public mesh CNNs had it."""

    def __init__(self, field: FieldType) -> None:
        super().__init__()
        self.value = nn.Parameter(torch.zeros(field.dim))

    def forward(self, x, geometry):
        return x + self.value


class WrongTransport(GaugeConv):
    """Takes every transporter the wrong way round."""

    def forward(self, x, geometry):
        return super().forward(x, geometry.replace(phi=-geometry.phi))


class NoTransport(GaugeConv):
    def forward(self, x, geometry):
        return super().forward(x, geometry.replace(phi=torch.zeros_like(geometry.phi)))


@pytest.mark.parametrize("text", ["SO(2): 3x0 + 2x1 + 2x2", "O(2): 2x0 + 2x1", "C5: 1x0 + 2x1", "D3: 2x0 + 2x1"])
def test_broken_layers_are_caught(text, random_geometry):
    field = FieldType.parse(text)
    geometry = random_geometry(field.group.name)
    gated = GatedNonlinearity(field).double()
    for broken in (
        BiasEverywhere(field),
        WrongTransport(field, field),
        NoTransport(field, field),
        AtVertices(nn.ReLU()),
        AtVertices(nn.Linear(field.dim, field.dim)),
        lambda x, g: gated(x) + 1e-9 * x.relu(),
    ):
        assert not audit(broken, field, field, geometry).passed


def test_a_reflection_is_not_overlooked(random_geometry):
    """SO(2) kernels on fields of O(2) commute with rotations and not with reflections."""
    so2, o2 = FieldType.parse("SO(2): 2x0 + 2x1"), FieldType.parse("O(2): 2x0 + 2x1")
    geometry = random_geometry("SO(2)")
    conv = GaugeConv(so2, so2)
    assert audit(conv, so2, so2, geometry).passed
    conv.in_type = conv.out_type = o2
    assert not audit(conv, o2, o2, geometry).passed


def test_variance_at_the_start(random_geometry):
    """Weights start so that a convolution keeps the scale of independent inputs, within a factor of three."""
    for text in FIELDS:
        field = FieldType.parse(text)
        geometry = random_geometry(field.group.name, n=200)
        x = torch.randn(200, field.dim, dtype=torch.float64)
        conv = GaugeConv(field, field, self_interaction=False).double()
        with torch.no_grad():
            ratio = float(conv(x, geometry).std() / x.std())
        assert 0.2 < ratio < 3, (text, ratio)


def test_inadmissible_surface_names_the_smallest_group(random_geometry):
    conv = GaugeConv(FieldType.parse("SO(2): 1x0 + 1x1"), FieldType.parse("SO(2): 1x0"))
    x = torch.zeros(24, 3)
    with pytest.raises(ValueError, match=r"SO\(2\) does not admit.*lie in O\(2\)"):
        conv(x, random_geometry("O(2)", dtype=torch.float32))
    with pytest.raises(ValueError, match=r"lie in D4"):
        conv(x, random_geometry("D4", dtype=torch.float32))


def test_wrong_shapes_say_what_was_expected(random_geometry):
    field = FieldType.parse("SO(2): 1x0 + 1x1")
    with pytest.raises(ValueError, match=r"expected features \[24, 3\]"):
        GaugeConv(field, field)(torch.zeros(24, 4), random_geometry(dtype=torch.float32))
    with pytest.raises(ValueError, match=r"expected features \[V, 3\]"):
        SelfInteraction(field, field)(torch.zeros(24, 4))
    with pytest.raises(ValueError, match="one structure group"):
        GaugeConv(field, FieldType.parse("C4: 1x0"))
    with pytest.raises(ValueError, match="one structure group"):
        SelfInteraction(field, FieldType.parse("C4: 1x0"))
