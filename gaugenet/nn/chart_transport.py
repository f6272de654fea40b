"""Features fetched from other pixels of an atlas and written in the frame of where they arrive."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from gaugenet.field_type import FieldType
from gaugenet.groups import StructureGroup
from gaugenet.meshes.charts import ChartAtlas, Pull
from gaugenet.nn.value_basis import has_values


class ChartTransport(NamedTuple):
    """out[n] = ρ(g_n) x[source_n] as row copies, and on the few rows with another g than the identity

        out[n, c] = near[n, c] x[source_n, column[n, c]] + far[n, c] x[source_n, partner[c]]

    Irreps of dimension 1 are multiplied by near; those of dimension 2 mix a column with its partner; values on a
    finite group are permuted (column), and where all columns are values or scalars, that is all that happens.
    """

    source: Tensor
    """int64 [n]"""
    rows: Tensor
    """int64 [m] rows whose transporter is not the identity, and those outside, where near and far are 0."""
    column: Tensor | None
    """int64 [m, C]; None: every column stays."""
    near: Tensor
    """[m, C]"""
    far: Tensor | None
    """[m, C]; None where no irrep of dimension 2 is turned."""
    partner: Tensor
    """int64 [C]"""
    piece: Tensor | None
    """int64 [m, D] where columns are only permuted, in D pieces of C / D: the piece that is read. None elsewhere."""
    outside: Tensor
    """int64 rows that are 0."""
    memo: dict[int, Tensor]
    """int64 [n · N · D] pieces of N images, where most rows are permuted."""

    def __call__(self, x: Tensor) -> Tensor:
        """[P, N, C] → [n, N, C]"""
        if self.piece is None or 2 * len(self.rows) < len(self.source):
            return self.turn(x.index_select(0, self.source))
        n = x.shape[1]
        if n not in self.memo:
            image = torch.arange(n, device=x.device)
            pieces = torch.arange(self.piece.shape[1], device=x.device).repeat(len(self.source), 1)
            pieces.index_copy_(0, self.rows, self.piece)
            place = (self.source[:, None] * n + image)[..., None] * pieces.shape[1] + pieces[:, None]
            self.memo[n] = place.flatten()
        out = x.reshape(x.shape[0] * n * self.piece.shape[1], -1).index_select(0, self.memo[n])
        out = out.view(len(self.source), n, x.shape[2])
        return out.index_fill_(0, self.outside, 0.0) if len(self.outside) else out

    def turn(self, out: Tensor) -> Tensor:
        """[n, N, C] features as they were fetched → the same in the frames of where they arrive, in place."""
        if not len(self.rows):
            return out
        part = out.index_select(0, self.rows)
        if self.piece is not None:
            # short contiguous rows are copied several times faster than single numbers
            m, n, pieces = len(self.rows), out.shape[1], self.piece.shape[1]
            place = torch.arange(m * n, device=out.device).view(m, n, 1) * pieces + self.piece[:, None]
            moved = part.view(m * n * pieces, -1).index_select(0, place.flatten()).view_as(part)
            out.index_copy_(0, self.rows, moved)
            return out.index_fill_(0, self.outside, 0.0) if len(self.outside) else out
        moved = part
        if self.column is not None:
            moved = part.gather(2, self.column[:, None].expand_as(part))
        moved = moved * self.near[:, None]
        if self.far is not None:
            moved = moved + part[..., self.partner] * self.far[:, None]
        return out.index_copy_(0, self.rows, moved)


def chart_transport(
    pull: Pull, field_type: FieldType, *, values: bool, dtype: torch.dtype, device: torch.device
) -> ChartTransport:
    """How fields of this type are transported, as coefficients or (``values``) in the basis of
    `gaugenet.nn.value_basis`."""
    special = ~pull.inside | (torch.cos(pull.angle) < 1 - 1e-9) | (pull.flip < 0)
    rows = torch.nonzero(special).flatten()
    angle, flip, alive = pull.angle[rows], pull.flip[rows], pull.inside[rows].double()[:, None]
    dim = field_type.dim
    near, far = torch.ones(len(rows), dim, dtype=torch.float64), torch.zeros(len(rows), dim, dtype=torch.float64)
    partner, column = torch.arange(dim), torch.arange(dim).repeat(len(rows), 1)
    for term in field_type.terms:
        if values and has_values(term):
            rho = term.representation.matrix(angle, flip)
            copies = torch.arange(term.multiplicity)
            picked = rho.argmax(-1)[:, :, None] * term.multiplicity + copies
            column[:, term.start : term.stop] = term.start + picked.flatten(1)
    for block in field_type.blocks:
        if values and has_values(field_type.terms[block.term]):
            continue
        rho = block.irrep.matrix(angle, flip)
        m = block.multiplicity
        for k in range(block.irrep.dim):
            columns = slice(block.start + k * m, block.start + (k + 1) * m)
            near[:, columns] = rho[:, k, k, None]
            if block.irrep.dim == 2:
                far[:, columns] = rho[:, k, 1 - k, None]
                partner[columns] = torch.arange(block.start + (1 - k) * m, block.start + (2 - k) * m)
    permuted, mixed = bool((column != torch.arange(dim)).any()), bool((far.abs() > 1e-12).any())
    piece = None
    if not mixed and bool((near == 1).all()):
        length = math.gcd(*(term.multiplicity for term in field_type.terms))
        piece = (column[:, ::length] // length).to(device)
    return ChartTransport(
        pull.source.to(device),
        rows.to(device),
        column.to(device) if permuted else None,
        (near * alive).to(device, dtype),
        (far * alive).to(device, dtype) if mixed else None,
        partner.to(device),
        piece,
        torch.nonzero(~pull.inside).flatten().to(device),
        {},
    )


def check_atlas(group: StructureGroup, atlas: ChartAtlas) -> None:
    """Raise a ValueError unless every transition function of the atlas lies in the structure group of the layer."""
    if not group.contains(StructureGroup.parse(atlas.structure_group)):
        raise ValueError(
            f"structure group {group.name} does not admit {atlas!r}: use a field type of {atlas.structure_group} "
            "or of a larger group"
        )
