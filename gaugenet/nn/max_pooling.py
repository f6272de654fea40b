"""The largest of what the neighbours say."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gaugenet.field_type import FieldType
from gaugenet.meshes.geometry import MeshGeometry
from gaugenet.nn.edges import check_admissible, check_sources
from gaugenet.nn.rows import Row, Rows, rows_of


class TransportMax(nn.Module):
    """Of every copy of a representation the whole vector of largest norm among the sources, carried to the target:

        out_c[p] = ρ(g_{p←q*}) f_c[q*],   q* = argmax_{q ∈ N(p), w_q > 0} ‖f_c[q]‖    (trivial irreps: argmax f_c[q])

    Norms are invariant, so the choice is the same in every gauge, and the layer is exactly equivariant for every group;
    a sign-flip field keeps its sign, carried over the flips of a surface with one side. Where two norms differ by
    rounding alone the choice may depend on the gauge. On a geometry between two levels (`gaugenet.meshes.hierarchy`)
    this is max pooling. Weiler et al. 2021, Coordinate Independent Convolutional Networks (norm pooling; Möbius
    networks). A target without neighbours gets 0.

    Args:
        field_type: of input and output.
        edges_per_chunk: see `rows_of`.
    """

    def __init__(self, field_type: FieldType, *, edges_per_chunk: int | None = None) -> None:
        super().__init__()
        self.field_type, self.edges_per_chunk = field_type, edges_per_chunk

    def edges(self, geometry: MeshGeometry) -> Rows:
        """What the layer reads on the edges of a surface; derived once, then remembered by the geometry.

        Raises:
            ValueError: the structure group of the layer does not admit the surface, or it has no edge.
        """
        check_admissible(self.field_type.group, geometry)
        return rows_of(geometry, self.edges_per_chunk)

    def forward(self, x: Tensor, geometry: MeshGeometry) -> Tensor:
        """[S, field_type.dim] in the frames of the sources → [V, field_type.dim] in those of the targets.

        Raises:
            ValueError: x has the wrong shape, or the structure group does not admit the surface.
        """
        check_sources(x, geometry, self.field_type)
        work = x.to(geometry.dtype)
        return self.edges(geometry).run(lambda chunk: self._largest(work, chunk)).to(x.dtype)

    def _largest(self, x: Tensor, chunk: Row) -> Tensor:
        values = chunk.gather(x)
        chosen = []
        with torch.no_grad():
            # norms before transport, which does not change them: rounding in it cannot change the choice
            for term in self.field_type.terms:
                part = values[..., term.start : term.stop]
                part = part.reshape(*part.shape[:2], term.representation.dim, term.multiplicity)
                invariant = all(irrep.is_invariant for irrep, _ in term.representation.irreps)
                key = part[:, :, 0] if invariant else part.square().sum(2)
                best = key.masked_fill((chunk.weight <= 0)[..., None], -torch.inf).argmax(1)
                chosen.append(best.repeat(1, term.representation.dim))
            index = torch.cat(chosen, 1)[:, None]
        # the chosen entries alone are carried, each column by the transporter of its own edge
        taken = values.gather(1, index)[:, 0]
        angle = chunk.phi[..., None].expand_as(values).gather(1, index)[:, 0]
        flip = None if chunk.flip is None else chunk.flip[..., None].expand_as(values).gather(1, index)[:, 0]
        return _carry_columns(self.field_type, taken, angle, flip) * (chunk.weight > 0).any(1)[:, None]

    def extra_repr(self) -> str:
        return str(self.field_type)


def _carry_columns(field_type: FieldType, x: Tensor, angle: Tensor, flip: Tensor | None) -> Tensor:
    """ρ(angle, flip) x where every column [P, dim] has its own angle and flip, the same for all of a copy."""
    parts = []
    for b in field_type.blocks:
        part, order = x[:, b.start : b.stop], b.irrep.frequency
        copies = slice(b.start, b.start + b.multiplicity)
        at, sign = angle[:, copies], None if flip is None else flip[:, copies]
        cos = torch.cos(order * at)
        if b.irrep.dim == 1:
            part = part * cos if order else part
            parts.append(part * sign if b.irrep.parity and sign is not None else part)
            continue
        sin = torch.sin(order * at)
        first, second = part[:, : b.multiplicity], part[:, b.multiplicity :]
        second = second if sign is None else second * sign
        parts += [cos * first - sin * second, sin * first + cos * second]
    return torch.cat(parts, 1)
