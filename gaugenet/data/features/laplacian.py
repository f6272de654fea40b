"""The cotangent Laplacian of a surface, from its edge lengths alone."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gaugenet.data.features.eigenpairs import Spectrum, component_spectra
from gaugenet.meshes.mesh import TriangleMesh

_SLACK = 1e-4
"""Slack of the triangle inequality, in mean edge lengths, that every face is given before cotangents are taken."""


@dataclass(frozen=True, eq=False)
class Laplacian:
    """(L u)_p = sum_q w_pq (u_p - u_q), w_pq = (cot a + cot b) / 2 over the angles a, b opposite to the edge pq.

    L is symmetric and positive semi-definite, whatever the triangles; M^-1 L converges to minus the Laplace-Beltrami
    operator of the smooth surface, where M holds the vertex areas.
    """

    stiffness: Any
    """L, scipy CSR array [V, V], without unit."""
    mass: NDArray[np.float64]
    """[V] mixed Voronoi areas, which L x belongs to (thirds of the faces are off by a tenth where vertices of an
    even mesh have five neighbours); 0 for isolated vertices."""
    component: NDArray[np.int64]
    """[V] the connected component of each vertex, numbered from 0."""

    @property
    def total_area(self) -> float:
        return float(self.mass.sum())

    def averaged(self, integrated: NDArray[np.float64], width: float) -> NDArray[np.float64]:
        """Density of what is integrated over vertex areas, [V] or [V, n], after two implicit steps of heat flow.

        Heat that flows for time t from a point spreads to E|x|^2 = 4 t; either step takes it half of the way to
        `width`, a length in the unit of the mesh. 0 at isolated vertices.
        """
        from scipy.sparse import diags_array
        from scipy.sparse.linalg import splu

        used = self.mass > 0
        mass = np.where(used, self.mass, 1.0)
        step = (diags_array(mass) + (width**2 / 8.0) * self.stiffness).tocsc()
        factor = splu(step, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True})
        density = factor.solve((factor.solve(integrated).T * mass).T)
        return np.asarray(np.where(used, density.T, 0.0).T)

    @cached_property
    def spectra(self) -> tuple[Spectrum, ...]:
        """The lowest eigenpairs of each component that has a face."""
        from threadpoolctl import threadpool_limits

        # the eigensolver calls for thousands of small products: threads would spend their time waiting for each
        # other, ten times over where the processor is shared
        with threadpool_limits(1, user_api="blas"):
            return tuple(component_spectra(self))


def cotan_laplacian(mesh: TriangleMesh) -> Laplacian:
    """The Laplacian of a mesh. Works for intrinsic, open, non-orientable and disconnected surfaces alike.

    All lengths are first increased by one small constant where a triangle is (almost) without area, so that no
    cotangent is beyond about 1e4 (Sharp & Crane 2020, A Laplacian for Nonmanifold Triangle Meshes, sec. 4.5).
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    n = mesh.n_vertices
    length = mesh.edge_lengths
    low, mid, high = np.sort(length, axis=1).T
    slack = low + mid - high
    length = length + max(0.0, float((_SLACK * length.mean() - slack).max()))
    # 16 A^2, in the order that avoids cancellation (Kahan)
    high, mid, low = -np.sort(-length, axis=1).T
    sixteen = (high + (mid + low)) * (low - (high - mid)) * (low + (high - mid)) * (high + (mid - low))
    area = 0.25 * np.sqrt(np.maximum(sixteen, 0.0))
    # half of the cotangent of the angle opposite to half-edge k: (sum of the others' squares - own square) / (8 A)
    square = length**2
    weight = (square.sum(1, keepdims=True) - 2.0 * square) / (8.0 * area[:, None])
    tail, head = mesh.faces.ravel(), np.roll(mesh.faces, -1, 1).ravel()
    w = weight.ravel()
    loop = tail == head  # an edge from a vertex to itself has no gradient
    tail, head, w = tail[~loop], head[~loop], w[~loop]
    rows = np.concatenate([tail, head, tail, head])
    columns = np.concatenate([head, tail, tail, head])
    stiffness = coo_array((np.concatenate([-w, -w, w, w]), (rows, columns)), shape=(n, n)).tocsr()
    mass = np.bincount(mesh.faces.ravel(), _corner_areas(square, weight, area).ravel(), minlength=n)
    links = coo_array((np.ones(len(tail)), (tail, head)), shape=(n, n))
    _, component = connected_components(links, directed=False)
    return Laplacian(stiffness, np.asarray(mass, np.float64), component.astype(np.int64))


def _corner_areas(
    square: NDArray[np.float64], weight: NDArray[np.float64], area: NDArray[np.float64]
) -> NDArray[np.float64]:
    """[F, 3] what each corner has of its face: its Voronoi cell, or half and quarters of an obtuse triangle.

    (Meyer, Desbrun, Schroeder, Barr 2003, Discrete Differential-Geometry Operators, fig. 4.)
    """
    half_edge = 0.25 * square * weight
    voronoi = half_edge + np.roll(half_edge, 1, axis=1)  # of the two half-edges at the corner
    obtuse = np.roll(weight, -1, axis=1) < 0  # the angle at corner k is opposite to half-edge k + 1
    shared = area[:, None] * np.where(obtuse, 0.5, 0.25)
    return np.where(obtuse.any(1, keepdims=True), shared, voronoi)
