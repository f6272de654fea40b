"""An order of visiting the vertices of a surface in which those visited one after another are close to each other.

Loops over rows that gather from neighbours then find in the cache what the rows before them brought there. Indices of
vertices do not change: the order is a list of them.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from gaugenet.meshes.mesh import TriangleMesh

_BITS = 16
"""Cells along the longest side of the bounding box, as a power of two."""


def visit_order(mesh: TriangleMesh) -> NDArray[np.int32]:
    """int32 [V] a permutation of the vertices, the same for the same mesh.

    Along a Hilbert curve through space where there are positions; for an intrinsic surface in the reverse
    Cuthill-McKee order of its edges (Cuthill and McKee 1969, Reducing the bandwidth of sparse symmetric matrices).
    """
    if mesh.vertices is None:
        return _along_edges(mesh)
    low, high = mesh.vertices.min(0, initial=np.inf), mesh.vertices.max(0, initial=-np.inf)
    side = float((high - low).max(initial=0.0))
    cells = np.zeros(mesh.vertices.shape, np.int64)
    if side > 0.0:
        cells = np.clip((mesh.vertices - low) / side * 2**_BITS, 0, 2**_BITS - 1).astype(np.int64)
    return np.argsort(hilbert_index(cells, _BITS), kind="stable").astype(np.int32)


def hilbert_index(cells: NDArray[np.int64], bits: int) -> NDArray[np.int64]:
    """[V] position along a Hilbert curve of the cells [V, d], each coordinate from 0 to 2^bits - 1; d bits ≤ 62.

    Skilling 2004, Programming the Hilbert curve: rotations and reflections of subcubes from the coarsest to the finest,
    then a Gray code of the bits interleaved.
    """
    x = [np.ascontiguousarray(column) for column in cells.T.copy()]
    for level in range(bits - 1, 0, -1):
        top, below = 1 << level, (1 << level) - 1
        for axis in x:
            reflect = (axis & top) != 0
            swap = np.where(reflect, 0, (x[0] ^ axis) & below)
            x[0] ^= np.where(reflect, below, swap)
            if axis is not x[0]:
                axis ^= swap
    for before, axis in pairwise(x):
        axis ^= before
    turned = np.zeros_like(x[0])
    for level in range(bits - 1, 0, -1):
        turned ^= np.where(x[-1] & (1 << level), (1 << level) - 1, 0)
    index = np.zeros_like(x[0])
    for level in range(bits - 1, -1, -1):
        for axis in x:
            index = index << 1 | ((axis ^ turned) >> level & 1)
    return index


def _along_edges(mesh: TriangleMesh) -> NDArray[np.int32]:
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import reverse_cuthill_mckee

    tail, head = mesh.faces.ravel(), np.roll(mesh.faces, -1, axis=1).ravel()
    ends = np.concatenate([tail, head]), np.concatenate([head, tail])
    graph = coo_matrix((np.ones(len(ends[0])), ends), shape=(mesh.n_vertices,) * 2).tocsr()
    return np.array(reverse_cuthill_mckee(graph, symmetric_mode=True), np.int32, order="C")
