"""Layers on charts with no images, many numbers of images, other layouts of memory, and wrong shapes."""

from functools import partial

import pytest
import torch

from gaugenet.field_type import FieldType
from gaugenet.meshes.chart_atlases import flat_torus, mobius_strip
from gaugenet.meshes.sphere_atlases import cube_atlas, icosahedral_atlas
from gaugenet.nn.chart_conv import ChartConv
from gaugenet.nn.chart_pooling import ChartMaxPool
from gaugenet.nn.sublattice_pooling import SublatticePool
from gaugenet.nn.value_basis import ValueNonlinearity
from gaugenet.nn.value_batch_norm import ValueBatchNorm

STRIP = FieldType.parse("reflection: 2xtrivial + 1xsign + 2xregular")
SPHERE = FieldType.parse("C6: 2xregular + 1x0")
ONE_TERM = FieldType.parse("C6: 2xregular")
PLANE = FieldType.parse("C4: 2x1 + 1xregular")


def conv(field, **options):
    return ChartConv(field, field, generator=torch.Generator().manual_seed(0), **options)


LAYERS = {
    **{
        f"{executor} {values} {name}": (partial(conv, field, executor=executor, values=values, **options), atlas, field)
        for executor in ("taps", "direct", "fourier")
        for values in (False, True)
        for name, atlas, field, options in (
            ("strip", mobius_strip(4, 6), STRIP, {"size": 5}),
            ("sphere", icosahedral_atlas(1), SPHERE, {"lattice": "hexagonal", "corners": "mean"}),
            ("one term", icosahedral_atlas(2), ONE_TERM, {"lattice": "hexagonal", "corners": "mean"}),
        )
    },
    "pooling": (lambda: ChartMaxPool(STRIP), mobius_strip(4, 6), STRIP),
    "pooling of planes": (lambda: ChartMaxPool(PLANE), cube_atlas(2), PLANE),
    "largest": (lambda: SublatticePool(SPHERE, values=True), icosahedral_atlas(2), SPHERE),
    "mean": (lambda: SublatticePool(SPHERE, mode="mean"), icosahedral_atlas(2), SPHERE),
    "batch norm": (lambda: ValueBatchNorm(SPHERE).eval(), icosahedral_atlas(1), SPHERE),
}


def features(atlas, field, n, dtype=torch.float32):
    g = torch.Generator().manual_seed(1)
    return torch.randn(n, atlas.n_pixels, field.dim, generator=g, dtype=torch.float64).to(dtype).transpose(0, 1)


@pytest.mark.parametrize("name", LAYERS)
def test_no_images_are_a_batch_like_others(name):
    make, atlas, field = LAYERS[name]
    layer = make()
    x = features(atlas, field, 0).requires_grad_()
    out = layer(x, atlas)
    assert out.shape == (layer(features(atlas, field, 1), atlas).shape[0], 0, field.dim)
    out.sum().backward()
    assert x.grad.shape == x.shape
    assert all(p.grad is not None and not p.grad.any() for p in layer.parameters())


@pytest.mark.parametrize("name", LAYERS)
def test_images_first_in_memory(name):
    """As `transpose` leaves them, with the gradient laid out in the same way."""
    make, atlas, field = LAYERS[name]
    layer = make().double()
    found = []
    for x in (features(atlas, field, 3, torch.float64), features(atlas, field, 3, torch.float64).contiguous()):
        x.requires_grad_()
        out = layer(x, atlas).transpose(0, 1)
        out.backward(torch.ones_like(out, memory_format=torch.contiguous_format) * out.detach())
        found.append((out.detach(), x.grad, [p.grad.clone() for p in layer.parameters()]))
        layer.zero_grad()
    torch.testing.assert_close(*found, rtol=1e-12, atol=1e-12)


def tensors(value):
    """In nested tuples and dictionaries."""
    if isinstance(value, torch.Tensor):
        return [value]
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, tuple | list) else ()
    return [t for part in parts for t in tensors(part)]


@pytest.mark.parametrize(("executor", "values"), [("direct", False), ("direct", True), ("taps", True)])
def test_what_an_atlas_remembers_does_not_grow_with_the_numbers_of_images_it_has_met(executor, values):
    layer, atlas = conv(STRIP, executor=executor, values=values), mobius_strip(4, 6)
    counts = []
    for n in range(1, 31):
        layer(features(atlas, STRIP, n), atlas)
        counts.append(len(tensors(atlas.memo)))
    assert counts[-1] == counts[10]
    # what was let go is found again
    expected = layer(features(mobius_strip(4, 6), STRIP, 2), mobius_strip(4, 6))
    assert torch.equal(layer(features(atlas, STRIP, 2), atlas), expected)


def test_windows_of_more_than_256_pixels():
    field, atlas = FieldType.parse("trivial: 1x0"), flat_torus(34, 17)
    x = features(atlas, field, 2, torch.float64).contiguous().requires_grad_()
    out = ChartMaxPool(field, window=17)(x, atlas)
    expected = x.detach().view(2, 17 * 17, 2, 1).amax(1)
    assert torch.equal(out, expected)
    out.sum().backward()
    assert torch.equal(x.grad, (x == expected.repeat_interleave(289, 0)).double())


@pytest.mark.parametrize("name", ["taps False strip", "pooling", "largest", "mean", "batch norm"])
def test_features_of_another_surface_or_another_type_are_refused(name):
    make, atlas, field = LAYERS[name]
    layer = make()
    for shape in ((2 * atlas.n_pixels, 1, field.dim), (atlas.n_pixels, 1, field.dim + 4), (atlas.n_pixels, field.dim)):
        with pytest.raises(ValueError, match="expected features"):
            layer(torch.zeros(shape), atlas)


def test_what_else_is_refused():
    with pytest.raises(ValueError, match=r"expected features \[..., 7\]"):
        ValueNonlinearity(STRIP)(torch.zeros(5, 8))
    with pytest.raises(ValueError, match="window"):
        ChartMaxPool(STRIP, window=0)
