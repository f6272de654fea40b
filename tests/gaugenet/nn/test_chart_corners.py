"""Convolutions whose missing neighbours are filled: both executors, symmetries, gauges, and what it is good for."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from icosahedral_action import rotated_pixels

import gaugenet as gn
from gaugenet.field_type import FieldType
from gaugenet.meshes.chart_atlases import mobius_strip
from gaugenet.meshes.chart_geometry import chart_geometry
from gaugenet.meshes.sphere_atlases import cube_atlas, icosahedral_atlas, icosahedral_points
from gaugenet.nn.chart_conv import ChartConv
from gaugenet.nn.chart_conv_of import chart_conv_of
from gaugenet.nn.value_basis import from_values, to_values

CASES = [
    (icosahedral_atlas(1), "C6: 2x0 + 1x1 + 1xregular"),
    (icosahedral_atlas(2), "C6: 2x0 + 1x1 + 1xregular"),
    (cube_atlas(3), "C4: 1x0 + 1x1 + 1xregular"),
]


def layer_of(atlas, name, **options):
    g = torch.Generator().manual_seed(0)
    field = FieldType.parse(name)
    layer = ChartConv(field, field, lattice=atlas.lattice, corners="mean", generator=g, **options).double()
    layer.bias.value.data = torch.randn(layer.bias.value.shape, generator=g, dtype=torch.float64)
    x = torch.randn(atlas.n_pixels, field.dim, generator=g, dtype=torch.float64)
    alive = torch.ones(atlas.n_pixels, dtype=torch.bool)
    alive[list(atlas.cones)] = False
    return layer, x, alive


@pytest.mark.parametrize(("atlas", "name"), CASES)
@pytest.mark.parametrize("executor", ["taps", "direct", "fourier"])
@pytest.mark.parametrize("values", [False, True])
def test_charts_and_meshes_agree(atlas, name, executor, values):
    layer, x, alive = layer_of(atlas, name, executor=executor, values=values)
    with torch.no_grad():
        given = to_values(layer.in_type, x[..., None])[..., 0] if values else x
        out = layer(given[:, None], atlas)[:, 0]
        out = from_values(layer.out_type, out[..., None])[..., 0] if values else out
        difference = (out - layer.on_edges(x, chart_geometry(atlas, 1, corners="mean")))[alive]
        assert difference.abs().max() <= 1e-12 * out.abs().max()
        assert (out - layer.on_edges(x, chart_geometry(atlas, 1)))[alive].abs().max() > 1e-2


@pytest.mark.parametrize(("atlas", "name"), CASES)
def test_another_gauge_at_every_pixel(atlas, name, audited):
    audited(layer_of(atlas, name)[0], chart_geometry(atlas, 1, corners="mean"))


def test_rotations_of_the_icosahedron():
    atlas, name = CASES[1]
    layer, x, alive = layer_of(atlas, name)
    field, broken = layer.in_type, 0.0

    def moved(y, rotation):
        kept, image, angle = rotated_pixels(atlas, rotation)
        out = torch.zeros_like(y)
        out[image] = field.transform(y[kept], angle, torch.ones(len(angle)).double())
        return out

    with torch.no_grad():
        out, plain = layer(x[:, None], atlas)[:, 0], layer(x[:, None], atlas.without_transitions())[:, 0]
        for rotation in gn.icosahedral_rotations()[3::8]:
            there = layer(moved(x, rotation)[:, None], atlas)[:, 0]
            assert (there - moved(out, rotation))[alive].abs().max() <= 1e-12 * out.abs().max()
            other = layer(moved(x, rotation)[:, None], atlas.without_transitions())[:, 0]
            broken = max(broken, float((other - moved(plain, rotation))[alive].abs().max()))
    assert broken > 0.1


def test_gradients():
    atlas, name = CASES[0]
    layer, x, _ = layer_of(atlas, name)
    x = x[:, None].clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda y: layer(y, atlas), x, fast_mode=True)
    assert torch.autograd.gradgradcheck(lambda y: layer(y, atlas).square(), x, fast_mode=True)


def test_a_mesh_layer_on_charts_agrees_at_all_pixels():
    atlas, name = CASES[1]
    field = FieldType.parse(name)
    layer = gn.GaugeConv(field, field, generator=torch.Generator().manual_seed(1)).double()
    made = chart_conv_of(layer, lattice="hexagonal", corners="mean")
    _, x, alive = layer_of(atlas, name)
    with torch.no_grad():
        expected = layer(x, chart_geometry(atlas, 1, corners="mean"))
        difference = (made(x[:, None], atlas)[:, 0] - expected)[alive].abs().max()
    assert difference <= 1e-12 * expected.abs().max()


def test_errors_at_corners_fall_with_the_spacing():
    """A kernel that is a mean keeps a linear function of space up to the spacing, and not up to a sixth of it."""
    worst = {"zero": [], "mean": []}
    for level in (2, 3, 4):
        atlas, points = icosahedral_atlas(level), icosahedral_points(level)
        f = (
            torch.from_numpy(points / np.linalg.norm(points, axis=1, keepdims=True))
            @ torch.tensor([0.4, -0.3, 0.9]).double()
        )
        for corners, found in worst.items():
            scalar = FieldType.parse("C6: 1x0")
            layer = ChartConv(scalar, scalar, lattice="hexagonal", bias=False, corners=corners).double()
            layer.coefficients.data.fill_(1 / 7)
            with torch.no_grad():
                error = (layer(f[:, None, None], atlas)[:, 0, 0] - f).abs()
            error[list(atlas.cones)] = 0
            found.append(float(error.max()))
    assert min(worst["zero"]) > 0.1
    assert worst["mean"][1] < 0.6 * worst["mean"][0]
    assert worst["mean"][2] < 0.6 * worst["mean"][1]


def test_a_linear_network_under_rotations_of_the_sphere():
    """Its mean by area and its maximum on polynomials of degree 6; neighbours read as 0 spoil the maximum for good."""
    g = torch.Generator().manual_seed(0)
    ways = torch.nn.functional.normalize(torch.randn(4, 6, 3, generator=g).double(), dim=2)
    size, powers = torch.randn(4, 6, 1, generator=g).double(), torch.arange(1, 7)
    rotations = gn.random_rotations(6, g)
    types = [FieldType.parse(f"C6: {t}") for t in ("1xtrivial", "3xregular", "3xregular")]
    spread = {}
    for corners, level in ((c, n) for c in ("zero", "mean") for n in (2, 3, 4)):
        made = torch.Generator().manual_seed(1)
        options = {"lattice": "hexagonal", "bias": False, "values": True, "corners": corners, "generator": made}
        first, second = (ChartConv(a, b, **options).double() for a, b in pairwise(types))
        atlas = icosahedral_atlas(level)
        points, area = torch.from_numpy(gn.pixel_directions(atlas)), torch.from_numpy(gn.pixel_areas(atlas))
        with torch.no_grad():
            signal = torch.cat([(size * (points @ r @ ways.mT).mT.pow(powers[:, None])).sum(1).T for r in rotations], 1)
            out = second(first(signal[..., None], atlas), atlas).unflatten(2, (6, 3))
        mean = (out.mean(2) * area[:, None, None]).sum(0) / area.sum()
        largest = out[area > 0].amax((0, 2))
        by_rotation = (v.view(6, 4, 3) for v in (mean, largest))
        spread[corners, level] = [float(v.std(0).norm() / v.mean(0).std(0).norm()) for v in by_rotation]
    for level in (2, 3):
        assert spread["mean", level + 1][0] < spread["mean", level][0] / 2
        assert spread["mean", level + 1][1] < spread["mean", level][1] / 1.4
    assert spread["zero", 4][1] > 3 * spread["mean", 4][1]


def test_what_is_refused():
    field = FieldType.parse("D4: 1x0")
    with pytest.raises(ValueError, match="corners"):
        ChartConv(field, field, corners="none")
    with pytest.raises(ValueError, match="3 × 3"):
        ChartConv(field, field, size=5, corners="mean")
    strip = mobius_strip(4, 5)
    layer = ChartConv(field, field, corners="mean")
    plain = ChartConv(field, field)
    plain.load_state_dict(layer.state_dict())
    x = torch.randn(20, 1, 1, generator=torch.Generator().manual_seed(0))
    assert torch.equal(layer(x, strip), plain(x, strip))
