"""The correlation whose transpose is one, against the transpose that autograd finds."""

import pytest
import torch

from gaugenet.field_type import FieldType
from gaugenet.kernels.grid_conv import direct
from gaugenet.meshes.chart_atlases import cylinder, flat_plane, flat_torus, klein_bottle, mobius_strip
from gaugenet.meshes.sphere_atlases import cube_atlas, icosahedral_atlas
from gaugenet.nn.chart_conv import ChartConv
from gaugenet.nn.chart_correlation import Between, correlated, has_transpose
from gaugenet.nn.chart_padding import cropped, padded

CASES = [
    (icosahedral_atlas(1), "C6: 1x0 + 1x1 + 1xregular", "C6: 1x2 + 1xregular", False, 3),
    (icosahedral_atlas(2), "C6: 2xregular", "C6: 1xregular", True, 3),
    (cube_atlas(3), "C4: 1x1 + 1xregular", "C4: 2xregular", True, 3),
    (mobius_strip(3, 4), "D2: 1x0- + 1x1 + 1xregular", "D2: 1xregular", False, 5),
    (klein_bottle(3, 4), "D4: 1x1 + 1x2 + 1xregular", "D4: 1x0 + 1x1", False, 3),
    (flat_plane(2, 3), "trivial: 2x0", "trivial: 3x0", True, 3),
]


def case(atlas, source, target, values, size):
    g = torch.Generator().manual_seed(0)
    options = {"lattice": atlas.lattice, "values": values, "size": size, "generator": g}
    layer = ChartConv(FieldType.parse(source), FieldType.parse(target), **options).double()
    x = torch.randn(atlas.n_pixels, 2, layer.in_type.dim, generator=g, dtype=torch.float64, requires_grad=True)
    bias = torch.randn(layer.out_type.dim, generator=g, dtype=torch.float64, requires_grad=True)
    return layer, x, bias, Between(atlas, layer.in_type, layer.out_type, values, size, layer._cells)


def by_autograd(x, square, bias, between):
    grid = padded(x, between.atlas, between.in_type, between.size // 2, values=between.values, images=True)
    return cropped(direct(grid, square, bias), between.atlas)


@pytest.mark.parametrize("given", CASES)
def test_forward_and_all_gradients(given):
    layer, x, bias, between = case(*given)
    out, expected = correlated(x, layer._weight(), bias, between), by_autograd(x, layer._square(), bias, between)
    assert (out - expected).abs().max() <= 1e-13 * expected.abs().max()
    assert (out[list(between.atlas.cones)] == 0).all()
    probe = torch.randn(out.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    leaves = (x, layer.coefficients, bias)
    right = torch.autograd.grad(expected, leaves, probe)
    for found, exact in zip(torch.autograd.grad(out, leaves, probe), right, strict=True):
        assert (found - exact).abs().max() <= 1e-12 * exact.abs().max()


@pytest.mark.parametrize("given", CASES[:3])
def test_second_derivatives(given):
    layer, x, bias, between = case(*given)
    leaves = (x, layer.coefficients, bias)

    def energies(out):
        grads = torch.autograd.grad(out.square().sum(), leaves, create_graph=True)
        return torch.autograd.grad(sum(g.square().sum() for g in grads), leaves)

    found = energies(correlated(x, layer._weight(), bias, between))
    for one, exact in zip(found, energies(by_autograd(x, layer._square(), bias, between)), strict=True):
        assert (one - exact).abs().max() <= 1e-11 * exact.abs().max()


def test_the_result_may_be_written_into():
    layer, x, bias, between = case(*CASES[1])
    out = correlated(x, layer._weight(), bias, between).relu_()
    (found,) = torch.autograd.grad(out.sum(), x)
    (right,) = torch.autograd.grad(by_autograd(x, layer._square(), bias, between).relu().sum(), x)
    assert (found - right).abs().max() < 1e-12


def test_atlases_that_have_a_transpose():
    whole = [icosahedral_atlas(2), cube_atlas(4), mobius_strip(4, 5), klein_bottle(4, 5), flat_torus(4, 5)]
    for atlas in (*whole, cylinder(4, 5), flat_plane(4, 5)):
        assert has_transpose(atlas, 1)
        assert has_transpose(atlas, 2) or atlas.cones or atlas.name == "cube"
    for atlas in whole[:4]:
        assert not has_transpose(atlas.without_transitions(), 1)


def test_without_transitions_it_would_be_wrong():
    atlas = mobius_strip(4, 5).without_transitions()
    layer, x, _, between = case(atlas, "trivial: 2x0", "trivial: 2x0", False, 3)
    probe = torch.randn(20, 2, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    (right,) = torch.autograd.grad(by_autograd(x, layer._square(), None, between), x, probe)
    (wrong,) = torch.autograd.grad(correlated(x, layer._weight(), None, between), x, probe)
    assert (wrong - right).abs().max() > 0.1
    (used,) = torch.autograd.grad(layer(x, atlas), x, probe)
    assert (used - right).abs().max() < 1e-12


def test_a_kernel_that_is_not_steerable_has_another_transpose():
    _, x, _, between = case(*CASES[1])
    weight = torch.randn(7, 12, 6, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    square = torch.zeros(9, 12, 6, dtype=torch.float64).index_copy(0, torch.tensor([1, 2, 3, 4, 5, 6, 7]), weight)
    square = square.view(3, 3, 12, 6)
    probe = torch.randn(160, 2, 6, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    (right,) = torch.autograd.grad(by_autograd(x, square, None, between), x, probe)
    (wrong,) = torch.autograd.grad(correlated(x, weight, None, between), x, probe)
    assert (wrong - right).abs().max() > 0.1


def test_float32_on_a_cpu_takes_taps_where_they_are_fewer_and_bfloat16_does_not():
    layer = ChartConv(FieldType.parse("C6: 1xregular"), FieldType.parse("C6: 1xregular"), lattice="hexagonal")
    x, atlas = torch.zeros(40, 1, 6), icosahedral_atlas(1)
    assert layer._executor(x, atlas) == "taps"
    assert layer._executor(x, atlas.without_transitions()) == "direct"
    assert layer._executor(x.bfloat16(), atlas) == "direct"
    with torch.autocast("cpu", torch.bfloat16):
        assert layer._executor(x, atlas) == "direct"
    assert ChartConv(FieldType.parse("C6: 1x0"), layer.out_type, lattice="hexagonal")._executor(x, atlas) == "direct"
    plain = FieldType.parse("C4: 1xregular")
    assert ChartConv(plain, plain)._executor(x, cube_atlas(2)) == "direct"
    assert ChartConv(plain, plain)._executor(x.double(), cube_atlas(2)) == "taps"
