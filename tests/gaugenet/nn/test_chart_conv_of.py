"""Weights of a mesh layer on charts: on the atlas as a geometry, pixel by pixel, and what is refused."""

import numpy as np
import pytest
import torch

import gaugenet as gn
from gaugenet.meshes.chart_atlases import flat_torus, klein_bottle, mobius_strip
from gaugenet.meshes.chart_geometry import chart_geometry
from gaugenet.meshes.sphere_atlases import cube_atlas, icosahedral_atlas
from gaugenet.nn.chart_conv_of import chart_conv_of
from gaugenet.nn.value_basis import from_values, to_values

CASES = [
    (icosahedral_atlas(2), "C6: 2x0 + 1x1 + 1xregular", "C6: 1xregular + 1x2", 3),
    (cube_atlas(4), "C4: 1x0 + 1xregular", "C4: 2xregular", 3),
    (flat_torus(6, 7), "D4: 2x0 + 1x1 + 1xregular", "D4: 1x2 + 1xregular", 5),
    (mobius_strip(6, 7), "reflection: 2xtrivial + 1xsign + 1xregular", "reflection: 2xsign + 1xregular", 3),
    (klein_bottle(6, 7), "D2: 1x0 + 1x1- + 1xregular", "D2: 1xregular", 5),
]


def mesh_layer(source, target, **options):
    g = torch.Generator().manual_seed(0)
    layer = gn.GaugeConv(gn.FieldType.parse(source), gn.FieldType.parse(target), generator=g, **options).double()
    if layer.bias is not None:
        layer.bias.value.data = torch.randn(layer.bias.value.shape, generator=g, dtype=torch.float64)
    return layer, g


@pytest.mark.parametrize(("atlas", "source", "target", "size"), CASES)
@pytest.mark.parametrize("values", [False, True])
def test_where_all_neighbours_are_there_both_layers_agree(atlas, source, target, size, values):
    layer, g = mesh_layer(source, target)
    made = chart_conv_of(layer, size=size, lattice=atlas.lattice, values=values)
    geometry = chart_geometry(atlas, size // 2)
    x = torch.randn(atlas.n_pixels, layer.in_type.dim, generator=g, dtype=torch.float64)
    with torch.no_grad():
        expected = layer(x, geometry)
        given = to_values(layer.in_type, x[..., None])[..., 0] if values else x
        out = made(given[:, None], atlas)[:, 0]
        out = from_values(layer.out_type, out[..., None])[..., 0] if values else out
    degree = np.diff(geometry.row_ptr.numpy())
    whole = torch.from_numpy(degree == len(made.places) - 1)
    assert whole.sum() >= 20
    assert (out - expected)[whole].abs().max() <= 1e-12 * expected.abs().max()
    if not bool(whole.all()):
        # there a mean is over fewer neighbours
        holes = torch.isin(torch.arange(atlas.n_pixels), torch.tensor(atlas.cones).long())
        assert (out - expected)[~whole & ~holes].abs().max() > 1e-3


def test_without_self_interaction_and_bias():
    layer, g = mesh_layer("C4: 1xregular", "C4: 1x0 + 1x1", self_interaction=False, bias=False)
    made = chart_conv_of(layer)
    assert made.bias is None
    assert (made.kernel()[4] == 0).all()
    atlas = flat_torus(4, 5)
    x = torch.randn(20, 4, generator=g, dtype=torch.float64)
    difference = made(x[:, None], atlas)[:, 0] - layer(x, chart_geometry(atlas, 1))
    assert difference.abs().max() < 1e-12


def test_float32_layers_stay_float32():
    layer = mesh_layer("C6: 1xregular", "C6: 1xregular")[0].float()
    made = chart_conv_of(layer, lattice="hexagonal")
    assert made.coefficients.dtype == torch.float32
    exact = chart_conv_of(layer.double(), lattice="hexagonal")
    assert (made.kernel() - exact.kernel()).abs().max() < 1e-6


def test_what_is_refused():
    with pytest.raises(ValueError, match="continuous"):
        chart_conv_of(gn.GaugeConv(gn.FieldType.parse("SO(2): 1x0"), gn.FieldType.parse("SO(2): 1x1")))
    layer = mesh_layer("C4: 1x0", "C4: 1x1")[0]
    with pytest.raises(ValueError, match="off the lattice"):
        chart_conv_of(layer, lattice="hexagonal")
    with pytest.raises(ValueError, match=r"above 1\.414 and below 2\.000"):
        chart_conv_of(layer, radius=2.5)
    with pytest.raises(ValueError, match=r"above 1\.000 and below 1\.732"):
        chart_conv_of(mesh_layer("C6: 1x0", "C6: 1x1")[0], lattice="hexagonal", radius=0.9)


def test_a_kernel_of_one_pixel_is_the_self_interaction():
    layer, g = mesh_layer("C4: 1xregular", "C4: 1x0 + 1x1")
    x = torch.randn(20, 4, generator=g, dtype=torch.float64)
    out = chart_conv_of(layer, size=1)(x[:, None], flat_torus(4, 5))[:, 0]
    assert (out - layer.bias(layer.self_interaction(x))).abs().max() < 1e-12
