"""Normalisation by statistics of a whole surface."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gaugenet.field_type import FieldType
from gaugenet.meshes.geometry import MeshGeometry
from gaugenet.nn.bias import InvariantBias
from gaugenet.nn.copies import copy_dims, invariant_copies, n_copies, squared_norms, to_columns
from gaugenet.nn.surface_sums import Surfaces, surfaces_of


class InstanceNorm(nn.Module):
    """Every copy divided by its root mean square over the surface, vertices weighted by area:

        out_c[p] = γ_c (x_c[p] - μ_c) / √(Σ_q a_q ‖x_c[q] - μ_c‖² / d + ε) + β_c,   μ_c = Σ_q a_q x_c[q]

    a are the areas of the vertices over that of the surface they lie on, so the statistics are integrals, which do not
    depend on the meshing, and the surfaces of a batch do not see each other. μ and β belong to trivial irreps only; d
    is the dimension of the irrep; γ, β are learned, one per copy. Norms are invariant, so the layer is exactly
    equivariant for every group. Ulyanov et al. 2016 (Instance Normalization).

    Args:
        field_type: of input and output.
        eps: ε, keeps the root away from 0.
    """

    def __init__(self, field_type: FieldType, *, eps: float = 1e-5) -> None:
        super().__init__()
        self.field_type, self.eps = field_type, eps
        self.scale = nn.Parameter(torch.ones(n_copies(field_type)))
        self.bias = InvariantBias(field_type)
        self.register_buffer("invariant", invariant_copies(field_type), persistent=False)
        self.register_buffer("dims", copy_dims(field_type), persistent=False)
        self.invariant: Tensor
        self.dims: Tensor

    def edges(self, geometry: MeshGeometry) -> Surfaces:
        """What the layer reads of a surface; see `prepare`."""
        return surfaces_of(geometry)

    def forward(self, x: Tensor, geometry: MeshGeometry) -> Tensor:
        """[V, field_type.dim] at the targets of the geometry → [V, field_type.dim]

        Raises:
            ValueError: x has the wrong shape.
        """
        check_targets(x, self.field_type, geometry)
        surfaces = self.edges(geometry)
        area = surfaces.area[:, None].to(x.dtype)
        invariant = to_columns(self.field_type, self.invariant)
        mean = torch.where(invariant, surfaces.sum(x * area), 0.0)
        centred = x - surfaces.spread(mean)
        square = surfaces.sum(squared_norms(self.field_type, centred) * area) / self.dims
        factor = (square + self.eps).rsqrt() * self.scale
        out: Tensor = self.bias(centred * surfaces.spread(to_columns(self.field_type, factor)))
        return out

    def extra_repr(self) -> str:
        return str(self.field_type)


def check_targets(x: Tensor, field_type: FieldType, geometry: MeshGeometry) -> None:
    """Raise a ValueError unless x is a field of that type at the targets of the geometry."""
    if x.ndim != 2 or x.shape != (geometry.n_vertices, field_type.dim):
        raise ValueError(
            f"expected features [{geometry.n_vertices}, {field_type.dim}] ({field_type}) at the vertices of this "
            f"geometry, got {list(x.shape)}"
        )
