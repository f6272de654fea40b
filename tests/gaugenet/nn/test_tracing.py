"""Layers and networks under torch.compile, torch.export and autocast: they give what they give without."""

import pytest
import torch

from gaugenet.equivariance import gauge_transform, random_gauge
from gaugenet.field_type import FieldType
from gaugenet.models.segmentation import SegmentationNetwork
from gaugenet.nn.convolution import GaugeConv, prepare

NETWORKS = [("SO(2)", "gated"), ("O(2)", "norm"), ("D4", "regular"), ("reflection", "gated")]


def network(group, nonlinearity, dtype):
    model = SegmentationNetwork(group, 3, 4, width=3, max_frequency=1, blocks=1, nonlinearity=nonlinearity)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    return model.to(dtype)


def features(geometry):
    generator = torch.Generator().manual_seed(2)
    return torch.randn(geometry.n_vertices, 3, generator=generator, dtype=torch.float64).to(geometry.dtype)


@pytest.mark.parametrize(("group", "nonlinearity"), [("SO(2)", "gated"), ("D4", "regular")])
def test_networks_compile_without_a_graph_break(group, nonlinearity, random_geometry):
    """On two surfaces of different size, forward and backward."""
    torch._dynamo.reset()
    model = network(group, nonlinearity, torch.float64)
    compiled = torch.compile(model, fullgraph=True, backend="aot_eager")
    for n in (24, 31):
        geometry = prepare(model, random_geometry(group, n=n))
        results = []
        for function in (model, compiled):
            model.zero_grad()
            logits = function(features(geometry), geometry)
            logits.square().sum().backward()
            results.append((logits.detach(), [p.grad.clone() for p in model.parameters()]))
        torch.testing.assert_close(results[1], results[0], rtol=1e-12, atol=1e-12)


def test_a_layer_exports_on_its_surface(random_geometry):
    field = FieldType.parse("O(2): 1x0 + 2x1")

    class OnSurface(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = GaugeConv(field, field).double()
            self.geometry = prepare(self.conv, random_geometry("O(2)"))

        def forward(self, x):
            return self.conv(x, self.geometry)

    layer = OnSurface()
    x = torch.randn(24, field.dim, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    exported = torch.export.export(layer, (x,))
    assert any("transport_conv" in str(node.target) for node in exported.graph.nodes)
    torch.testing.assert_close(exported.module()(x), layer(x), rtol=0, atol=0)


def test_prepare_refuses_what_the_layers_refuse(random_geometry):
    with pytest.raises(ValueError, match="does not admit this surface"):
        prepare(network("SO(2)", "gated", torch.float64), random_geometry("O(2)"))


@pytest.mark.parametrize(("group", "nonlinearity"), NETWORKS)
def test_networks_run_under_autocast(group, nonlinearity, random_geometry):
    """Logits within the rounding of eight bits, and as independent of the gauge; gradients in the dtype of weights."""
    model = network(group, nonlinearity, torch.float32)
    geometry = random_geometry(group, dtype=torch.float32)
    moved = gauge_transform(geometry, group, *random_gauge(group, geometry, torch.Generator().manual_seed(3)))
    exact = model(features(geometry), geometry).detach()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits, turned = (model(features(geometry), g) for g in (geometry, moved))
    logits.float().square().sum().backward()
    assert all(p.grad.dtype == torch.float32 and p.grad.isfinite().all() for p in model.parameters())
    for found in (logits, turned):
        assert (found.float() - exact).abs().max() < 0.05 * exact.abs().max()
    # steerable kernels themselves are not rounded
    conv = model.blocks[0].conv
    with torch.autocast("cpu", dtype=torch.bfloat16):
        weight = conv.basis.expand(conv.coefficients)
    assert torch.equal(weight, conv.basis.expand(conv.coefficients))
