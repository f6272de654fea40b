"""Grids with their halo: pixel by pixel against the pull, in both orders, and the transpose."""

import pytest
import torch

from gaugenet.field_type import FieldType
from gaugenet.meshes.chart_atlases import flat_plane, klein_bottle, mobius_strip
from gaugenet.meshes.sphere_atlases import cube_atlas, icosahedral_atlas
from gaugenet.nn.chart_padding import padded
from gaugenet.nn.value_basis import to_values

CASES = [
    (icosahedral_atlas(1), "C6: 1x0 + 1x1 + 2xregular"),
    (icosahedral_atlas(2), "C6: 1x2 + 1xregular"),
    (cube_atlas(3), "C4: 1x1 + 1xregular"),
    (mobius_strip(3, 4), "D2: 1x0- + 1x1 + 1xregular"),
    (klein_bottle(3, 4), "D6: 1x1 + 1x2 + 1xregular"),
    (flat_plane(2, 3), "trivial: 2x0"),
]


def field(atlas, name, n=2):
    field_type = FieldType.parse(name)
    x = torch.randn(atlas.n_pixels, n, field_type.dim, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return field_type, x


@pytest.mark.parametrize(("atlas", "name"), CASES)
@pytest.mark.parametrize("radius", [1, 2])
def test_every_cell_is_the_transported_pixel(atlas, name, radius):
    field_type, x = field(atlas, name)
    pull = atlas.halo(radius)
    expected = torch.stack(
        [
            field_type.transform(x[s], a.expand(2), f.expand(2)) if ok else torch.zeros_like(x[0])
            for s, a, f, ok in zip(*pull, strict=True)
        ]
    )
    expected = expected.view(atlas.rows + 2 * radius, atlas.columns + 2 * radius, atlas.n_charts, 2, -1)
    got = padded(x, atlas, field_type, radius, values=False)
    assert (got - expected.flatten(2, 3)).abs().max() < 1e-13
    images = padded(x, atlas, field_type, radius, values=False, images=True)
    assert (images - expected.permute(2, 3, 0, 1, 4).flatten(0, 1)).abs().max() < 1e-13
    values = padded(to_values(field_type, x[..., None])[..., 0], atlas, field_type, radius, values=True)
    assert (values - to_values(field_type, expected.flatten(2, 3)[..., None])[..., 0]).abs().max() < 1e-13


@pytest.mark.parametrize(("atlas", "name"), CASES)
@pytest.mark.parametrize("values", [False, True])
@pytest.mark.parametrize("images", [False, True])
def test_backward_is_the_transpose(atlas, name, values, images):
    field_type, x = field(atlas, name)
    x.requires_grad_()
    out = padded(x, atlas, field_type, 1, values=values, images=images)
    probe = torch.randn(out.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    before = probe.clone()
    (grad,) = torch.autograd.grad(out, x, probe)
    assert torch.equal(probe, before)
    other = torch.randn(x.shape, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    with torch.no_grad():
        there = padded(other, atlas, field_type, 1, values=values, images=images)
    assert abs((there * probe).sum() - (other * grad).sum()) < 1e-11


def test_second_derivatives():
    atlas, name = klein_bottle(2, 1), "D6: 1x1 + 1xregular"
    field_type, x = field(atlas, name, n=1)
    x = x[:, :, :].requires_grad_()
    assert torch.autograd.gradgradcheck(lambda y: padded(y, atlas, field_type, 1, values=True).pow(2), (x,))


def test_the_transpose_adds_nothing_twice_to_a_pixel_at_once():
    """So that the order of additions, and with it every bit, is the same on any device."""
    field = FieldType.parse("C6: 1xregular")
    atlas = icosahedral_atlas(1)
    x = torch.randn(atlas.n_pixels, 1, field.dim, dtype=torch.float64)
    padded(x, atlas, field, 1, values=True)
    (halo,) = (value for key, value in atlas.memo.items() if key[0] == "padding")
    parts = halo.margin.source.tensor_split(halo.cuts)
    assert len(parts) > 1
    assert all(len(part.unique()) == len(part) for part in parts)
    assert sum(len(part) for part in parts) == len(halo.margin.source)
