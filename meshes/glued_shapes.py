"""Surfaces that are closed up by gluing: flat torus, Möbius strip, Klein bottle, projective plane, genus 2.

Intrinsic ones are glued by half-edges, so that they may have as few as one vertex.
"""

from __future__ import annotations

import numpy as np

from gaugenet.meshes.closed_forms import FlatQuotient, SphereForm, tangent_frames
from gaugenet.meshes.grids import antipodes, checked_subdivisions, icosphere, rectangle
from gaugenet.meshes.hyperbolic import HyperbolicForm, octagon_mesh
from gaugenet.meshes.repair import mesh_from_edge_lengths
from gaugenet.meshes.shape import Shape, developed_mesh, embedded_mesh


def flat_torus(
    n: int = 20, m: int = 20, *, length: float = 1.0, width: float = 1.0, jitter: float = 0.0, seed: int = 0
) -> Shape:
    """The rectangle with opposite sides glued; intrinsic. Frame: (∂u, ∂v). One cell (n = m = 1) has one vertex."""
    grid = rectangle(n, m, length, width, seam="translation", closed=True, jitter=jitter, seed=seed, intrinsic=True)
    turns = np.array([(a, b) for a in (0, 1, -1) for b in (0, 1, -1)], float)
    return Shape(developed_mesh(grid, "flat_torus"), FlatQuotient(grid.uv, turns * (length, width), np.ones(9)))


def mobius_strip(
    n: int = 40,
    m: int = 8,
    *,
    length: float = 2 * np.pi,
    width: float = 1.0,
    jitter: float = 0.0,
    seed: int = 0,
    developed: bool = False,
) -> Shape:
    """Developed: the strip |v| ≤ width/2 modulo (u, v) → (u + length, −v), flat, with its closed form; frame
    (∂u, ∂v).

    Embedded: the half-twisted ruled strip round a circle of circumference `length`, which is not flat; no closed form.
    """
    grid = rectangle(n, m, length, width, seam="glide", jitter=jitter, seed=seed, intrinsic=developed)
    if developed:
        shift = np.array([(k * length, 0) for k in (0, 1, -1, 2, -2)], float)
        return Shape(developed_mesh(grid, "mobius_strip"), FlatQuotient(grid.uv, shift, np.array([1.0, -1, -1, 1, 1])))
    a, v = 2 * np.pi * grid.uv[:, 0] / length, grid.uv[:, 1]
    rho = length / (2 * np.pi) + v * np.cos(a / 2)
    vertices = np.stack([rho * np.cos(a), rho * np.sin(a), v * np.sin(a / 2)], 1)
    return Shape(embedded_mesh(vertices, grid.faces, "mobius_strip"))


def klein_bottle(
    n: int = 40,
    m: int = 16,
    *,
    length: float = 2 * np.pi,
    width: float = 2.0,
    jitter: float = 0.0,
    seed: int = 0,
    developed: bool = False,
) -> Shape:
    """Developed: the plane modulo (u, v) → (u + length, −v) and (u, v + width), flat; frame (∂u, ∂v).

    Immersed: a figure eight that turns over once round a circle of circumference `length`. It meets itself
    along a circle, where (m even, no jitter) different vertices lie at the same position and must stay
    different.
    """
    grid = rectangle(n, m, length, width, seam="glide", closed=True, jitter=jitter, seed=seed, intrinsic=developed)
    if developed:
        turns = [(a, b) for a in (0, 1, -1, 2, -2) for b in (0, 1, -1)]
        shift, sign = (
            np.array(turns, float) * (length, width),
            np.array([1.0 if a % 2 == 0 else -1.0 for a, _ in turns]),
        )
        return Shape(developed_mesh(grid, "klein_bottle"), FlatQuotient(grid.uv, shift, sign))
    a, w = 2 * np.pi * grid.uv[:, 0] / length, 2 * np.pi * grid.uv[:, 1] / width
    size = width / 6
    across = size * (np.cos(a / 2) * np.sin(w) - np.sin(a / 2) * np.sin(2 * w))
    up = size * (np.sin(a / 2) * np.sin(w) + np.cos(a / 2) * np.sin(2 * w))
    rho = length / (2 * np.pi) + across
    return Shape(embedded_mesh(np.stack([rho * np.cos(a), rho * np.sin(a), up], 1), grid.faces, "klein_bottle"))


def projective_plane(subdivisions: int = 3) -> Shape:
    """The icosphere with opposite points glued; intrinsic. Frames: see `SphereForm`."""
    points, faces = icosphere(subdivisions)
    opposite = antipodes(points)
    kept = np.flatnonzero(np.arange(len(points)) < opposite)
    number = np.empty(len(points), np.int64)
    number[kept] = number[opposite[kept]] = np.arange(len(kept))
    sides = np.linalg.norm(points[np.roll(faces, -1, axis=1)] - points[faces], axis=2)
    _, one_of_two = np.unique(np.sort(number[faces], axis=1), axis=0, return_index=True)
    one_of_two = np.sort(one_of_two)
    mesh = mesh_from_edge_lengths(number[faces[one_of_two]], sides[one_of_two], name="projective_plane")
    return Shape(mesh, SphereForm(tangent_frames(points[kept]), antipodal=True))


def hyperbolic_surface(subdivisions: int = 4, *, jitter: float = 0.0, seed: int = 0) -> Shape:
    """The closed surface of genus 2 and curvature -1 with the most symmetries (Bolza's): a regular octagon with angles
    π/4, opposite sides glued, in 8 · 4^subdivisions triangles whose edges have hyperbolic lengths; intrinsic.

    Its area is 4π, its shortest closed geodesic 3.057, and it has 4^(subdivisions + 1) - 2 vertices: 2 without any
    subdivision. Frames: see `gaugenet.meshes.hyperbolic.HyperbolicForm`.

    Args:
        jitter: each vertex moves in a random direction by up to this part of the shortest edge.
    """
    if not 0 <= jitter < 0.25:
        raise ValueError(f"expected 0 <= jitter < 0.25 (of the shortest edge; more folds the mesh), got {jitter}")
    grid = octagon_mesh(checked_subdivisions(subdivisions), jitter, seed)
    flipped = np.zeros(len(grid.twin), bool)
    mesh = mesh_from_edge_lengths(
        grid.faces, grid.edge_lengths, twin=grid.twin, twin_flipped=flipped, name="hyperbolic_surface"
    )
    return Shape(mesh, HyperbolicForm(grid.z))
