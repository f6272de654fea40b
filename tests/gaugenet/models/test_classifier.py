"""Classifier: one row of invariant logits per surface of a batch."""

import pytest
import torch

from gaugenet.equivariance import gauge_transform_levels, random_gauges
from gaugenet.meshes.hierarchy import batch_hierarchies
from gaugenet.models.classifier import Classifier


def randomized(model: Classifier) -> Classifier:
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for p in model.parameters():
            p.add_(torch.randn(p.shape, generator=generator), alpha=0.1)
    return model.double().eval()


@pytest.mark.parametrize("backbone", ["residual", "unet"])
def test_each_surface_of_a_batch_has_its_own_invariant_logits(backbone, hierarchies):
    parts = list(hierarchies.values())
    batch = batch_hierarchies(parts)
    options = {"blocks": 1, "max_frequency": 1, "width": 2}
    model = randomized(Classifier("O(2)", 3, 5, backbone=backbone, **options))
    generator = torch.Generator().manual_seed(1)
    x = [torch.randn(h.levels[0].n_vertices, 3, generator=generator, dtype=torch.float64) for h in parts]
    moved = gauge_transform_levels(batch, "O(2)", random_gauges("O(2)", batch, generator))
    with torch.no_grad():
        logits = model(torch.cat(x), batch)
        assert logits.shape == (2, 5)
        torch.testing.assert_close(logits, torch.cat([model(*pair) for pair in zip(x, parts)]), rtol=1e-12, atol=1e-12)
        size = logits.abs().max()
        assert (model(torch.cat(x), moved) - logits).abs().max() < 1e-12 * size
        shift = torch.zeros(model.backbone.out_type.dim, dtype=torch.float64)
        shift[-1] = 0.1
        model.backbone.register_forward_hook(lambda module, args, out: out + shift)
        assert (model(torch.cat(x), moved) - model(torch.cat(x), batch)).abs().max() > 1e-6 * size


def test_numbers_and_names_are_checked():
    with pytest.raises(ValueError, match="n_features must be at least 1"):
        Classifier("SO(2)", 0, 3)
    with pytest.raises(ValueError, match="unknown modes"):
        Classifier("SO(2)", 3, 3, pooling=("median",))
