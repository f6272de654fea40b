"""Exact resume of a training loop of one's own: weights, optimiser and progress in one checked file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from torch import nn, optim

from gaugenet.checkpoint import optimizer_state, optimizer_tensors, read_tensors, restore_weights, write_tensors
from gaugenet.training.own_results import check_made_with

_WEIGHTS, _OPTIMIZER = "weights/", "optimizer/"


def save_state(
    path: Path,
    network: nn.Module,
    optimizer: optim.Optimizer,
    done: int,
    spent: float,
    losses: list[float],
    made_with: Mapping[str, object] | None = None,
) -> None:
    """Writes everything that the next step needs, atomically.

    Args:
        done: steps or epochs so far. spent: processor seconds so far. losses: so far.
        made_with: settings, as JSON has them, that the run must have when it goes on.
    """
    tensors, plain = optimizer_tensors(optimizer.state_dict())
    tensors = {_OPTIMIZER + name: tensor for name, tensor in tensors.items()}
    tensors |= {_WEIGHTS + name: tensor for name, tensor in network.state_dict().items()}
    progress = {"done": done, "spent": spent, "losses": losses, "made_with": dict(made_with or {})}
    write_tensors(path, tensors, {"kind": "loop", "optimizer": plain, **progress})


def load_state(
    path: Path, network: nn.Module, optimizer: optim.Optimizer, made_with: Mapping[str, object] | None = None
) -> tuple[int, float, list[float]]:
    """What is done, processor seconds and losses so far; network and optimiser are as `save_state` saw them.

    Raises:
        OtherRunError: the run began with other settings than `made_with`.
        ValueError: the file is damaged, or of another network.
    """
    tensors, meta = read_tensors(path, kind="loop")
    check_made_with(path, meta.get("made_with", {}), made_with or {})
    parts = {
        prefix: {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}
        for prefix in (_WEIGHTS, _OPTIMIZER)
    }
    restore_weights(network, parts[_WEIGHTS], path)
    optimizer.load_state_dict(optimizer_state(parts[_OPTIMIZER], meta["optimizer"]))
    return meta["done"], meta["spent"], meta["losses"]


def load_network(path: Path, network: nn.Module) -> None:
    """Only the weights of `save_state`.

    Raises:
        ValueError: the file is damaged, or of another network.
    """
    tensors, _ = read_tensors(path, kind="loop")
    weights = {name.removeprefix(_WEIGHTS): t for name, t in tensors.items() if name.startswith(_WEIGHTS)}
    restore_weights(network, weights, path)
