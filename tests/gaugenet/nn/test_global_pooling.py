"""Invariants of whole surfaces."""

import pytest
import torch

from gaugenet.equivariance import audit
from gaugenet.field_type import FieldType
from gaugenet.meshes.geometry import batch_geometries
from gaugenet.nn.global_pooling import GlobalPooling
from gaugenet.nn.tangent import scalar_type

FIELD = FieldType.parse("O(2): 2x0 + 1x0- + 2x1")


def test_modes_are_their_formulas(random_geometry):
    parts = [random_geometry("O(2)", n=n, seed=n) for n in (24, 300)]
    union = batch_geometries(parts)
    pool = GlobalPooling(FIELD, ("area", "mean", "max")).double()
    assert pool.n_out == 15
    x = torch.randn(324, FIELD.dim, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    found, rows = pool(x, union), []
    for y, g in zip(x.split([24, 300]), parts):
        iota, a = pool.invariants(y), (g.area / g.area.sum())[:, None]
        rows.append(torch.cat([(a * iota).sum(0), iota.mean(0), iota.max(0).values]))
    torch.testing.assert_close(found, torch.stack(rows), rtol=1e-12, atol=1e-12)
    ours, theirs = (torch.autograd.grad(v.sin().sum(), x, retain_graph=True)[0] for v in (found, torch.stack(rows)))
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)


class SumOfVectors(GlobalPooling):
    """Adds components that belong to different frames."""

    def forward(self, x, geometry):
        return super().forward(x, geometry) + self.edges(geometry).sum(x[:, 3:4])


def test_the_gauge_does_not_matter(random_geometry):
    pool = GlobalPooling(FIELD, ("area", "mean", "max"))
    out = scalar_type("O(2)", pool.n_out)
    report = audit(pool, FIELD, out, random_geometry("O(2)"))
    assert report.passed, str(report)
    assert report.conclusive
    assert not audit(SumOfVectors(FIELD, ("area",)), FIELD, scalar_type("O(2)", 5), random_geometry("O(2)")).passed


def test_errors_say_what_was_expected(random_geometry):
    with pytest.raises(ValueError, match=r"unknown modes \['sum'\]"):
        GlobalPooling(FIELD, ("sum",))
    with pytest.raises(ValueError, match=r"expected features \[24, 7\]"):
        GlobalPooling(FIELD)(torch.zeros(23, 7), random_geometry("O(2)"))
