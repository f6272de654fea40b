"""Norms per irrep and group of copies."""

import pytest
import torch

from gaugenet.field_type import FieldType
from gaugenet.nn.group_norm import GroupNorm

FIELD = FieldType.parse("SO(2): 4x0 + 4x1")


def test_scalars_are_those_of_torch():
    layer, theirs = GroupNorm(FIELD, 2).double(), torch.nn.GroupNorm(2, 4).double()
    x = torch.randn(30, FIELD.dim, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        layer.bias.value.normal_()
        layer.scale.normal_()
        theirs.weight.copy_(layer.scale[:4])
        theirs.bias.copy_(layer.bias.value)
        torch.testing.assert_close(layer(x)[:, :4], theirs(x[:, :4]), rtol=1e-12, atol=1e-12)


def test_vectors_come_out_with_unit_mean_square_and_their_direction():
    x = 7 * torch.randn(30, FIELD.dim, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    vectors = GroupNorm(FIELD, 2, eps=0.0).double()(x)[:, 4:].detach().reshape(30, 2, 2, 2)
    torch.testing.assert_close(vectors.square().mean((1, 3)), torch.ones(30, 2, dtype=torch.float64))
    before = x[:, 4:].reshape(30, 2, 2, 2)
    cross = vectors[:, 0] * before[:, 1] - vectors[:, 1] * before[:, 0]
    assert cross.abs().max() < 1e-12


def test_one_scalar_alone_is_not_centred_away():
    x = torch.randn(5, 1, generator=torch.Generator().manual_seed(0))
    assert (GroupNorm(FieldType.parse("SO(2): 1x0"))(x).abs() > 0.1).all()


def test_groups_must_divide_the_copies():
    with pytest.raises(ValueError, match="cannot divide 4 copies of irrep 0"):
        GroupNorm(FIELD, 3)
