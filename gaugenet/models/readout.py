"""What models read out of the last field of a backbone."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gaugenet.field_type import FieldType
from gaugenet.nn.invariants import Invariants
from gaugenet.nn.normalization import FieldNorm


class InvariantReadout(nn.Module):
    """ι(norm(x)): invariants of the normalised field, [V, field_type.dim] → [V, n_out]."""

    def __init__(self, field_type: FieldType, *, generator: torch.Generator | None = None) -> None:
        super().__init__()
        self.norm = FieldNorm(field_type)
        self.invariants = Invariants(field_type, generator=generator)
        self.n_out = self.invariants.n_out

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.invariants(self.norm(x))
        return out


def at_faces(values: Tensor, faces: Tensor | None) -> Tensor:
    """[V, C] → [F, C], the mean over the corners of each face; as they are where `faces` is None.

    Raises:
        ValueError: `faces` is not [F, 3].
    """
    if faces is None:
        return values
    if faces.ndim != 2 or faces.shape[1] != 3:
        raise ValueError(f"expected faces [F, 3], got {list(faces.shape)}")
    return (values[faces[:, 0]] + values[faces[:, 1]] + values[faces[:, 2]]) / 3
