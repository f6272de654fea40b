"""What lies within a geodesic ball round each vertex: how much surface, how far off, and how its normals turn."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gaugenet.data.features.laplacian import Laplacian
from gaugenet.meshes.mesh import TriangleMesh

Array = NDArray[np.float64]

RADII = (0.04, 0.08)
"""Radii of the balls, in square roots of the total area."""
RINGS = 2
_MOST = 512
"""Neighbours in a ball, at most: of a mesh so fine the nearest are as good."""
_CLIP = 3.0

_FLAT = (1.0 / 3.0, 16.0 / 35.0, 1.0 / 4.0)
"""Of a flat ball of radius 1, with w(r) = (1 - r^2)^2: integral of w over pi, mean of r, mean of r^2."""


@dataclass(frozen=True, eq=False)
class _Balls:
    """All pairs of a vertex p and another one q within a distance R of it."""

    p: NDArray[np.int64]
    q: NDArray[np.int64]
    r: Array
    """[E] geodesic distance over R, in (0, 1]."""
    theta: Array
    """[E] direction of q seen from p, radians."""
    flip: Array
    """[E] -1 where the orientation changes on the way, which it does on one-sided surfaces only."""
    radius: float
    """R, in the unit of the mesh."""


def geodesic_names() -> tuple[str, ...]:
    """A name for each column of `geodesic_statistics`."""
    return tuple(f"{what}_{r:g}" for r in RADII for what in ("ball", "reach", "spread", "offset"))


def geodesic_statistics(mesh: TriangleMesh, laplacian: Laplacian) -> Array:
    """Of the ball of radius R round p, with weights m_q = A_q w(r_q / R), w(x) = (1 - x^2)^2; [V, 8], for R in `RADII`:

        ball = (sum_q m_q) / (pi R^2 / 3)     its size: below 1 where K > 0 or the surface ends, above 1 where K < 0
        reach = (sum_q m_q r_q / R) / (sum_q m_q) and spread, the standard deviation of r_q / R
        offset = |sum_q m_q log_p q / R| / (sum_q m_q)

    A_q: vertex areas, r_q and log_p q: geodesic distance and logarithmic map; p itself counts with r = 0. All columns
    are centred on their values in the plane and scaled to about 1; 0 at isolated vertices. They depend on edge lengths
    only. The size of a small ball is pi R^2 (1 - K R^2 / 12 + ...) (Bertrand and Puiseux 1848).
    """
    columns = []
    n = mesh.n_vertices
    used = laplacian.mass > 0
    for scale in RADII:
        balls = _balls(mesh, scale * math.sqrt(laplacian.total_area))
        area, r = laplacian.mass[balls.q], balls.r
        weight = area * (1.0 - r**2) ** 2
        total = np.bincount(balls.p, weight, n) + laplacian.mass
        safe = np.where(used, total, 1.0)
        mean = np.bincount(balls.p, weight * r, n) / safe
        square = np.bincount(balls.p, weight * r**2, n) / safe
        x = np.bincount(balls.p, weight * r * np.cos(balls.theta), n) / safe
        y = np.bincount(balls.p, weight * r * np.sin(balls.theta), n) / safe
        spread = np.sqrt(np.maximum(square - mean**2, 0.0))
        size = total / (math.pi * balls.radius**2 * _FLAT[0])
        flat_spread = math.sqrt(_FLAT[2] - _FLAT[1] ** 2)
        statistics = (
            (size - 1.0) / 0.3,
            (mean - _FLAT[1]) / 0.1,
            (spread - flat_spread) / 0.05,
            np.hypot(x, y) / 0.2,
        )
        columns += [np.where(used, np.clip(s, -_CLIP, _CLIP), 0.0) for s in statistics]
    return np.stack(columns, 1)


def shot_names(n: int) -> tuple[str, ...]:
    """A name for each column of `normal_histograms`."""
    return tuple(f"shot_{ring}_{i}" for ring in range(RINGS) for i in range(n))


def normal_histograms(mesh: TriangleMesh, laplacian: Laplacian, n: int) -> Array:
    """Histograms of n_p . n_q over the ball round p, [V, 2 n], one for each of two rings of equal width.

    As SHOT (Tombari, Salti, Di Stefano 2010) without its division of a ring into sectors, for which a frame in space
    would have to be chosen: so it needs no frame, and does not tell a surface from its mirror image. The bins divide
    the angle from 0 to pi evenly and a normal is shared by the two bins next to it; a ring's histogram is scaled to the
    sum n / 4, and is 0 where the ring is empty.

    Raises:
        ValueError: the mesh has no positions.
    """
    from gaugenet.data.features.curvature import _normals

    if mesh.vertices is None:
        raise ValueError(
            f"{mesh.name or 'this mesh'}: shot needs positions, and it has edge lengths only; use geodesic instead"
        )
    used = laplacian.mass > 0
    points = np.where(used[:, None], mesh.vertices, 0.0)
    normal = _normals(points, mesh.faces)
    balls = _balls(mesh, RADII[-1] * math.sqrt(laplacian.total_area))
    cosine = np.clip((normal[balls.p] * normal[balls.q]).sum(1) * balls.flip, -1.0, 1.0)
    place = np.arccos(cosine) / math.pi * (n - 1)
    low = np.minimum(place.astype(np.int64), max(n - 2, 0))
    share = place - low
    ring = np.minimum((balls.r * RINGS).astype(np.int64), RINGS - 1)
    area = laplacian.mass[balls.q]
    out = np.zeros((mesh.n_vertices, RINGS, n))
    np.add.at(out, (balls.p, ring, low), area * (1.0 - share))
    np.add.at(out, (balls.p, ring, np.minimum(low + 1, n - 1)), area * share)
    total = out.sum(2, keepdims=True)
    out *= 0.25 * n / np.where(total > 0, total, 1.0)
    return out.reshape(mesh.n_vertices, RINGS * n)


def _balls(mesh: TriangleMesh, radius: float) -> _Balls:
    import torch

    from gaugenet.meshes.neighborhoods import Radius
    from gaugenet.meshes.precompute import compute_geometry

    geometry = compute_geometry(
        mesh, Radius(radius, max_neighbors=_MOST), mode="polyhedral", dtype=torch.float64, threads=1
    )
    return _Balls(
        geometry.target.numpy(),
        geometry.source.numpy().astype(np.int64),
        np.minimum(geometry.r.numpy() / radius, 1.0),
        geometry.theta.numpy(),
        geometry.flip.numpy().astype(np.float64),
        radius,
    )
