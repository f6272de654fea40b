"""Learned differential operators."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gaugenet.field_type import FieldType
from gaugenet.kernels.transport_conv import ConvEdges, transport_conv
from gaugenet.meshes.geometry import MeshGeometry
from gaugenet.nn.bias import InvariantBias
from gaugenet.nn.edges import check_admissible, check_sources
from gaugenet.nn.self_interaction import SelfInteraction
from gaugenet.nn.stencils import stencil_edges
from gaugenet.steerable import IntertwinerBasis, KernelBasis


class DifferentialConv(nn.Module):
    """The general equivariant differential operator of order two, with learned coefficients:

        out = S f + ℓ (D_x ∂_x + D_y ∂_y) f + ℓ² (H_1 (∂_xx - ∂_yy) + H_2 2∂_xy + L (∂_xx + ∂_yy)) f + b

    The derivatives are those of `stencil_edges`. (D_x, D_y) and (H_1, H_2) are steerable kernels of harmonic 1 and 2
    with (cos θ, sin θ) and (cos 2θ, sin 2θ) replaced by the derivatives that turn in the same way; S and L are
    intertwiners; ℓ is a length that makes the coefficients pure numbers. Jenner and Weiler 2022 (Steerable
    Partial Differential Operators, theorem on the correspondence of kernels and operators). Compared to `GaugeConv` it
    has no radial profile and does not depend on the neighbourhood where f is a quadratic polynomial.

    On a geometry between two levels the value S f acts on is not there, and the layer has no S.

    Args:
        in_type, out_type: field types of one structure group.
        length: ℓ, in the unit of the mesh.
        bias: whether the layer has b.
        generator: for the initial weights.

    Raises:
        ValueError: the field types disagree in their group, or the length is not positive.
    """

    def __init__(
        self,
        in_type: FieldType,
        out_type: FieldType,
        *,
        length: float = 1.0,
        bias: bool = True,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        if not length > 0:
            raise ValueError(f"the length of a differential operator must be positive, not {length}")
        self.in_type, self.out_type, self.length = in_type, out_type, length
        self.basis = KernelBasis(in_type, out_type, max_harmonic=2, form="harmonic")
        self.laplacian_basis = IntertwinerBasis(in_type, out_type)
        third = 3**-0.5
        self.coefficients = nn.Parameter(self.basis.initial(1, gain=third, generator=generator))
        self.laplacian = nn.Parameter(self.laplacian_basis.initial(gain=third, generator=generator))
        self.self_interaction = SelfInteraction(in_type, out_type, bias=False, gain=third, generator=generator)
        self.bias = InvariantBias(out_type) if bias else None

    def edges(self, geometry: MeshGeometry) -> ConvEdges:
        """What the layer reads on the edges of a surface; derived once, then remembered by the geometry.

        Raises:
            ValueError: the structure group of the layer does not admit the surface.
        """
        check_admissible(self.in_type.group, geometry)
        return stencil_edges(geometry, 2)

    def forward(self, x: Tensor, geometry: MeshGeometry) -> Tensor:
        """[S, in_type.dim] in the frames of the sources → [V, out_type.dim] in those of the targets.

        Raises:
            ValueError: x has the wrong shape, or the structure group does not admit the surface.
        """
        check_sources(x, geometry, self.in_type)
        kernel = self.basis.expand(self.coefficients)
        second = self.length**2
        laplacian = second * self.laplacian_basis.expand(self.laplacian)
        weight = torch.cat([self.length * kernel[1:3], laplacian[None], second * kernel[3:5]])
        blocks = self.in_type.transport_blocks, self.out_type.transport_blocks
        out = transport_conv(x, weight, self.edges(geometry), *blocks)
        if not geometry.is_cross_level:
            out = out + self.self_interaction(x)
        return out if self.bias is None else self.bias(out)

    def extra_repr(self) -> str:
        return f"{self.in_type} → {self.out_type}, length {self.length}"
