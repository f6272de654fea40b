"""The sums over corners that fit a frame to the fan of each vertex, compiled."""

from __future__ import annotations

import math

import numpy as np

from gaugenet.meshes.compiled import compiled
from gaugenet.meshes.fans import Floats, Ints


@compiled
def summed_normals(points: Floats, vertex: Ints, weight: Floats) -> Floats:
    """[V, 3] Σ (weight of the corner) (unit normal of its face) over the corners of each vertex.

    Args:
        points: [V, 3]; vertex: [3 F] of each corner; weight: [3 F]. Faces without a normal count as 0.
    """
    total = np.zeros_like(points)
    for face in range(len(vertex) // 3):
        first = 3 * face
        a, b, c = vertex[first], vertex[first + 1], vertex[first + 2]
        ux, uy, uz = points[b, 0] - points[a, 0], points[b, 1] - points[a, 1], points[b, 2] - points[a, 2]
        vx, vy, vz = points[c, 0] - points[a, 0], points[c, 1] - points[a, 1], points[c, 2] - points[a, 2]
        nx, ny, nz = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
        size = math.sqrt(nx * nx + ny * ny + nz * nz)
        if size > 0.0:
            for corner in range(first, first + 3):
                w = weight[corner] / size
                at = vertex[corner]
                total[at, 0] += w * nx
                total[at, 1] += w * ny
                total[at, 2] += w * nz
    return total


@compiled
def summed_axes(points: Floats, n: Floats, vertex: Ints, start: Floats, end: Floats, scale: Floats) -> Floats:
    """[V, 3] Σ R_n(-ψ) (edge projected on the plane of n), over both edges of each corner of each vertex.

    Args:
        points: [V, 3]; n: [V, 3] unit normals; vertex: [3 F] of each corner.
        start, end: [3 F] radians, unscaled: directions of the edges from the corner to the next one, to the one before.
        scale: [V]: ψ = scale · direction.
    """
    total = np.zeros_like(points)
    for corner in range(len(vertex)):
        face = corner - corner % 3
        at = vertex[corner]
        nx, ny, nz = n[at, 0], n[at, 1], n[at, 2]
        for step in (1, 2):
            to = vertex[face + (corner + step) % 3]
            psi = scale[at] * (start[corner] if step == 1 else end[corner])
            ex, ey, ez = points[to, 0] - points[at, 0], points[to, 1] - points[at, 1], points[to, 2] - points[at, 2]
            height = ex * nx + ey * ny + ez * nz
            ex, ey, ez = ex - height * nx, ey - height * ny, ez - height * nz
            cos, sin = math.cos(psi), math.sin(psi)
            total[at, 0] += cos * ex - sin * (ny * ez - nz * ey)
            total[at, 1] += cos * ey - sin * (nz * ex - nx * ez)
            total[at, 2] += cos * ez - sin * (nx * ey - ny * ex)
    return total
