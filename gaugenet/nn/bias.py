"""Bias, where a gauge transformation leaves room for one."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gaugenet.field_type import FieldType


class InvariantBias(nn.Module):
    """out = x + b with b zero on every channel that a gauge transformation can change.

    A constant vector is fixed by all of G only in the trivial irreps, so b has one entry per invariant channel.
    """

    def __init__(self, field_type: FieldType) -> None:
        super().__init__()
        self.field_type = field_type
        columns = [torch.arange(s.start, s.stop) for s in field_type.invariant]
        self.register_buffer("columns", torch.cat(columns) if columns else torch.empty(0, dtype=torch.long), False)
        self.columns: Tensor
        self.value = nn.Parameter(torch.zeros(self.columns.shape[0]))

    def forward(self, x: Tensor) -> Tensor:
        """[V, dim] → [V, dim]"""
        if self.value.shape[0] == x.shape[1]:
            return x + self.value
        full = self.value.new_zeros(x.shape[1]).index_copy(0, self.columns, self.value)
        return x + full

    def extra_repr(self) -> str:
        return f"{self.value.shape[0]} of {self.field_type.dim} channels"
