"""Differential operators of scalar, vector and other fields: fixed linear layers."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gaugenet.field_type import FieldType
from gaugenet.groups import StructureGroup
from gaugenet.kernels.transport_conv import ConvEdges, transport_conv
from gaugenet.meshes.geometry import MeshGeometry
from gaugenet.nn.edges import check_admissible, check_sources
from gaugenet.nn.stencils import stencil_edges
from gaugenet.nn.tangent import pseudo_scalar_type, scalar_type, tangent_type


class DifferentialOperator(nn.Module):
    """Derivatives of the polynomial in log_p q that is closest to the neighbours after transport (`stencil_edges`):

        out[p] = Σ_b W_b ∂_b f[p],    ∂ = (∂_x, ∂_y, ∂_xx + ∂_yy, ∂_xx - ∂_yy, 2 ∂_xy)

    W is fixed and steerable, so the layer is exactly equivariant. Base class of `Gradient`, `Divergence`, `Curl` and
    `ConnectionLaplacian`.

    On a geometry between two levels the value at the target is fitted too. Derivatives of f are per unit of length of
    the mesh. As inputs of networks: Sharp et al. 2022 (DiffusionNet), Wiersma et al. 2022 (DeltaConv).

    Args:
        in_type, out_type: field types of one structure group.
        weight: [5, out_type.dim, in_type.dim].
        degree: of the polynomial: 1 needs two neighbours, 2 needs five and has smaller errors on smooth fields.
    """

    weight: Tensor

    def __init__(self, in_type: FieldType, out_type: FieldType, weight: Tensor, degree: int) -> None:
        super().__init__()
        if degree not in (1, 2):
            raise ValueError(f"the degree of the polynomial must be 1 or 2, not {degree}")
        self.in_type, self.out_type, self.degree = in_type, out_type, degree
        self.register_buffer("weight", weight, persistent=False)

    def edges(self, geometry: MeshGeometry) -> ConvEdges:
        """What the layer reads on the edges of a surface; derived once, then remembered by the geometry.

        Raises:
            ValueError: the structure group of the layer does not admit the surface.
        """
        check_admissible(self.in_type.group, geometry)
        return stencil_edges(geometry, self.degree)

    def forward(self, x: Tensor, geometry: MeshGeometry) -> Tensor:
        """[S, in_type.dim] in the frames of the sources → [V, out_type.dim] in those of the targets.

        Raises:
            ValueError: x has the wrong shape, or the structure group does not admit the surface.
        """
        check_sources(x, geometry, self.in_type)
        blocks = self.in_type.transport_blocks, self.out_type.transport_blocks
        return transport_conv(x, self.weight.to(x.dtype), self.edges(geometry), *blocks)

    def extra_repr(self) -> str:
        return f"{self.in_type} → {self.out_type}, degree {self.degree}"


class Gradient(DifferentialOperator):
    """∇f = (∂_x f, ∂_y f) of n scalar fields, as n tangent vector fields; or, ``rotated``, J∇f = (-∂_y f, ∂_x f).

    J needs an orientation: where the group has reflections, the rotated gradient is one of pseudo-scalars (stream
    functions). Input [V, n], output [V, 2 n]: n x components, then n y components (`tangent_type`).

    Args:
        group: the structure group G, or its name.
        n: how many fields.
        rotated: whether J∇ instead.
        degree: of the polynomial, 1 or 2 (`DifferentialOperator`).
    """

    def __init__(self, group: str | StructureGroup, n: int = 1, *, rotated: bool = False, degree: int = 2) -> None:
        in_type = pseudo_scalar_type(group, n) if rotated else scalar_type(group, n)
        x, y = (part.T for part in _halves(n))
        weight = _on_derivatives({0: y, 1: -x} if rotated else {0: x, 1: y})
        super().__init__(in_type, tangent_type(group, n), weight, degree)
        self.rotated = rotated

    def extra_repr(self) -> str:
        return super().extra_repr() + (", rotated" if self.rotated else "")


class Divergence(DifferentialOperator):
    """∇·X = ∂_x X_x + ∂_y X_y of n tangent vector fields: [V, 2 n] (`tangent_type`) → [V, n] scalars.

    Args:
        group: the structure group G, or its name.
        n: how many fields.
        degree: of the polynomial, 1 or 2 (`DifferentialOperator`).
    """

    def __init__(self, group: str | StructureGroup, n: int = 1, *, degree: int = 2) -> None:
        first, second = _halves(n)
        super().__init__(tangent_type(group, n), scalar_type(group, n), _on_derivatives({0: first, 1: second}), degree)


class Curl(DifferentialOperator):
    """∂_x X_y - ∂_y X_x of n tangent vector fields: [V, 2 n] (`tangent_type`) → [V, n] pseudo-scalars.

    Args:
        group: the structure group G, or its name.
        n: how many fields.
        degree: of the polynomial, 1 or 2 (`DifferentialOperator`).
    """

    def __init__(self, group: str | StructureGroup, n: int = 1, *, degree: int = 2) -> None:
        first, second = _halves(n)
        weight = _on_derivatives({0: second, 1: -first})
        super().__init__(tangent_type(group, n), pseudo_scalar_type(group, n), weight, degree)


class ConnectionLaplacian(DifferentialOperator):
    """Δf = (∇_x ∇_x + ∇_y ∇_y) f of any field: of scalars the Laplace-Beltrami operator (of negative spectrum), of
    vectors the connection (rough, Bochner) Laplacian.

    Args:
        field_type: of input and output.
    """

    def __init__(self, field_type: FieldType) -> None:
        super().__init__(field_type, field_type, _on_derivatives({2: torch.eye(field_type.dim)}), 2)


def _halves(n: int) -> tuple[Tensor, Tensor]:
    """[n, 2 n] that take the x, and the y components of n vectors."""
    eye, none = torch.eye(n), torch.zeros(n, n)
    return torch.cat([eye, none], 1), torch.cat([none, eye], 1)


def _on_derivatives(matrices: dict[int, Tensor]) -> Tensor:
    shape = next(iter(matrices.values())).shape
    return torch.stack([matrices.get(b, torch.zeros(shape)) for b in range(5)])
