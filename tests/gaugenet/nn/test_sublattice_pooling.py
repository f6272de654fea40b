"""Pooling to every second pixel: by hand, under the icosahedron's rotations, and what is refused."""

import pytest
import torch
from icosahedral_action import rotated_pixels

from gaugenet.field_type import FieldType
from gaugenet.meshes.chart_atlases import flat_plane, flat_torus
from gaugenet.meshes.sphere_atlases import icosahedral_atlas
from gaugenet.meshes.sphere_images import icosahedral_rotations
from gaugenet.meshes.sublattices import sublattice
from gaugenet.nn.sublattice_pooling import SublatticePool
from gaugenet.nn.value_basis import from_values, to_values

SCALAR = FieldType.parse("trivial: 1x0")


def test_squares_by_hand():
    x = torch.arange(24.0).view(4, 6)
    for mode in ("max", "mean"):
        pool = SublatticePool(SCALAR, mode=mode, lattice="square")
        windows = torch.nn.functional.pad(x[None], (1, 1, 1, 1), mode="circular")[0].unfold(0, 3, 2).unfold(1, 3, 2)
        expected = windows.amax((2, 3)) if mode == "max" else windows.mean((2, 3))
        got = pool(x.view(-1, 1, 1), flat_torus(4, 6)).view(2, 3)
        assert (got - expected).abs().max() < 1e-5


def test_places_beyond_a_border_take_no_part():
    x = -torch.arange(1.0, 17.0).view(4, 4)
    atlas = flat_plane(4, 4)
    largest = SublatticePool(SCALAR, lattice="square")(x.view(-1, 1, 1), atlas).view(2, 2)
    assert largest.tolist() == [[-1.0, -2.0], [-5.0, -6.0]]
    mean = SublatticePool(SCALAR, mode="mean", lattice="square")(x.view(-1, 1, 1), atlas).view(2, 2)
    assert mean[0, 0] == x[:2, :2].mean()
    assert mean[1, 1] == pytest.approx(float(x[1:4, 1:4].mean()))


def turned(field, values, x, atlas, rotation):
    """What a rotation of the icosahedron makes of the field x [P, N, dim]; holes and what replaces them stay 0."""
    kept, image, angle = rotated_pixels(atlas, rotation)
    out = torch.zeros_like(x)
    part = x[kept]
    part = from_values(field, part[..., None])[..., 0] if values else part
    n = part.shape[1]
    part = field.transform(part.flatten(0, 1), angle.repeat_interleave(n), torch.ones(len(angle) * n)).view_as(part)
    out[image] = to_values(field, part[..., None])[..., 0] if values else part
    return out


@pytest.mark.parametrize(
    ("name", "mode", "values"),
    [
        ("C6: 2xtrivial + 2xregular + 1xquotient[C2]", "max", True),
        ("C6: 2xtrivial + 2xregular + 1xquotient[C2]", "mean", True),
        ("C6: 1x0 + 2x1 + 1x2 + 2x3 + 1xregular", "mean", False),
        ("C6: 3x0", "max", False),
    ],
)
def test_sixty_rotations(name, mode, values):
    field, fine, g = FieldType.parse(name), icosahedral_atlas(2), torch.Generator().manual_seed(0)
    coarse = sublattice(fine)
    pool = SublatticePool(field, mode=mode, values=values)
    x = torch.randn(fine.n_pixels, 2, field.dim, generator=g, dtype=torch.float64)
    x[list(fine.cones)] = torch.nan
    error = broken = 0.0
    kept = [p for p in range(coarse.n_pixels) if p not in coarse.cones]
    for rotation in icosahedral_rotations()[7::17]:
        moved = turned(field, values, x.nan_to_num(), fine, rotation)
        expected = turned(field, values, pool(x, fine).nan_to_num(), coarse, rotation)[kept]
        error = max(error, float((pool(moved, fine)[kept] - expected).abs().max()))
        plain = fine.without_transitions()
        expected = turned(field, values, pool(x, plain).nan_to_num(), coarse, rotation)[kept]
        broken = max(broken, float((pool(moved, plain)[kept] - expected).abs().max()))
    assert error < 1e-12
    # of scalars nothing is transported
    assert broken > 0.1 or name == "C6: 3x0"


def test_gradient():
    field, atlas = FieldType.parse("C6: 1xregular"), icosahedral_atlas(2)
    g = torch.Generator().manual_seed(0)
    x = torch.randn(atlas.n_pixels, 1, 6, generator=g, dtype=torch.float64, requires_grad=True)
    for mode in ("max", "mean"):
        pool = SublatticePool(field, mode=mode, values=True)
        assert torch.autograd.gradcheck(lambda y, pool=pool: pool(y, atlas)[::5], x, fast_mode=True)


def test_what_is_refused():
    with pytest.raises(ValueError, match="mode"):
        SublatticePool(SCALAR, mode="median")
    with pytest.raises(ValueError, match="depends on the gauge"):
        SublatticePool(FieldType.parse("C6: 1xregular"))
    with pytest.raises(ValueError, match="depends on the gauge"):
        SublatticePool(FieldType.parse("C6: 1x1"), values=True)
    with pytest.raises(ValueError, match="hexagonal pixels"):
        SublatticePool(SCALAR)(torch.zeros(16, 1, 1), flat_torus(4, 4))
    with pytest.raises(ValueError, match="does not admit"):
        SublatticePool(SCALAR)(torch.zeros(160, 1, 1), icosahedral_atlas(2))
