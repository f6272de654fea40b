"""Surfaces prepared by helpers: the same as without, in whatever order they are asked for."""

import numpy as np
import pytest
import torch

from gaugenet.data.background import BackgroundPreparation, PendingSurfaces
from gaugenet.data.dataset import Plan
from gaugenet.data.features import FeatureSpec
from gaugenet.data.labelled import LabelledMesh
from gaugenet.meshes.neighborhoods import Nearest
from gaugenet.meshes.shapes import torus

FEATURES = FeatureSpec.parse("xyz")


def ring(n):
    mesh = torus(n, 8).mesh
    labels = (mesh.vertices[:, 2] > 0).astype(np.int64)
    return LabelledMesh.from_file_labels(f"ring {n}", mesh, labels, "vertex")


@pytest.fixture
def rings():
    return [ring(n) for n in (12, 14, 16, 18)]


def same(a, b):
    fields = ("row_ptr", "source", "r", "theta", "phi", "weight")
    return torch.equal(a.features, b.features) and all(
        torch.equal(getattr(a.geometry, f), getattr(b.geometry, f)) for f in fields
    )


def test_helpers_hand_over_what_would_have_been_prepared_here(rings, tmp_path):
    seen = []
    plan = Plan(Nearest(8), "smooth", FEATURES, tmp_path)
    preparation = BackgroundPreparation(rings, plan, lambda sample: seen.append(sample.name))
    pending = PendingSurfaces(preparation, [2, 0, 1, 3])
    preparation.start([2, 0, 1, 3], workers=1)
    try:
        assert len(pending) == 4
        assert [s.name for s in pending.surfaces] == ["ring 16", "ring 12", "ring 14", "ring 18"]
        expected = [plan.sample(rings[i], None, None) for i in (2, 0, 1, 3)]
        # from the end, so that some are prepared here and some there
        for i in (3, 2, 1, 0):
            assert same(pending[i], expected[i])
        assert pending.are_ready
        assert pending[1] is pending[1] is pending.chosen([1])[0] is pending[1:][0]
        assert sorted(seen) == ["ring 12", "ring 14", "ring 16", "ring 18"]
    finally:
        preparation.stop()


def test_what_a_helper_has_taken_is_waited_for(rings, tmp_path, monkeypatch):
    """A helper that answers late, and one that fails: the sample is right, or its error is raised here."""
    import threading

    from gaugenet.data import background

    may_answer = threading.Event()

    class Late:
        def __init__(self, function):
            self.function = function

        def ready(self):
            return True

        def do(self, item):
            may_answer.wait(10)
            return None, ValueError("it failed there")

        def stop(self):
            pass

    monkeypatch.setattr(background, "Helper", Late)
    plan = Plan(Nearest(8), "smooth", FEATURES, tmp_path)
    preparation = BackgroundPreparation(rings, plan, lambda sample: None)
    preparation.start([0], workers=1)
    threading.Timer(0.2, may_answer.set).start()
    assert same(preparation.sample(0), plan.sample(rings[0], None, None))
    assert may_answer.is_set()


def test_a_surface_that_is_not_admitted_is_refused_when_it_is_asked_for(rings, tmp_path):
    def refuse(sample):
        raise ValueError(f"{sample.name} is refused")

    preparation = BackgroundPreparation(rings, Plan(Nearest(8), "smooth", FEATURES, tmp_path), refuse)
    pending = PendingSurfaces(preparation, [1])
    with pytest.raises(ValueError, match="ring 14 is refused"):
        _ = pending[0]
    assert not pending.are_ready
