"""Intertwiners: the linear maps at a single point (v = 0) that commute with every change of gauge."""

from __future__ import annotations

from torch import Tensor

from gaugenet.representations import Irrep
from gaugenet.steerable.harmonic import harmonic_basis


def intertwiner_basis(in_irrep: Irrep, out_irrep: Irrep) -> Tensor:
    """All W with rho_out(g) W = W rho_in(g) for every g, [n, d_out, d_in] float64, orthonormal.

    These are the steerable kernels that do not depend on the direction of v. By Schur's lemma there are none
    between different irreps, and the multiples of the identity from an irrep to itself; for a two-dimensional
    irrep of SO(2) or C_N the quarter turn J is a second one.
    """
    return harmonic_basis(in_irrep, out_irrep, 0)[:, 0]
