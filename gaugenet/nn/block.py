"""The residual block."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gaugenet.field_type import FieldType
from gaugenet.meshes.geometry import MeshGeometry
from gaugenet.nn.by_name import make_nonlinearity, make_normalization
from gaugenet.nn.convolution import GaugeConv
from gaugenet.nn.self_interaction import SelfInteraction


class ResidualBlock(nn.Module):
    """out = x + S σ(conv(norm(x))): spatial mixing, a non-linearity, channel mixing, and a skip.

    Args:
        field_type: type of input and output.
        nonlinearity: one of `gaugenet.nn.by_name.NONLINEARITIES`.
        normalization: one of `gaugenet.nn.by_name.NORMALIZATIONS`.
        n_radial, max_harmonic: see `GaugeConv`.
        n_samples: samples per field of the regular non-linearity on continuous groups.
        generator: for the initial weights.
    """

    def __init__(
        self,
        field_type: FieldType,
        *,
        nonlinearity: str = "gated",
        normalization: str = "field",
        n_radial: int = 3,
        max_harmonic: int | None = None,
        n_samples: int | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.norm = make_normalization(normalization, field_type)
        self._norm_reads_surface = normalization == "instance"
        self.conv = GaugeConv(field_type, field_type, n_radial=n_radial, max_harmonic=max_harmonic, generator=generator)
        self.nonlinearity = make_nonlinearity(nonlinearity, field_type, n_samples=n_samples, generator=generator)
        self.mix = SelfInteraction(field_type, field_type, gain=0.5, generator=generator)

    def forward(self, x: Tensor, geometry: MeshGeometry) -> Tensor:
        """[V, field_type.dim] → [V, field_type.dim]"""
        normalized = self.norm(x, geometry) if self._norm_reads_surface else self.norm(x)
        update: Tensor = self.mix(self.nonlinearity(self.conv(normalized, geometry)))
        return x + update
