"""Channel mixing at a vertex."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gaugenet.field_type import FieldType, check_field_types
from gaugenet.nn.bias import InvariantBias
from gaugenet.steerable import IntertwinerBasis


class SelfInteraction(nn.Module):
    """out[p] = S f[p] + b with S an intertwiner: S ρ_in(g) = ρ_out(g) S for all g in G.

    The kernel constraint at v = 0. Needs no geometry.

    Args:
        in_type, out_type: field types of one structure group.
        bias: whether to add a bias on the invariant channels.
        gain: standard deviation of the output for independent inputs of unit variance.
        generator: for the initial weights.

    Raises:
        ValueError: the field types disagree in their group.
    """

    def __init__(
        self,
        in_type: FieldType,
        out_type: FieldType,
        *,
        bias: bool = True,
        gain: float = 1.0,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        check_field_types(in_type, out_type)
        self.in_type, self.out_type = in_type, out_type
        self.basis = IntertwinerBasis(in_type, out_type)
        self.coefficients = nn.Parameter(self.basis.initial(gain=gain, generator=generator))
        self.bias = InvariantBias(out_type) if bias else None

    @property
    def weight(self) -> Tensor:
        """[out_type.dim, in_type.dim] S, differentiable."""
        return self.basis.expand(self.coefficients)

    def forward(self, x: Tensor) -> Tensor:
        """[V, in_type.dim] → [V, out_type.dim]"""
        if x.ndim != 2 or x.shape[1] != self.in_type.dim:
            raise ValueError(f"expected features [V, {self.in_type.dim}] ({self.in_type}), got {list(x.shape)}")
        out = x @ self.weight.T
        return out if self.bias is None else self.bias(out)

    def extra_repr(self) -> str:
        return f"{self.in_type} → {self.out_type}"
