"""Point-wise non-linearity on the samples of functions on the group."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from gaugenet.field_type import FieldType


class RegularNonlinearity(nn.Module):
    """Fields of regular and quotient representations as functions on G or G/H, acted on value by value:

        out = P ReLU(Q x + b),   P Q = 1

    Q [S, dim] reads the values of the function with coefficients x at S points, P goes back; b is learned, one per
    copy, the same at all points. For a finite group the points are all of G/H, Q is orthogonal, and the layer is
    exactly equivariant: a gauge transformation permutes the values. For SO(2) and O(2) it is equivariant up to
    aliasing, which falls as S grows (de Haan et al. 2021, section 5): sampled, honest, never exact. Trivial irreps go
    through ReLU(x + b).

    Args:
        field_type: of regular, quotient and trivial representations.
        n_samples: S for continuous groups; by default twice the fewest that can be read back, plus one (made even where
            reflections need it). Finite groups have all their points, whatever it says.

    Raises:
        ValueError: another irrep is in the field type, whose components mix: use a gated or norm non-linearity.
    """

    def __init__(self, field_type: FieldType, *, n_samples: int | None = None) -> None:
        super().__init__()
        self.field_type = field_type
        biases = []
        self.n_samples: list[int | None] = []
        for i, term in enumerate(field_type.terms):
            representation = term.representation
            biases.append(nn.Parameter(torch.zeros(term.multiplicity)))
            if representation.stabilizer is None:
                if not all(irrep.is_invariant for irrep, _ in representation.irreps):
                    raise ValueError(
                        f"a point-wise non-linearity would not be equivariant on {term} of {field_type}: use regular "
                        "or quotient representations, or the gated or norm non-linearity"
                    )
                self.n_samples.append(None)
                continue
            n = None
            if field_type.group.is_continuous:
                default = 2 * representation.min_samples + (0 if field_type.group.has_reflections else 1)
                n = default if n_samples is None else n_samples
            to_samples, from_samples = representation.sampling(n)
            self.n_samples.append(to_samples.shape[0])
            self.register_buffer(f"to_samples_{i}", to_samples.float(), persistent=False)
            self.register_buffer(f"from_samples_{i}", from_samples.float(), persistent=False)
        self.bias = nn.ParameterList(biases)

    def _apply(self, fn, recurse=True):  # type: ignore[no-untyped-def]
        # A cast to float64 must bring the float64 matrices, not rounded float32 ones.
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        for i, n in enumerate(self.n_samples):
            if n is not None:
                pair = self.field_type.terms[i].representation.sampling(
                    n if self.field_type.group.is_continuous else None
                )
                for name, exact in zip((f"to_samples_{i}", f"from_samples_{i}"), pair):
                    setattr(self, name, exact.to(getattr(self, name)))
        return self

    def forward(self, x: Tensor) -> Tensor:
        """[V, field_type.dim] → [V, field_type.dim]"""
        out = []
        for i, term in enumerate(self.field_type.terms):
            part, bias = x[:, term.start : term.stop], self.bias[i]
            if self.n_samples[i] is None:
                out.append(functional.relu(part + bias))
                continue
            to_samples, from_samples = getattr(self, f"to_samples_{i}"), getattr(self, f"from_samples_{i}")
            coefficients = part.reshape(part.shape[0], -1, term.multiplicity)
            values = functional.relu(torch.einsum("sk,vkm->vsm", to_samples, coefficients) + bias)
            out.append(torch.einsum("ks,vsm->vkm", from_samples, values).flatten(1))
        return torch.cat(out, 1)
