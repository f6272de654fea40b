"""Steps: rounds add up to one batch, whatever their numbers of labels; two precisions."""

import copy

import pytest
import torch

from gaugenet.tasks import ClassTask
from gaugenet.training import World, build_model
from gaugenet.training.step import Stepper, Totals


def gradients(config, rounds, model):
    """Gradients of one step, and its totals."""
    model = copy.deepcopy(model)
    stepper = Stepper(model, torch.optim.SGD(model.parameters()), config.train, World(), ClassTask(3))
    totals = Totals()
    stepper.step(list(enumerate(rounds)), 0.0, 1, totals, remember=False)
    return {name: p.grad for name, p in model.named_parameters()}, totals


def distance(a, b):
    scale = max(g.abs().max() for g in a.values())
    return float(max((a[k] - b[k]).abs().max() for k in a) / scale)


@pytest.fixture(scope="module")
def uneven(surface):
    """Three surfaces, of which one has few labels and one none."""
    a, b, c = (surface(i) for i in range(3))
    few = b.labels.clone()
    few[10:] = -100
    return [a, b.replace(labels=few), c.replace(labels=torch.full_like(c.labels, -100))]


def test_rounds_give_the_gradient_of_one_batch(config, uneven):
    config = config.override(["model.dropout=0", "train.clip=0"])
    model = build_model(config, 3, 3).train()
    together, totals = gradients(config, [uneven], model)
    apart, same = gradients(config, [[s] for s in uneven], model)
    assert distance(together, apart) < 1e-5
    assert totals.counted == same.counted == sum(int((s.labels >= 0).sum()) for s in uneven)
    assert totals.seen == same.seen
    assert totals.mean_loss == pytest.approx(same.mean_loss, rel=1e-6)
    # the twin: the mean of the means of the rounds is something else
    means = [gradients(config, [[s]], model)[0] for s in uneven[:2]]
    wrong = {name: (means[0][name] + means[1][name]) / 2 for name in means[0]}
    assert distance(together, wrong) > 1e-3


def test_a_step_without_labels_changes_nothing(config, uneven):
    model = build_model(config, 3, 3).train()
    found, totals = gradients(config, [[uneven[2]]], model)
    assert set(found.values()) == {None}
    assert totals == Totals()


def test_bfloat16_is_close_and_weights_stay_float32(config, uneven):
    config = config.override(["model.dropout=0", "train.clip=0"])
    model = build_model(config, 3, 3).train()
    exact, _ = gradients(config, [uneven], model)
    rounded, totals = gradients(config.override(["train.amp=bf16"]), [uneven], model)
    assert all(g.dtype == torch.float32 for g in rounded.values())
    assert 1e-5 < distance(exact, rounded) < 0.05  # eight bits of mantissa, a few layers
    assert totals.counted == sum(int((s.labels >= 0).sum()) for s in uneven)
