"""Statistics of batches, and what stays of them."""

import pytest
import torch
from torch.utils.checkpoint import checkpoint

from gaugenet.field_type import FieldType
from gaugenet.nn.batch_norm import BatchNorm

FIELD = FieldType.parse("SO(2): 2x0 + 2x1")


def test_scalars_are_those_of_torch():
    layer, theirs = BatchNorm(FIELD, momentum=0.3).double(), torch.nn.BatchNorm1d(2, momentum=0.3).double()
    generator = torch.Generator().manual_seed(0)
    for _ in range(3):
        x = 2 + 3 * torch.randn(50, FIELD.dim, dtype=torch.float64, generator=generator)
        torch.testing.assert_close(layer(x)[:, :2], theirs(x[:, :2]), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(layer.running_mean[:2], theirs.running_mean)
    # torch keeps the unbiased variance
    assert (layer.running_square[:2] / theirs.running_var - 1).abs().max() < 1 / 40
    layer.eval()
    x = torch.randn(5, FIELD.dim, dtype=torch.float64, generator=generator)
    out = layer(x)
    torch.testing.assert_close(out[:1], layer(x[:1]))
    assert (layer.running_mean[2:] == 0).all()


def test_vectors_are_scaled_and_keep_their_direction():
    x = 5 + torch.randn(60, FIELD.dim, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    y = BatchNorm(FIELD, eps=0.0).double()(x)[:, 2:].detach().reshape(60, 2, 2)
    torch.testing.assert_close(y.square().mean((0, 1)), torch.ones(2, dtype=torch.float64))
    before = x[:, 2:].reshape(60, 2, 2)
    assert (y[:, 0] * before[:, 1] - y[:, 1] * before[:, 0]).abs().max() < 1e-12


@pytest.mark.parametrize("reentrant", [True, False])
def test_checkpointing_changes_neither_running_values_nor_gradients(reentrant):
    x = 5 + torch.randn(60, FIELD.dim, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    found = []
    for kept in (True, False):
        layer, y = BatchNorm(FIELD).double(), x.clone().requires_grad_()
        for _ in range(2):
            out = layer(y) if kept else checkpoint(layer, y, use_reentrant=reentrant)
            out.pow(3).sum().backward()
        found.append([y.grad, layer.scale.grad, layer.running_mean, layer.running_square])
    for plain, again in zip(*found):
        assert torch.equal(plain, again)
    mean = torch.cat([x.mean(0)[:2], torch.zeros(2)])
    torch.testing.assert_close(found[1][2], (1 - 0.9**2) * mean)


def test_running_values_are_saved_and_errors_say_what_was_expected():
    assert {"running_mean", "running_square"} <= BatchNorm(FIELD).state_dict().keys()
    with pytest.raises(ValueError, match="momentum must be"):
        BatchNorm(FIELD, momentum=0.0)
    with pytest.raises(ValueError, match=r"expected features \[V, 6\]"):
        BatchNorm(FIELD)(torch.zeros(3, 5))
    with pytest.raises(ValueError, match="at least one vertex"):
        BatchNorm(FIELD)(torch.zeros(0, 6))
