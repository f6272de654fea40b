"""Tangent vectors transform as tangent vectors, in every group."""

import pytest
import torch

from gaugenet.groups import StructureGroup
from gaugenet.nn.tangent import pseudo_scalar_type, scalar_type, tangent_type

GROUPS = ["trivial", "reflection", "C2", "C3", "C6", "D2", "D4", "SO(2)", "O(2)"]


@pytest.mark.parametrize("name", GROUPS)
def test_the_representation_is_the_group_itself(name):
    angle, flip = StructureGroup.parse(name).sample(20, torch.Generator().manual_seed(0))
    c, s, f = angle.cos(), angle.sin(), flip.double()
    g = torch.stack([c, -s * f, s, c * f], 1).reshape(-1, 2, 2)
    eye = torch.eye(3, dtype=torch.float64)
    expected = torch.einsum("nij,ab->niajb", g, eye).reshape(-1, 6, 6)
    torch.testing.assert_close(tangent_type(name, 3).matrix(angle, flip), expected, rtol=0, atol=1e-12)
    ones = torch.ones(20, 1, dtype=torch.float64)
    torch.testing.assert_close(scalar_type(name).transform(ones, angle, flip), ones)
    torch.testing.assert_close(pseudo_scalar_type(name).transform(ones, angle, flip), ones * f[:, None])
