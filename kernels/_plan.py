"""How the weight is cut for the CPU: which sums each output column needs, and where they stand in memory.

A column of an out block is a sum over terms τ of (a component of the weight) · A_τ, where A_τ sums the sources with one
more scalar τ(e) that the post-rotation turns into. With c, s = cos, sin(order·beta) and f = post_flip:

    dim 1:  out = W A_(c f^parity)
    dim 2:  out_0 = W_0 A_c - W_1 A_s,   out_1 = W_0 A_fs + W_1 A_fc

Columns that need the same terms stand side by side and are one matrix product per chunk of targets. Without f, dim 2 is
a complex product and takes three real ones instead of four (Gauss), A_(c+s) being one addition per target:

    k_1 = W_0 A_(c+s),   k_2 = (W_1 - W_0) A_c,   k_3 = -(W_0 + W_1) A_s,   out_0 = k_1 + k_3,   out_1 = k_1 + k_2

(Knuth, The Art of Computer Programming 2, 4.6.4). Its error is bounded relative to the norms of both factors, as that
of four products is, not relative to each component: where one is much smaller than the other it may lose digits (Higham
1992, Stability of a method for multiplying complex matrices with three real matrix multiplications).
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from gaugenet.kernels._reference import TransportBlock


class Term(NamedTuple):
    order: int
    kind: int
    """0 cos, 1 sin, 2 their sum."""
    flip: int
    """1: times post_flip."""


class Part(NamedTuple):
    term: int
    """Position of the term in the product."""
    sign: int
    row: int
    """First row of the weight."""


@dataclass(frozen=True)
class Piece:
    """Columns of one product: some rows of the weight, and the columns of the result that they contribute to."""

    terms: tuple[Term, ...]
    parts: tuple[Part, ...]
    outs: tuple[int, ...]
    width: int
    column: int = 0
    """First column in the product."""


@dataclass(frozen=True)
class Product:
    terms: tuple[int, ...]
    """Consecutive indices into the sums."""
    pieces: tuple[Piece, ...]
    columns: int
    """Columns, padded to whole vectors."""
    offset: int
    """Where its matrix starts in the packed weight."""


@dataclass(frozen=True)
class Plan:
    blocks: NDArray[np.int64]
    """[·, 5] in blocks: order, parity, dim, multiplicity, first column."""
    terms: NDArray[np.int64]
    """[·, 3] sums over edges"""
    extra: NDArray[np.int64]
    """[·, 2] further sums: of two of those before"""
    products: tuple[Product, ...]
    product_table: NDArray[np.int64]
    """[·, 5] as `_blocked.run_ranges` reads it, like the next two."""
    scatter_table: NDArray[np.int64]
    gather_table: NDArray[np.int64]
    part_table: NDArray[np.int64]
    """[·, 7] as `_packing` reads it."""
    n_scalars: int
    c_in: int
    padded: int
    """C_in, padded to whole vectors."""
    c_out: int
    size: int
    """Numbers in the packed weight."""
    max_order: int
    cost: int
    """Multiply-adds per target in the matrix products."""

    def pack(self, weight: Tensor) -> Tensor:
        """[B, C_out, C_in] -> flat matrices, inner dimension (term, b, column of x) first, zeros where padded."""
        from gaugenet.kernels import _packing

        weight = weight.detach()
        if not (weight.is_contiguous() or weight.mT.is_contiguous()):
            weight = weight.contiguous()
        flat = (weight if weight.is_contiguous() else weight.mT).reshape(-1)
        packed = flat.new_empty(self.size)
        strides = np.array(weight.stride(), np.int64)
        _packing.pack(flat.numpy(), strides, self.n_scalars, self.c_in, self.padded, self.part_table, packed.numpy())
        return packed

    def unpack(self, partial: Tensor, transposed: bool = False) -> Tensor:
        """The transpose of `pack`, of a sum: [·, size] -> [B, C_out, C_in], contiguous, or [B, C_in, C_out]. It adds up
        in the memory of `partial`."""
        from gaugenet.kernels import _packing

        rows, columns = (self.c_in, self.c_out) if transposed else (self.c_out, self.c_in)
        weight = partial.new_empty(self.n_scalars * rows * columns)
        strides = np.array([rows * columns, *((1, columns) if transposed else (columns, 1))], np.int64)
        _packing.unpack(
            partial.numpy(), strides, self.n_scalars, self.c_in, self.padded, self.part_table, weight.numpy()
        )
        return weight.view(self.n_scalars, rows, columns)


@functools.lru_cache(maxsize=256)
def make_plan(
    in_blocks: tuple[TransportBlock, ...],
    out_blocks: tuple[TransportBlock, ...],
    n_scalars: int,
    has_post: bool,
    has_post_flip: bool,
    lanes: int,
) -> Plan:
    """The plan of one layer; cached, since a layer asks for the same one at every call."""
    pieces = _pieces(out_blocks, has_post, has_post_flip, lanes)
    keys = list(dict.fromkeys(piece.terms for piece in pieces))
    every = list(dict.fromkeys(term for key in keys for term in key))
    # the terms of one product must be consecutive: (cos, sin) without flip, (sin, cos) with it
    terms = sorted((t for t in every if t.kind < 2), key=lambda t: (t.order, t.flip, -t.kind if t.flip else t.kind))
    sums = [*terms, *(t for t in every if t.kind == 2)]
    extra = [(terms.index(t._replace(kind=0)), terms.index(t._replace(kind=1))) for t in sums[len(terms) :]]
    c_in = sum(b.width for b in in_blocks)
    padded = _padded(c_in, lanes)
    inner = n_scalars * padded
    products: list[Product] = []
    table: list[list[int]] = []
    size = before = 0
    for key in keys:
        same = _merged([piece for piece in pieces if piece.terms == key])
        columns = _padded(sum(p.width for p in same), lanes)
        indices = tuple(sums.index(t) for t in key)
        products.append(Product(indices, tuple(same), columns, size))
        table.append([indices[0] * inner, len(key) * inner, size, columns, before])
        size += len(key) * inner * columns
        before += columns
    starts = np.cumsum([0, *(b.width for b in in_blocks)])
    return Plan(
        blocks=_table([[*b, s] for b, s in zip(in_blocks, starts)], 5),
        terms=_table(terms, 3),
        extra=_table(extra, 2),
        products=tuple(products),
        product_table=_table(table, 5),
        scatter_table=_table(_scatter(products), 6),
        gather_table=_table(_gather(products), 5),
        part_table=_table(_parts(products, inner), 7),
        n_scalars=n_scalars,
        c_in=c_in,
        padded=padded,
        c_out=sum(b.width for b in out_blocks),
        size=size,
        max_order=max([0, *(b.order for b in (*in_blocks, *out_blocks))]),
        cost=sum(row[1] * row[3] for row in table),
    )


def _padded(width: int, lanes: int) -> int:
    return -(-width // lanes) * lanes


def _table(rows: object, width: int) -> NDArray[np.int64]:
    return np.array(rows, np.int64).reshape(-1, width)


def _pieces(out_blocks: tuple[TransportBlock, ...], has_post: bool, has_post_flip: bool, lanes: int) -> list[Piece]:
    """What each component of each out block is a sum of (their places in the products still 0)."""
    flip, pieces, out = int(has_post_flip), [], 0
    copies: dict[int, int] = {}
    for block in out_blocks:
        if block.dim == 2:
            copies[block.order] = copies.get(block.order, 0) + block.multiplicity
    for block in out_blocks:
        order, m = (block.order if has_post else 0), block.multiplicity
        first, second = out, out + m
        c, s = Term(order, 0, 0), Term(order, 1, 0)
        if block.dim == 1:
            pieces.append(Piece((c._replace(flip=flip * block.parity),), (Part(0, 1, out),), (out,), m))
        elif order == 0:
            pieces.append(Piece((c,), (Part(0, 1, first),), (first,), m))
            pieces.append(Piece((c._replace(flip=flip),), (Part(0, 1, second),), (second,), m))
        elif has_post_flip:
            flipped = (s._replace(flip=1), c._replace(flip=1))
            pieces.append(Piece((c, s), (Part(0, 1, first), Part(1, -1, second)), (first,), m))
            pieces.append(Piece(flipped, (Part(0, 1, first), Part(1, 1, second)), (second,), m))
        elif 3 * _padded(copies[order], lanes) < 2 * _padded(2 * copies[order], lanes):
            pieces.append(Piece((c,), (Part(0, 1, second), Part(0, -1, first)), (second,), m))
            pieces.append(Piece((s,), (Part(0, -1, first), Part(0, -1, second)), (first,), m))
            pieces.append(Piece((Term(order, 2, 0),), (Part(0, 1, first),), (first, second), m))
        else:
            pieces.append(Piece((c, s), (Part(0, 1, first), Part(1, -1, second)), (first,), m))
            pieces.append(Piece((c, s), (Part(1, 1, first), Part(0, 1, second)), (second,), m))
        out += block.width
    return [piece for piece in pieces if piece.width]


def _merged(pieces: list[Piece]) -> list[Piece]:
    """Pieces side by side in a product; joined where columns of the result, rows and signs simply go on."""
    merged: list[Piece] = []
    column = 0
    for piece in pieces:
        last = merged[-1] if merged else None
        if last is not None and _goes_on(last, piece):
            merged[-1] = replace(last, width=last.width + piece.width)
        else:
            merged.append(replace(piece, column=column))
        column += piece.width
    return merged


def _goes_on(last: Piece, piece: Piece) -> bool:
    parts = tuple(Part(t, s, row + last.width) for t, s, row in last.parts)
    return parts == piece.parts and tuple(o + last.width for o in last.outs) == piece.outs


def _scatter(products: list[Product]) -> list[list[int]]:
    """column of the result, width, then product and column of its one or two contributions (-1: none)"""
    found: dict[tuple[int, int], list[int]] = {}
    for q, p in enumerate(products):
        for piece in p.pieces:
            for out in piece.outs:
                found.setdefault((out, piece.width), []).extend((q, piece.column))
    rows: list[list[int]] = []
    for (out, width), where in sorted(found.items()):
        row = [out, width, *where, *([-1, -1] if len(where) == 2 else [])]
        last = rows[-1] if rows else None
        if last is not None and _continues(last, row):
            last[1] += width
        else:
            rows.append(row)
    return rows


def _continues(last: list[int], row: list[int]) -> bool:
    w = last[1]
    second = last[5] + w if last[4] >= 0 else -1
    return row[:1] + row[2:] == [last[0] + w, last[2], last[3] + w, last[4], second]


def _gather(products: list[Product]) -> list[list[int]]:
    """product, its column, width, then the one or two columns of the gradient to add (-1: none)"""
    rows = []
    for q, p in enumerate(products):
        for piece in p.pieces:
            second = piece.outs[1] if len(piece.outs) == 2 else -1
            rows.append([q, piece.column, piece.width, piece.outs[0], second])
    return rows


def _parts(products: list[Product], inner: int) -> list[list[int]]:
    """first number in the packed weight, columns there, first row of the weight, rows, sign; then 1 where an earlier
    part is in the same place, and 1 where an earlier one has the same rows. Parts overlap wholly or not at all: only
    blocks whose rows are used once are merged."""
    rows: list[list[int]] = []
    places: set[int] = set()
    firsts: set[int] = set()
    for p in products:
        for piece in p.pieces:
            for part in piece.parts:
                to = p.offset + part.term * inner * p.columns + piece.column
                rows.append([to, p.columns, part.row, piece.width, part.sign, to in places, part.row in firsts])
                places.add(to)
                firsts.add(part.row)
    return rows
