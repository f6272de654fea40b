"""Correspondence with a template."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from gaugenet.groups import StructureGroup
from gaugenet.meshes.geometry import MeshGeometry
from gaugenet.meshes.hierarchy import Hierarchy
from gaugenet.models.backbones import check_positive, make_backbone
from gaugenet.models.perceptron import linear
from gaugenet.models.readout import InvariantReadout
from gaugenet.nn.normalization import FieldNorm
from gaugenet.nn.tangent import scalar_type


class CorrespondenceNetwork(nn.Module):
    """Invariant features at vertices → at each vertex logits over the vertices of a template.

        e = SiLU(W ι + w),   logits = T e + t

    ι are invariants of the last field of a backbone, e the embedding of a vertex, row v of T that of template vertex v.
    De Haan et al. 2021 (Gauge Equivariant Mesh CNNs, section 6.2: Linear 256, dropout, Linear).

    Args:
        group: structure group, e.g. "SO(2)".
        n_features: input scalars per vertex.
        n_template: vertices of the template.
        embedding: channels of e.
        backbone: "residual" or "unet".
        equivariant_head: False: ι are all channels of the last field as they are. The logits then depend on the gauge:
            for frames that mean something (frame_direction of `compute_geometry`), the broken symmetry of de Haan et
            al.
        dropout: probability on e.
        seed: of the initial weights, None for torch's global generator.
        options: of the backbone, see `gaugenet.models.backbones`.

    Raises:
        ValueError: a number is out of its range, or a name is not known.
    """

    def __init__(
        self,
        group: str | StructureGroup,
        n_features: int,
        n_template: int,
        *,
        embedding: int = 256,
        backbone: str = "residual",
        equivariant_head: bool = True,
        dropout: float = 0.5,
        seed: int | None = 0,
        **options: Any,
    ) -> None:
        super().__init__()
        check_positive(n_features=n_features, n_template=n_template, embedding=embedding)
        generator = None if seed is None else torch.Generator().manual_seed(seed)
        self.n_template, self.equivariant_head = n_template, equivariant_head
        self.backbone = make_backbone(backbone, scalar_type(group, n_features), generator=generator, **options)
        last = self.backbone.out_type
        self.readout = InvariantReadout(last, generator=generator) if equivariant_head else FieldNorm(last)
        n_in = self.readout.n_out if isinstance(self.readout, InvariantReadout) else last.dim
        self.to_embedding = linear(n_in, embedding, generator)
        self.dropout = nn.Dropout(dropout)
        self.template = linear(embedding, n_template, generator)

    @property
    def group(self) -> StructureGroup:
        """The structure group."""
        return self.backbone.in_type.group

    def embed(self, features: Tensor, surface: MeshGeometry | Hierarchy) -> Tensor:
        """[V, n_features] → [V, embedding]"""
        return nn.functional.silu(self.to_embedding(self.readout(self.backbone(features, surface))))

    def forward(self, features: Tensor, surface: MeshGeometry | Hierarchy) -> Tensor:
        """[V, n_features] invariant scalars → [V, n_template] logits.

        Raises:
            ValueError: a tensor has the wrong shape, or the structure group does not admit the surface.
        """
        logits: Tensor = self.template(self.dropout(self.embed(features, surface)))
        return logits
