"""Named, seeded surfaces, with their closed-form geometry where one exists.

*Developed* surfaces are given by the edge lengths of their flat development, so that the mesh is exactly
isometric to its closed form; the others are embedded, with edges that are chords. Vertices, faces and closed
forms share their numbering. Surfaces that are closed up by gluing are in `gaugenet.meshes.glued_shapes`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numpy as np

from gaugenet.meshes.closed_forms import ConeForm, FlatQuotient, SphereForm, TorusForm, tangent_frames
from gaugenet.meshes.glued_shapes import flat_torus, hyperbolic_surface, klein_bottle, mobius_strip, projective_plane
from gaugenet.meshes.grids import (
    checked_subdivisions,
    cone_rings,
    hull_faces,
    icosahedron_faces,
    icosphere,
    rectangle,
    sphere_points,
    subdivided,
)
from gaugenet.meshes.repair import mesh_from_edge_lengths
from gaugenet.meshes.shape import Shape, developed_mesh, embedded_mesh

__all__ = [
    "SURFACES",
    "Shape",
    "cone",
    "cylinder",
    "flat_patch",
    "flat_torus",
    "hyperbolic_surface",
    "icosahedron",
    "klein_bottle",
    "mobius_strip",
    "named_surface",
    "projective_plane",
    "sphere",
    "torus",
]


def flat_patch(
    n: int = 20, m: int = 20, *, length: float = 1.0, width: float = 1.0, jitter: float = 0.0, seed: int = 0
) -> Shape:
    """The rectangle 0 ≤ x ≤ length, |y| ≤ width/2 in the plane z = 0. Frame: the axes."""
    grid = rectangle(n, m, length, width, jitter=jitter, seed=seed)
    vertices = np.column_stack([grid.uv, np.zeros(len(grid.uv))])
    frame = np.broadcast_to(np.eye(3), (len(vertices), 3, 3)).copy()
    return Shape(embedded_mesh(vertices, grid.faces, "flat_patch"), FlatQuotient(grid.uv), frame)


def cylinder(
    n: int = 40,
    m: int = 10,
    *,
    radius: float = 1.0,
    height: float = 2.0,
    jitter: float = 0.0,
    seed: int = 0,
    developed: bool = False,
) -> Shape:
    """Developed coordinates u = radius · azimuth, v = height above the middle. Frame: (∂u, ∂v), normal outwards."""
    girth = 2 * np.pi * radius
    grid = rectangle(n, m, girth, height, seam="translation", jitter=jitter, seed=seed, intrinsic=developed)
    form = FlatQuotient(grid.uv, np.array([[0, 0], [girth, 0], [-girth, 0]]), np.ones(3))
    if developed:
        return Shape(developed_mesh(grid, "cylinder"), form)
    a, zero = grid.uv[:, 0] / radius, np.zeros(len(grid.uv))
    vertices = np.column_stack([radius * np.cos(a), radius * np.sin(a), grid.uv[:, 1]])
    x = np.stack([-np.sin(a), np.cos(a), zero], 1)
    y = np.broadcast_to([0.0, 0.0, 1.0], x.shape)
    return Shape(embedded_mesh(vertices, grid.faces, "cylinder"), form, np.stack([x, y, np.cross(x, y)], 1))


def cone(
    n: int = 20,
    *,
    sin_half_angle: float = 0.5,
    jitter: float = 0.0,
    seed: int = 0,
    developed: bool = False,
) -> Shape:
    """Slant length 1, n rings of vertices, apex at the origin (vertex 0) and pointing up. Frames: see `ConeForm`."""
    if not 0 < sin_half_angle < 1:
        raise ValueError(f"expected 0 < sin_half_angle < 1, got {sin_half_angle}")
    faces, slant, azimuth = cone_rings(n, sin_half_angle, jitter, seed)
    form = ConeForm(slant, azimuth, sin_half_angle)
    if developed:
        next_corner = np.roll(faces, -1, axis=1)
        delta = sin_half_angle * (azimuth[next_corner] - azimuth[faces])
        # at the apex the azimuth means nothing, and its slant of 0 makes the angle drop out
        delta = (delta + np.pi * sin_half_angle) % (2 * np.pi * sin_half_angle) - np.pi * sin_half_angle
        a, b = slant[faces], slant[next_corner]
        # the law of cosines without cancellation: (a − b)² + 4 a b sin²(δ/2)
        lengths = np.sqrt((a - b) ** 2 + 4 * a * b * np.sin(delta / 2) ** 2)
        return Shape(mesh_from_edge_lengths(faces, lengths, name="cone"), form)
    s, c = sin_half_angle, np.sqrt(1 - sin_half_angle**2)
    cos, sin, zero = np.cos(azimuth), np.sin(azimuth), np.zeros(len(azimuth))
    outwards, around = np.stack([s * cos, s * sin, zero - c], 1), np.stack([-sin, cos, zero], 1)
    frame = np.stack([outwards, around, np.cross(outwards, around)], 1)
    frame[0] = np.eye(3)
    return Shape(embedded_mesh(slant[:, None] * outwards, faces, "cone"), form, frame)


def sphere(
    *,
    sampling: Literal["icosphere", "fibonacci", "random"] = "icosphere",
    subdivisions: int = 3,
    n: int = 1000,
    seed: int = 0,
) -> Shape:
    """The unit sphere: a subdivided icosahedron, or the convex hull of `n` points. Frames: see `tangent_frames`."""
    if sampling == "icosphere":
        vertices, faces = icosphere(subdivisions)
    elif sampling in ("fibonacci", "random"):
        vertices = sphere_points(n, sampling, seed)
        faces = hull_faces(vertices)
    else:
        raise ValueError(f"expected sampling 'icosphere', 'fibonacci' or 'random', got {sampling!r}")
    frame = tangent_frames(vertices)
    return Shape(embedded_mesh(vertices, faces, "sphere"), SphereForm(frame), frame)


def icosahedron(subdivisions: int = 2) -> Shape:
    """The regular icosahedron with flat subdivided faces: 12 cone points of angle 5π/3, flat elsewhere.

    No closed form is given, but against frames along the edges of the grid every polyhedral transporter between two
    vertices that are no cone points is a multiple of π/3. A cone point has a frame as any vertex: directions are angles
    in its fan times 2π/Θ = 6/5, so that transporters from and to it are multiples of π/30 and in no C_N of use. Take
    `gaugenet.meshes.frame_fields.parallel_field` with the cone points left out and mask them: C6 on all others.
    """
    vertices, faces = icosahedron_faces()
    for _ in range(checked_subdivisions(subdivisions)):
        vertices, faces = subdivided(vertices, faces)
    return Shape(embedded_mesh(vertices, faces, "icosahedron"))


def torus(
    n: int = 60,
    m: int = 24,
    *,
    major: float = 1.0,
    minor: float = 0.4,
    jitter: float = 0.0,
    seed: int = 0,
) -> Shape:
    """The torus of revolution, n cells round the axis and m round the tube. Frames: see `TorusForm`."""
    if not 0 < minor < major:
        raise ValueError(f"expected radii 0 < minor < major, got minor {minor} and major {major}")
    grid = rectangle(n, m, 2 * np.pi, 2 * np.pi, seam="translation", closed=True, jitter=jitter, seed=seed)
    u, v = grid.uv.T
    rho = major + minor * np.cos(v)
    vertices = np.stack([rho * np.cos(u), rho * np.sin(u), minor * np.sin(v)], 1)
    x = np.stack([-np.sin(u), np.cos(u), np.zeros_like(u)], 1)
    y = np.stack([-np.cos(u) * np.sin(v), -np.sin(u) * np.sin(v), np.cos(v)], 1)
    frame = np.stack([x, y, np.cross(x, y)], 1)
    return Shape(embedded_mesh(vertices, grid.faces, "torus"), TorusForm(grid.uv, major, minor), frame)


SURFACES: dict[str, Callable[..., Shape]] = {
    make.__name__: make
    for make in (
        flat_patch,
        cylinder,
        cone,
        sphere,
        icosahedron,
        torus,
        flat_torus,
        mobius_strip,
        klein_bottle,
        projective_plane,
        hyperbolic_surface,
    )
}


def named_surface(name: str, **options: Any) -> Shape:
    """The surface of that name, e.g. ``named_surface("torus", jitter=0.2, seed=1)``.

    Args:
        name: a key of `SURFACES`, e.g. "sphere".
        options: those of the function there; an error lists them.

    Raises:
        ValueError: there is no such surface, or it has no such option.
    """
    if name not in SURFACES:
        raise ValueError(f"there is no surface {name!r}: expected one of {', '.join(SURFACES)}")
    known = SURFACES[name].__code__.co_varnames[
        : SURFACES[name].__code__.co_argcount + SURFACES[name].__code__.co_kwonlyargcount
    ]
    unknown = sorted(set(options) - set(known))
    if unknown:
        raise ValueError(f"{name} has no option {', '.join(unknown)}: expected {', '.join(known)}")
    return SURFACES[name](**options)
