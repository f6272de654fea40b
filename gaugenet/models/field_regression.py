"""Regression of fields of any type, and numbers in the unit of what is learned."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from gaugenet.field_type import FieldType
from gaugenet.groups import StructureGroup
from gaugenet.meshes.geometry import MeshGeometry
from gaugenet.meshes.hierarchy import Hierarchy
from gaugenet.models.backbones import check_positive, make_backbone
from gaugenet.models.perceptron import perceptron
from gaugenet.nn.copies import invariant_copies, n_copies, to_columns
from gaugenet.nn.invariants import Invariants
from gaugenet.nn.normalization import FieldNorm
from gaugenet.nn.self_interaction import SelfInteraction
from gaugenet.nn.tangent import scalar_type


class FieldRegression(nn.Module):
    """Invariant features at vertices → a field of any type there, in the frames of the vertices:

        out_c = p_c(ι(x)) for invariant copies c,     out_c = (A x)_c (1 + p_c(ι(x))) for all others

    x is the last field of a backbone, normalised, A an intertwiner, ι are `Invariants`, p a perceptron with a number
    for every copy of an irrep in `out_type`. Equivariant under gauge transformations of the structure group.

    Args:
        n_features: input scalars per vertex.
        out_type: of the output, e.g. ``"SO(2): 1x0 + 1x1"`` for a scalar and a tangent vector; its irreps must occur in
            the hidden fields (max_frequency of the backbone), or they stay 0.
        backbone: "residual" (on a geometry or a hierarchy) or "unet" (on a hierarchy).
        dropout: probability in the perceptron.
        seed: of the initial weights, None for torch's global generator.
        options: of the backbone, see `gaugenet.models.backbones`.

    Raises:
        ValueError: a number is out of its range, a name is not known, or an irrep of the output does not occur in the
            hidden fields.
    """

    def __init__(
        self,
        n_features: int,
        out_type: FieldType | str,
        *,
        backbone: str = "residual",
        dropout: float = 0.0,
        seed: int | None = 0,
        **options: Any,
    ) -> None:
        super().__init__()
        check_positive(n_features=n_features)
        generator = None if seed is None else torch.Generator().manual_seed(seed)
        self.out_type = FieldType.parse(out_type)
        group = self.out_type.group
        self.backbone = make_backbone(backbone, scalar_type(group, n_features), generator=generator, **options)
        last = self.backbone.out_type
        missing = {b.irrep.name for b in self.out_type.blocks} - {b.irrep.name for b in last.blocks}
        if missing:
            raise ValueError(
                f"irreps {', '.join(sorted(missing))} of the output {self.out_type} do not occur in the hidden fields "
                f"{last}: raise max_frequency"
            )
        self.norm = FieldNorm(last)
        self.field = SelfInteraction(last, self.out_type, bias=False, generator=generator)
        self.invariants = Invariants(last, generator=generator)
        self.head = perceptron(self.invariants.n_out, n_copies(self.out_type), dropout=dropout, generator=generator)
        self.register_buffer("invariant", invariant_copies(self.out_type), persistent=False)
        self.invariant: Tensor

    @property
    def group(self) -> StructureGroup:
        """The structure group."""
        return self.out_type.group

    def forward(self, features: Tensor, surface: MeshGeometry | Hierarchy) -> Tensor:
        """[V, n_features] invariant scalars → [V, out_type.dim].

        Raises:
            ValueError: a tensor has the wrong shape, or the structure group does not admit the surface.
        """
        x = self.norm(self.backbone(features, surface))
        numbers = to_columns(self.out_type, self.head(self.invariants(x)))
        field = self.field(x)
        return torch.where(to_columns(self.out_type, self.invariant), numbers, field * (1 + numbers))


class Scaled(nn.Module):
    """y = μ + s · N(...): what a network N gives, in the unit of what is learned, so that N gives numbers of size 1.

    Args:
        network: N, with an output [..., n].
        n: numbers per vertex or surface.
    """

    def __init__(self, network: nn.Module, n: int) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("offset", torch.zeros(n))
        self.register_buffer("scale", torch.ones(n))
        self.offset: Tensor
        """[n] μ; 0 for what turns with a frame, or the output is not equivariant."""
        self.scale: Tensor
        """[n] s, positive and the same for all components of a field, or the output is not equivariant."""

    def set_scale(self, offset: Tensor, scale: Tensor) -> None:
        """Set μ and s, [n] each.

        Raises:
            ValueError: a number is not finite, or a scale is not positive.
        """
        if not bool(offset.isfinite().all() and scale.isfinite().all() and (scale > 0).all()):
            raise ValueError(f"expected finite offsets and positive scales, got {offset.tolist()}, {scale.tolist()}")
        self.offset.copy_(offset)
        self.scale.copy_(scale)

    def forward(self, *inputs: Any) -> Tensor:
        """What the network gives of the same inputs, times s, plus μ."""
        out: Tensor = self.network(*inputs)
        return self.offset + self.scale * out
