"""Dropout of whole copies."""

import pytest
import torch

from gaugenet.equivariance import random_gauge
from gaugenet.field_type import FieldType
from gaugenet.meshes.geometry import batch_geometries
from gaugenet.nn.dropout import FieldDropout

FIELD = FieldType.parse("D4: 30xregular + 20x1")


def test_copies_are_kept_or_dropped_as_a_whole():
    torch.manual_seed(0)
    x = torch.ones(200, FIELD.dim)
    out = FieldDropout(FIELD, 0.25)(x)
    for term in FIELD.terms:
        copies = out[:, term.start : term.stop].reshape(200, term.representation.dim, term.multiplicity)
        assert ((copies == 0) == (copies[:, :1] == 0)).all()
        share = float((copies[:, 0] == 0).float().mean())
        assert abs(share - 0.25) < 0.03
        torch.testing.assert_close(copies[copies != 0], torch.full_like(copies[copies != 0], 1 / 0.75))
    assert (out[0] != out[1]).any()


def test_training_commutes_with_gauge_transformations(random_geometry):
    geometry = random_geometry("D4")
    angle, flip = random_gauge("D4", geometry)
    x = torch.randn(24, FIELD.dim, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    layer, single = FieldDropout(FIELD), torch.nn.Dropout(0.5)
    results = []
    for dropout in (layer, single):
        torch.manual_seed(1)
        before = FIELD.transform(dropout(x), angle, flip)
        torch.manual_seed(1)
        results.append((dropout(FIELD.transform(x, angle, flip)) - before).abs().max())
    assert results[0] < 1e-13
    assert results[1] > 0.1  # the twin drops single components


def test_per_surface_and_in_evaluation(random_geometry):
    union = batch_geometries([random_geometry("D4", n=n) for n in (24, 31)])
    layer = FieldDropout(FIELD, per_surface=True)
    x = torch.ones(55, FIELD.dim)
    out = layer(x, union)
    assert (out[:24] == out[0]).all()
    assert (out[24:] == out[24]).all()
    assert (out[0] != out[24]).any()
    assert torch.equal(layer.eval()(x, union), x)
    with pytest.raises(ValueError, match="needs the geometry"):
        layer(x)
    with pytest.raises(ValueError, match=r"must be in \[0, 1\)"):
        FieldDropout(FIELD, 1.0)
