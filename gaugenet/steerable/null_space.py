"""The judge of every steerable basis: the null space of the constraint, found by numbers alone.

It knows nothing of how the analytic bases are built: it evaluates the constraint on generators of the group
at enough angles and asks a singular value decomposition what is left. Slow and general; for tests and for new
groups.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from gaugenet.groups import StructureGroup
from gaugenet.steerable.harmonic import angular_functions

MatrixOf = Callable[[float, int], Tensor]
"""(angle, flip) -> representation matrix [d, d] float64."""


def kernel_null_space(group: StructureGroup, rho_in: MatrixOf, rho_out: MatrixOf, max_harmonic: int) -> Tensor:
    """All A with sum_b h_b(a + s t) A_b = rho_out(g) [sum_b h_b(t) A_b] rho_in(g)^-1 for all g = (a, s) and
    t.

    ``rho_in``, ``rho_out`` are e.g. ``irrep.matrix``, ``representation.matrix``, ``field_type.matrix``. The
    equation is imposed for the group's generators at 2 L + 1 angles t, which determine harmonics up to L.
    Returns an orthonormal basis [n, 2 L + 1, d_out, d_in] float64.
    """
    n_functions = 2 * max_harmonic + 1
    theta = 2 * math.pi / n_functions * torch.arange(n_functions, dtype=torch.float64)
    here = angular_functions(theta, max_harmonic)
    d_in, d_out = len(rho_in(0.0, 1)), len(rho_out(0.0, 1))
    size = n_functions * d_out * d_in
    rows = [torch.zeros(1, size, dtype=torch.float64)]
    for angle, flip in group.generators():
        moved = angular_functions(angle + flip * theta, max_harmonic)
        conjugation = torch.kron(rho_out(angle, flip), torch.linalg.inv(rho_in(angle, flip)).T)
        eye = torch.eye(d_out * d_in, dtype=torch.float64)
        rows.append(torch.kron(moved, eye) - torch.kron(here, conjugation))
    return _null_space(torch.cat(rows)).reshape(-1, n_functions, d_out, d_in)


def intertwiner_null_space(group: StructureGroup, rho_in: MatrixOf, rho_out: MatrixOf) -> Tensor:
    """All W with rho_out(g) W = W rho_in(g), orthonormal [n, d_out, d_in] float64: kernels of harmonic 0."""
    return kernel_null_space(group, rho_in, rho_out, 0)[:, 0]


def subspace_distance(first: Tensor, second: Tensor) -> float:
    """||P_1 - P_2||, the sine of the largest angle between the spans of two sets of tensors [n, ...], [n',
    ...].

    0 when they span the same space, 1 when their dimensions differ (or a vector of one is orthogonal to the
    other).
    """
    a, b = _orthonormal(first), _orthonormal(second)
    if a.shape != b.shape:
        return 1.0
    if a.shape[1] == 0:
        return 0.0
    return float(torch.linalg.matrix_norm(b - a @ (a.T @ b), 2))


def _orthonormal(vectors: Tensor) -> Tensor:
    """Columns that span what the given tensors span; dependent ones are dropped."""
    u, singular, _ = torch.linalg.svd(vectors.flatten(1).double().T, full_matrices=False)
    kept: Tensor = u[:, singular > 1e-8]
    return kept


def _null_space(matrix: Tensor) -> Tensor:
    """Rows that span the null space. The gap is wide: singular values are rounding, or set by the generators."""
    upper = torch.linalg.qr(matrix, mode="r")[1] if matrix.shape[0] > matrix.shape[1] else matrix
    _, singular, vh = torch.linalg.svd(upper, full_matrices=True)
    rank = int((singular > 1e-8).sum())
    kernel: Tensor = vh[rank:]
    return kernel
