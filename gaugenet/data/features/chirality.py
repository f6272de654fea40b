"""Which hand a surface shows: pseudo-scalars that tell a limb from its mirror image."""

from __future__ import annotations

import itertools
import math

import numpy as np
from numpy.typing import NDArray

from gaugenet.data.features.curvature import mean_curvature
from gaugenet.data.features.laplacian import Laplacian
from gaugenet.data.features.spectrum import heat_kernel_signatures
from gaugenet.meshes.mesh import TriangleMesh

Array = NDArray[np.float64]

SCALES = (0.03, 0.1)
"""Widths over which the products are averaged, in square roots of the total area."""
_HKS = (2, 6, 10, 14)
_CURVATURE_SCALE = 0.15
_FLAT = 0.3
"""Slope, per square root of the area, below which a gradient counts as absent rather than as a direction."""
_TYPICAL = 0.2

FIELDS = ("hks_2", "hks_6", "hks_10", "hks_14", "H", "H_far")
"""The scalar fields whose gradients are multiplied: of hks16, the mean curvature, and the same averaged widely."""


def chirality_names() -> tuple[str, ...]:
    """A name for each column of `chirality`."""
    pairs = [f"{a}^{b}" for a, b in itertools.combinations(FIELDS, 2)]
    return tuple(f"{pair}_{scale:g}" for scale in SCALES for pair in pairs)


def chirality(mesh: TriangleMesh, laplacian: Laplacian) -> Array:
    """n . (u x v) averaged at each of `SCALES`, for every pair of `FIELDS` a, b; [V, 30], about 1 in size.

    u = grad a / (|grad a| + c), v likewise of b, n the normal to the left of which the faces wind: the sine of the
    angle from one gradient to the other where both are there. A rotation changes nothing; a mirror image changes the
    sign. So on a body that is its own mirror image the values at the left are minus those at the right, which no
    isotropic feature can tell apart.

    Raises:
        ValueError: the surface has one side only, where n does not exist, or it has no positions.
    """
    if mesh.twin_flipped.any():
        raise ValueError(f"{mesh.name or 'this mesh'}: chirality is not defined on a one-sided surface; leave it out")
    root_area = math.sqrt(laplacian.total_area)
    near = mean_curvature(mesh, laplacian, signed=True)[:, -1:]
    far = laplacian.averaged((near.T * laplacian.mass).T, _CURVATURE_SCALE * root_area)
    fields = np.hstack([heat_kernel_signatures(laplacian, 16)[:, _HKS], near, far])

    area, gradients = _face_gradients(mesh, fields)
    gradients *= root_area
    gradients /= np.linalg.norm(gradients, axis=2, keepdims=True) + _FLAT
    products = [
        gradients[:, i, 0] * gradients[:, j, 1] - gradients[:, i, 1] * gradients[:, j, 0]
        for i, j in itertools.combinations(range(len(FIELDS)), 2)
    ]
    corner = np.stack(products, 1) * (area[:, None] / 3.0)
    integrated = np.zeros((mesh.n_vertices, corner.shape[1]))
    for k in range(3):
        np.add.at(integrated, mesh.faces[:, k], corner)
    return np.hstack([laplacian.averaged(integrated, scale * root_area) for scale in SCALES]) / _TYPICAL


def _face_gradients(mesh: TriangleMesh, fields: Array) -> tuple[Array, Array]:
    """Areas [F], and gradients [F, n, 2] of piecewise linear fields [V, n] in a frame of each face: x along edge 0."""
    a, b, c = mesh.edge_lengths.T
    x = (a**2 + c**2 - b**2) / (2.0 * a)
    # a sliver has no direction to speak of; the floor keeps it from a slope without bound
    y = np.sqrt(np.maximum(c**2 - x**2, (1e-4 * np.maximum(a, c)) ** 2))
    value = fields[mesh.faces]
    along = (value[:, 1] - value[:, 0]) / a[:, None]
    across = (value[:, 2] - value[:, 0] - x[:, None] * along) / y[:, None]
    return 0.5 * a * y, np.stack([along, across], 2)
