"""Classes, or numbers, of whole surfaces."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from gaugenet.groups import StructureGroup
from gaugenet.meshes.geometry import MeshGeometry
from gaugenet.meshes.hierarchy import Hierarchy
from gaugenet.models.backbones import check_positive, finest, make_backbone
from gaugenet.models.perceptron import perceptron
from gaugenet.nn.global_pooling import GlobalPooling
from gaugenet.nn.normalization import FieldNorm
from gaugenet.nn.tangent import scalar_type


class Classifier(nn.Module):
    """Invariant features at vertices → logits of each surface of a batch.

    A backbone, invariants of its last field summed up over each surface (`GlobalPooling`), and a small perceptron. The
    logits are invariant under gauge transformations; with pooling by area, and features that are, they do not depend on
    the meshing up to its error.

    Args:
        group: structure group, e.g. "SO(2)".
        n_features: input scalars per vertex.
        n_classes: output logits per surface; or numbers to regress.
        backbone: "residual" (on a geometry or a hierarchy) or "unet" (on a hierarchy).
        pooling: modes of `GlobalPooling`.
        dropout: probability in the perceptron.
        seed: of the initial weights, None for torch's global generator.
        options: of the backbone, see `gaugenet.models.backbones`.

    Raises:
        ValueError: a number is out of its range, or a name is not known.
    """

    def __init__(
        self,
        group: str | StructureGroup,
        n_features: int,
        n_classes: int,
        *,
        backbone: str = "residual",
        pooling: tuple[str, ...] = ("area", "max"),
        dropout: float = 0.0,
        seed: int | None = 0,
        **options: Any,
    ) -> None:
        super().__init__()
        check_positive(n_features=n_features, n_classes=n_classes)
        generator = None if seed is None else torch.Generator().manual_seed(seed)
        self.n_classes = n_classes
        self.backbone = make_backbone(backbone, scalar_type(group, n_features), generator=generator, **options)
        self.norm = FieldNorm(self.backbone.out_type)
        self.pooling = GlobalPooling(self.backbone.out_type, pooling, generator=generator)
        self.head = perceptron(self.pooling.n_out, n_classes, dropout=dropout, generator=generator)

    @property
    def group(self) -> StructureGroup:
        """The structure group."""
        return self.backbone.in_type.group

    def forward(self, features: Tensor, surface: MeshGeometry | Hierarchy) -> Tensor:
        """[V, n_features] invariant scalars at the vertices of all surfaces → [surfaces, n_classes].

        Raises:
            ValueError: a tensor has the wrong shape, or the structure group does not admit the surface.
        """
        x = self.norm(self.backbone(features, surface))
        logits: Tensor = self.head(self.pooling(x, finest(surface)))
        return logits
