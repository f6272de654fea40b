"""Normalisation by invariants."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gaugenet.field_type import FieldType


class FieldNorm(nn.Module):
    """out_b[p] = γ_b x_b[p] / rms(x[p]),   rms(x)² = ‖x‖² / dim + ε.

    ‖x[p]‖ runs over all channels at one vertex and is invariant since representations are orthogonal; γ is one learned
    factor per copy of each irrep. No statistics over vertices: the value at a vertex depends on that vertex alone,
    whatever the batch. The mean is not subtracted: it would not be equivariant. Zhang and Sennrich 2019 (RMSNorm).

    Args:
        field_type: of input and output.
        eps: ε, keeps the root away from 0.
    """

    def __init__(self, field_type: FieldType, *, eps: float = 1e-5) -> None:
        super().__init__()
        self.field_type, self.eps = field_type, eps
        self.scale = nn.Parameter(torch.ones(sum(b.multiplicity for b in field_type.blocks)))

    def forward(self, x: Tensor) -> Tensor:
        """[V, field_type.dim] → [V, field_type.dim]"""
        factors, start = [], 0
        for b in self.field_type.blocks:
            part = self.scale[start : start + b.multiplicity]
            start += b.multiplicity
            factors.extend([part] * b.irrep.dim)
        rms = (x.square().mean(1, keepdim=True) + self.eps).rsqrt()
        return x * rms * torch.cat(factors)

    def extra_repr(self) -> str:
        return f"{self.field_type}"
