"""Correspondence: invariant logits over a template, and a head that is meant to depend on the gauge."""

import pytest
import torch

from gaugenet.models.correspondence import CorrespondenceNetwork
from gaugenet.nn.tangent import scalar_type

OPTIONS = {"embedding": 8, "width": 2, "max_frequency": 1, "blocks": 2}


@pytest.mark.parametrize(("name", "group"), [("sphere", "SO(2)"), ("klein", "O(2)")])
@pytest.mark.parametrize("backbone", ["residual", "unet"])
def test_logits_are_invariant_unless_asked_otherwise(name, group, backbone, hierarchies, audited):
    types = scalar_type(group, 3), scalar_type(group, 7)
    model = CorrespondenceNetwork(group, 3, 7, backbone=backbone, **OPTIONS)
    assert audited(model, hierarchies[name], *types).passed
    broken = CorrespondenceNetwork(group, 3, 7, backbone=backbone, equivariant_head=False, **OPTIONS)
    assert audited(broken, hierarchies[name], *types).error > 1e-4


def test_embedding_and_checks(hierarchies):
    model = CorrespondenceNetwork("SO(2)", 3, 7, **OPTIONS).double()
    x = torch.zeros(162, 3, dtype=torch.float64)
    assert model.embed(x, hierarchies["sphere"]).shape == (162, 8)
    with pytest.raises(ValueError, match="n_template must be at least 1"):
        CorrespondenceNetwork("SO(2)", 3, 0)
