"""Features fetched from other pixels of an atlas and written in the frame of where they arrive."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from gaugenet.field_type import FieldType
from gaugenet.groups import StructureGroup
from gaugenet.meshes.charts import ChartAtlas, Pull
from gaugenet.meshes.kinds import check_kind
from gaugenet.meshes.memo import remembered
from gaugenet.nn.value_basis import has_values

MOST_BATCHES = 8
"""Of how many numbers of images indices are kept: those of training and evaluation, and what is left over of each."""


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
    """int64 [n · N · D] pieces of N images, where most rows are permuted; of a few N."""

    def __call__(self, x: Tensor) -> Tensor:
        """[P, N, C] → [n, N, C]"""
        pieces = self.pieces(x.shape[1])
        if self.piece is None or pieces is None:
            return self.turn(x.index_select(0, self.source))
        n, n_pieces = x.shape[1], self.piece.shape[1]
        out = x.reshape(x.shape[0] * n * n_pieces, x.shape[2] // n_pieces).index_select(0, pieces)
        out = out.view(len(self.source), n, x.shape[2])
        return out.index_fill_(0, self.outside, 0.0) if len(self.outside) else out

    def pieces(self, n: int) -> Tensor | None:
        """int64 what is read of n images where most rows are permuted, piece by piece; None elsewhere."""
        piece = self.piece
        if piece is None or 2 * len(self.rows) < len(self.source):
            return None

        def build() -> Tensor:
            image = torch.arange(n, device=self.rows.device)
            pieces = torch.arange(piece.shape[1], device=self.rows.device).repeat(len(self.source), 1)
            pieces.index_copy_(0, self.rows, piece)
            place = (self.source[:, None] * n + image)[..., None] * pieces.shape[1] + pieces[:, None]
            return place.flatten()

        return remembered(self.memo, n, build, "an atlas", most=MOST_BATCHES)

    def turn(self, out: Tensor) -> Tensor:
        """[n, N, C] features as they were fetched → the same in the frames of where they arrive, in place."""
        if not len(self.rows):
            return out
        part = out.index_select(0, self.rows)
        if self.piece is not None:
            # short contiguous rows are copied several times faster than single numbers
            m, n, pieces = len(self.rows), out.shape[1], self.piece.shape[1]
            place = torch.arange(m * n, device=out.device).view(m, n, 1) * pieces + self.piece[:, None]
            short = part.view(m * n * pieces, part.shape[2] // pieces)
            moved = short.index_select(0, place.flatten()).view_as(part)
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


def holes_and_rest(atlas: ChartAtlas, device: torch.device) -> tuple[Tensor, Tensor]:
    """int64 pixels at cone points, and all others, in order; found once per atlas and device."""

    def build() -> tuple[Tensor, Tensor]:
        hole = torch.zeros(atlas.n_pixels, dtype=torch.bool)
        hole[list(atlas.cones)] = True
        return torch.nonzero(hole).flatten().to(device), torch.nonzero(~hole).flatten().to(device)

    return atlas.remember(("holes and the rest", device), build)


def check_features(x: Tensor, atlas: ChartAtlas, field_type: FieldType) -> None:
    """Raise a ValueError unless x is a tensor [P, N, dim] and this an atlas."""
    check_kind(atlas, ChartAtlas, "e.g. gn.icosahedral_atlas(3) makes one")
    check_kind(x, Tensor, "torch.as_tensor makes it of an array")
    if x.ndim != 3 or x.shape[0] != atlas.n_pixels or x.shape[2] != field_type.dim:
        raise ValueError(
            f"expected features [{atlas.n_pixels}, N, {field_type.dim}] of {field_type} on {atlas!r}, "
            f"got {list(x.shape)}"
        )


def check_atlas(group: StructureGroup, atlas: ChartAtlas) -> None:
    """Raise a ValueError unless every transition function of the atlas lies in the structure group of the layer."""
    if not group.contains(StructureGroup.parse(atlas.structure_group)):
        raise ValueError(
            f"structure group {group.name} does not admit {atlas!r}: use a field type of {atlas.structure_group} "
            "or of a larger group"
        )
