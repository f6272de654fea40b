"""Tensors and a few values in a safetensors file with a checksum over all of them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from gaugenet.meshes.atomic import write_atomically

_META = "gaugenet"
"""The one entry of the file's metadata: safetensors writes several in an order that changes from run to run, and the
same content is to be the same file."""


def save_tensors(path: Path, tensors: Mapping[str, Tensor], values: Mapping[str, Any]) -> None:
    """Write a file, atomically; the same content gives the same bytes.

    Args:
        tensors: on any device.
        values: whatever JSON can hold.

    Raises:
        OSError: it cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, tensor_bytes(tensors, values))


def tensor_bytes(tensors: Mapping[str, Tensor], values: Mapping[str, Any]) -> bytes:
    """What `save_tensors` writes."""
    from safetensors.torch import save

    stored = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    text = json.dumps(values, sort_keys=True)
    return save(stored, {_META: json.dumps({"sha256": _checksum(stored, text), "values": text}, sort_keys=True)})


def load_keyed(path: Path, key: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """(tensors, values without ``"key"``) of a file whose value ``"key"`` is `key`, or any where `key` is empty.

    Raises:
        ValueError: as `load_tensors`, or the file has another key or none.
        OSError: it cannot be read; `FileNotFoundError` where it is not there.
    """
    tensors, values = load_tensors(path)
    found = values.pop("key", None)
    if found is None or (key and found != key):
        raise ValueError("it belongs to another mesh or to other parameters")
    return tensors, values


def load_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """(tensors, values) as `save_tensors` was given them.

    Raises:
        ValueError: the file is cut, altered, or was written by something else.
        OSError: it cannot be read; `FileNotFoundError` where it is not there.
    """
    from safetensors import SafetensorError

    try:
        tensors, metadata = read_whole(path)
        meta = json.loads(metadata[_META])
        text, checksum = meta["values"], meta["sha256"]
        values = json.loads(text)
    except (KeyError, TypeError) as error:
        raise ValueError("it was not written by this package") from error
    except (SafetensorError, ValueError) as error:
        raise ValueError(f"not a whole safetensors file ({error})") from error
    if not isinstance(values, dict) or _checksum(tensors, text) != checksum:
        raise ValueError("its checksum is wrong")
    return tensors, values


def read_whole(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """(tensors, metadata) of any safetensors file, of one moment: what stands there may be replaced or removed at any
    time, so it is opened once.

    Raises:
        SafetensorError: it is no safetensors file, or not a whole one.
        OSError: it cannot be read.
    """
    from safetensors.torch import load

    content = path.read_bytes()
    tensors = load(content)
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    return tensors, header.get("__metadata__", {})


def _checksum(tensors: Mapping[str, Tensor], text: str) -> str:
    """sha256 of everything: names, dtypes, shapes and bytes."""
    digest = hashlib.sha256(text.encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"\0{name} {tensor.dtype} {tuple(tensor.shape)}\0".encode())
        digest.update(tensor.numpy().reshape(-1).view(np.uint8).data)
    return digest.hexdigest()
