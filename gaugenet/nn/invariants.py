"""Invariants of a field: its scalars, and the products that no gauge transformation changes."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gaugenet.field_type import FieldType
from gaugenet.nn.self_interaction import SelfInteraction


class Invariants(nn.Module):
    """All invariant channels of x, and ⟨x_b, (S x)_b⟩ for every copy of every other irrep:

        out = (x_trivial, Σ_c x_{b,c} (S x)_{b,c} for each non-trivial block b and copy)

    S is a learned intertwiner, so the products hold the norms of single fields and, between two copies, the cosine of
    the angle that they enclose; for groups without reflections its 90° parts give the sine as well, which tells left
    from right. Invariance: ρ is orthogonal and commutes with S.

    The output is [V, n_out], n_out = `n_out` scalars.
    """

    def __init__(self, field_type: FieldType, *, generator: torch.Generator | None = None) -> None:
        super().__init__()
        self.field_type = field_type
        invariant = {(s.start, s.stop) for s in field_type.invariant}
        self._scalars = [slice(b.start, b.stop) for b in field_type.blocks if (b.start, b.stop) in invariant]
        self._others = [b for b in field_type.blocks if (b.start, b.stop) not in invariant]
        self.mixing = SelfInteraction(field_type, field_type, bias=False, generator=generator) if self._others else None
        self.n_scalars = sum(s.stop - s.start for s in self._scalars)
        self.n_out = self.n_scalars + sum(b.multiplicity for b in self._others)

    def forward(self, x: Tensor) -> Tensor:
        """[V, field_type.dim] → [V, n_out]"""
        parts = [x[:, s] for s in self._scalars]
        if self.mixing is not None:
            mixed = x * self.mixing(x)
            for b in self._others:
                product = mixed[:, b.start : b.stop]
                if b.irrep.dim == 2:
                    product = product[:, : b.multiplicity] + product[:, b.multiplicity :]
                parts.append(product)
        return torch.cat(parts, 1)

    def extra_repr(self) -> str:
        return f"{self.field_type} → {self.n_out} invariants"
