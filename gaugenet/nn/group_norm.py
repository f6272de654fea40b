"""Normalisation over the copies of each irrep at a vertex."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gaugenet.field_type import FieldType
from gaugenet.nn.bias import InvariantBias
from gaugenet.nn.copies import n_copies, to_columns


class GroupNorm(nn.Module):
    """Copies of one irrep, in groups, divided by the root mean square of their norms at each vertex:

        out_c = γ_c (x_c - μ) / √(mean_{c' in group} ‖x_{c'} - μ‖² / d + ε) + β_c

    The mean μ over the group is subtracted, and β added, for trivial irreps only (and μ only where a group has more
    than one copy); d is the dimension of the irrep. γ is learned, one per copy. Everything averaged is invariant, so
    the layer is exactly equivariant for every group. Wu and He 2018 (Group Normalization), by norms of whole fields.
    Unlike in `FieldNorm`, irreps do not compete with each other.

    Args:
        field_type: of input and output.
        groups: into how many groups the copies of each irrep are divided; it divides every multiplicity.
        eps: ε, keeps the root away from 0.

    Raises:
        ValueError: a multiplicity is not divisible by the number of groups.
    """

    def __init__(self, field_type: FieldType, groups: int = 1, *, eps: float = 1e-5) -> None:
        super().__init__()
        for b in field_type.blocks:
            if groups < 1 or b.multiplicity % groups:
                raise ValueError(
                    f"cannot divide {b.multiplicity} copies of irrep {b.irrep} of {field_type} into {groups} groups: "
                    "the number of groups must divide every multiplicity"
                )
        self.field_type, self.groups, self.eps = field_type, groups, eps
        self.scale = nn.Parameter(torch.ones(n_copies(field_type)))
        self.bias = InvariantBias(field_type)

    def forward(self, x: Tensor) -> Tensor:
        """[V, field_type.dim] → [V, field_type.dim]"""
        parts = []
        for b in self.field_type.blocks:
            part = x[:, b.start : b.stop].reshape(x.shape[0], b.irrep.dim, self.groups, -1)
            if b.irrep.is_invariant and part.shape[-1] > 1:
                part = part - part.mean(-1, keepdim=True)
            part = part * (part.square().mean((1, 3), keepdim=True) + self.eps).rsqrt()
            parts.append(part.flatten(1))
        out: Tensor = self.bias(torch.cat(parts, 1) * to_columns(self.field_type, self.scale))
        return out

    def extra_repr(self) -> str:
        return f"{self.field_type}, {self.groups} groups"
