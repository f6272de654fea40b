"""Steerable kernel bases: the solutions of K(g v) = rho_out(g) K(v) rho_in(g)^-1, and their judge."""

from gaugenet.steerable.edge_aligned import aligned_basis
from gaugenet.steerable.harmonic import angular_functions, harmonic_basis
from gaugenet.steerable.intertwiner import intertwiner_basis
from gaugenet.steerable.kernel_basis import IntertwinerBasis, KernelBasis, default_max_harmonic
from gaugenet.steerable.null_space import intertwiner_null_space, kernel_null_space, subspace_distance

__all__ = [
    "IntertwinerBasis",
    "KernelBasis",
    "aligned_basis",
    "angular_functions",
    "default_max_harmonic",
    "harmonic_basis",
    "intertwiner_basis",
    "intertwiner_null_space",
    "kernel_null_space",
    "subspace_distance",
]
