"""Several radii against a sum of single convolutions."""

import pytest
import torch

from gaugenet.equivariance import audit
from gaugenet.field_type import FieldType
from gaugenet.nn.multi_scale import MultiScaleConv, within

FIELD = FieldType.parse("O(2): 2x0 + 1x0- + 2x1")


def features(geometry, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(geometry.n_sources, FIELD.dim, dtype=torch.float64, generator=generator)


def test_neighbours_within_a_part_of_the_radius(random_geometry, cross_level):
    for geometry in (random_geometry("O(2)"), cross_level("O(2)")):
        inner = within(geometry, 0.4)
        assert within(geometry, 0.4) is inner
        assert (inner.r <= 0.4).all()
        assert inner.n_edges == int((geometry.r <= 0.4).sum())
        assert torch.equal(inner.radius, 0.4 * geometry.radius)
        sums = torch.zeros(inner.n_vertices, dtype=torch.float64).index_add(0, inner.target, inner.weight)
        some = (inner.row_ptr[1:] > inner.row_ptr[:-1]).double()
        torch.testing.assert_close(sums, some)
        # the edges that are left are those of the same targets
        kept = geometry.r <= 0.4
        assert torch.equal(inner.target, geometry.target[kept])
        assert torch.equal(inner.phi, geometry.phi[kept])


def test_the_layer_is_a_sum(random_geometry):
    geometry, other = random_geometry("O(2)"), random_geometry("O(2)", degree=9, seed=5)
    layer = MultiScaleConv(FIELD, FIELD, (1.0, 0.6, 0.3)).double()
    x = features(geometry)
    parts = [conv(x, within(geometry, s)) for conv, s in zip(layer.convs, layer.scales)]
    torch.testing.assert_close(layer(x, geometry), sum(parts))
    assert all(p.abs().max() > 0.01 for p in parts)
    two = MultiScaleConv(FIELD, FIELD, 2).double()
    torch.testing.assert_close(two(x, [geometry, other]), two.convs[0](x, geometry) + two.convs[1](x, other))


def test_it_is_equivariant_and_a_broken_one_is_not(random_geometry, cross_level):
    layer = MultiScaleConv(FIELD, FIELD)
    for geometry in (random_geometry("O(2)"), cross_level("O(2)")):
        report = audit(layer, FIELD, FIELD, geometry)
        assert report.passed, str(report)

    class Broken(MultiScaleConv):
        def edges(self, geometry):
            outer, inner = super().edges(geometry)
            return outer, inner.replace(theta=inner.theta.abs())

    assert not audit(Broken(FIELD, FIELD), FIELD, FIELD, random_geometry("O(2)")).passed


def test_errors_say_what_was_expected(random_geometry):
    geometry = random_geometry("O(2)")
    with pytest.raises(ValueError, match=r"scales in \(0, 1\]"):
        MultiScaleConv(FIELD, FIELD, (1.0, 2.0))
    with pytest.raises(ValueError, match="expected 2 geometries, one for each convolution, got one"):
        MultiScaleConv(FIELD, FIELD, 2).double()(features(geometry), geometry)
    with pytest.raises(ValueError, match="expected one geometry, got a sequence of 2"):
        MultiScaleConv(FIELD, FIELD).double()(features(geometry), [geometry, geometry])
