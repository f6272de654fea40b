"""Point-wise non-linearity on scalars and sign-flip fields."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from gaugenet.field_type import FieldType

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "elu": functional.elu,
    "relu": functional.relu,
    "silu": functional.silu,
    "tanh": torch.tanh,
}


class SignNonlinearity(nn.Module):
    """On sign-flip fields the activation of the size, with the sign put back; on scalars the activation itself:

        out_sign = x/n · act(n + b),  n² = x² + ε,      out_trivial = act(x + b)

    A one-dimensional irrep acts by ±1, and x/n · act(n + b) is odd in x. One learned b per copy. ε keeps the map
    smooth where a field vanishes (see `NormNonlinearity`). Weiler et al. 2021, Coordinate Independent Convolutional
    Networks, section on Möbius convolutions: x/|x| · ELU(|x| + b).

    Args:
        field_type: of one-dimensional irreps: trivial, sign, and those of frequency N/2 of C_N and D_N.
        activation: "elu", "relu", "silu" or "tanh".
        eps: ε.

    Raises:
        ValueError: an irrep has two components, or the activation is not known.
    """

    def __init__(self, field_type: FieldType, *, activation: str = "elu", eps: float = 1e-5) -> None:
        super().__init__()
        for term in field_type.terms:
            if any(irrep.dim != 1 for irrep, _ in term.representation.irreps):
                raise ValueError(
                    f"the sign-aware non-linearity needs one-dimensional irreps, which {term} of {field_type} has not: "
                    "use the norm or gated non-linearity"
                )
        if activation not in ACTIVATIONS:
            raise ValueError(f"unknown activation {activation!r}: expected one of {', '.join(ACTIVATIONS)}")
        self.field_type, self.activation, self.eps = field_type, activation, eps
        self.bias = nn.Parameter(torch.zeros(field_type.dim))
        signed = torch.ones(field_type.dim, dtype=torch.bool)
        for invariant in field_type.invariant:
            signed[invariant] = False
        self.register_buffer("signed", signed, persistent=False)
        self.signed: Tensor

    def forward(self, x: Tensor) -> Tensor:
        """[V, field_type.dim] → [V, field_type.dim]"""
        act = ACTIVATIONS[self.activation]
        size = torch.where(self.signed, (x.square() + self.eps).sqrt(), x)
        out = act(size + self.bias)
        return torch.where(self.signed, x / torch.where(self.signed, size, 1.0) * out, out)

    def extra_repr(self) -> str:
        return f"{self.field_type}, {self.activation}"
