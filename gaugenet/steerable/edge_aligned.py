"""The steerable basis in edge-aligned form, for SO(2) and O(2)."""

from __future__ import annotations

import torch
from torch import Tensor

from gaugenet.representations import Irrep


def aligned_basis(in_irrep: Irrep, out_irrep: Irrep) -> Tensor:
    """All W such that K(t) = rho_out(t) W rho_in(-t) is a steerable kernel, t the polar angle of v.

    K is fixed by its value W at t = 0, in the frame whose first axis runs along the edge. For SO(2) any W
    will do; for O(2) it must commute with the reflection across the edge: rho_out(0, -1) W = W rho_in(0, -1).

    Returns [n, d_out, d_in] float64: matrices with a single entry 1, row by row. Raises ValueError for finite
    groups, whose kernels have more freedom (see `harmonic_basis`), and for irreps of different groups.
    """
    group = in_irrep.group
    if group != out_irrep.group:
        raise ValueError(f"a steerable kernel maps between fields of one group, not {group} to {out_irrep.group}")
    if not group.is_continuous:
        raise ValueError(f'the edge-aligned form needs "SO(2)" or "O(2)"; use the harmonic form for {group}')
    basis = torch.eye(out_irrep.dim * in_irrep.dim, dtype=torch.float64).reshape(-1, out_irrep.dim, in_irrep.dim)
    if not group.has_reflections:
        return basis
    signs = torch.outer(_reflection_signs(out_irrep), _reflection_signs(in_irrep)).flatten()
    return basis[signs > 0]


def _reflection_signs(irrep: Irrep) -> Tensor:
    """Diagonal of rho(0, -1)."""
    if irrep.dim == 2:
        return torch.tensor([1.0, -1.0])
    return torch.tensor([-1.0 if irrep.parity else 1.0])
