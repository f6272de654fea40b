"""The layer against its equation, summed edge by edge with dense matrices."""

import pytest
import torch

from gaugenet.equivariance import audit, gauge_transform, random_gauge
from gaugenet.field_type import FieldType
from gaugenet.nn.convolution import GaugeConv
from gaugenet.steerable import default_max_harmonic

MAPS = [
    ("SO(2): 2x0 + 1x1 + 2x2", "SO(2): 1x0 + 2x1", None),
    ("SO(2): 2x0 + 1x1 + 2x2", "SO(2): 1x0 + 2x1", 2),
    ("O(2): 1x0 + 2x0- + 2x1", "O(2): 2x0 + 1x0- + 1x2", None),
    ("O(2): 1x0 + 2x0- + 2x1", "O(2): 2x0 + 1x0- + 1x2", 3),
    ("C4: 1x0 + 2x1 + 1x2", "C4: 2xregular", None),
    ("D3: 1xregular", "D3: 1x0- + 2x1", None),
    ("reflection: 2xtrivial + 1xsign", "reflection: 2xregular", None),
    ("trivial: 2x0", "trivial: 3x0", None),
]


def by_definition(conv, x, geometry):
    """Sum over edges of w K(log_p q) rho_in(g_{p<-q}) f[q], then S f[p] + b."""
    basis, in_type, out_type = conv.basis, conv.in_type, conv.out_type
    radial = conv.radial(geometry.r / geometry.radius[geometry.target])
    kernel = torch.einsum("eb,boi->eoi", basis.scalars(geometry.theta, radial), basis.expand(conv.coefficients))
    if basis.form == "aligned":
        kernel = out_type.matrix(geometry.theta) @ kernel @ in_type.matrix(-geometry.theta)
    moved = in_type.matrix(geometry.phi, geometry.flip) @ x[geometry.source.long()][:, :, None]
    terms = geometry.weight[:, None] * (kernel @ moved)[:, :, 0]
    out = torch.zeros(geometry.n_vertices, out_type.dim, dtype=x.dtype).index_add(0, geometry.target, terms)
    out = out + x @ conv.self_interaction.basis.expand(conv.self_interaction.coefficients).T
    out[:, conv.bias.columns] += conv.bias.value
    return out


@pytest.mark.parametrize(("in_text", "out_text", "max_harmonic"), MAPS)
def test_the_layer_is_its_equation(in_text, out_text, max_harmonic, random_geometry):
    in_type, out_type = FieldType.parse(in_text), FieldType.parse(out_text)
    geometry = random_geometry(in_type.group.name)
    generator = torch.Generator().manual_seed(0)
    conv = GaugeConv(in_type, out_type, max_harmonic=max_harmonic, generator=generator).double()
    with torch.no_grad():
        conv.bias.value.normal_(generator=generator)
        x = torch.randn(geometry.n_vertices, in_type.dim, generator=generator, dtype=torch.float64)
        torch.testing.assert_close(conv(x, geometry), by_definition(conv, x, geometry), rtol=1e-12, atol=1e-12)
        # the twin: the equation with every transporter taken the other way, where there is another way
        if in_type.group.rotation_order not in (1, 2):
            wrong = by_definition(conv, x, geometry.replace(phi=-geometry.phi))
            assert (conv(x, geometry) - wrong).abs().max() > 1e-2


def test_without_neighbours_there_is_what_happens_at_the_vertex(random_geometry):
    field = FieldType.parse("SO(2): 1x0 + 1x1")
    geometry = random_geometry(n=2, degree=0)
    conv = GaugeConv(field, field).double()
    x = torch.randn(2, field.dim, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(conv(x, geometry), conv.bias(conv.self_interaction(x)))
    bare = GaugeConv(field, field, self_interaction=False, bias=False).double()
    assert (bare(x, geometry) == 0).all()


def between_levels_by_definition(conv, x, geometry):
    """K(0) by its own definition: the mean of K over a hundred directions."""
    basis, in_type, out_type = conv.basis, conv.in_type, conv.out_type
    radial = conv.radial(geometry.r / geometry.radius[geometry.target])
    weight = basis.expand(conv.coefficients)

    def kernel_at(theta):
        kernel = torch.einsum("eb,boi->eoi", basis.scalars(theta, radial), weight)
        if basis.form == "aligned":
            kernel = out_type.matrix(theta) @ kernel @ in_type.matrix(-theta)
        return kernel

    around = [torch.full_like(geometry.theta, 2 * torch.pi * j / 100) for j in range(100)]
    mean = torch.stack([kernel_at(theta) for theta in around]).mean(0)
    kernel = torch.where((geometry.r == 0)[:, None, None], mean, kernel_at(geometry.theta))
    kernel = kernel + conv.self_interaction.weight
    moved = in_type.matrix(geometry.phi, geometry.flip) @ x[geometry.source.long()][:, :, None]
    terms = geometry.weight[:, None] * (kernel @ moved)[:, :, 0]
    out = torch.zeros(geometry.n_vertices, out_type.dim, dtype=x.dtype).index_add(0, geometry.target, terms)
    out[:, conv.bias.columns] += conv.bias.value
    return out


@pytest.mark.parametrize(("in_text", "out_text", "max_harmonic"), MAPS)
def test_between_levels_the_layer_is_its_equation(in_text, out_text, max_harmonic, cross_level):
    in_type, out_type = FieldType.parse(in_text), FieldType.parse(out_text)
    geometry = cross_level(in_type.group.name)
    generator = torch.Generator().manual_seed(0)
    conv = GaugeConv(in_type, out_type, max_harmonic=max_harmonic, generator=generator).double()
    with torch.no_grad():
        conv.bias.value.normal_(generator=generator)
        x = torch.randn(geometry.n_sources, in_type.dim, generator=generator, dtype=torch.float64)
        out = conv(x, geometry)
        torch.testing.assert_close(out, between_levels_by_definition(conv, x, geometry), rtol=1e-12, atol=1e-12)
    assert out.shape == (geometry.n_vertices, out_type.dim)


@pytest.mark.parametrize(("in_text", "out_text", "max_harmonic"), MAPS)
def test_between_levels_both_have_random_gauges(in_text, out_text, max_harmonic, cross_level):
    in_type, out_type = FieldType.parse(in_text), FieldType.parse(out_text)
    conv = GaugeConv(in_type, out_type, max_harmonic=max_harmonic)
    report = audit(conv, in_type, out_type, cross_level(in_type.group.name))
    assert report.passed, str(report)
    assert report.conclusive or in_type.group.order == 1
    if in_type.group.rotation_order == 1:
        return  # theta = 0 is a direction that a reflection about it does not change
    # the twin: a source in the place of its target that is taken to lie somewhere
    beside = cross_level(in_type.group.name)
    beside.memo["has_coincident"] = False
    angle, flip = random_gauge(in_type.group, beside)
    source_angle, source_flip = in_type.group.sample(beside.n_sources)
    moved = gauge_transform(beside, in_type.group, angle, flip, source_angle, source_flip)
    moved.memo["has_coincident"] = False
    x = torch.randn(beside.n_sources, in_type.dim, dtype=torch.float64)
    conv = conv.double()
    expected = out_type.transform(conv(x, beside), angle, flip)
    wrong = conv(in_type.transform(x, source_angle, source_flip), moved)
    assert (wrong - expected).abs().max() > 1e-3


@pytest.mark.parametrize("text", ["SO(2): 1x0 + 2x1 + 1x2", "O(2): 1x0 + 1x0- + 1x1"])
def test_both_forms_are_the_same_between_levels(text, cross_level):
    """At r = 0 the edge-aligned form takes a mean over directions, and the harmonic form leaves harmonics out."""
    field, geometry = FieldType.parse(text), cross_level(text.split(":")[0])
    aligned = GaugeConv(field, field, self_interaction=False, bias=False).double()
    harmonic = GaugeConv(
        field, field, max_harmonic=default_max_harmonic(field, field), self_interaction=False, bias=False
    ).double()
    generator = torch.Generator().manual_seed(3)
    x = torch.randn(geometry.n_sources, field.dim, dtype=torch.float64, generator=generator)
    results = []
    for conv in (aligned, harmonic):
        columns = []
        for i in range(conv.coefficients.shape[0]):
            with torch.no_grad():
                conv.coefficients.zero_()[i, 1] = 1.0
                columns.append(conv(x, geometry).flatten())
        results.append(torch.stack(columns, 1))
    a, h = results
    assert a.shape == h.shape
    residual = a - h @ torch.linalg.lstsq(h, a).solution
    assert residual.abs().max() < 1e-12 * a.abs().max()


def test_constants_pass_between_levels(cross_level):
    """S alone, with S = 1: what a mean after transport leaves of a constant scalar field."""
    field = FieldType.parse("SO(2): 1x0")
    geometry = cross_level()
    conv = GaugeConv(field, field, bias=False).double()
    with torch.no_grad():
        conv.coefficients.zero_()
        conv.self_interaction.coefficients.fill_(1.0)
    out = conv(torch.full((geometry.n_sources, 1), 3.0, dtype=torch.float64), geometry)
    torch.testing.assert_close(out, torch.full_like(out, 3.0), rtol=1e-13, atol=0)


def test_features_of_the_wrong_level_are_refused(cross_level):
    field = FieldType.parse("SO(2): 1x0 + 1x1")
    geometry = cross_level()
    with pytest.raises(
        ValueError, match=r"expected features \[24, 3\].*at the sources of this geometry, got \[15, 3\]"
    ):
        GaugeConv(field, field).double()(torch.zeros(15, 3, dtype=torch.float64), geometry)


def test_gradients_between_levels_are_those_of_the_definition(cross_level):
    field = FieldType.parse("O(2): 1x0 + 1x0- + 1x1")
    geometry = cross_level("O(2)")
    conv = GaugeConv(field, field, generator=torch.Generator().manual_seed(1)).double()
    x = torch.randn(geometry.n_sources, field.dim, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    x.requires_grad_()
    inputs = [x, *conv.parameters()]
    grads = [
        torch.autograd.grad((f(x) ** 2).sum(), inputs)
        for f in (lambda x: conv(x, geometry), lambda x: between_levels_by_definition(conv, x, geometry))
    ]
    for ours, theirs in zip(*grads):
        torch.testing.assert_close(ours, theirs, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("max_harmonic", [None, 2])
def test_the_order_of_visiting_changes_nothing(max_harmonic, random_geometry, cross_level):
    field = FieldType.parse("SO(2): 1x0 + 2x1")
    conv = GaugeConv(field, field, max_harmonic=max_harmonic).double()
    for geometry in (random_geometry(), cross_level()):
        order = torch.randperm(geometry.n_vertices, generator=torch.Generator().manual_seed(0)).to(torch.int32)
        ordered = geometry.replace(visit_order=order)
        assert torch.equal(conv.edges(ordered).order, order)
        x = torch.randn(geometry.n_sources, field.dim, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
        assert torch.equal(conv(x, ordered), conv(x, geometry))


def test_a_geometry_that_was_used_in_inference_mode_can_be_trained_on(random_geometry):
    in_type = FieldType.parse("SO(2): 2x0 + 1x1")
    conv = GaugeConv(in_type, in_type)
    geometry = random_geometry().to(dtype=torch.float32)
    x = torch.randn(geometry.n_vertices, in_type.dim)
    with torch.inference_mode():
        expected = conv(x, geometry)
    out = conv(x, geometry)
    assert torch.equal(out, expected)
    out.square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in conv.parameters())
