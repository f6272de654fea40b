"""Non-linearities that commute with gauge transformations."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from gaugenet.field_type import FieldType
from gaugenet.nn.invariants import Invariants


class GatedNonlinearity(nn.Module):
    """Scalars through SiLU, every other field scaled by a gate that depends on invariants only:

        out_0 = SiLU(x_0 + A ι(x) + a),   out_b = x_b · sigmoid(B ι(x) + b)

    x_0 are the invariant channels, x_b the copies of the other irreps, ι the `Invariants` of x; A, B, a, b are
    learned. Exactly equivariant for every group. Weiler et al. 2018 (3D Steerable CNNs, gated non-linearity) with
    gates from ι instead of extra scalar channels.

    Args:
        field_type: of input and output.
        generator: for the initial weights.
    """

    def __init__(self, field_type: FieldType, *, generator: torch.Generator | None = None) -> None:
        super().__init__()
        self.field_type = field_type
        self.invariants = Invariants(field_type, generator=generator)
        n_scalars, n_gates = self.invariants.n_scalars, self.invariants.n_out - self.invariants.n_scalars
        self.linear = nn.Linear(self.invariants.n_out, n_scalars + n_gates)
        nn.init.normal_(self.linear.weight, std=self.invariants.n_out**-0.5, generator=generator)
        nn.init.zeros_(self.linear.bias)

    def forward(self, x: Tensor) -> Tensor:
        """[V, field_type.dim] → [V, field_type.dim]"""
        iota = self.invariants(x)
        n = self.invariants.n_scalars
        mixed = self.linear(iota)
        scalars = functional.silu(iota[:, :n] + mixed[:, :n])
        gates = torch.sigmoid(mixed[:, n:])
        out, s, g = [], 0, 0
        for b in self.field_type.blocks:
            if b.irrep.is_invariant:
                out.append(scalars[:, s : s + b.multiplicity])
                s += b.multiplicity
            else:
                gate = gates[:, g : g + b.multiplicity]
                out.append(x[:, b.start : b.stop] * (gate if b.irrep.dim == 1 else torch.cat([gate, gate], 1)))
                g += b.multiplicity
        return torch.cat(out, 1)


class NormNonlinearity(nn.Module):
    """Invariant channels through SiLU(x + b), every other field scaled by its norm, with one learned b per copy:

        out_b = x_b · ReLU(n_b + b) / n_b,   n_b² = ‖x_b‖² + ε

    Worrall et al. 2017 (Harmonic Networks, eq. 12). Exactly equivariant for every group; on sign fields it is the
    sign-aware x/n · ReLU(n + b). Without ε a field that vanishes by symmetry would come out as b times the direction
    of its rounding errors, which no two gauges share; with it the map is smooth there and the error stays rounding.

    Args:
        field_type: of input and output.
        eps: ε.
    """

    def __init__(self, field_type: FieldType, *, eps: float = 1e-5) -> None:
        super().__init__()
        self.field_type, self.eps = field_type, eps
        self.bias = nn.Parameter(torch.zeros(sum(b.multiplicity for b in field_type.blocks)))

    def forward(self, x: Tensor) -> Tensor:
        """[V, field_type.dim] → [V, field_type.dim]"""
        out, start = [], 0
        for b in self.field_type.blocks:
            part, bias = x[:, b.start : b.stop], self.bias[start : start + b.multiplicity]
            start += b.multiplicity
            if b.irrep.is_invariant:
                out.append(functional.silu(part + bias))
                continue
            square = part.square()
            if b.irrep.dim == 2:
                square = square[:, : b.multiplicity] + square[:, b.multiplicity :]
            norm = (square + self.eps).sqrt()
            scale = functional.relu(norm + bias) / norm
            out.append(part * (scale if b.irrep.dim == 1 else torch.cat([scale, scale], 1)))
        return torch.cat(out, 1)
