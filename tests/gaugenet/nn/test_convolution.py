"""The layer against its equation, summed edge by edge with dense matrices."""

import pytest
import torch

from gaugenet.field_type import FieldType
from gaugenet.nn.convolution import GaugeConv

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
