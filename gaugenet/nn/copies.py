"""Copies of irreps in a field: one number for each of them, and back to columns."""

from __future__ import annotations

import torch
from torch import Tensor

from gaugenet.field_type import FieldType


def n_copies(field_type: FieldType) -> int:
    """N, how many copies of irreps a field of this type holds, block after block."""
    return sum(b.multiplicity for b in field_type.blocks)


def squared_norms(field_type: FieldType, x: Tensor) -> Tensor:
    """‖x_c‖² of every copy c of an irrep, which no gauge transformation changes: [V, dim] → [V, N]."""
    square, parts = x.square(), []
    for b in field_type.blocks:
        part = square[:, b.start : b.stop]
        parts.append(part if b.irrep.dim == 1 else part[:, : b.multiplicity] + part[:, b.multiplicity :])
    return torch.cat(parts, 1)


def to_columns(field_type: FieldType, values: Tensor) -> Tensor:
    """The value of each copy on all of its columns: [..., N] → [..., dim]."""
    parts, start = [], 0
    for b in field_type.blocks:
        part = values[..., start : start + b.multiplicity]
        start += b.multiplicity
        parts.extend([part] * b.irrep.dim)
    return torch.cat(parts, -1)


def invariant_copies(field_type: FieldType) -> Tensor:
    """bool [N]: whether the copy is one of the trivial irrep."""
    return torch.tensor([b.irrep.is_invariant for b in field_type.blocks for _ in range(b.multiplicity)])


def copy_dims(field_type: FieldType) -> Tensor:
    """int64 [N]: the dimension of each copy, 1 or 2."""
    return torch.tensor([b.irrep.dim for b in field_type.blocks for _ in range(b.multiplicity)])
