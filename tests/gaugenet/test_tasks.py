"""Truth, loss and scores of classes and of numbers, against sums by hand."""

import math

import numpy as np
import pytest
import torch

from gaugenet.config import TrainConfig
from gaugenet.data.dataset import prepare_mesh
from gaugenet.data.quantities import Quantities, SurfaceTargets
from gaugenet.data.targets import VertexTargets
from gaugenet.meshes.neighborhoods import Nearest
from gaugenet.meshes.shapes import sphere
from gaugenet.models.field_regression import Scaled
from gaugenet.regression_metrics import RegressionTally
from gaugenet.tasks import ClassTask, NumberTask, as_task

QUANTITIES = Quantities(("p",), ("v",))
TASK = NumberTask(QUANTITIES)


@pytest.fixture(scope="module")
def sample():
    mesh = sphere(subdivisions=0).mesh
    rng = np.random.default_rng(0)
    targets = VertexTargets(5 + 2 * rng.normal(size=(12, 1)), rng.normal(size=(12, 1, 3)), ("p",), ("v",))
    return prepare_mesh(mesh, Nearest(5), features="constant").replace(targets=targets)


def scaled(task, samples):
    network = Scaled(torch.nn.Identity(), task.n_outputs)
    network.set_scale(*task.scales(samples))
    return network


def test_scales_are_means_and_sizes_of_the_training_surfaces(sample):
    offset, scale = TASK.scales([sample, sample])
    p, v = sample.targets.scalars[:, 0], sample.targets.vectors[:, 0]
    assert offset.tolist() == pytest.approx([p.mean(), 0, 0, 0], rel=1e-6)
    size = np.sqrt((v**2).sum(1).mean())
    assert scale.tolist() == pytest.approx([p.std(), size, size, size], rel=1e-6)
    still = sample.replace(targets=VertexTargets(np.full((12, 1), 7.0), np.zeros((12, 1, 3)), ("p",), ("v",)))
    assert [t.tolist() for t in TASK.scales([still])] == [[7.0, 0, 0, 0], [1.0, 1.0, 1.0, 1.0]]
    with pytest.raises(ValueError, match="no surface has numbers"):
        TASK.scales([sample.replace(targets=None)])


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda p: 1e30 * p, "p is of the size .*e.30; give it in another unit"),
        (lambda p: 1e-30 * p, "p is of the size .*e-30; give it in another unit"),
        (lambda p: p + 1e8 * (p.max() - p.min()), "which float32 hardly tells apart; subtract its mean"),
    ],
)
def test_numbers_that_float32_cannot_hold_are_refused(sample, change, problem):
    p, v = sample.targets.scalars, sample.targets.vectors
    with pytest.raises(ValueError, match=problem):
        TASK.scales([sample.replace(targets=VertexTargets(change(p), v, ("p",), ("v",)))])


def test_the_loss_of_numbers_is_in_units_of_their_size(sample):
    network, truth = scaled(TASK, [sample]), TASK.truth(sample)
    output = truth + torch.tensor([3.0, 0.0, 2.0, -1.0])
    s_p, s_v = network.scale[0], network.scale[1]
    square = 12 * ((3 / s_p) ** 2 + 5 / s_v**2) / 2
    loss, seen = TASK.loss(network, output, truth, TrainConfig())
    assert float(loss) == pytest.approx(float(square), rel=1e-5)
    assert seen == pytest.approx(float(square), rel=1e-5)
    absolute, _ = TASK.loss(network, output, truth, TrainConfig(loss="absolute"))
    assert float(absolute) == pytest.approx(float(12 * (3 / s_p + math.sqrt(5) / s_v) / 2), rel=2e-3)
    counts = TASK.counts(network)
    counts.add(output, truth)
    metrics = counts.metrics()
    assert metrics.error == pytest.approx(TASK.score(seen / 12), rel=1e-5)
    assert metrics.rmse == pytest.approx({"p": 3.0, "v": math.sqrt(5)}, rel=1e-5)
    assert metrics.mae == pytest.approx({"p": 3.0, "v": math.sqrt(5)}, rel=1e-5)
    assert metrics.counted == 12
    assert TASK.better(0.1) > TASK.better(0.2)


def test_where_nothing_is_known_nothing_is_learned(sample):
    network = scaled(TASK, [sample])
    bare = TASK.without_truth(sample)
    assert (TASK.counted(sample), TASK.counted(bare)) == (12, 0)
    output = torch.ones(12, 4, requires_grad=True)
    for kind in ("squared", "absolute"):
        loss, seen = TASK.loss(network, output, TASK.truth(bare), TrainConfig(loss=kind))
        (gradient,) = torch.autograd.grad(loss, output)
        assert (loss.item(), seen, float(gradient.abs().max())) == (0.0, 0.0, 0.0)
    with pytest.raises(ValueError, match="nothing to score"):
        RegressionTally(QUANTITIES, torch.ones(2)).metrics()
    with pytest.raises(ValueError, match="expected predictions"):
        RegressionTally(QUANTITIES, torch.ones(2)).add(torch.ones(3, 4), torch.ones(2, 4))


def test_numbers_and_classes_of_surfaces(sample):
    task = NumberTask(Quantities(("age",), per_surface=True))
    old = sample.replace(label_kind="surface", targets=SurfaceTargets(np.array([70.0]), ("age",)))
    young = old.replace(targets=SurfaceTargets(np.array([10.0]), ("age",)))
    assert [t.tolist() for t in task.scales([old, young])] == [[40.0], [30.0]]
    assert task.truth(old).tolist() == [[70.0]]
    assert task.output_type("SO(2)") is None
    classes = ClassTask(3, "surface")
    assert (classes.name, as_task(3).name, task.name) == ("classification", "segmentation", "regression")
    loss, right = classes.loss(sample, torch.tensor([[0.0, 9.0, 0.0]]), torch.tensor([1]), TrainConfig())
    assert right == 1.0
    assert 0 < float(loss) < 1
