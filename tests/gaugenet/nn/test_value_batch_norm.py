"""Batch normalisation of values: against torch's, holes, gauge transformations, and what is refused."""

import pytest
import torch
from torch.utils.checkpoint import checkpoint

from gaugenet.field_type import FieldType
from gaugenet.meshes.chart_atlases import flat_torus
from gaugenet.meshes.sphere_atlases import icosahedral_atlas
from gaugenet.nn.value_basis import from_values, to_values
from gaugenet.nn.value_batch_norm import ValueBatchNorm

FIELD = FieldType.parse("C6: 2xtrivial + 3xregular")


def perturbed(field, **options):
    norm = ValueBatchNorm(field, **options).double()
    g = torch.Generator().manual_seed(1)
    for p in norm.parameters():
        p.data.add_(torch.randn(p.shape, generator=g, dtype=p.dtype))
    return norm


def features(atlas, n=4, field=FIELD):
    g = torch.Generator().manual_seed(0)
    return torch.randn(atlas.n_pixels, n, field.dim, generator=g, dtype=torch.float64) + 2


def test_it_is_torchs_on_all_values_of_a_copy():
    atlas = icosahedral_atlas(1)
    x, norm = features(atlas), perturbed(FIELD)
    kept = [p for p in range(atlas.n_pixels) if p not in atlas.cones]
    peer = torch.nn.BatchNorm1d(5).double()
    peer.weight.data, peer.bias.data = norm.scale.data, norm.bias.data
    scalars, values = x[kept][..., :2], x[kept][..., 2:].unflatten(2, (6, 3))
    for training in (True, False):
        norm.train(training)
        peer.train(training)
        got = norm(x, atlas)[kept]
        for c in range(5):
            part = scalars[..., c] if c < 2 else values[..., c - 2]
            rows = part.new_zeros(part.numel(), 5)
            rows[:, c] = part.flatten()
            mine = got[..., c] if c < 2 else got[..., 2:].unflatten(2, (6, 3))[..., c - 2]
            if training:
                expected = torch.nn.functional.batch_norm(rows, None, None, peer.weight, peer.bias, True)[:, c]
            else:
                mean, variance = part.mean(), part.var(unbiased=False)
                running = 0.1 * mean, 0.9 + 0.1 * variance
                expected = (part.flatten() - running[0]) / (running[1] + 1e-5).sqrt() * peer.weight[c] + peer.bias[c]
            assert (mine.flatten() - expected).abs().max() < 1e-10


def test_holes_take_no_part():
    atlas = icosahedral_atlas(1)
    x, norm = features(atlas), perturbed(FIELD)
    kept = [p for p in range(atlas.n_pixels) if p not in atlas.cones]
    expected = norm(x, atlas)[kept]
    for there in (50.0, torch.nan):
        x[list(atlas.cones)] = there
        assert (norm(x, atlas)[kept] - expected).abs().max() < 1e-11


@pytest.mark.parametrize(
    ("dtype", "mean", "bound"),
    [(torch.float32, 1e4, 2e-3), (torch.float16, 10.0, 0.01), (torch.bfloat16, 10.0, 0.05)],
)
def test_a_mean_far_above_the_deviations_costs_no_digits(dtype, mean, bound):
    """Against float64 on the same numbers: of a difference of squares nothing was left, and float16 overflowed. The
    bounds are a few roundings: of μ in float32, whose neighbours at 1e4 are 1e-3 apart, and of x − μ, up to 4, to
    the dtype of x."""
    atlas = icosahedral_atlas(2)
    x = (features(atlas) + mean).to(dtype)
    expected = ValueBatchNorm(FIELD).double()(x.double(), atlas)
    for parameters in (torch.float32, dtype):
        norm = ValueBatchNorm(FIELD).to(parameters)
        got = norm(x, atlas)
        kept = [p for p in range(atlas.n_pixels) if p not in atlas.cones]
        assert got.dtype == parameters
        assert (got - expected)[kept].abs().max() < bound
        assert (norm.running_variance.double() - 1.0).abs().max() < 0.02


@pytest.mark.parametrize(
    "name",
    [
        "C6: 2xtrivial + 3xregular",
        "C6: 2xquotient[C2] + 1xregular",
        "D4: 2x0 + 2xregular + 1xquotient[C2]",
        "reflection: 2xtrivial + 2xregular",
    ],
)
def test_gauge(name):
    field, atlas, g = FieldType.parse(name), flat_torus(3, 4), torch.Generator().manual_seed(0)
    x = features(atlas, field=field)
    angle, flip = field.group.sample(atlas.n_pixels * 4, g)

    def moved(y):
        coefficients = from_values(field, y[..., None])[..., 0].flatten(0, 1)
        return to_values(field, field.transform(coefficients, angle, flip)[..., None])[..., 0].view_as(y)

    norm = perturbed(field)
    for training in (True, False):  # the running values are those of the batches before
        norm.train(training)
        assert (norm(moved(x), atlas) - moved(norm(x, atlas))).abs().max() < 1e-12
    # statistics of every value on its own would not do
    plain = torch.nn.functional.batch_norm(x.flatten(0, 1), None, None, training=True).view_as(x)
    other = torch.nn.functional.batch_norm(moved(x).flatten(0, 1), None, None, training=True).view_as(x)
    assert (other - moved(plain)).abs().max() > 0.1


def test_gradient():
    atlas, norm = icosahedral_atlas(1), perturbed(FIELD)
    x = features(atlas, 1).requires_grad_()
    assert torch.autograd.gradcheck(lambda y: norm(y, atlas), x, fast_mode=True)
    assert torch.autograd.gradgradcheck(lambda y: norm(y, atlas), x, fast_mode=True)


def test_checkpointing_does_not_change_running_values():
    atlas, norm = icosahedral_atlas(1), perturbed(FIELD)
    x = features(atlas, 1).requires_grad_()
    checkpoint(norm, x, atlas, use_reentrant=False).square().sum().backward()
    once = norm.running_mean.clone()
    kept = [p for p in range(atlas.n_pixels) if p not in atlas.cones]
    assert (once[:2] - 0.1 * x[kept, 0, :2].mean(0)).abs().max() < 1e-12


def test_what_is_refused():
    with pytest.raises(ValueError, match="momentum"):
        ValueBatchNorm(FIELD, momentum=0)
    with pytest.raises(ValueError, match="use BatchNorm"):
        ValueBatchNorm(FieldType.parse("C6: 1x1"))
    with pytest.raises(ValueError, match="expected features"):
        ValueBatchNorm(FIELD)(torch.zeros(12, 20), flat_torus(3, 4))
    with pytest.raises(ValueError, match="at least one"):
        ValueBatchNorm(FIELD)(torch.zeros(12, 0, 20), flat_torus(3, 4))
