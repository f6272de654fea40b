"""The U-Net: invariant logits, alike at vertices and faces."""

import pytest
import torch

from gaugenet.models.unet import UNet
from gaugenet.nn.tangent import scalar_type


@pytest.mark.parametrize(("name", "group"), [("sphere", "SO(2)"), ("klein", "O(2)")])
@pytest.mark.parametrize("nonlinearity", ["gated", "norm"])
def test_logits_are_invariant(name, group, nonlinearity, hierarchies, audited):
    model = UNet(group, 3, 4, width=2, max_frequency=1, nonlinearity=nonlinearity)
    assert audited(model, hierarchies[name], scalar_type(group, 3), scalar_type(group, 4)).passed


def test_a_broken_unet_is_caught(hierarchies, audited):
    model = UNet("SO(2)", 3, 4, width=2, max_frequency=1)
    shift = torch.zeros(model.backbone.out_type.dim, dtype=torch.float64)
    shift[-1] = 0.1
    model.backbone.register_forward_hook(lambda module, args, out: out + shift)
    assert audited(model, hierarchies["sphere"], scalar_type("SO(2)", 3), scalar_type("SO(2)", 4)).error > 1e-4


def test_faces_and_shapes(hierarchies):
    surface = hierarchies["sphere"]
    model = UNet("SO(2)", 3, 4, width=2, max_frequency=1).double()
    x = torch.randn(162, 3, dtype=torch.float64)
    faces = torch.tensor([[0, 1, 2], [2, 0, 1]])
    logits = model(x, surface, faces)
    assert logits.shape == (2, 4)
    torch.testing.assert_close(logits[0], logits[1])
    with pytest.raises(ValueError, match=r"expected faces \[F, 3\]"):
        model(x, surface, faces[0])
    with pytest.raises(ValueError, match="n_classes must be at least 1"):
        UNet("SO(2)", 3, 0)


def test_repr_names_the_levels():
    text = repr(UNet("SO(2)", 3, 4, width=2, max_frequency=1))
    assert "SO(2): 2x0 + 2x1 → SO(2): 4x0 + 4x1 → SO(2): 8x0 + 8x1, strided" in text
