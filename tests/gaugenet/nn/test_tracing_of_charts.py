"""Layers on charts under torch.compile, torch.export, autocast and in half precision."""

import contextlib

import pytest
import torch

from gaugenet.field_type import FieldType
from gaugenet.meshes.chart_atlases import mobius_strip
from gaugenet.meshes.sphere_atlases import icosahedral_atlas
from gaugenet.nn.chart_conv import ChartConv
from gaugenet.nn.chart_pooling import ChartMaxPool
from gaugenet.nn.convolution import GaugeConv
from gaugenet.nn.sublattice_pooling import SublatticePool
from gaugenet.nn.value_batch_norm import ValueBatchNorm

STRIP = FieldType.parse("reflection: 2xtrivial + 1xsign + 2xregular")
SPHERE = FieldType.parse("C6: 2xregular + 1x0")
ONE_TERM = FieldType.parse("C6: 2xregular")


def conv(executor, field=SPHERE):
    g = torch.Generator().manual_seed(0)
    options = {"lattice": "hexagonal", "values": True, "corners": "mean", "executor": executor}
    layer = ChartConv(field, field, generator=g, **options)
    layer.bias.value.data = torch.randn(layer.bias.value.shape, generator=g)
    return layer


LAYERS = {
    "taps": (lambda: conv("taps"), lambda: icosahedral_atlas(1), SPHERE),
    "direct": (lambda: conv("direct"), lambda: icosahedral_atlas(1), SPHERE),
    "fourier": (lambda: conv("fourier"), lambda: icosahedral_atlas(1), SPHERE),
    "one term": (lambda: conv("taps", ONE_TERM), lambda: icosahedral_atlas(1), ONE_TERM),
    "squares": (lambda: ChartMaxPool(STRIP), lambda: mobius_strip(4, 6), STRIP),
    "largest": (lambda: SublatticePool(SPHERE, values=True), lambda: icosahedral_atlas(2), SPHERE),
    "batch norm": (lambda: ValueBatchNorm(SPHERE), lambda: icosahedral_atlas(1), SPHERE),
}


def features(atlas, field, dtype=torch.float32):
    g = torch.Generator().manual_seed(1)
    return torch.randn(atlas.n_pixels, 2, field.dim, generator=g, dtype=torch.float64).to(dtype)


def results(function, layer, x, atlas):
    layer.zero_grad()
    x = x.clone().requires_grad_()
    out = function(x, atlas)
    out.square().sum().backward()
    return out.detach(), x.grad, [p.grad.clone() for p in layer.parameters()]


@pytest.mark.parametrize("name", LAYERS)
def test_layers_that_have_met_an_atlas_compile_without_a_graph_break(name):
    torch._dynamo.reset()
    make, surface, field = LAYERS[name]
    layer, atlas = make().double(), surface()
    x = features(atlas, field, torch.float64)
    expected = results(layer, layer, x, atlas)
    compiled = torch.compile(layer, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(results(compiled, layer, x, atlas), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", ["direct", "squares"])
def test_what_an_atlas_remembers_is_not_traced(name):
    """Where the compiled layer is the first that meets it; it is as good afterwards as if nothing had been compiled."""
    torch._dynamo.reset()
    make, surface, field = LAYERS[name]
    layer, atlas = make().double(), surface()
    x = features(atlas, field, torch.float64)
    compiled = torch.compile(layer, backend="eager")
    expected = results(layer, layer, x, surface())
    torch.testing.assert_close(results(compiled, layer, x, atlas), expected, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(results(layer, layer, x, atlas), expected, rtol=1e-12, atol=1e-12)


class OnSurface(torch.nn.Module):
    def __init__(self, layer, surface):
        super().__init__()
        self.layer, self.surface = layer, surface

    def forward(self, x):
        return self.layer(x, self.surface)


@pytest.mark.parametrize("name", LAYERS)
def test_export(name):
    """Of a layer that has not met its atlas it fails by name, and leaves nothing behind; then it does what it does."""
    make, surface, field = LAYERS[name]
    layer, atlas = make().eval(), surface()
    x, here = features(atlas, field), OnSurface(layer, atlas)
    if name not in ("squares", "batch norm"):
        with pytest.raises(RuntimeError, match="call it there once"):
            torch.export.export(here, (x,))
    expected = here(x)
    assert torch.equal(expected, layer(x, surface()))
    torch.testing.assert_close(torch.export.export(here, (x,)).module()(x), expected, rtol=0, atol=0)


def test_an_export_leaves_nothing_behind_on_a_mesh(random_geometry):
    field, geometry = FieldType.parse("O(2): 1x0 + 2x1"), random_geometry("O(2)")
    here = OnSurface(GaugeConv(field, field).double(), geometry)
    x = torch.randn(24, field.dim, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    expected = here.layer(x, random_geometry("O(2)"))
    with contextlib.suppress(Exception):
        torch.export.export(here, (x,))
    assert torch.equal(here(x), expected)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("executor", ["taps", "direct", "fourier"])
def test_half_precision(executor, dtype):
    """Inside and outside of autocast, weights of float32; taps have the type of x, weights and all, and others half."""
    layer, atlas = conv(executor), icosahedral_atlas(1)
    x = features(atlas, SPHERE, dtype)
    exact = layer.double()(x.double(), atlas).detach()
    layer.float()
    kept = [p for p in range(atlas.n_pixels) if p not in atlas.cones]
    for autocast in (True, False):
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
            out = layer(x, atlas)
        out.float().sum().backward()
        half = autocast and executor != "taps"
        assert out.dtype == (torch.bfloat16 if half else dtype)
        bound = 1e-6 if out.dtype == torch.float32 else 0.02
        assert (out - exact)[kept].abs().max() < bound * exact.abs().max()
        assert all(p.grad.dtype == torch.float32 for p in layer.parameters())
