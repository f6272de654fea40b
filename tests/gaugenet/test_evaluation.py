"""Predictions in the stored gauge and in a random one; `check_sides` and `check_surfaces` are tested with training."""

import pytest
import torch
from torch import nn

from gaugenet.data.dataset import prepare_mesh
from gaugenet.evaluation import check_gauge, predict
from gaugenet.meshes.neighborhoods import Nearest
from gaugenet.meshes.shapes import sphere
from gaugenet.models.segmentation import SegmentationNetwork


@pytest.fixture(scope="module")
def samples():
    mesh = sphere(subdivisions=1).mesh
    labels = (mesh.vertices[:, 2] > 0).astype(int)
    return [prepare_mesh(mesh, Nearest(8), features="xyz", labels=labels)]


class OnlyHere(nn.Module):
    """A network whose logits are not finite in any gauge but that of one geometry."""

    def __init__(self, geometry, value):
        super().__init__()
        self.theta, self.value = geometry.theta, value

    def forward(self, features, geometry, faces=None):
        return features if torch.equal(geometry.theta, self.theta) else features * self.value


def test_a_gauge_equivariant_network_and_one_that_is_not(samples):
    model = SegmentationNetwork("SO(2)", 3, 2, width=4, blocks=1)
    assert check_gauge(model, samples, "SO(2)", 2).error < 1e-5
    model.embed.register_forward_hook(lambda module, args, out: out + 0.1)
    assert check_gauge(model, samples, "SO(2)", 2).error > 1e-3


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_logits_that_are_not_finite_in_another_gauge_are_no_success(samples, value):
    check = check_gauge(OnlyHere(samples[0].geometry, value), samples, "SO(2)", 3)
    assert check.error == float("inf")
    assert check_gauge(OnlyHere(samples[0].geometry, 1.0), samples, "SO(2)", 3).error == 0


def test_predicting_leaves_the_mode_of_the_model(samples):
    model = SegmentationNetwork("SO(2)", 3, 2, width=4, blocks=1, dropout=0.5).train()
    first, second = (next(iter(predict(model, samples))) for _ in range(2))
    assert model.training
    assert torch.equal(first, second)
