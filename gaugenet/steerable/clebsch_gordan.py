"""Products of two irreps, decomposed into irreps: the Clebsch-Gordan coefficients of the structure groups.

A two-dimensional irrep of frequency m is the complex numbers z, on which g = (a, s) acts by e^{ima} z (s = 1) or
e^{ima} z̄ (s = -1); a one-dimensional one is the real numbers, times cos(ma) s^parity. So

    z₁ z₂ turns at m₁ + m₂,    z₁ z̄₂ at m₁ - m₂,    x z at m_x + m_z (i x z where x is odd),    x₁ x₂ at m₁ + m₂,

all modulo N in C_N and D_N. A complex product whose rate is 0 or N/2 falls apart into its real part, even, and its
imaginary part, odd under reflections.
"""

from __future__ import annotations

import torch
from torch import Tensor

from gaugenet.representations import Irrep


def clebsch_gordan(first: Irrep, second: Irrep) -> list[tuple[Irrep, Tensor]]:
    """V_first ⊗ V_second as a direct sum: pairs (irrep, C [dim, d_first, d_second] float64) with

        Σ_ij C_kij (ρ_first(g) x)_i (ρ_second(g) y)_j = Σ_l ρ_irrep(g)_kl Σ_ij C_lij x_i y_j.

    Together the C are all of V_first ⊗ V_second: as matrices [d_first d_second, ·] orthogonal with rows of one norm
    per irrep.

    Raises:
        ValueError: the irreps belong to different groups.
    """
    if first.group != second.group:
        raise ValueError(f"a product needs two irreps of one group, got {first.group} and {second.group}")
    x, y = _complex(first), _complex(second)
    if first.dim == second.dim == 1:
        product = torch.ones(1, 1, 1, dtype=torch.float64)
        return [(_irrep(first, first.frequency + second.frequency, first.parity ^ second.parity), product)]
    if first.dim == 1 or second.dim == 1:
        odd = first.parity | second.parity
        product = torch.einsum("i,j->ij", x, y) * (1j if odd else 1)
        return _parts(first, first.frequency + second.frequency, product)
    return _parts(first, first.frequency + second.frequency, torch.einsum("i,j->ij", x, y)) + _parts(
        first, first.frequency - second.frequency, torch.einsum("i,j->ij", x, y.conj())
    )


def _complex(irrep: Irrep) -> Tensor:
    """complex128 [dim]: Σ_j c_j x_j is the number that the coefficients x stand for."""
    return torch.tensor([1, 1j][: irrep.dim], dtype=torch.complex128)


def _irrep(like: Irrep, rate: int, parity: int = 0) -> Irrep:
    order = like.group.rotation_order
    frequency = abs(rate) if order == 0 else min(rate % order, -rate % order)
    return Irrep(like.group, frequency, parity if like.group.has_reflections else 0)


def _parts(like: Irrep, rate: int, product: Tensor) -> list[tuple[Irrep, Tensor]]:
    """The irreps of a complex bilinear form [d_first, d_second] on which g acts as R(rate a) diag(1, s)."""
    irrep = _irrep(like, rate)
    if irrep.dim == 1:
        return [(irrep, product.real[None].clone()), (_irrep(like, rate, 1), product.imag[None].clone())]
    order = like.group.rotation_order
    upward = rate == irrep.frequency if order == 0 else (rate - irrep.frequency) % order == 0
    return [(irrep, torch.stack([product.real, product.imag if upward else -product.imag]))]
