"""Means and convolutions between the levels of real hierarchies."""

import numpy as np
import pytest
import torch

from gaugenet.equivariance import audit, random_gauge
from gaugenet.field_type import FieldType
from gaugenet.meshes import shapes
from gaugenet.meshes.coarsening import build_hierarchy
from gaugenet.meshes.fans import build_fans
from gaugenet.meshes.hierarchy import batch_hierarchies
from gaugenet.meshes.neighborhoods import Nearest
from gaugenet.nn.convolution import GaugeConv
from gaugenet.nn.pooling import TransportMean


def build(mesh, **options):
    return build_hierarchy(mesh, Nearest(8), dtype=torch.float64, **options)


SPHERE = build(shapes.sphere(subdivisions=2).mesh)
KLEIN = build(shapes.klein_bottle(24, 9, jitter=0.2, developed=True).mesh)
VECTORS = FieldType.parse("SO(2): 1x1")


def flat_patch():
    """With the same frame at every vertex, so that a constant vector has constant coefficients."""
    mesh = shapes.flat_patch(16, 14, jitter=0.2).mesh
    return build(mesh, frame_direction=np.tile([1.0, 0.0, 0.0], (mesh.n_vertices, 1)))


def between(hierarchy):
    return (*hierarchy.pool, *hierarchy.unpool)


@pytest.mark.parametrize("hierarchy", [SPHERE, KLEIN], ids=["sphere", "Klein"])
def test_constant_scalars_stay(hierarchy):
    mean = TransportMean(FieldType.parse("O(2): 2x0"))
    for g in between(hierarchy):
        x = torch.tensor([[3.0, -2.0]], dtype=torch.float64).expand(g.n_sources, 2)
        torch.testing.assert_close(mean(x, g), x[:1].expand(g.n_vertices, 2), rtol=1e-13, atol=0)


def test_constant_vectors_on_a_flat_patch_go_down_and_up_in_any_gauge():
    hierarchy, mean = flat_patch(), TransportMean(VECTORS)
    generator = torch.Generator().manual_seed(0)
    gauges = [random_gauge("SO(2)", level, generator) for level in hierarchy.levels]
    moved = hierarchy.transform([angle for angle, _ in gauges])
    at = [
        VECTORS.transform(torch.tensor([[0.6, 0.8]], dtype=torch.float64).repeat(len(angle), 1), angle, flip)
        for angle, flip in gauges
    ]
    x = at[0]
    for step, pool in enumerate(moved.pool):
        x = mean(x, pool)
        torch.testing.assert_close(x, at[step + 1], rtol=0, atol=1e-12)
    for step in reversed(range(len(moved.unpool))):
        x = mean(x, moved.unpool[step])
        torch.testing.assert_close(x, at[step], rtol=0, atol=1e-12)
    # the twin: without the gauge of the fine level
    assert (mean(at[0], hierarchy.pool[0]) - at[1]).abs().max() > 0.1


@pytest.mark.parametrize("text", ["SO(2): 2x0 + 2x1 + 1x2", "O(2): 1x0 + 2x0- + 2x1"])
def test_layers_between_levels_are_equivariant(text):
    """At every vertex of both levels a different random gauge; each fine vertex that is kept has an edge of r = 0."""
    field = FieldType.parse(text)
    hierarchy = KLEIN if field.group.has_reflections else SPHERE
    for g in between(hierarchy):
        assert g.has_coincident
        for module in (TransportMean(field), GaugeConv(field, field), GaugeConv(field, field, max_harmonic=2)):
            report = audit(module, field, field, g, trials=1)
            assert report.passed, str(report)
            assert report.conclusive


def test_a_convolution_does_not_ask_for_the_direction_of_a_source_in_the_place_of_its_target():
    """The whole geometry built in other frames, not transformed: whatever was taken for theta at r = 0 would show."""
    mesh = shapes.sphere(subdivisions=2).mesh
    fans, random = build_fans(mesh), np.random.default_rng(1)
    angle = random.uniform(-3, 3, mesh.n_vertices)
    corner = fans.corners[fans.corner_ptr[:-1]]
    other = build(mesh, reference=(corner, angle))
    h = torch.from_numpy(-(fans.direction[corner] * fans.scale + angle))
    field = FieldType.parse("SO(2): 1x0 + 2x1 + 1x2")
    conv = GaugeConv(field, field, generator=torch.Generator().manual_seed(0)).double()
    for ours, theirs, (i, j) in zip(between(SPHERE), between(other), [(1, 0), (2, 1), (0, 1), (1, 2)]):
        at_p, at_q = (h[SPHERE.vertices[level]] for level in (i, j))
        x = torch.randn(ours.n_sources, field.dim, dtype=torch.float64, generator=torch.Generator().manual_seed(i))
        one = torch.ones_like
        with torch.no_grad():
            expected = field.transform(conv(x, ours), at_p, one(at_p))
            found = conv(field.transform(x, at_q, one(at_q)), theirs)
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-11)


def test_a_batch_gives_what_its_parts_give():
    field = FieldType.parse("O(2): 2x0 + 1x1")
    conv = GaugeConv(field, field).double()
    union = batch_hierarchies([SPHERE, KLEIN])
    for both, *parts in zip(between(union), between(SPHERE), between(KLEIN)):
        x = torch.randn(both.n_sources, field.dim, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
        with torch.no_grad():
            each = [conv(y, g) for y, g in zip(x.split([g.n_sources for g in parts]), parts)]
            torch.testing.assert_close(conv(x, both), torch.cat(each), rtol=1e-12, atol=1e-12)


def test_errors_say_what_was_expected():
    mean = TransportMean(VECTORS)
    with pytest.raises(ValueError, match=r"expected features \[162, 2\]"):
        mean(torch.zeros(40, 2, dtype=torch.float64), SPHERE.pool[0])
    with pytest.raises(ValueError, match="does not admit"):
        mean(torch.zeros(216, 2, dtype=torch.float64), KLEIN.pool[0])
