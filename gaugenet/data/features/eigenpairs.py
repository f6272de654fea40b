"""Eigenpairs of the Laplacian, component by component."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from gaugenet.data.features.laplacian import Laplacian

Array = NDArray[np.float64]

EIGENPAIRS = 96
_DENSE_BELOW = 300


class Spectrum(NamedTuple):
    """The lowest eigenpairs L phi = lambda M phi of one component, scaled to area 1."""

    vertices: NDArray[np.int64]
    """[V_c]"""
    mass: Array
    """[V_c] vertex areas, whose sum is 1."""
    values: Array
    """[k] lambda, ascending from 0."""
    vectors: Array
    """[V_c, k] phi, orthonormal with respect to `mass`."""


def component_spectra(laplacian: Laplacian) -> Iterator[Spectrum]:
    """The spectrum of each component with a face.

    Raises:
        ValueError: the eigensolver gave up.
    """
    order = np.argsort(laplacian.component, kind="stable")
    starts = np.searchsorted(laplacian.component[order], np.arange(laplacian.component.max(initial=-1) + 2))
    for start, stop in pairwise(starts):
        vertices = order[start:stop]
        area = laplacian.mass[vertices].sum()
        if len(vertices) < 2 or not area > 0:
            continue
        mass = laplacian.mass[vertices] / area
        mass = np.maximum(mass, 1e-6 * mass.mean())
        root = 1.0 / np.sqrt(mass)
        block = laplacian.stiffness[vertices][:, vertices]
        values, vectors = _lowest(block.multiply(root[:, None]).multiply(root[None, :]), EIGENPAIRS)
        yield Spectrum(vertices, mass / mass.sum(), np.maximum(values, 0.0), vectors * root[:, None])


def _lowest(matrix: Any, k: int) -> tuple[Array, Array]:
    """The k lowest eigenpairs of a sparse positive semi-definite matrix, or all where there are few."""
    from scipy.linalg import eigh
    from scipy.sparse import eye_array
    from scipy.sparse.linalg import ArpackError, LinearOperator, eigsh, splu

    n = matrix.shape[0]
    if n <= max(_DENSE_BELOW, k + 1):
        dense = matrix.toarray()
        values, vectors = eigh((dense + dense.T) / 2.0, subset_by_index=(0, min(k, n) - 1))
        return values, vectors
    start = np.random.default_rng(0).standard_normal(n)
    for shift in (-0.5, -20.0):
        shifted = (matrix - shift * eye_array(n)).tocsc()
        try:
            factor = splu(shifted, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True})
            inverse = LinearOperator((n, n), matvec=factor.solve, dtype=np.float64)
            values, vectors = eigsh(matrix.tocsr(), k, sigma=shift, OPinv=inverse, v0=start, ncv=3 * k // 2, tol=1e-8)
        except (ArpackError, RuntimeError):
            continue
        if np.isfinite(values).all() and np.isfinite(vectors).all():
            order = np.argsort(values)
            return values[order], vectors[:, order]
    raise ValueError(f"no eigenvectors were found on a component of {n} vertices; remesh it, or leave out hks and wks")
