"""U-Net for labels at vertices or faces."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from gaugenet.groups import StructureGroup
from gaugenet.meshes.hierarchy import Hierarchy
from gaugenet.models.backbones import UNetBackbone, check_positive
from gaugenet.models.perceptron import perceptron
from gaugenet.models.readout import InvariantReadout, at_faces
from gaugenet.nn.tangent import scalar_type


class UNet(nn.Module):
    """Invariant features at vertices → class logits at vertices, or at faces, through the levels of a hierarchy.

    `UNetBackbone`, invariants of the last field, and a small perceptron. The logits are invariant under an independent
    gauge transformation on every level. For faces the invariants of the three corners are averaged.

    Args:
        group: structure group, e.g. "SO(2)".
        n_features: input scalars per vertex.
        n_classes: output logits.
        dropout: probability in the perceptron.
        seed: of the initial weights, None for torch's global generator.
        options: of `UNetBackbone`: width, levels, max_frequency, blocks, sampling, nonlinearity, normalization,
            n_radial, max_harmonic, n_samples.

    Raises:
        ValueError: a number is out of its range, or a name is not known.
    """

    def __init__(
        self,
        group: str | StructureGroup,
        n_features: int,
        n_classes: int,
        *,
        dropout: float = 0.0,
        seed: int | None = 0,
        **options: Any,
    ) -> None:
        super().__init__()
        check_positive(n_features=n_features, n_classes=n_classes)
        generator = None if seed is None else torch.Generator().manual_seed(seed)
        self.n_classes = n_classes
        self.backbone = UNetBackbone(scalar_type(group, n_features), generator=generator, **options)
        self.readout = InvariantReadout(self.backbone.out_type, generator=generator)
        self.head = perceptron(self.readout.n_out, n_classes, dropout=dropout, generator=generator)

    @property
    def group(self) -> StructureGroup:
        """The structure group."""
        return self.backbone.in_type.group

    def forward(self, features: Tensor, hierarchy: Hierarchy, faces: Tensor | None = None) -> Tensor:
        """Class logits.

        Args:
            features: [V, n_features] invariant scalars at the V vertices of the finest level.
            hierarchy: of as many levels as the network, in any gauges that the group admits.
            faces: int64 [F, 3] vertex indices, for logits at faces.

        Returns:
            [V, n_classes], or [F, n_classes] where faces are given.

        Raises:
            ValueError: a tensor has the wrong shape, the number of levels is wrong, or the structure group does not
                admit the surface.
        """
        logits: Tensor = self.head(at_faces(self.readout(self.backbone(features, hierarchy)), faces))
        return logits
