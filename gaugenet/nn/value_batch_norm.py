"""Batch normalisation of fields written as values on the group, on the pixels of an atlas."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gaugenet.field_type import FieldType
from gaugenet.meshes.charts import ChartAtlas
from gaugenet.nn.batch_norm import recomputing
from gaugenet.nn.value_basis import has_values


class ValueBatchNorm(nn.Module):
    """Every copy normalised over pixels, images and the values that make it up:

        out_c = γ_c (x_c − μ_c) / √(σ²_c + ε) + β_c

    In training μ and σ² are mean and variance of all values of copy c in the batch, and running ones follow them,
    r ← (1 − m) r + m · new; in evaluation they are the running ones. A gauge transformation permutes the values of a
    copy, which changes neither, so the layer is exactly equivariant. Holes of the atlas take no part, or an image
    turned by a symmetry would have other statistics. Ioffe and Szegedy 2015; `BatchNorm` is its like on coefficients.

    Where a backward pass computes the layer again (activation checkpointing), the running values stay as they are.

    Args:
        field_type: of input and output, in the basis of `gaugenet.nn.value_basis`: scalars, and regular or quotient
            fields of a finite group.
        momentum: m, in (0, 1].
        eps: ε, keeps the root away from 0.

    Raises:
        ValueError: the momentum is out of its range, or the type holds fields that are not values.
    """

    def __init__(self, field_type: FieldType, *, momentum: float = 0.1, eps: float = 1e-5) -> None:
        super().__init__()
        if not 0 < momentum <= 1:
            raise ValueError(f"momentum must be in (0, 1], not {momentum}")
        copies: list[Tensor] = []
        n = 0
        for term in field_type.terms:
            r, m = term.representation, term.multiplicity
            if not has_values(term) and not all(irrep.is_invariant for irrep, _ in r.irreps):
                raise ValueError(f"the mean of {term} of {field_type} depends on the gauge: use BatchNorm")
            copies.append((n + torch.arange(m)).repeat(r.dim))
            n += m
        self.field_type, self.momentum, self.eps = field_type, momentum, eps
        self.scale = nn.Parameter(torch.ones(n))
        self.bias = nn.Parameter(torch.zeros(n))
        self.register_buffer("running_mean", torch.zeros(n))
        self.register_buffer("running_variance", torch.ones(n))
        self.register_buffer("copy_of", torch.cat(copies), persistent=False)
        self.running_mean: Tensor
        self.running_variance: Tensor
        self.copy_of: Tensor

    def forward(self, x: Tensor, atlas: ChartAtlas) -> Tensor:
        """[P, N, dim] → [P, N, dim], both values

        Raises:
            ValueError: x has the wrong shape, or there is nothing to take a mean of.
        """
        if x.ndim != 3 or x.shape[0] != atlas.n_pixels or x.shape[2] != self.field_type.dim:
            raise ValueError(f"expected features [{atlas.n_pixels}, N, {self.field_type.dim}], got {list(x.shape)}")
        mean, variance = self._statistics(x, atlas) if self.training else (self.running_mean, self.running_variance)
        factor = (variance + self.eps).rsqrt() * self.scale
        shift = self.bias - mean * factor
        return torch.addcmul(shift[self.copy_of], x, factor[self.copy_of])

    def _statistics(self, x: Tensor, atlas: ChartAtlas) -> tuple[Tensor, Tensor]:
        pixels = atlas.n_pixels - len(atlas.cones)
        if pixels * x.shape[1] == 0:
            raise ValueError("batch statistics need at least one pixel and one image")
        holes = atlas.remember(("holes", x.device), lambda: torch.tensor(atlas.cones, device=x.device).long())
        rows, lost = x.flatten(0, 1), x.index_select(0, holes).flatten(0, 1)
        n = torch.bincount(self.copy_of) * pixels * x.shape[1]

        def over_copies(columns: Tensor) -> Tensor:
            return columns.new_zeros(len(n)).index_add(0, self.copy_of, columns) / n

        mean = over_copies(rows.sum(0) - lost.sum(0))
        square = over_copies(torch.linalg.vector_norm(rows, dim=0).square() - lost.square().sum(0))
        variance = (square - mean.square()).clamp_min(0.0)
        if recomputing():
            return mean, variance
        with torch.no_grad():
            self.running_mean.lerp_(mean.detach().to(self.running_mean), self.momentum)
            self.running_variance.lerp_(variance.detach().to(self.running_variance), self.momentum)
        return mean, variance

    def extra_repr(self) -> str:
        return f"{self.field_type}, momentum {self.momentum}"
