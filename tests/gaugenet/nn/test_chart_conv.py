"""The convolution on charts: against the operator on meshes, and under gauge transformations and isometries."""

import pytest
import torch

from gaugenet.field_type import FieldType
from gaugenet.meshes.chart_atlases import cylinder, flat_plane, flat_torus, klein_bottle, mobius_strip
from gaugenet.meshes.chart_geometry import chart_geometry
from gaugenet.meshes.sphere_atlases import cube_atlas
from gaugenet.nn.chart_conv import ChartConv
from gaugenet.nn.chart_transport import chart_transport
from gaugenet.nn.value_basis import from_values, to_values

CASES = [
    (mobius_strip, "reflection: 2xtrivial + 1xsign + 2xregular"),
    (klein_bottle, "reflection: 2xtrivial + 1xsign + 2xregular"),
    (mobius_strip, "D4: 1x0 + 2x1 + 1xregular + 1x2-"),
    (flat_torus, "C4: 2x0 + 1x1 + 1xregular"),
    (cylinder, "trivial: 3x0"),
    (flat_plane, "D2: 1x0 + 1x1- + 1xregular"),
]


def layer_of(name, size=5, **options):
    g = torch.Generator().manual_seed(0)
    in_type = FieldType.parse(name)
    conv = ChartConv(in_type, FieldType.parse(name + " + 1x0"), size=size, generator=g, **options).double()
    conv.bias.value.data = torch.randn(conv.bias.value.shape, generator=g, dtype=torch.float64)
    return conv, g


@pytest.mark.parametrize(("make", "name"), CASES)
@pytest.mark.parametrize("executor", ["taps", "fourier", "direct"])
def test_charts_and_meshes_agree(make, name, executor):
    conv, g = layer_of(name, executor=executor)
    atlas = make(6, 7)
    x = torch.randn(42, 2, conv.in_type.dim, generator=g, dtype=torch.float64)
    geometry = chart_geometry(atlas, 2)
    out = conv(x, atlas)
    for image in range(2):
        expected = conv.on_edges(x[:, image].contiguous(), geometry)
        assert (out[:, image] - expected).abs().max() <= 1e-12 * expected.abs().max()


@pytest.mark.parametrize(("make", "name"), CASES)
def test_another_gauge_at_every_pixel(make, name, audited):
    audited(layer_of(name)[0], chart_geometry(make(6, 7), 2))


@pytest.mark.parametrize(("make", "name"), CASES)
def test_values_and_coefficients_agree(make, name):
    conv, g = layer_of(name, size=3)
    other, _ = layer_of(name, size=3, values=True)
    atlas = make(5, 6)
    x = torch.randn(30, 2, conv.in_type.dim, generator=g, dtype=torch.float64)
    got = other(to_values(conv.in_type, x[..., None])[..., 0], atlas)
    got = from_values(conv.out_type, got[..., None])[..., 0]
    assert (got - conv(x, atlas)).abs().max() < 1e-12


@pytest.mark.parametrize(("make", "name"), CASES[:4])
def test_moving_along_the_surface(make, name):
    conv, g = layer_of(name)
    atlas = make(6, 7)
    x = torch.randn(42, 1, conv.in_type.dim, generator=g, dtype=torch.float64)

    def move(field, y, steps):
        options = {"values": False, "dtype": y.dtype, "device": y.device}
        return chart_transport(atlas.move(0, steps), field, **options)(y)

    conv.requires_grad_(False)
    out = conv(x, atlas)
    without = atlas.without_transitions()
    worst = 0.0
    for steps in range(14):
        expected = move(conv.out_type, out, steps)
        assert (conv(move(conv.in_type, x, steps), atlas) - expected).abs().max() < 1e-12
        plain = move(conv.out_type, conv(x, without), steps)
        worst = max(worst, float((conv(move(conv.in_type, x, steps), without) - plain).abs().max()))
    assert worst > 0.1 or atlas.structure_group == "trivial"


def test_wrong_inputs_are_refused():
    conv, _ = layer_of("C4: 1x0 + 1x1")
    with pytest.raises(ValueError, match="does not admit"):
        conv(torch.zeros(36, 1, 3, dtype=torch.float64), mobius_strip(6, 6))
    with pytest.raises(ValueError, match="expected features"):
        conv(torch.zeros(36, 3, dtype=torch.float64), flat_torus(6, 6))
    with pytest.raises(ValueError, match="executor"):
        layer_of("C4: 1x0", executor="fast")
    with pytest.raises(ValueError, match="off the lattice"):
        layer_of("C6: 1x1")


@pytest.mark.parametrize("values", [False, True])
@pytest.mark.parametrize("executor", ["taps", "fourier", "direct"])
def test_a_layer_that_was_used_in_inference_mode_can_be_trained(executor, values):
    """On an atlas that met it there as well, with corners to be filled, and of a size that no other test has."""
    conv, g = layer_of("C4: 2xregular", size=3, executor=executor, values=values, corners="mean")
    atlas = cube_atlas(11)
    x = torch.randn(atlas.n_pixels, 2, 8, generator=g, dtype=torch.float64)
    with torch.inference_mode():
        expected = conv(x, atlas)
    out = conv(x, atlas)
    assert torch.equal(out, expected)
    out.square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in conv.parameters())
