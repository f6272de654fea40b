"""Sums and maxima over windows: place by place against the pull, ties, and the transposes."""

import numpy as np
import pytest
import torch

from gaugenet.field_type import FieldType
from gaugenet.meshes.chart_atlases import flat_plane, klein_bottle
from gaugenet.meshes.sphere_atlases import icosahedral_atlas
from gaugenet.nn.chart_windows import window_max, window_sum, windows
from gaugenet.nn.value_basis import from_values, to_values

HEXAGON = np.array([(0, 0), (0, 1), (1, 0), (1, -1), (0, -1), (-1, 0), (-1, 1)])
SQUARE = np.array([(a, b) for a in (0, -1, 1) for b in (0, -1, 1)])
CASES = [
    (icosahedral_atlas(2), HEXAGON, "C6: 1x0 + 1x1 + 2xregular", False),
    (icosahedral_atlas(2), HEXAGON, "C6: 2xtrivial + 2xregular + 1xquotient[C2]", True),
    (klein_bottle(3, 4), SQUARE, "D4: 1x0 + 1x1 + 1xregular", True),
    (flat_plane(3, 3), SQUARE, "trivial: 2x0", False),
]


def case(atlas, steps, name, values):
    field = FieldType.parse(name)
    g = torch.Generator().manual_seed(0)
    x = torch.randn(atlas.n_pixels, 2, field.dim, generator=g, dtype=torch.float64)
    kept = np.setdiff1d(np.arange(atlas.n_pixels), atlas.cones)[::2]
    place, chart = np.divmod(kept, atlas.n_charts)
    i, j = np.divmod(place, atlas.columns)
    of = windows(atlas, chart, i, j, steps, field, values, x)
    return field, x, of, [atlas.pull(chart, i + a, j + b) for a, b in steps]


def fetched(field, values, x, pulls):
    """[T, n, N, C] by the field type alone, and whether there is a pixel."""
    y = from_values(field, x[..., None])[..., 0] if values else x
    out = torch.stack(
        [
            torch.stack([field.transform(y[s], a.expand(2), f.expand(2)) for s, a, f, _ in zip(*p, strict=True)])
            for p in pulls
        ]
    )
    out = to_values(field, out[..., None])[..., 0] if values else out
    return out, torch.stack([p.inside for p in pulls])[..., None, None]


@pytest.mark.parametrize("given", CASES)
def test_by_hand(given):
    field, x, of, pulls = case(*given)
    there, inside = fetched(field, given[3], x, pulls)
    assert (window_sum(x, of) - (there * inside).sum(0)).abs().max() < 1e-13
    assert (window_max(x, of) - there.where(inside, -torch.inf).amax(0)).abs().max() < 1e-13
    assert (of.n_places == inside[..., 0, 0].sum(0)).all()
    assert not len(of.empty)


@pytest.mark.parametrize("given", CASES)
def test_backward_of_both(given):
    _, x, of, _ = case(*given)
    x.requires_grad_()
    for window in (window_sum, window_max):
        assert torch.autograd.gradcheck(lambda y, window=window: window(y, of), x, fast_mode=True)
        squares = [lambda y, window=window: window(y, of).square()]
        assert torch.autograd.gradgradcheck(squares[0], x, fast_mode=True)


def test_where_several_are_largest_all_have_a_part_of_the_gradient():
    atlas = flat_plane(3, 3)
    x = torch.zeros(9, 1, 1, dtype=torch.float64, requires_grad=True)
    at = np.array([1])
    of = windows(atlas, np.array([0]), at, at, SQUARE, FieldType.parse("trivial: 1x0"), False, x)
    (grad,) = torch.autograd.grad(window_max(x, of).sum(), x)
    assert (grad - 1 / 9).abs().max() < 1e-15


def test_a_target_without_any_pixel_is_zero():
    atlas = flat_plane(3, 3)
    x = torch.ones(9, 1, 1, dtype=torch.float64, requires_grad=True)
    far = np.array([9, 1])
    of = windows(atlas, np.array([0, 0]), far, far, SQUARE, FieldType.parse("trivial: 1x0"), False, x)
    out = window_max(x, of)
    assert out.flatten().tolist() == [0.0, 1.0]
    assert of.empty.tolist() == [0]
    (grad,) = torch.autograd.grad(out.sum(), x)
    assert torch.isfinite(grad).all()
    assert float(grad.sum()) == pytest.approx(1.0)
