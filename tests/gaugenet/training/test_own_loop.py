"""A loop of one's own that goes on from its file ends with the bits of one that was not interrupted."""

import pytest
import torch
from torch import nn

from gaugenet.training.own_loop import load_network, load_state, save_state


def build(width=3):
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(2, width), nn.BatchNorm1d(width), nn.Linear(width, 1))
    return network, torch.optim.Adam(network.parameters(), lr=0.05, weight_decay=1e-3)


def steps(network, optimizer, first, last):
    losses = []
    for step in range(first, last):
        x = torch.randn(8, 2, generator=torch.Generator().manual_seed(step))
        loss = (network(x) - x.sum(1, keepdim=True)).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    return losses


def test_resumed_bits_are_those_of_one_run(tmp_path):
    whole, optimizer = build()
    losses = steps(whole, optimizer, 0, 6)
    network, optimizer = build()
    save_state(tmp_path / "s.safetensors", network, optimizer, 3, 1.25, steps(network, optimizer, 0, 3))

    network, optimizer = build()
    steps(network, optimizer, 10, 12)  # what is loaded replaces everything
    done, spent, before = load_state(tmp_path / "s.safetensors", network, optimizer)
    assert (done, spent) == (3, 1.25)
    assert before + steps(network, optimizer, 3, 6) == losses
    for a, b in zip(network.state_dict().values(), whole.state_dict().values(), strict=True):
        assert torch.equal(a, b)


def test_a_state_before_the_first_step_and_only_the_weights(tmp_path):
    network, optimizer = build()
    save_state(tmp_path / "s.safetensors", network, optimizer, 0, 0.0, [])
    other = build()[0]
    nn.init.zeros_(other[0].weight)
    load_network(tmp_path / "s.safetensors", other)
    assert torch.equal(other[0].weight, network[0].weight)
    assert load_state(tmp_path / "s.safetensors", network, optimizer) == (0, 0.0, [])


def test_a_run_of_other_settings_is_refused_and_nothing_is_loaded(tmp_path):
    network, optimizer = build()
    save_state(tmp_path / "s.safetensors", network, optimizer, 2, 0.5, [1.0, 0.5], {"epochs": 5, "batch": 40})
    assert load_state(tmp_path / "s.safetensors", network, optimizer, {"epochs": 5, "batch": 40})[0] == 2
    other, its_optimizer = build()
    nn.init.zeros_(other[0].weight)
    with pytest.raises(ValueError, match=r"s\.safetensors is of a run with batch = 40 and now batch is 100"):
        load_state(tmp_path / "s.safetensors", other, its_optimizer, {"epochs": 5, "batch": 100})
    assert not other[0].weight.any()


def test_another_network_and_a_damaged_file_are_refused(tmp_path):
    network, optimizer = build()
    save_state(tmp_path / "s.safetensors", network, optimizer, 0, 0.0, [])
    with pytest.raises(ValueError, match="of another model"):
        load_state(tmp_path / "s.safetensors", *build(width=4))
    content = bytearray((tmp_path / "s.safetensors").read_bytes())
    content[-1] ^= 1
    (tmp_path / "s.safetensors").write_bytes(bytes(content))
    with pytest.raises(ValueError, match="altered"):
        load_state(tmp_path / "s.safetensors", network, optimizer)
