"""Products of fields: the non-linearity that mixes frequencies."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gaugenet.field_type import FieldType
from gaugenet.nn.self_interaction import SelfInteraction
from gaugenet.representations import Irrep
from gaugenet.steerable.clebsch_gordan import clebsch_gordan


class TensorProductNonlinearity(nn.Module):
    """A learned bilinear map of a field with itself, plus a linear one:

        out = S₃ ⨁_{a,b} C_{ab}((S₁ x)_a ⊗ t((S₂ x)_b)) + S₀ x,      t(y) = y / √(1 + ‖y‖²) for each copy

    S₁, S₂ are learned intertwiners to `rank` copies of every irrep of x; C_{ab} decomposes the product of irreps a and
    b into irreps (`clebsch_gordan`), copy by copy; S₃ is a learned intertwiner to the output. Every equivariant
    bilinear map is such a sum if the rank is large enough. t keeps the output from growing like ‖x‖² (``bounded``);
    without it the map is exactly quadratic, as in Kondor et al. 2018 (Clebsch-Gordan Nets) and e3nn.

    Args:
        in_type: of the input.
        out_type: of the output; the input's by default. S₀ or the products must reach its irreps, others come out 0.
        rank: copies of each irrep that are multiplied; by default the largest multiplicity of the input.
        bounded: whether t is as above or the identity.
        generator: for the initial weights.

    Raises:
        ValueError: the field types disagree in their group, or the rank is below 1.
    """

    def __init__(
        self,
        in_type: FieldType,
        out_type: FieldType | None = None,
        *,
        rank: int | None = None,
        bounded: bool = True,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        out_type = in_type if out_type is None else out_type
        if in_type.group != out_type.group:
            raise ValueError(f"both field types must have one structure group: got {in_type} and {out_type}")
        self.in_type, self.out_type, self.bounded = in_type, out_type, bounded
        self.rank = max(b.multiplicity for b in in_type.blocks) if rank is None else rank
        if self.rank < 1:
            raise ValueError(f"rank must be at least 1, not {rank}")
        irreps = list(dict.fromkeys(b.irrep for b in in_type.blocks))
        wanted = {b.irrep for b in out_type.blocks}
        self._paths: list[tuple[int, int, str]] = []
        products: list[Irrep] = []
        for i, first in enumerate(irreps):
            for j, second in enumerate(irreps):
                for irrep, coefficients in clebsch_gordan(first, second):
                    if irrep in wanted:
                        name = f"product_{len(self._paths)}"
                        self.register_buffer(name, coefficients.to(torch.get_default_dtype()), persistent=False)
                        self._paths.append((i, j, name))
                        products.append(irrep)
        factor_type = FieldType(in_type.group, [(irrep, self.rank) for irrep in irreps])
        self.first = SelfInteraction(in_type, factor_type, bias=False, generator=generator)
        self.second = SelfInteraction(in_type, factor_type, bias=False, generator=generator)
        half = 0.5**0.5
        self.linear = SelfInteraction(in_type, out_type, gain=half if products else 1.0, generator=generator)
        self.mix = None
        if products:
            product_type = FieldType(in_type.group, [(irrep, self.rank) for irrep in products])
            self.mix = SelfInteraction(product_type, out_type, bias=False, gain=half, generator=generator)

    def forward(self, x: Tensor) -> Tensor:
        """[V, in_type.dim] → [V, out_type.dim]"""
        out: Tensor = self.linear(x)
        if self.mix is None:
            return out
        first, second = self._factors(self.first(x)), self._factors(self.second(x))
        if self.bounded:
            second = [y / (1 + y.square().sum(1, keepdim=True)).sqrt() for y in second]
        parts = []
        for i, j, name in self._paths:
            coefficients = getattr(self, name).to(x.dtype)
            # at most four terms, all of them 0 or ±1: cheaper one by one than as a product of small matrices
            for k in range(coefficients.shape[0]):
                parts.append(torch.einsum("ij,vic,vjc->vc", coefficients[k], first[i], second[j]))
        out = out + self.mix(torch.cat(parts, 1))
        return out

    def _factors(self, y: Tensor) -> list[Tensor]:
        """[V, dim, rank] of each irrep."""
        return [
            y[:, b.start : b.stop].reshape(y.shape[0], b.irrep.dim, b.multiplicity) for b in self.first.out_type.blocks
        ]

    def extra_repr(self) -> str:
        return f"{self.in_type} → {self.out_type}, rank {self.rank}, {len(self._paths)} products"
