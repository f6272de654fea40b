"""Fields written as values on the group instead of coefficients, where every layer is pointwise."""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn

from gaugenet.field_type import FieldType, Term
from gaugenet.nn.sign_aware import ACTIVATIONS


def has_values(term: Term) -> bool:
    """Whether a term is a space of functions on a finite group or its cosets."""
    return term.representation.stabilizer is not None and not term.representation.group.is_continuous


def to_values(field_type: FieldType, x: Tensor) -> Tensor:
    """Coefficients [..., dim, k] to values [..., dim, k], along the last axis but one.

    On a regular or quotient term of a finite group this is Q with the term's change of basis: row start + h · M + c
    is then the value of copy c at group element (or coset) h. On other terms nothing changes. Orthogonal.
    """
    return _changed(field_type, x, back=False)


def from_values(field_type: FieldType, x: Tensor) -> Tensor:
    """The inverse of `to_values`."""
    return _changed(field_type, x, back=True)


def _changed(field_type: FieldType, x: Tensor, back: bool) -> Tensor:
    parts = []
    for term in field_type.terms:
        part = x[..., term.start : term.stop, :]
        if has_values(term):
            q = term.representation.change_of_basis.to(x)
            q = q.T if back else q
            rest = part.shape[-2] // len(q) * part.shape[-1]
            part = (q @ part.reshape(*x.shape[:-2], len(q), rest)).reshape(part.shape)
        parts.append(part)
    return parts[0] if len(parts) == 1 else torch.cat(parts, -2)


class ValueNonlinearity(nn.Module):
    """On values, scalars and sign-flip fields alike:

        out = act(x + b) on values and scalars,     out = x/n · act(n + b), n² = x² + ε, on sign-flip fields

    One learned b per copy, the same at all elements of the group. A gauge transformation permutes the values and
    multiplies the sign-flip fields by ±1, so the layer is exactly equivariant. It does what `RegularNonlinearity` and
    `SignNonlinearity` do to coefficients, on fields in the basis of `to_values`. Weiler et al. 2021, Coordinate
    Independent Convolutional Networks, section on Möbius convolutions.

    Args:
        field_type: of input and output.
        activation: "elu", "relu", "silu" or "tanh".
        eps: ε.

    Raises:
        ValueError: an irrep of the field type has two components, or the activation is not known.
    """

    def __init__(self, field_type: FieldType, *, activation: str = "elu", eps: float = 1e-5) -> None:
        super().__init__()
        if activation not in ACTIVATIONS:
            raise ValueError(f"unknown activation {activation!r}: expected one of {', '.join(ACTIVATIONS)}")
        self.field_type, self.activation, self.eps = field_type, activation, eps
        copies: list[Tensor] = []
        signed: list[Tensor] = []
        n = 0
        for term in field_type.terms:
            r, m = term.representation, term.multiplicity
            values = has_values(term)
            if not values and r.dim != 1:
                raise ValueError(f"the components of {term} of {field_type} mix: use the norm or gated non-linearity")
            copies.append((n + torch.arange(m)).repeat(r.dim))
            invariant = values or all(irrep.is_invariant for irrep, _ in r.irreps)
            signed.append(torch.full((m * r.dim,), not invariant))
            n += m
        self.bias = nn.Parameter(torch.zeros(n))
        self.register_buffer("copy_of", torch.cat(copies), persistent=False)
        self.register_buffer("signed", torch.cat(signed), persistent=False)
        self.copy_of: Tensor
        self.signed: Tensor
        runs = torch.cat(signed).int()
        cuts = [0, *(torch.nonzero(runs.diff()).flatten() + 1).tolist(), len(runs)]
        self.runs = [(a, b, bool(runs[a])) for a, b in itertools.pairwise(cuts)]
        """Column ranges, and whether they are signed."""

    def forward(self, x: Tensor) -> Tensor:
        """[..., field_type.dim] → [..., field_type.dim]

        Raises:
            ValueError: x has another width.
        """
        if x.shape[-1] != self.field_type.dim:
            raise ValueError(
                f"expected features [..., {self.field_type.dim}] of {self.field_type}, got {list(x.shape)}"
            )
        act, bias = ACTIVATIONS[self.activation], self.bias[self.copy_of]
        parts = []
        for start, stop, signed in self.runs:
            part = x[..., start:stop]
            if signed:
                size = (part.square() + self.eps).sqrt()
                parts.append(part / size * act(size + bias[start:stop]))
            else:
                parts.append(act(part + bias[start:stop]))
        return parts[0] if len(parts) == 1 else torch.cat(parts, -1)

    def extra_repr(self) -> str:
        return f"{self.field_type}, {self.activation}"
