"""Max pooling against a loop, and its sign on a Möbius strip."""

import pytest
import torch

from gaugenet.equivariance import audit
from gaugenet.field_type import FieldType
from gaugenet.nn.max_pooling import TransportMax

FIELDS = [
    "SO(2): 2x0 + 2x1 + 1x2",
    "O(2): 1x0 + 2x0- + 2x1",
    "D4: 2xregular + 1x0",
    "C6: 1xquotient[C2] + 2x1",
    "reflection: 2xtrivial + 3xsign",
]


@pytest.mark.parametrize("text", FIELDS)
def test_the_layer_is_its_equation(text, cross_level):
    field = FieldType.parse(text)
    geometry = cross_level(field.group.name)
    weight = geometry.weight.clone()
    weight[::5] = 0.0
    # no source twice in a row: its norm would be largest twice
    source = torch.stack([torch.randperm(24, generator=torch.Generator().manual_seed(p))[:6] for p in range(15)])
    geometry = geometry.replace(weight=weight, source=source.flatten().to(torch.int32))
    x = torch.randn(geometry.n_sources, field.dim, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    rho = field.matrix(geometry.phi, geometry.flip)
    expected = torch.zeros(geometry.n_vertices, field.dim, dtype=torch.float64)
    for p in range(geometry.n_vertices):
        edges = [e for e in range(int(geometry.row_ptr[p]), int(geometry.row_ptr[p + 1])) if weight[e] > 0]
        moved = torch.stack([rho[e] @ x[int(geometry.source[e])] for e in edges])
        for term in field.terms:
            for c in range(term.multiplicity):
                columns = slice(term.start + c, term.stop, term.multiplicity)
                copies = moved[:, columns]
                trivial = term.representation.name in ("0", "trivial")
                key = copies[:, 0] if trivial else copies.norm(dim=1)
                expected[p, columns] = copies[key.argmax()]
    for per_chunk in (None, 20):
        found = TransportMax(field, edges_per_chunk=per_chunk)(x, geometry)
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
    report = audit(TransportMax(field), field, field, geometry)
    assert report.passed, str(report)
    assert report.conclusive


def test_gradients_go_to_what_was_chosen(cross_level):
    field, geometry = FieldType.parse("SO(2): 1x1"), cross_level()
    x = torch.randn(24, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    out = TransportMax(field)(x, geometry)
    (gradient,) = torch.autograd.grad(out.square().sum() / 2, x)
    times = (gradient / x.detach())[:, 0]
    torch.testing.assert_close(times, times.round(), rtol=0, atol=1e-12)
    assert round(float(times.sum())) == geometry.n_vertices


class ByComponent(TransportMax):
    """The largest of every component by itself."""

    def forward(self, x, geometry):
        rho = self.field_type.matrix(geometry.phi, geometry.flip)
        moved = (rho @ x[geometry.source.long()][:, :, None])[:, :, 0]
        return moved.reshape(geometry.n_vertices, -1, x.shape[1]).amax(1)


class SignLost(TransportMax):
    def forward(self, x, geometry):
        return super().forward(x, geometry.replace(flip=torch.ones_like(geometry.flip)))


def test_broken_pooling_is_caught(random_geometry):
    for text, broken in [("SO(2): 2x1", ByComponent), ("O(2): 2x0-", ByComponent), ("O(2): 2x0-", SignLost)]:
        field = FieldType.parse(text)
        geometry = random_geometry(field.group.name)
        assert audit(TransportMax(field), field, field, geometry).passed
        assert not audit(broken(field), field, field, geometry).passed


def test_errors_and_targets_that_see_nothing(random_geometry):
    field = FieldType.parse("SO(2): 1x0 + 1x1")
    geometry = random_geometry()
    weight = geometry.weight.clone()
    weight[:6] = 0.0
    out = TransportMax(field)(torch.ones(24, 3, dtype=torch.float64), geometry.replace(weight=weight))
    assert (out[0] == 0).all()
    assert (out[1:, 0] == 1).all()
    with pytest.raises(ValueError, match=r"expected features \[24, 3\]"):
        TransportMax(field)(torch.ones(24, 2), geometry)
