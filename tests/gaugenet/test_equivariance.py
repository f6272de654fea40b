"""The audit itself: what it passes, what it catches, and what it says of tests that prove nothing."""

import pytest
import torch
from torch import nn

from gaugenet.equivariance import audit, gauge_transform, gauge_transform_levels, random_gauge, random_gauges
from gaugenet.field_type import FieldType
from gaugenet.meshes import shapes
from gaugenet.meshes.coarsening import build_hierarchy
from gaugenet.meshes.hierarchy import Hierarchy
from gaugenet.meshes.neighborhoods import Nearest
from gaugenet.nn.convolution import GaugeConv
from gaugenet.nn.invariants import Invariants

SCALARS, VECTORS = FieldType.parse("SO(2): 2x0"), FieldType.parse("SO(2): 1x0 + 2x1")


class Scaled(nn.Module):
    """x times one learned number that starts at 1, and a bias on every channel that starts at 0."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.factor, self.bias = nn.Parameter(torch.ones(())), nn.Parameter(torch.zeros(dim))

    def forward(self, x, geometry):
        return self.factor * x + self.bias


def test_a_convolution_passes_in_both_dtypes(random_geometry):
    for dtype in (torch.float64, torch.float32):
        report = audit(GaugeConv(VECTORS, VECTORS), VECTORS, VECTORS, random_geometry(dtype=dtype))
        assert report.passed
        assert report.conclusive
        assert str(report).startswith("equivariant: SO(2) gauge error")


def test_biases_that_start_at_zero_are_found_unless_one_asks_not_to(random_geometry):
    module = Scaled(VECTORS.dim)
    assert audit(module, VECTORS, VECTORS, random_geometry(), randomize=False).passed
    report = audit(module, VECTORS, VECTORS, random_geometry())
    assert not report.passed
    assert str(report).startswith("NOT EQUIVARIANT")
    assert (module.bias == 0).all(), "the module of the caller was touched"


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_not_finite_in_the_other_gauge_is_no_success(value, random_geometry):
    geometry = random_geometry()

    def breaks(x, g):
        return x if g is geometry else x * value

    report = audit(breaks, VECTORS, VECTORS, geometry)
    assert report.error == float("inf")
    assert not report.passed


def test_an_error_in_one_trial_counts(random_geometry):
    geometry, calls = random_geometry(), []

    def once(x, g):
        calls.append(1)
        return x + (0.5 if len(calls) == 4 else 0.0)

    assert audit(once, VECTORS, VECTORS, geometry, trials=1).passed
    assert not audit(once, VECTORS, VECTORS, geometry, trials=1).passed


def test_invariant_outputs_are_at_stake_where_they_depend_on_a_gauge(random_geometry):
    geometry, invariants = random_geometry(), Invariants(VECTORS).double()
    out = FieldType.parse(f"SO(2): {invariants.n_out}x0")
    report = audit(lambda x, g: invariants(x), VECTORS, out, geometry)
    assert report.passed
    assert report.conclusive
    # reads the logarithmic maps, and the frames they are written in
    read = audit(lambda x, g: x + g.theta.cos().mean(), SCALARS, SCALARS, geometry)
    assert not read.passed
    assert read.conclusive


def test_an_audit_that_proves_nothing_says_so(random_geometry):
    report = audit(lambda x, g: x, SCALARS, SCALARS, random_geometry())
    assert report.passed
    assert not report.conclusive
    assert "nothing was at stake" in str(report)


def test_a_random_gauge_differs_from_vertex_to_vertex_and_stays_in_the_group(random_geometry):
    generator = torch.Generator().manual_seed(0)
    angle, flip = random_gauge("D4", random_geometry("D4"), generator)
    turns = angle * 4 / (2 * torch.pi)
    assert (turns - turns.round()).abs().max() < 1e-12
    assert len(turns.round().unique()) == 4
    assert set(flip.tolist()) == {-1, 1}
    angle, flip = random_gauge("SO(2)", random_geometry(), generator)
    assert len(angle.unique()) == 24
    assert (flip == 1).all()


def test_finite_groups_stay_admissible_after_their_own_gauge_transformations(random_geometry):
    geometry = random_geometry("C2")
    moved = gauge_transform(geometry, "C4", *random_gauge("C4", geometry))
    assert moved.structure_group == "C4"
    turns = moved.phi * 4 / (2 * torch.pi)
    assert (turns - turns.round()).abs().max() < 1e-12
    # a smaller group than that of the surface does not become admissible by it
    assert gauge_transform(random_geometry("C4"), "C2", *random_gauge("C2", geometry)).structure_group != "C2"


def test_what_cannot_be_audited_is_refused(random_geometry):
    geometry = random_geometry()
    with pytest.raises(ValueError, match="one structure group"):
        audit(Scaled(2), SCALARS, FieldType.parse("O(2): 2x0"), geometry)
    with pytest.raises(ValueError, match="at least 1"):
        audit(Scaled(2), SCALARS, SCALARS, geometry, trials=0)
    for value in (0.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="no meaning"):
            audit(lambda x, g, value=value: torch.full_like(x, value), SCALARS, SCALARS, geometry)


def test_a_hierarchy_has_a_gauge_on_every_level():
    hierarchy = build_hierarchy(shapes.sphere(subdivisions=1).mesh, Nearest(6), dtype=torch.float64)
    down, up = (GaugeConv(VECTORS, VECTORS).double() for _ in range(2))

    def there_and_back(x, h):
        return up(down(x, h.pool[0]), h.unpool[0])

    report = audit(there_and_back, VECTORS, VECTORS, hierarchy)
    assert report.passed
    assert report.conclusive
    # the coarse level in the gauge of the fine one: right in one gauge only
    fine_only = audit(
        lambda x, h: up(down(x, h.pool[0]), hierarchy.unpool[0].replace(theta=h.unpool[0].theta)),
        VECTORS,
        VECTORS,
        hierarchy,
    )
    assert not fine_only.passed


def test_invariant_outputs_on_a_hierarchy_are_at_stake():
    hierarchy = build_hierarchy(shapes.sphere(subdivisions=1).mesh, Nearest(6), dtype=torch.float64)
    down, invariants = GaugeConv(VECTORS, VECTORS).double(), Invariants(VECTORS).double()
    out = FieldType.parse(f"SO(2): {invariants.n_out}x0")
    report = audit(lambda x, h: invariants(down(x, h.pool[0])), VECTORS, out, hierarchy)
    assert report.passed
    assert report.conclusive


def test_gauges_of_levels_differ_and_finite_groups_stay_admissible(random_geometry, cross_level):
    surface = Hierarchy(
        (random_geometry("C4", 24), random_geometry("C4", 15)),
        (cross_level("C4", 15, 24),),
        (cross_level("C4", 24, 15),),
        (torch.arange(15),),
        (torch.arange(24) % 15,),
    )
    gauges = random_gauges("C4", surface, torch.Generator().manual_seed(0))
    assert [len(angle) for angle, _ in gauges] == [24, 15]
    assert not torch.equal(gauges[0][0][:15], gauges[1][0])
    assert gauge_transform_levels(surface, "C4", gauges).structure_group == "C4"
