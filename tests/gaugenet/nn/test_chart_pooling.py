"""Pooling over pixels: by hand, in both bases, and under gauge transformations."""

import pytest
import torch

from gaugenet.field_type import FieldType
from gaugenet.meshes.chart_atlases import flat_torus
from gaugenet.nn.chart_pooling import ChartMaxPool
from gaugenet.nn.value_basis import to_values


def test_by_hand():
    field = FieldType.parse("D2: 1x0 + 1x0- + 1x1")
    x = torch.tensor([[1.0, -2.0, 0.0], [3.0, 1.0, -5.0], [-4.0, 0.5, 2.0], [2.0, -1.0, 4.0]])[:, None]
    out = ChartMaxPool(field)(x, flat_torus(2, 2))
    assert out.flatten().tolist() == [3.0, -2.0, -5.0]


def windowwise(group, atlas, n, generator):
    """One random group element per window of 2 × 2 pixels: on pixels, and on windows."""
    coarse = atlas.coarser(2)
    angle, flip = group.sample(coarse.n_pixels, generator)
    fine = torch.arange(atlas.n_pixels)
    window = (fine // atlas.columns // 2) * coarse.columns + fine % atlas.columns // 2
    return (angle[window], flip[window]), (angle, flip)


@pytest.mark.parametrize("name", ["D4: 2x0 + 1x0- + 2x1 + 3xregular + 1xquotient[C2]", "C6: 2x1 + 1x2 + 2x3"])
def test_gauge(name):
    field, atlas, g = FieldType.parse(name), flat_torus(4, 6), torch.Generator().manual_seed(0)
    x = torch.randn(24, field.dim, generator=g, dtype=torch.float64)
    on_pixels, on_windows = windowwise(field.group, atlas, 24, g)
    pool = ChartMaxPool(field)
    out = pool(x[:, None], atlas)[:, 0]
    moved = pool(field.transform(x, *on_pixels)[:, None], atlas)[:, 0]
    assert (moved - field.transform(out, *on_windows)).abs().max() < 1e-12
    # and a maximum component by component would not do
    plain = x.view(2, 2, 3, 2, -1).amax((1, 3)).view(6, -1)
    turned = field.transform(x, *on_pixels).view(2, 2, 3, 2, -1).amax((1, 3)).view(6, -1)
    assert (turned - field.transform(plain, *on_windows)).abs().max() > 0.1


def test_values_are_the_same_pooling():
    field, atlas, g = FieldType.parse("D4: 2x0 + 2xregular"), flat_torus(4, 4), torch.Generator().manual_seed(0)
    x = torch.randn(16, 3, field.dim, generator=g, dtype=torch.float64)

    def values(y):
        return to_values(field, y[..., None])[..., 0]

    got = ChartMaxPool(field, values=True)(values(x), atlas)
    assert (got - values(ChartMaxPool(field)(x, atlas))).abs().max() < 1e-13


@pytest.mark.parametrize("window", [2, 3])
def test_gradients_reach_the_largest_pixel_alone(window):
    field, atlas = FieldType.parse("reflection: 1xtrivial + 1xsign + 1xregular"), flat_torus(6, 6)
    pool = ChartMaxPool(field, window=window)
    x = torch.randn(36, 2, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda y: pool(y, atlas), x)
    assert torch.autograd.gradgradcheck(lambda y: pool(y, atlas), x)
    flat = torch.zeros_like(x).requires_grad_()
    (shared,) = torch.autograd.grad(pool(flat, atlas).sum(), flat)
    assert float(shared[..., 0].sum()) == 2 * (6 // window) ** 2
