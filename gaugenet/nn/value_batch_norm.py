"""Batch normalisation of fields written as values on the group, on the pixels of an atlas."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gaugenet.field_type import FieldType
from gaugenet.meshes.charts import ChartAtlas
from gaugenet.nn.batch_norm import recomputing
from gaugenet.nn.chart_transport import check_features, holes_and_rest
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
        self._copies = [(term.representation.dim, term.multiplicity) for term in field_type.terms]
        self.scale = nn.Parameter(torch.ones(n))
        self.bias = nn.Parameter(torch.zeros(n))
        self.register_buffer("running_mean", torch.zeros(n))
        self.register_buffer("running_variance", torch.ones(n))
        self.register_buffer("copy_of", torch.cat(copies), persistent=False)
        self.register_buffer("n_values", torch.bincount(torch.cat(copies)), persistent=False)
        self.running_mean: Tensor
        self.running_variance: Tensor
        self.copy_of: Tensor
        self.n_values: Tensor

    def forward(self, x: Tensor, atlas: ChartAtlas) -> Tensor:
        """[P, N, dim] → [P, N, dim], both values, 0 at holes

        Raises:
            ValueError: x has the wrong shape, or there is nothing to take a mean of.
        """
        check_features(x, atlas, self.field_type)
        holes, kept = holes_and_rest(atlas, x.device)
        mean, variance = self.running_mean, self.running_variance
        if self.training:
            x, mean, variance = self._statistics(x, holes, kept)
        factor = (variance + self.eps).rsqrt() * self.scale
        shift = self.bias - mean * factor
        dtype = torch.promote_types(x.dtype, self.scale.dtype)
        out = torch.addcmul(shift.to(dtype)[self.copy_of], x, factor.to(dtype)[self.copy_of])
        return out.index_fill_(0, holes, 0.0) if len(holes) else out

    def _statistics(self, x: Tensor, holes: Tensor, kept: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """x less a constant per copy, 0 at holes, and its mean and variance; the running values follow those of x.

        The constant is the mean of the first image: a difference of squares would otherwise lose as many digits as the
        mean exceeds the deviations. Where that image is far from the others, deviations are as large.
        """
        if len(kept) * x.shape[1] == 0:
            raise ValueError("batch statistics need at least one pixel and one image")
        # half precision could not count pixels
        wide = torch.promote_types(x.dtype, torch.float32)

        def over_copies(columns: Tensor, images: int) -> Tensor:
            n = self.n_values * (len(kept) * images)
            parts = torch.split(columns, [r * m for r, m in self._copies])
            return torch.cat([p.view(r, m).sum(0) for p, (r, m) in zip(parts, self._copies)]) / n

        first = x.detach()[:, 0].index_select(0, kept)
        constant = over_copies(first.sum(0, dtype=wide), 1)
        centred = (x - constant[self.copy_of]).to(x.dtype)
        if len(holes):
            centred = centred.index_fill_(0, holes, 0.0)
        mean = over_copies(centred.sum((0, 1), dtype=wide), x.shape[1])
        square = over_copies(torch.linalg.vector_norm(centred, dim=(0, 1), dtype=wide).square(), x.shape[1])
        variance = (square - mean.square()).clamp_min(0.0)
        if not recomputing():
            with torch.no_grad():
                self.running_mean.lerp_((constant + mean).to(self.running_mean), self.momentum)
                self.running_variance.lerp_(variance.to(self.running_variance), self.momentum)
        return centred, mean, variance

    def extra_repr(self) -> str:
        return f"{self.field_type}, momentum {self.momentum}"
