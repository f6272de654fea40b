"""Every layer that reads a surface, under torch.compile without a graph break and under autocast."""

import pytest
import torch

from gaugenet.field_type import FieldType
from gaugenet.nn.attention import GaugeAttention
from gaugenet.nn.convolution import prepare
from gaugenet.nn.differential import ConnectionLaplacian
from gaugenet.nn.dropout import FieldDropout
from gaugenet.nn.global_pooling import GlobalPooling
from gaugenet.nn.instance_norm import InstanceNorm
from gaugenet.nn.max_pooling import TransportMax
from gaugenet.nn.message_passing import GaugeMessagePassing
from gaugenet.nn.multi_scale import MultiScaleConv
from gaugenet.nn.pooling import TransportMean
from gaugenet.nn.steerable_derivative import DifferentialConv

FIELD = FieldType.parse("O(2): 1x0 + 2x1")
LAYERS = {
    "attention": lambda: GaugeAttention(FIELD, FIELD, heads=2, max_harmonic=1),
    "messages": lambda: GaugeMessagePassing(FIELD, FIELD, nonlinearity="norm"),
    "max": lambda: TransportMax(FIELD),
    "mean": lambda: TransportMean(FIELD),
    "instance norm": lambda: InstanceNorm(FIELD),
    "dropout": lambda: FieldDropout(FIELD, per_surface=True).eval(),
    "several radii": lambda: MultiScaleConv(FIELD, FIELD),
    "global": lambda: GlobalPooling(FIELD, ("area", "mean", "max")),
    "learned operator": lambda: DifferentialConv(FIELD, FIELD),
    "laplacian": lambda: ConnectionLaplacian(FIELD),
}


def features(geometry):
    generator = torch.Generator().manual_seed(2)
    return torch.randn(geometry.n_vertices, FIELD.dim, generator=generator, dtype=torch.float64).to(geometry.dtype)


@pytest.mark.parametrize("name", LAYERS)
def test_layers_compile_without_a_graph_break(name, random_geometry):
    torch._dynamo.reset()
    layer = LAYERS[name]().double()
    geometry = prepare(layer, random_geometry("O(2)"))
    compiled = torch.compile(layer, fullgraph=True, backend="eager")
    torch.testing.assert_close(
        compiled(features(geometry), geometry), layer(features(geometry), geometry), rtol=1e-12, atol=1e-12
    )


@pytest.mark.parametrize("name", LAYERS)
def test_layers_run_in_half_precision(name, random_geometry):
    """Within the rounding of eight bits of what float32 gives; gradients in the dtype of the parameters."""
    layer = LAYERS[name]()
    geometry = random_geometry("O(2)", dtype=torch.float32)
    exact = layer(features(geometry), geometry).detach()
    x = features(geometry).bfloat16().requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = layer(x, geometry)
    found.float().square().sum().backward()
    assert (found.float() - exact).abs().max() < 0.05 * exact.abs().max()
    assert x.grad.isfinite().all()
    assert all(p.grad.dtype == torch.float32 for p in layer.parameters() if p.grad is not None)
