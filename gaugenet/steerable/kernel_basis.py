"""`KernelBasis` and `IntertwinerBasis`: steerable weights for whole field types."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn

from gaugenet.field_type import FieldType
from gaugenet.steerable.block_expansion import BlockExpansion
from gaugenet.steerable.edge_aligned import aligned_basis
from gaugenet.steerable.harmonic import angular_functions, harmonic_basis, lowest_harmonics
from gaugenet.steerable.intertwiner import intertwiner_basis

Form = Literal["aligned", "harmonic"]


def default_max_harmonic(in_type: FieldType, out_type: FieldType) -> int:
    """The harmonic L up to which kernels are kept where nobody asks for another.

    SO(2), O(2): highest input plus highest output frequency, which is every solution there is. Finite groups
    have solutions in every N-th harmonic without end; L is the smallest number, at least 2 (so that even
    scalars of the trivial group see direction and curvature), that holds the lowest solution on every
    irreducible piece of every pair of irreps up to harmonic N / 2, and at least one solution into every
    output irrep. So the one kind of kernel that is left out by default is sin(N t), between even and odd
    copies of an irrep of D_N, where there are others.
    """
    group = in_type.group
    if group.is_continuous:
        return max(b.irrep.frequency for b in in_type.blocks) + max(b.irrep.frequency for b in out_type.blocks)
    cap = max(2, group.rotation_order // 2)
    highest = 2
    for out_block in out_type.blocks:
        lowest = [h for b in in_type.blocks for h in lowest_harmonics(b.irrep, out_block.irrep)]
        highest = max([highest, min(lowest), *(h for h in lowest if h <= cap)])
    return highest


class KernelBasis(nn.Module):
    """All steerable kernels K(v) = sum_b phi_b(v) W_b between two field types, from free coefficients.

    phi_b(v) = h_t(theta) R_r(|v|) with b = t * R + r (radial index fastest), v = |v| (cos theta, sin theta)
    in the target's frame. Two forms, see the operator:

    - ``"harmonic"``, any group: h are the `angular_functions` up to ``max_harmonic`` L, T = 2 L + 1; the operator
      turns the source by the transporter before W.
    - ``"aligned"``, SO(2) and O(2): T = 1, h = 1, and W is the kernel in the frame that runs along the edge:
      K(v) = rho_out(theta) [sum_r R_r W_r] rho_in(-theta). For SO(2) W is dense and coefficients are W
      itself, row by row. Both forms span the same kernels.

    ``"auto"`` takes aligned where it exists. Raises ValueError for two different groups, an unknown form, an
    aligned form of a finite group, or a ``max_harmonic`` given to the aligned form.
    """

    form: Form
    n_angular: int
    """T, the number of angular functions per radial one."""
    max_harmonic: int | None
    n_coefficients_per_radius: int
    """Free numbers per radial function."""

    def __init__(
        self,
        in_type: FieldType,
        out_type: FieldType,
        max_harmonic: int | None = None,
        form: Literal["auto", "aligned", "harmonic"] = "auto",
    ) -> None:
        super().__init__()
        group = in_type.group
        if form not in ("auto", "aligned", "harmonic"):
            raise ValueError(f'form must be "auto", "aligned" or "harmonic", not {form!r}')
        if form == "auto":
            form = "aligned" if group.is_continuous and max_harmonic is None else "harmonic"
        if form == "aligned" and max_harmonic is not None:
            raise ValueError('the aligned form holds all harmonics: leave out max_harmonic or ask for form="harmonic"')
        self.in_type, self.out_type, self.form = in_type, out_type, form
        if form == "aligned":
            self.max_harmonic = None
            self._blocks = BlockExpansion(
                in_type,
                out_type,
                lambda i, o: aligned_basis(i, o)[:, None],
                torch.ones(1, dtype=torch.float64),
            )
        else:
            level = default_max_harmonic(in_type, out_type) if max_harmonic is None else max_harmonic
            if level < 0:
                raise ValueError(f"max_harmonic must be 0 or more, not {level}")
            self.max_harmonic = level
            energy = torch.full((2 * level + 1,), 0.5, dtype=torch.float64)
            energy[0] = 1.0
            self._blocks = BlockExpansion(in_type, out_type, lambda i, o: harmonic_basis(i, o, level), energy)
        self.n_angular = self._blocks.n_angular
        self.n_coefficients_per_radius = self._blocks.n_coefficients
        # every matrix is allowed, so the weight itself is the parameter and nothing needs to be assembled
        self._dense = form == "aligned" and not group.has_reflections

    def angular(self, theta: Tensor) -> Tensor:
        """h [E, T] at the polar angles ``theta`` [E] (radians, target's frame)."""
        return (
            torch.ones_like(theta)[:, None]
            if self.max_harmonic is None
            else angular_functions(theta, self.max_harmonic)
        )

    def scalars(self, theta: Tensor, radial: Tensor) -> Tensor:
        """phi [E, T * R] from polar angles [E] and radial functions [E, R], in the order of `expand`."""
        return (self.angular(theta)[:, :, None] * radial[:, None, :]).flatten(1)

    def expand(self, coefficients: Tensor) -> Tensor:
        """[n_coefficients_per_radius, R] -> weight [T * R, C_out, C_in], b = t * R + r; differentiable, same dtype."""
        if coefficients.ndim != 2 or coefficients.shape[0] != self.n_coefficients_per_radius:
            raise ValueError(
                f"expected coefficients [{self.n_coefficients_per_radius}, R], got {list(coefficients.shape)}"
            )
        if self._dense:
            return coefficients.T.reshape(-1, self.out_type.dim, self.in_type.dim)
        return self._blocks.expand(coefficients).flatten(0, 1)

    def initial(
        self,
        n_radial: int,
        *,
        generator: torch.Generator | None = None,
        gain: float = 1.0,
        scalar_energy: float = 1.0,
        dtype: torch.dtype = torch.float32,
    ) -> Tensor:
        """Normal coefficients [n_coefficients_per_radius, R] that keep the variance: Var(output) = gain^2
        Var(input).

        Assumes source features independent between edges and columns, with mean 0 and one variance, and
        directions theta spread evenly. ``scalar_energy`` is the mean over targets of sum_e w_e^2 sum_r
        R_r(r_e)^2, with w the quadrature weights as the layer uses them; 1 stands for one edge of weight 1 on
        which sum_r R_r^2 = 1. A layer that has seen its surfaces passes the measured value. Smooth features
        agree along edges, so for them the output of rotation-invariant kernels is larger, by up to (sum w)^2
        / sum w^2.
        """
        if self._dense:
            values = torch.randn(self.n_coefficients_per_radius, n_radial, generator=generator, dtype=torch.float64)
            return (values * gain / math.sqrt(self.in_type.dim * scalar_energy)).to(dtype)
        return self._blocks.initial(n_radial, generator, gain, scalar_energy, dtype)

    def extra_repr(self) -> str:
        return f"{self.in_type} -> {self.out_type}, form={self.form}, T={self.n_angular}"


class IntertwinerBasis(nn.Module):
    """All linear maps W [C_out, C_in] at a single vertex with rho_out(g) W = W rho_in(g), from free coefficients."""

    n_coefficients: int

    def __init__(self, in_type: FieldType, out_type: FieldType) -> None:
        super().__init__()
        self.in_type, self.out_type = in_type, out_type
        self._blocks = BlockExpansion(
            in_type,
            out_type,
            lambda i, o: intertwiner_basis(i, o)[:, None],
            torch.ones(1, dtype=torch.float64),
        )
        self.n_coefficients = self._blocks.n_coefficients

    def expand(self, coefficients: Tensor) -> Tensor:
        """[n_coefficients] -> weight [C_out, C_in]; differentiable, same dtype."""
        if coefficients.shape != (self.n_coefficients,):
            raise ValueError(f"expected coefficients [{self.n_coefficients}], got {list(coefficients.shape)}")
        return self._blocks.expand(coefficients[:, None])[0, 0]

    def initial(
        self,
        *,
        generator: torch.Generator | None = None,
        gain: float = 1.0,
        dtype: torch.dtype = torch.float32,
    ) -> Tensor:
        """Normal coefficients [n_coefficients] that keep the variance of independent columns, times gain^2."""
        return self._blocks.initial(1, generator, gain, 1.0, dtype)[:, 0]

    def extra_repr(self) -> str:
        return f"{self.in_type} -> {self.out_type}"
