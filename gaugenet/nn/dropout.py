"""Dropout of whole fields."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gaugenet.field_type import FieldType
from gaugenet.meshes.geometry import MeshGeometry
from gaugenet.nn.surface_sums import Surfaces, surfaces_of


class FieldDropout(nn.Module):
    """In training, every copy of every representation is set to zero with probability p, as a whole:

        out_c = x_c · m_c / (1 - p),   m_c = 0 with probability p, else 1

    All components of a copy share m, so the layer commutes with gauge transformations; single components would not. In
    evaluation nothing happens. Srivastava et al. 2014; whole fields as in Weiler and Cesa 2019.

    Args:
        field_type: of input and output.
        p: in [0, 1).
        per_surface: whether m is the same at all vertices of a surface (then `forward` needs the geometry), as in
            Tompson et al. 2015 (SpatialDropout); otherwise vertices are independent.

    Raises:
        ValueError: p is out of its range.
    """

    def __init__(self, field_type: FieldType, p: float = 0.5, *, per_surface: bool = False) -> None:
        super().__init__()
        if not 0 <= p < 1:
            raise ValueError(f"the probability of dropout must be in [0, 1), not {p}")
        self.field_type, self.p, self.per_surface = field_type, p, per_surface

    def edges(self, geometry: MeshGeometry) -> Surfaces | None:
        """What the layer reads of a surface; see `prepare`."""
        return surfaces_of(geometry) if self.per_surface else None

    def forward(self, x: Tensor, geometry: MeshGeometry | None = None) -> Tensor:
        """[V, field_type.dim] → [V, field_type.dim]

        Raises:
            ValueError: no geometry is given where copies are dropped per surface.
        """
        if self.per_surface and geometry is None:
            raise ValueError("dropout per surface needs the geometry: call dropout(x, geometry)")
        if not self.training or self.p == 0:
            return x
        surfaces = None if geometry is None else self.edges(geometry)
        rows = x.shape[0] if surfaces is None else surfaces.count.shape[0]
        n = sum(term.multiplicity for term in self.field_type.terms)
        kept = (torch.rand(rows, n, dtype=torch.float32, device=x.device) >= self.p).to(x.dtype) / (1 - self.p)
        factors, start = [], 0
        for term in self.field_type.terms:
            part = kept[:, start : start + term.multiplicity]
            factors.append(part.repeat(1, term.representation.dim))
            start += term.multiplicity
        factor = torch.cat(factors, 1)
        return x * (factor if surfaces is None else surfaces.spread(factor))

    def extra_repr(self) -> str:
        return f"{self.field_type}, p={self.p}{', per surface' if self.per_surface else ''}"
