"""How a layer is cut for the GPU: channel tiles for the aggregate kernel, matrix products for the contraction.

With c, s = cos, sin(order·beta), f = post_flip and A_τ[p, b, :] = Σ_e τ(e) scalars[e, b] Pre_e x[source_e], the columns
of an out block are products of sums over edges with pieces of the weight:

    dim 1:            out = A_(c f^parity) Wᵀ
    dim 2, no flip:   [out_0 out_1] = [A_c A_s] [[W_0ᵀ, W_1ᵀ], [-W_1ᵀ, W_0ᵀ]]
    dim 2, flip:      out_0 = [A_c A_s] [W_0ᵀ; -W_1ᵀ],  out_1 = [A_fs A_fc] [W_0ᵀ; W_1ᵀ]

A term τ is a code, 4·order + {0: c, 1: s, 2: f s, 3: f c}, so that terms of one product are neighbours in sorted order.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from math import gcd
from typing import NamedTuple

import torch
from torch import Tensor

from gaugenet.kernels._reference import TransportBlock

COS, SIN, FLIPPED_SIN, FLIPPED_COS = range(4)


class Piece(NamedTuple):
    """Consecutive columns of a product."""

    rows: tuple[tuple[int, int], ...]
    """Per term of the product: first row of the weight, sign."""
    out: int
    """First column of the result."""
    width: int


@dataclass(frozen=True)
class Product:
    """result[:, columns] = A[:, terms] @ matrix, matrix [(term, b, column of x), column]."""

    first_term: int
    """Index of its first term in `ContractionPlan.terms`; the others follow."""
    n_terms: int
    pieces: tuple[Piece, ...]

    @property
    def width(self) -> int:
        return sum(piece.width for piece in self.pieces)

    @property
    def columns(self) -> slice | list[int]:
        """Columns of the result: a slice where they are consecutive, so that it can be a view."""
        columns = [c for piece in self.pieces for c in range(piece.out, piece.out + piece.width)]
        if columns == list(range(columns[0], columns[0] + len(columns))):
            return slice(columns[0], columns[0] + len(columns))
        return columns


@dataclass(frozen=True)
class ContractionPlan:
    terms: tuple[int, ...]
    """Codes, increasing."""
    products: tuple[Product, ...]
    c_in: int
    c_out: int

    @property
    def term_mask(self) -> int:
        """Bit `code` is set for each term."""
        return sum(1 << code for code in self.terms)

    @property
    def post_order(self) -> int:
        return max(self.terms, default=0) // 4

    @property
    def multiply_adds(self) -> int:
        """Of the contraction, per target and scalar."""
        return sum(p.n_terms * p.width for p in self.products) * self.c_in


@functools.lru_cache(maxsize=256)
def contraction_plan(
    in_blocks: tuple[TransportBlock, ...],
    out_blocks: tuple[TransportBlock, ...],
    has_post: bool,
    has_post_flip: bool,
) -> ContractionPlan:
    """Terms and products of one layer; the order of the products is fixed by the blocks alone."""
    keyed: dict[tuple[int, ...], list[Piece]] = {}
    out = 0
    for block in out_blocks:
        for codes, piece in _pieces(block, out, has_post, has_post_flip):
            if piece.width:
                keyed.setdefault(codes, []).append(piece)
        out += block.width
    terms = tuple(sorted({code for codes in keyed for code in codes}))
    products = tuple(Product(terms.index(c[0]), len(c), tuple(pieces)) for c, pieces in sorted(keyed.items()))
    return ContractionPlan(terms, products, sum(b.width for b in in_blocks), out)


def _pieces(
    block: TransportBlock, out: int, has_post: bool, has_post_flip: bool
) -> list[tuple[tuple[int, ...], Piece]]:
    order, m = (block.order if has_post else 0), block.multiplicity
    first, second, base = out, out + m, 4 * order
    if block.dim == 1:
        code = FLIPPED_COS if has_post_flip and block.parity else COS
        return [((base + code,), Piece(((out, 1),), out, m))]
    if order == 0:
        code = FLIPPED_COS if has_post_flip else COS
        return [((COS,), Piece(((first, 1),), first, m)), ((code,), Piece(((second, 1),), second, m))]
    plain = (base + COS, base + SIN)
    flipped = (base + FLIPPED_SIN, base + FLIPPED_COS) if has_post_flip else plain
    second_rows = ((first, 1), (second, 1)) if has_post_flip else ((second, 1), (first, 1))
    return [(plain, Piece(((first, 1), (second, -1)), first, m)), (flipped, Piece(second_rows, second, m))]


class Packing(NamedTuple):
    """The packed weight is all matrices of the plan, flat, one after the other; weights are [B, C_out, C_in]."""

    source: Tensor
    """int32 [size] flat index into the weight of each packed number."""
    sign: Tensor
    """[size] of ±1"""
    target: Tensor
    """int32 [B C_out C_in · copies] flat index into the packed weight of each copy of each weight; 0 where unused."""
    target_sign: Tensor
    """[B C_out C_in, copies] of ±1, 0 where unused."""
    offsets: tuple[int, ...]
    """Start of each matrix."""

    def pack(self, weight: Tensor) -> Tensor:
        """[B, C_out, C_in] -> [size] in the dtype of `sign`."""
        return weight.reshape(-1).index_select(0, self.source).to(self.sign.dtype).mul_(self.sign)

    def unpack(self, packed: Tensor) -> Tensor:
        """The transpose of `pack`, [size] -> [B · C_out · C_in], copies added in a fixed order."""
        copies = packed.index_select(0, self.target).view_as(self.target_sign)
        return (copies * self.target_sign).sum(1)


@functools.lru_cache(maxsize=64)
def packing(plan: ContractionPlan, n_scalars: int, dtype: torch.dtype, device: torch.device) -> Packing:
    """Index tables that pack a weight in two launches; made once per layer and device.

    Raises:
        ValueError: they would count beyond int32, as the kernels do inside of a weight.
    """
    largest = max(n_scalars * plan.c_out * plan.c_in, n_scalars * plan.multiply_adds)
    if largest >= 2**31:
        raise ValueError(
            f"a weight takes at most 2^31 - 1 numbers on a GPU, but {n_scalars} scalars, {plan.c_in} and {plan.c_out} "
            f"columns need {largest}; split the layer or use implementation='reference'"
        )
    index = torch.arange(n_scalars * plan.c_out * plan.c_in).view(n_scalars, plan.c_out, plan.c_in)
    sources, signs, offsets, size = [], [], [], 0
    for product in plan.products:
        columns = [_matrices(index, product.n_terms, piece) for piece in product.pieces]
        sources.append(torch.cat([s for s, _ in columns], -1).reshape(-1))
        signs.append(torch.cat([s for _, s in columns], -1).reshape(-1))
        offsets.append(size)
        size += sources[-1].numel()
    source = torch.cat([index.new_empty(0), *sources])
    sign = torch.cat([index.new_empty(0), *signs]).to(dtype)
    by_weight = torch.argsort(source, stable=True)
    counts = torch.bincount(source, minlength=index.numel())
    copies = int(counts.max()) if counts.numel() else 0
    place = counts.cumsum(0).sub_(counts)[:, None] + torch.arange(copies)
    used = torch.arange(copies) < counts[:, None]
    target = by_weight[place.clamp(max=max(size - 1, 0))] if size else place
    target_sign = torch.where(used, sign[target] if size else place.to(dtype), 0)
    return Packing(
        source.int().to(device),
        sign.to(device),
        target.int().view(-1).to(device),
        target_sign.to(dtype).to(device),
        tuple(offsets),
    )


def _matrices(index: Tensor, n_terms: int, piece: Piece) -> tuple[Tensor, Tensor]:
    """Weight indices and signs of one piece, both [n_terms, B, C_in, width]."""
    source = torch.stack([index[:, row : row + piece.width].mT for row, _ in piece.rows])
    sign = torch.tensor([s for _, s in piece.rows]).view(n_terms, 1, 1, 1).expand_as(source)
    return source, sign


TILE_FIELDS = 8
"""order, turns, flip_a, flip_b, column_a, column_b, width_a, width_b"""


def channel_tiles(blocks: Sequence[TransportBlock], block_c: int) -> list[tuple[int, ...]]:
    """What one program aggregates: two ranges of at most `block_c` columns of x, `TILE_FIELDS` numbers each.

    The two ranges are the two components of a block of dim 2, or two ranges of one block of dim 1, so that the kernel
    has no cases: (a, b) -> (c flip_a a - s flip_b b, s flip_a a + c flip_b b), with s = 0 where the block does not
    turn.
    """
    tiles: list[tuple[int, ...]] = []
    start = 0
    for order, parity, dim, m in blocks:
        step = block_c if dim == 2 else 2 * block_c
        for i in range(0, m, step):
            a = min(block_c, m - i)
            if dim == 2:
                tiles.append((order, 1, 0, 1, start + i, start + m + i, a, a))
            else:
                b = max(min(block_c, m - i - block_c), 0)
                tiles.append((order, 0, parity, parity, start + i, start + i + (block_c if b else 0), a, b))
        start += dim * m
    return tiles


def alignment(tiles: Sequence[Sequence[int]], c_in: int, largest: int) -> int:
    """The power of two, at most `largest`, that divides every column, width and row of x: how wide loads can be."""
    common = gcd(largest, c_in)
    for tile in tiles:
        for number in tile[4:]:
            common = gcd(common, number)
    return max(common, 1)


@functools.lru_cache(maxsize=256)
def tile_table(blocks: tuple[TransportBlock, ...], block_c: int, device: torch.device) -> Tensor:
    """`channel_tiles` as int32 [n, TILE_FIELDS] on the device."""
    return torch.tensor(channel_tiles(blocks, block_c), dtype=torch.int32).view(-1, TILE_FIELDS).to(device)
