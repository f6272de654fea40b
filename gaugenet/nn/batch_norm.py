"""Normalisation by statistics of the batch, kept for evaluation."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gaugenet.field_type import FieldType
from gaugenet.nn.bias import InvariantBias
from gaugenet.nn.copies import copy_dims, invariant_copies, n_copies, squared_norms, to_columns
from gaugenet.nn.sums_over_processes import processes, sum_over_processes


class BatchNorm(nn.Module):
    """Every copy divided by its root mean square over all vertices of the batch, or over those seen in training:

        out_c = γ_c (x_c - μ_c) / √(σ²_c + ε) + β_c,    σ²_c = mean_p ‖x_c[p] - μ_c‖² / d

    In training μ and σ² are those of the batch, and running values follow them, r ← (1 - m) r + m · new; in evaluation
    they are the running values. μ and β belong to trivial irreps only; d is the dimension of the irrep; γ, β are
    learned, one per copy. Norms are invariant, so the layer is exactly equivariant for every group. Ioffe and Szegedy
    2015; by norms as in Weiler and Cesa 2019 (General E(2)-Equivariant Steerable CNNs).

    Where a backward pass computes the layer again (activation checkpointing), the running values stay as they are.

    Under ``torch.distributed`` the batch is that of all processes together, in the gradient as well: several processes
    give what one gives with all their surfaces. All must then call the layer equally often, also with no vertex.

    Args:
        field_type: of input and output.
        momentum: m, in (0, 1].
        eps: ε, keeps the root away from 0.
        synchronize: whether the statistics are those of all processes; False: of each by itself.

    Raises:
        ValueError: the momentum is out of its range.
    """

    def __init__(
        self, field_type: FieldType, *, momentum: float = 0.1, eps: float = 1e-5, synchronize: bool = True
    ) -> None:
        super().__init__()
        if not 0 < momentum <= 1:
            raise ValueError(f"momentum must be in (0, 1], not {momentum}")
        self.field_type, self.momentum, self.eps, self.synchronize = field_type, momentum, eps, synchronize
        n = n_copies(field_type)
        self.scale = nn.Parameter(torch.ones(n))
        self.bias = InvariantBias(field_type)
        self.register_buffer("running_mean", torch.zeros(n))
        self.register_buffer("running_square", torch.ones(n))
        self.register_buffer("invariant", invariant_copies(field_type), persistent=False)
        self.register_buffer("dims", copy_dims(field_type), persistent=False)
        self.running_mean: Tensor
        self.running_square: Tensor
        self.invariant: Tensor
        self.dims: Tensor

    def forward(self, x: Tensor) -> Tensor:
        """[V, field_type.dim] → [V, field_type.dim]

        Raises:
            ValueError: x has the wrong width, or there is no vertex to train on.
        """
        if x.ndim != 2 or x.shape[1] != self.field_type.dim:
            raise ValueError(f"expected features [V, {self.field_type.dim}] ({self.field_type}), got {list(x.shape)}")
        if not self.training:
            centred = x - to_columns(self.field_type, self.running_mean)
            square = self.running_square
        else:
            # half precision could not count vertices
            wide = x.float() if x.dtype in (torch.bfloat16, torch.float16) else x
            total = self._sum(torch.cat([wide.sum(0), wide.new_full((1,), x.shape[0])]))
            count = total[-1]
            if x.shape[0] == 0 and (not self.synchronize or processes() == 1 or count == 0):
                raise ValueError("batch statistics need at least one vertex")
            mean = torch.where(to_columns(self.field_type, self.invariant), total[:-1] / count, 0.0)
            centred = x - mean
            square = self._sum(squared_norms(self.field_type, centred).sum(0)) / (count * self.dims)
            if not recomputing():
                self._follow(mean.detach(), square.detach())
        factor = (square + self.eps).rsqrt() * self.scale
        out: Tensor = self.bias(centred * to_columns(self.field_type, factor))
        return out

    def _sum(self, values: Tensor) -> Tensor:
        return sum_over_processes(values) if self.synchronize else values

    def _follow(self, mean: Tensor, square: Tensor) -> None:
        # of every copy the first component: where there is a mean, there are no others
        columns = [mean[b.start : b.start + b.multiplicity] for b in self.field_type.blocks]
        with torch.no_grad():
            self.running_mean.lerp_(torch.cat(columns).to(self.running_mean), self.momentum)
            self.running_square.lerp_(square.to(self.running_square), self.momentum)

    def extra_repr(self) -> str:
        return f"{self.field_type}, momentum {self.momentum}"


def recomputing() -> bool:
    """Whether a backward pass is under way, so that what is computed now has been computed before."""
    # a tracer sees every layer once, and cannot ask
    return not torch.compiler.is_compiling() and torch._C._current_graph_task_id() != -1
