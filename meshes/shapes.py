"""Named, seeded surfaces, with their closed-form geometry where one exists.

*Developed* surfaces are given by the edge lengths of their flat development, so that the mesh is exactly
isometric to its closed form; the others are embedded, with edges that are chords. Vertices, faces and closed
forms share their numbering.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from gaugenet.meshes.closed_forms import (
    ClosedForm,
    ConeForm,
    FlatQuotient,
    PolarMap,
    SphereForm,
    TorusForm,
    tangent_frames,
)
from gaugenet.meshes.grids import (
    Grid,
    antipodes,
    cone_rings,
    hull_faces,
    icosahedron_faces,
    rectangle,
    sphere_points,
    subdivided,
)
from gaugenet.meshes.mesh import TriangleMesh
from gaugenet.meshes.repair import mesh_from_arrays, mesh_from_edge_lengths
from gaugenet.meshes.topology import Ints
from gaugenet.meshes.validation import Floats


@dataclass(frozen=True, eq=False)
class Shape:
    """A surface and what is known exactly about it."""

    mesh: TriangleMesh
    closed_form: ClosedForm | None = None
    """Logarithmic maps and transporters, in the frames that its class defines; None where no closed form is known."""
    frame: Floats | None = None
    """[V, 3, 3] those frames in space, rows (x, y, normal x × y); None for an intrinsic surface."""

    def log_and_transport(self, p: ArrayLike, q: ArrayLike) -> PolarMap:
        """r, theta, phi, flip of pairs of target p [n] and source q [n] vertices: see `closed_forms`.

        Raises:
            ValueError: this surface has no closed form.
        """
        if self.closed_form is None:
            raise ValueError(f"{self.mesh.name}: no closed form is known; take a developed, flat or round surface")
        return self.closed_form.log_and_transport(p, q)


def flat_patch(
    n: int = 20, m: int = 20, *, length: float = 1.0, width: float = 1.0, jitter: float = 0.0, seed: int = 0
) -> Shape:
    """The rectangle 0 ≤ x ≤ length, |y| ≤ width/2 in the plane z = 0. Frame: the axes."""
    grid = rectangle(n, m, length, width, jitter=jitter, seed=seed)
    vertices = np.column_stack([grid.uv, np.zeros(len(grid.uv))])
    frame = np.broadcast_to(np.eye(3), (len(vertices), 3, 3)).copy()
    return Shape(_embedded(vertices, grid.faces, "flat_patch"), FlatQuotient(grid.uv), frame)


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
    grid = rectangle(n, m, girth, height, seam="translation", jitter=jitter, seed=seed)
    form = FlatQuotient(grid.uv, np.array([[0, 0], [girth, 0], [-girth, 0]]), np.ones(3))
    if developed:
        return Shape(_developed(grid, "cylinder"), form)
    a, zero = grid.uv[:, 0] / radius, np.zeros(len(grid.uv))
    vertices = np.column_stack([radius * np.cos(a), radius * np.sin(a), grid.uv[:, 1]])
    x = np.stack([-np.sin(a), np.cos(a), zero], 1)
    y = np.broadcast_to([0.0, 0.0, 1.0], x.shape)
    return Shape(_embedded(vertices, grid.faces, "cylinder"), form, np.stack([x, y, np.cross(x, y)], 1))


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
    return Shape(_embedded(slant[:, None] * outwards, faces, "cone"), form, frame)


def sphere(
    *,
    sampling: Literal["icosphere", "fibonacci", "random"] = "icosphere",
    subdivisions: int = 3,
    n: int = 1000,
    seed: int = 0,
) -> Shape:
    """The unit sphere: a subdivided icosahedron, or the convex hull of `n` points. Frames: see `tangent_frames`."""
    if sampling == "icosphere":
        vertices, faces = _icosphere(subdivisions)
    elif sampling in ("fibonacci", "random"):
        vertices = sphere_points(n, sampling, seed)
        faces = hull_faces(vertices)
    else:
        raise ValueError(f"expected sampling 'icosphere', 'fibonacci' or 'random', got {sampling!r}")
    frame = tangent_frames(vertices)
    return Shape(_embedded(vertices, faces, "sphere"), SphereForm(frame), frame)


def icosahedron(subdivisions: int = 2) -> Shape:
    """The regular icosahedron with flat subdivided faces: 12 cone points of angle 5π/3, flat elsewhere.

    No closed form is given, but against frames along the edges of the grid every polyhedral transporter between two
    vertices that are no cone points is a multiple of π/3; from and to a cone point, whose directions are scaled by 6/5,
    it is one of π/30.
    """
    vertices, faces = icosahedron_faces()
    for _ in range(_count(subdivisions)):
        vertices, faces = subdivided(vertices, faces)
    return Shape(_embedded(vertices, faces, "icosahedron"))


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
    return Shape(_embedded(vertices, grid.faces, "torus"), TorusForm(grid.uv, major, minor), frame)


def flat_torus(
    n: int = 20, m: int = 20, *, length: float = 1.0, width: float = 1.0, jitter: float = 0.0, seed: int = 0
) -> Shape:
    """The rectangle with opposite sides glued; intrinsic. Frame: (∂u, ∂v)."""
    grid = rectangle(n, m, length, width, seam="translation", closed=True, jitter=jitter, seed=seed)
    turns = np.array([(a, b) for a in (0, 1, -1) for b in (0, 1, -1)], float)
    return Shape(_developed(grid, "flat_torus"), FlatQuotient(grid.uv, turns * (length, width), np.ones(9)))


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
    grid = rectangle(n, m, length, width, seam="glide", jitter=jitter, seed=seed)
    if developed:
        shift = np.array([(k * length, 0) for k in (0, 1, -1, 2, -2)], float)
        return Shape(_developed(grid, "mobius_strip"), FlatQuotient(grid.uv, shift, np.array([1.0, -1, -1, 1, 1])))
    a, v = 2 * np.pi * grid.uv[:, 0] / length, grid.uv[:, 1]
    rho = length / (2 * np.pi) + v * np.cos(a / 2)
    vertices = np.stack([rho * np.cos(a), rho * np.sin(a), v * np.sin(a / 2)], 1)
    return Shape(_embedded(vertices, grid.faces, "mobius_strip"))


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
    grid = rectangle(n, m, length, width, seam="glide", closed=True, jitter=jitter, seed=seed)
    if developed:
        turns = [(a, b) for a in (0, 1, -1, 2, -2) for b in (0, 1, -1)]
        shift, sign = (
            np.array(turns, float) * (length, width),
            np.array([1.0 if a % 2 == 0 else -1.0 for a, _ in turns]),
        )
        return Shape(_developed(grid, "klein_bottle"), FlatQuotient(grid.uv, shift, sign))
    a, w = 2 * np.pi * grid.uv[:, 0] / length, 2 * np.pi * grid.uv[:, 1] / width
    size = width / 6
    across = size * (np.cos(a / 2) * np.sin(w) - np.sin(a / 2) * np.sin(2 * w))
    up = size * (np.sin(a / 2) * np.sin(w) + np.cos(a / 2) * np.sin(2 * w))
    rho = length / (2 * np.pi) + across
    return Shape(_embedded(np.stack([rho * np.cos(a), rho * np.sin(a), up], 1), grid.faces, "klein_bottle"))


def projective_plane(subdivisions: int = 3) -> Shape:
    """The icosphere with opposite points glued; intrinsic. Frames: see `SphereForm`."""
    points, faces = _icosphere(subdivisions)
    opposite = antipodes(points)
    kept = np.flatnonzero(np.arange(len(points)) < opposite)
    number = np.empty(len(points), np.int64)
    number[kept] = number[opposite[kept]] = np.arange(len(kept))
    sides = np.linalg.norm(points[np.roll(faces, -1, axis=1)] - points[faces], axis=2)
    _, one_of_two = np.unique(np.sort(number[faces], axis=1), axis=0, return_index=True)
    one_of_two = np.sort(one_of_two)
    mesh = mesh_from_edge_lengths(number[faces[one_of_two]], sides[one_of_two], name="projective_plane")
    return Shape(mesh, SphereForm(tangent_frames(points[kept]), antipodal=True))


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
    )
}


def named_surface(name: str, **options: Any) -> Shape:
    """The surface of that name, e.g. ``named_surface("torus", jitter=0.2, seed=1)``.

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


def _embedded(vertices: Floats, faces: Ints, name: str) -> TriangleMesh:
    return mesh_from_arrays(vertices, faces, name=name, merge_vertices=False)


def _developed(grid: Grid, name: str) -> TriangleMesh:
    return mesh_from_edge_lengths(grid.faces, grid.edge_lengths, name=name)


def _icosphere(subdivisions: int) -> tuple[Floats, Ints]:
    vertices, faces = icosahedron_faces()
    for _ in range(_count(subdivisions)):
        vertices, faces = subdivided(vertices, faces)
        vertices /= np.linalg.norm(vertices, axis=1, keepdims=True)
    return vertices, faces


def _count(subdivisions: int) -> int:
    if not 0 <= subdivisions <= 8:
        raise ValueError(f"expected 0 to 8 subdivisions, got {subdivisions}")
    return subdivisions
