"""How the weight is cut for the CPU: which sums each output column needs, and where they stand in memory.

A column of an out block is a sum over terms τ of (weight component) · A_τ, where A_τ sums the sources with one more
scalar τ(e) that the post-rotation turns into: with c, s = cos, sin(order·beta) and f = post_flip,

    out_0 = W_0 A_c - W_1 A_s        out_1 = W_0 A_fs + W_1 A_fc        (dim 2)        out = W A_(c f^parity)    (dim 1)

Columns that need the same terms stand side by side and are one matrix product per chunk of targets.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gaugenet.kernels._reference import TransportBlock

Term = tuple[int, int, int]
"""(order, 0 cos or 1 sin, 1 if times post_flip)"""


@dataclass(frozen=True)
class Piece:
    """Columns of one product that hold one component of one out block (or several, where nothing tells them apart)."""

    column: int
    width: int
    out: int
    parts: tuple[tuple[int, int, int], ...]
    """(position of the term in the product, sign, first row of the weight)"""


@dataclass(frozen=True)
class Product:
    terms: tuple[int, ...]
    """Consecutive indices into `Plan.terms`."""
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
    """[·, 3]"""
    products: tuple[Product, ...]
    product_table: NDArray[np.int64]
    run_table: NDArray[np.int64]
    n_scalars: int
    c_in: int
    padded: int
    """C_in, padded to whole vectors."""
    c_out: int
    size: int
    """Numbers in the packed weight."""
    max_order: int

    def _views(self, packed: Tensor) -> Iterator[tuple[Piece, int, int, Tensor]]:
        """Each part of each piece as (piece, sign, weight row, [B, C_in, width] view of the packed weight)."""
        for p in self.products:
            inner = len(p.terms) * self.n_scalars * self.padded
            matrix = packed[p.offset : p.offset + inner * p.columns]
            matrix = matrix.view(len(p.terms), self.n_scalars, self.padded, p.columns)
            for piece in p.pieces:
                for term, sign, row in piece.parts:
                    columns = slice(piece.column, piece.column + piece.width)
                    yield piece, sign, row, matrix[term, :, : self.c_in, columns]

    def pack(self, weight: Tensor) -> Tensor:
        """[B, C_out, C_in] -> flat matrices, inner dimension (term, b, column of x) first, zeros where padded."""
        packed = weight.new_zeros(self.size)
        for piece, sign, row, view in self._views(packed):
            part = weight[:, row : row + piece.width].mT
            view.copy_(part if sign > 0 else part.neg())
        return packed

    def unpack(self, packed: Tensor) -> Tensor:
        """The transpose of `pack`: flat matrices -> [B, C_out, C_in], parts of the same weight added in order."""
        weight = packed.new_zeros(self.n_scalars, self.c_out, self.c_in)
        for piece, sign, row, view in self._views(packed):
            weight[:, row : row + piece.width].add_(view.mT, alpha=sign)
        return weight


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
    columns = _columns(out_blocks, has_post, has_post_flip)
    keys: list[tuple[Term, ...]] = list(dict.fromkeys(key for key, _ in columns))
    terms: list[Term] = list(dict.fromkeys(term for key in keys for term in key))
    c_in = sum(b.width for b in in_blocks)
    padded = -(-c_in // lanes) * lanes
    products, size = [], 0
    for key in keys:
        pieces = _merged([piece for k, piece in columns if k == key])
        wide = -(-sum(p.width for p in pieces) // lanes) * lanes
        products.append(Product(tuple(terms.index(t) for t in key), tuple(pieces), wide, size))
        size += len(key) * n_scalars * padded * wide
    inner = n_scalars * padded
    starts = np.cumsum([0, *(b.width for b in in_blocks)])
    return Plan(
        blocks=np.array([[*b, s] for b, s in zip(in_blocks, starts)], np.int64).reshape(-1, 5),
        terms=np.array(terms, np.int64).reshape(-1, 3),
        products=tuple(products),
        product_table=np.array(
            [[p.terms[0] * inner, len(p.terms) * inner, p.offset, p.columns] for p in products], np.int64
        ).reshape(-1, 4),
        run_table=np.array(
            [[q, *run] for q, p in enumerate(products) for run in _runs(p.pieces)], np.int64
        ).reshape(-1, 4),
        n_scalars=n_scalars,
        c_in=c_in,
        padded=padded,
        c_out=sum(b.width for b in out_blocks),
        size=size,
        max_order=max([0, *(b.order for b in (*in_blocks, *out_blocks))]),
    )


def _columns(
    out_blocks: tuple[TransportBlock, ...], has_post: bool, has_post_flip: bool
) -> list[tuple[tuple[Term, ...], Piece]]:
    """The terms of each component of each out block, and its columns (their place in the product still 0)."""
    flip, columns, out = int(has_post_flip), [], 0
    for block in out_blocks:
        order, m = (block.order if has_post else 0), block.multiplicity
        if block.dim == 1:
            term: Term = (order, 0, flip * block.parity)
            columns.append(((term,), Piece(0, m, out, ((0, 1, out),))))
        elif order == 0:
            columns.append((((0, 0, 0),), Piece(0, m, out, ((0, 1, out),))))
            columns.append((((0, 0, flip),), Piece(0, m, out + m, ((0, 1, out + m),))))
        else:
            plain: tuple[Term, ...] = ((order, 0, 0), (order, 1, 0))
            flipped: tuple[Term, ...] = ((order, 0, flip), (order, 1, flip))
            columns.append((plain, Piece(0, m, out, ((0, 1, out), (1, -1, out + m)))))
            columns.append((flipped, Piece(0, m, out + m, ((0, 1, out + m), (1, 1, out)))))
        out += block.width
    return [(key, piece) for key, piece in columns if piece.width]


def _merged(pieces: list[Piece]) -> list[Piece]:
    """Pieces side by side in a product; joined where columns, rows and signs simply go on."""
    merged: list[Piece] = []
    column = 0
    for piece in pieces:
        last = merged[-1] if merged else None
        goes_on = last is not None and all(
            (t, s, row) == (t_, s_, row_ + last.width)
            for (t, s, row), (t_, s_, row_) in zip(piece.parts, last.parts, strict=True)
        )
        if last is not None and goes_on and piece.out == last.out + last.width:
            merged[-1] = Piece(last.column, last.width + piece.width, last.out, last.parts)
        else:
            merged.append(Piece(column, piece.width, piece.out, piece.parts))
        column += piece.width
    return merged


def _runs(pieces: tuple[Piece, ...]) -> list[tuple[int, int, int]]:
    """(column of the product, column of the result, width), joined where both go on."""
    runs: list[tuple[int, int, int]] = []
    for piece in pieces:
        column, out, width = runs[-1] if runs else (0, 0, 0)
        if runs and (column + width, out + width) == (piece.column, piece.out):
            runs[-1] = (column, out, width + piece.width)
        else:
            runs.append((piece.column, piece.out, piece.width))
    return runs


def empty_if_none(value: Tensor | None, dtype: torch.dtype, *shape: int) -> NDArray[np.generic]:
    """A numpy view; an empty array stands for None, since compiled loops want one type."""
    return np.asarray(torch.empty(shape, dtype=dtype) if value is None else value.contiguous().numpy())
