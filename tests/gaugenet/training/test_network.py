"""The network of a configuration: alone and in batches, in every gauge, and on surfaces that it does not admit."""

import pytest
import torch

from gaugenet.data.dataset import prepare_mesh
from gaugenet.evaluation import Batch, check_gauge, check_sides, check_surfaces, predict
from gaugenet.meshes.neighborhoods import Nearest
from gaugenet.meshes.shapes import mobius_strip
from gaugenet.training import build_model


@pytest.mark.parametrize("kind", ["vertex", "face"])
def test_a_batch_gives_what_its_surfaces_give_alone(kind, config, surface):
    samples = [surface(i, kind) for i in range(3)]
    model = build_model(config, 3, 3).eval()
    batch = Batch.of(samples)
    together = model(batch.features, batch.geometry, batch.faces).split(batch.sizes)
    for a, b in zip(together, predict(model, samples)):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)
    assert not model.training


@pytest.mark.parametrize("group", ["SO(2)", "O(2)"])
def test_the_gauge_check_passes_for_the_network_and_fails_for_a_broken_one(data, group, config):
    config = config.override([f"model.group={group}"])
    model = build_model(config, 3, 3)
    good = check_gauge(model, data.test, group, 3)
    assert (good.changed, good.error < 1e-5) == (0, True)

    class Broken(torch.nn.Module):
        def forward(self, features, geometry, faces=None):
            logits = model(features, geometry, faces)
            return logits.index_add(0, geometry.target, geometry.theta.cos()[:, None] * logits[geometry.source.long()])

    bad = check_gauge(Broken(), data.test, group, 3)
    assert bad.error > 1e-2
    assert bad.changed > 0


def test_a_one_sided_surface_needs_reflections(surface):
    shape = mobius_strip()
    sample = prepare_mesh(shape.mesh, Nearest(8), features="constant", name="strip")
    check_surfaces([sample], "O(2)")
    with pytest.raises(ValueError, match=r"strip: the surface is one-sided.*smallest admissible group is"):
        check_surfaces([sample], "SO(2)")
    with pytest.raises(ValueError, match=r"strip: the surface is one-sided.*use --group 'O\(2\)'"):
        check_sides(shape.mesh, "strip", "C4")
    check_sides(shape.mesh, "strip", "D4")
    curved = surface(1)
    with pytest.raises(ValueError, match=r"bump 1: the surface turns frames by angles outside C4.*'SO\(2\)'"):
        check_surfaces([curved], "C4")


def test_checkpointing_keeps_less_and_gives_the_same_gradients(config, surface):
    batch = Batch.of([surface(1)])
    kept, gradients = [], []
    for checkpointing in ("false", "true"):
        model = build_model(config.override([f"model.checkpointing={checkpointing}", "model.blocks=3"]), 3, 3)
        torch.manual_seed(0)
        sizes = []

        def keep(tensor, sizes=sizes):
            sizes.append(tensor.numel() * tensor.element_size())
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            loss = model(batch.features, batch.geometry).square().sum()
        kept.append(sum(sizes))
        torch.autograd.backward(loss)
        gradients.append([p.grad for p in model.parameters()])
    assert kept[1] < 0.5 * kept[0]
    assert all(torch.equal(a, b) for a, b in zip(*gradients))
