"""The steerable basis in harmonic form: every pair of irreps of every structure group, in closed form.

K(g v) = rho_out(g) K(v) rho_in(g)^-1 is solved by splitting the matrices V_out (x) V_in into *pieces* on which g acts
in the simplest way, and choosing on each piece the angular functions that turn at the same rate:

- a plane spanned by matrices (B_0, B_1), where g = (a, s) acts on coordinates as R(k a) diag(1, s). For two
  two-dimensional irreps these are (I, J) with k = m_out - m_in and (S, T) with k = m_out + m_in, where J = R(90 deg),
  S = diag(1, -1), T = J S. The kernels cos(l t) B_0 + sin(l t) B_1 with l = k mod N (l of either sign) are solutions
  for every group; without reflections their quarter turns -sin(l t) B_0 + cos(l t) B_1 are too.
- a line spanned by one matrix, where g acts as cos(k a) s^p with k = 0 or N / 2: cos(l t) for p even, sin(l t) for
  p odd, both without reflections; l = k mod N.

For SO(2) and O(2) "mod N" reads "equal".
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from gaugenet.groups import StructureGroup
from gaugenet.representations import Irrep


@dataclass(frozen=True)
class _Piece:
    """A plane (two matrices) or a line (one) of V_out (x) V_in, with the rate k at which rotations turn it."""

    frequency: int
    matrices: tuple[Tensor, ...]
    parity: int = 0


def angular_functions(theta: Tensor, max_harmonic: int) -> Tensor:
    """(1, cos t, sin t, ..., cos L t, sin L t) [..., 2 L + 1] at polar angles t = ``theta`` [...] in radians."""
    columns = [torch.ones_like(theta)]
    for harmonic in range(1, max_harmonic + 1):
        columns += [torch.cos(harmonic * theta), torch.sin(harmonic * theta)]
    return torch.stack(columns, -1)


def harmonic_basis(in_irrep: Irrep, out_irrep: Irrep, max_harmonic: int) -> Tensor:
    """All K(t) = sum_b h_b(t) A_b with K(g v) = rho_out(g) K(v) rho_in(g)^-1, h the `angular_functions`.

    Returns A [n, 2 L + 1, d_out, d_in] float64: orthonormal in the inner product of coefficients, ordered by
    harmonic (the basis for L begins with the basis for L - 1), entries of one element 0 or +-1 up to its
    norm. g = (a, s) moves the angle t of v to a + s t. Raises ValueError where the irreps belong to different
    groups.
    """
    if max_harmonic < 0:
        raise ValueError(f"max_harmonic must be 0 or more, not {max_harmonic}")
    group = _common_group(in_irrep, out_irrep)
    pieces = _pieces(in_irrep, out_irrep)
    found: list[Tensor] = []
    for harmonic in range(max_harmonic + 1):
        for piece in pieces:
            if len(piece.matrices) == 1:
                found += _line_solutions(piece, harmonic, group, max_harmonic)
            else:
                for order in (harmonic, -harmonic) if harmonic else (0,):
                    found += _plane_solutions(piece, order, group, max_harmonic)
    if not found:
        return torch.zeros(0, 2 * max_harmonic + 1, out_irrep.dim, in_irrep.dim, dtype=torch.float64)
    basis = torch.stack(found)
    norms: Tensor = torch.linalg.vector_norm(basis, dim=(1, 2, 3), keepdim=True)
    return basis / norms


def lowest_harmonics(in_irrep: Irrep, out_irrep: Irrep) -> tuple[int, ...]:
    """For each irreducible piece of V_out (x) V_in the lowest harmonic that solves the constraint on it.

    A piece without any solution (O(2): even to odd scalars) is left out.
    """
    group = _common_group(in_irrep, out_irrep)
    order = group.rotation_order
    lowest = []
    for piece in _pieces(in_irrep, out_irrep):
        harmonic = abs(piece.frequency)
        if order:
            harmonic = min(piece.frequency % order, -piece.frequency % order)
        if piece.parity and group.has_reflections and harmonic == 0:
            if order == 0:
                continue
            harmonic = order
        lowest.append(harmonic)
    return tuple(lowest)


def _common_group(in_irrep: Irrep, out_irrep: Irrep) -> StructureGroup:
    if in_irrep.group != out_irrep.group:
        raise ValueError(
            f"a steerable kernel maps between fields of one group, "
            f"not from {in_irrep.group} to {out_irrep.group}: write both for the same group"
        )
    return in_irrep.group


def _pieces(in_irrep: Irrep, out_irrep: Irrep) -> list[_Piece]:
    m_in, m_out = in_irrep.frequency, out_irrep.frequency
    identity = torch.eye(2, dtype=torch.float64)
    quarter_turn = torch.tensor([[0.0, -1.0], [1.0, 0.0]], dtype=torch.float64)
    mirror = torch.tensor([[1.0, 0.0], [0.0, -1.0]], dtype=torch.float64)
    if in_irrep.dim == out_irrep.dim == 2:
        return [
            _Piece(m_out - m_in, (identity, quarter_turn)),
            _Piece(m_out + m_in, (mirror, quarter_turn @ mirror)),
        ]
    if in_irrep.dim == out_irrep.dim == 1:
        return [_Piece(m_out + m_in, (identity[:1, :1],), (in_irrep.parity + out_irrep.parity) % 2)]
    # one side is a scalar that g multiplies by cos(m a) s^p. The cosine is +-1 on the group and shifts the
    # frequency by m = 0 or N / 2; the odd sign is absorbed by a quarter turn of the plane's basis:
    # J diag(1, s) J^T = s diag(1, s)
    odd = (in_irrep if in_irrep.dim == 1 else out_irrep).parity
    columns = (quarter_turn if odd else identity)[:, :, None].unbind(1)
    return [_Piece(m_out + m_in, columns if in_irrep.dim == 1 else tuple(column.T for column in columns))]


def _turns_alike(harmonic: int, frequency: int, group: StructureGroup) -> bool:
    if group.is_continuous:
        return harmonic == frequency
    return (harmonic - frequency) % group.rotation_order == 0


def _line_solutions(piece: _Piece, harmonic: int, group: StructureGroup, max_harmonic: int) -> list[Tensor]:
    if not _turns_alike(harmonic, piece.frequency, group):
        return []
    (matrix,) = piece.matrices
    solutions = []
    if piece.parity == 0 or not group.has_reflections:
        solutions.append(_kernel(max_harmonic, harmonic, matrix, None))
    if harmonic and (piece.parity == 1 or not group.has_reflections):
        solutions.append(_kernel(max_harmonic, harmonic, None, matrix))
    return solutions


def _plane_solutions(piece: _Piece, order: int, group: StructureGroup, max_harmonic: int) -> list[Tensor]:
    if not _turns_alike(order, piece.frequency, group):
        return []
    first, second = piece.matrices
    sign = 1 if order > 0 else -1
    solutions = [_kernel(max_harmonic, abs(order), first, sign * second)]
    if not group.has_reflections:
        solutions.append(_kernel(max_harmonic, abs(order), second, -sign * first))
    return solutions


def _kernel(max_harmonic: int, harmonic: int, cosine: Tensor | None, sine: Tensor | None) -> Tensor:
    """cos(l t) cosine + sin(l t) sine as coefficients on the angular functions; the sine of l = 0 vanishes."""
    shape = (cosine if cosine is not None else sine).shape  # type: ignore[union-attr]
    kernel = torch.zeros(2 * max_harmonic + 1, *shape, dtype=torch.float64)
    if cosine is not None:
        kernel[max(2 * harmonic - 1, 0)] = cosine
    if sine is not None and harmonic:
        kernel[2 * harmonic] = sine
    return kernel
