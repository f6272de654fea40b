"""The weight between two field types of one term each, in one matrix product."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from gaugenet.field_type import FieldType
from gaugenet.meshes.memo import remembered
from gaugenet.representations import Irrep

_LARGEST = 400_000
"""Entries of a basis above which the pairs of irreps, most of them 0 in it, are cheaper one by one."""


class TermExpansion:
    """K[t] = Σ_k c_k B_k[t] for all irreps of m copies of one representation at once:

        W[t, (g, a), (h, b)] = Σ_k B[t, g, h, k] c[k, a, b]

    c is what `BlockExpansion` takes: where a field type is one term whose irreps all occur once, its coefficients are
    [n, m_out, m_in] as a whole, n over pairs of irreps and basis elements of each. The same weight as there up to
    rounding, without a product and a copy for each pair.

    Args:
        basis: [n, T, D_out, D_in] float64, see `joint_basis`.
        copies: m_out and m_in.
        cells: [T] where `square` puts each t, as row · size + column.
        size: of that square.
    """

    def __init__(self, basis: Tensor, copies: tuple[int, int], cells: Sequence[int], size: int) -> None:
        n, self._taps, self._out, self._in = basis.shape
        self._n, self._size, self._copies = n, size, copies
        # input outermost after the tap, so that the result is [T, C_in, C_out]
        self._exact = basis.permute(1, 3, 2, 0).reshape(-1, n)
        whole = basis.new_zeros(size * size, self._out, self._in, n)
        whole[list(cells)] = basis.permute(1, 2, 3, 0)
        self._exact_square = whole.permute(1, 0, 2, 3).reshape(-1, n)
        self._cast: dict[tuple[bool, torch.dtype, torch.device], Tensor] = {}

    def expand(self, coefficients: Tensor) -> Tensor:
        """[n_coefficients, 1] → [T, C_in, C_out], in the dtype of the coefficients; autocast changes nothing."""
        weight = self._product(coefficients, False).view(self._taps, self._in, self._out, *self._copies)
        weight = weight.permute(0, 1, 4, 2, 3)
        return weight.reshape(self._taps, self._in * self._copies[1], self._out * self._copies[0])

    def square(self, coefficients: Tensor) -> Tensor:
        """The same as [size, size, C_in, C_out], 0 where the kernel has no pixel, in memory [C_out, size, size, C_in],
        which is what conv2d reads without a copy."""
        m_out, m_in = self._copies
        weight = self._product(coefficients, True).view(self._out, -1, self._in, m_out, m_in).permute(0, 3, 1, 2, 4)
        weight = weight.reshape(self._out * m_out, self._size, self._size, self._in * m_in)
        return weight.permute(1, 2, 3, 0)

    def _product(self, coefficients: Tensor, square: bool) -> Tensor:
        key = (square, coefficients.dtype, coefficients.device)
        exact = self._exact_square if square else self._exact

        def build() -> Tensor:
            return exact.to(device=coefficients.device, dtype=coefficients.dtype)

        cast = remembered(self._cast, key, build, "a basis")
        with torch.autocast(coefficients.device.type, enabled=False):
            return cast @ coefficients.reshape(self._n, self._copies[0] * self._copies[1])


def joint_basis(in_type: FieldType, out_type: FieldType, bases: dict[tuple[Irrep, Irrep], Tensor]) -> Tensor | None:
    """[n, T, D_out, D_in] the bases of all pairs of irreps in the place that each has in a representation of both field
    types; None where they are not one term each with irreps that occur once, or where the basis would be large.

    Args:
        in_type, out_type: field types.
        bases: of every pair (input irrep, output irrep), [k, T, d_out, d_in] float64.
    """
    for field_type in (in_type, out_type):
        if len(field_type.terms) != 1 or any(
            b.multiplicity != field_type.terms[0].multiplicity for b in field_type.blocks
        ):
            return None
    m_in, m_out = in_type.terms[0].multiplicity, out_type.terms[0].multiplicity
    pairs = [(i, o, bases[i.irrep, o.irrep]) for o in out_type.blocks for i in in_type.blocks]
    n, n_taps = sum(len(b) for _, _, b in pairs), pairs[0][2].shape[1]
    shape = (n, n_taps, out_type.dim // m_out, in_type.dim // m_in)
    if shape[0] * shape[1] * shape[2] * shape[3] > _LARGEST:
        return None
    joint = torch.zeros(shape, dtype=torch.float64)
    start = 0
    for i, o, basis in pairs:
        rows, columns = slice(o.start // m_out, o.stop // m_out), slice(i.start // m_in, i.stop // m_in)
        joint[start : start + len(basis), :, rows, columns] = basis
        start += len(basis)
    return joint
