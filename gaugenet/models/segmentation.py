"""Residual network for labels at vertices or faces."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from gaugenet.field_type import FieldType
from gaugenet.groups import StructureGroup
from gaugenet.meshes.geometry import MeshGeometry
from gaugenet.models.backbones import check_positive, hidden_type
from gaugenet.models.perceptron import perceptron
from gaugenet.nn.block import ResidualBlock
from gaugenet.nn.invariants import Invariants
from gaugenet.nn.normalization import FieldNorm
from gaugenet.nn.self_interaction import SelfInteraction

__all__ = ["SegmentationNetwork", "hidden_type"]


class SegmentationNetwork(nn.Module):
    """Invariant features at vertices → class logits at vertices, or at faces.

    A linear embedding, `blocks` residual blocks of gauge-equivariant convolutions, invariants of the last field, and a
    small perceptron. For faces the invariants of the three corners are averaged before the perceptron. The logits are
    invariant under gauge transformations of the structure group.

    Args:
        group: structure group, e.g. "SO(2)".
        n_features: input scalars per vertex.
        n_classes: output logits.
        width: copies of each representation in the hidden field type.
        max_frequency: highest frequency in the hidden field type.
        blocks: number of residual blocks.
        n_radial, max_harmonic: see `GaugeConv`.
        nonlinearity: "gated", "norm" or "regular".
        n_samples: samples per field of the regular non-linearity on continuous groups.
        dropout: probability in the perceptron.
        checkpointing: keep nothing of the inside of a block for the backward pass, but compute it again: less memory,
            more time, the same results.
        seed: of the initial weights, None for torch's global generator.

    Raises:
        ValueError: a number is out of its range, or the non-linearity is not known.
    """

    def __init__(
        self,
        group: str | StructureGroup,
        n_features: int,
        n_classes: int,
        *,
        width: int = 32,
        max_frequency: int = 2,
        blocks: int = 6,
        n_radial: int = 3,
        max_harmonic: int | None = None,
        nonlinearity: str = "gated",
        n_samples: int | None = None,
        dropout: float = 0.0,
        checkpointing: bool = False,
        seed: int | None = 0,
    ) -> None:
        super().__init__()
        check_positive(n_features=n_features, n_classes=n_classes, width=width, blocks=blocks)
        group = StructureGroup.parse(group)
        generator = None if seed is None else torch.Generator().manual_seed(seed)
        self.in_type = FieldType(group, [(group.irreps(0)[0].name, n_features)])
        self.hidden_type = hidden_type(group, width, max_frequency, nonlinearity)
        self.n_classes = n_classes
        self.checkpointing = checkpointing
        self.embed = SelfInteraction(self.in_type, self.hidden_type, generator=generator)
        self.blocks = nn.ModuleList(
            ResidualBlock(
                self.hidden_type,
                nonlinearity=nonlinearity,
                n_radial=n_radial,
                max_harmonic=max_harmonic,
                n_samples=n_samples,
                generator=generator,
            )
            for _ in range(blocks)
        )
        self.norm = FieldNorm(self.hidden_type)
        self.invariants = Invariants(self.hidden_type, generator=generator)
        self.head = perceptron(self.invariants.n_out, n_classes, dropout=dropout, generator=generator)

    @property
    def group(self) -> StructureGroup:
        """The structure group."""
        return self.in_type.group

    def forward(self, features: Tensor, geometry: MeshGeometry, faces: Tensor | None = None) -> Tensor:
        """Class logits.

        Args:
            features: [V, n_features] invariant scalars.
            geometry: of V vertices, in any gauge that the group admits.
            faces: int64 [F, 3] vertex indices, for logits at faces.

        Returns:
            [V, n_classes], or [F, n_classes] where faces are given.

        Raises:
            ValueError: a tensor has the wrong shape, or the structure group does not admit the surface.
        """
        if faces is not None and (faces.ndim != 2 or faces.shape[1] != 3):
            raise ValueError(f"expected faces [F, 3], got {list(faces.shape)}")
        x = self.embed(features)
        for block in self.blocks:
            if self.checkpointing and torch.is_grad_enabled():
                x = checkpoint(block, x, geometry, use_reentrant=False)
            else:
                x = block(x, geometry)
        hidden = self.invariants(self.norm(x))
        if faces is not None:
            hidden = (hidden[faces[:, 0]] + hidden[faces[:, 1]] + hidden[faces[:, 2]]) / 3
        logits: Tensor = self.head(hidden)
        return logits
