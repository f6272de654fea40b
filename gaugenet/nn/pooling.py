"""Means over neighbourhoods: pooling and unpooling without weights of their own."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gaugenet.field_type import FieldType
from gaugenet.kernels.transport_conv import ConvEdges, transport_conv
from gaugenet.meshes.geometry import MeshGeometry
from gaugenet.nn.edges import check_admissible, check_sources, mean_edges


class TransportMean(nn.Module):
    """The weighted mean of what the sources say, each carried to the target:

        out[p] = Σ_{q ∈ N(p)} w_q ρ(g_{p←q}) f[q]

    On a geometry between two levels (`gaugenet.meshes.hierarchy`) this is mean pooling or unpooling of any field. The
    weights of a neighbourhood sum to 1, so constant scalar fields stay as they are, and so do parallel fields where
    there is no curvature. Exactly equivariant; nothing is learned.

    Args:
        field_type: of input and output.
    """

    def __init__(self, field_type: FieldType) -> None:
        super().__init__()
        self.field_type = field_type

    def edges(self, geometry: MeshGeometry) -> ConvEdges:
        """What the layer reads on the edges of a surface; derived once, then remembered by the geometry.

        Raises:
            ValueError: the structure group of the layer does not admit the surface.
        """
        check_admissible(self.field_type.group, geometry)
        return mean_edges(geometry)

    def forward(self, x: Tensor, geometry: MeshGeometry) -> Tensor:
        """[S, field_type.dim] in the frames of the sources → [V, field_type.dim] in those of the targets.

        Raises:
            ValueError: x has the wrong shape, or the structure group does not admit the surface.
        """
        check_sources(x, geometry, self.field_type)
        identity = torch.eye(self.field_type.dim, dtype=x.dtype, device=x.device)[None]
        blocks = self.field_type.transport_blocks
        return transport_conv(x, identity, self.edges(geometry), blocks, blocks)

    def extra_repr(self) -> str:
        return str(self.field_type)
