"""Corner angles and the ordered fan of corners around every vertex: the polar coordinates of each tangent plane."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gaugenet.meshes.compiled import compiled
from gaugenet.meshes.mesh import TriangleMesh

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

_CACHE_LINE = 64


class CornerFans(NamedTuple):
    """Gluing, lengths and fans of a surface: all that unfolding needs. Lengths are in units of ``unit``.

    Corner ``3 f + k`` is corner k of face f, where half-edge ``3 f + k`` starts. The directions at a vertex v are
    measured by an angle that runs through its fan of corners, in the handedness of v, from 0 to
    ``total_angle[v]`` (from ``-total_angle[v]`` to 0 where the handedness was asked to be -1: a reflection of
    the gauge about its x axis). Times ``scale[v]`` this is the angle in the tangent plane.
    """

    vertex: Ints
    """[3 F] vertex of each corner: the faces, flat."""
    length: Floats
    """[3 F] length of each half-edge divided by ``unit``."""
    twin: Ints
    """[3 F]"""
    twin_flipped: NDArray[np.bool_]
    """[3 F]"""
    corner_angle: Floats
    """[3 F] radians."""
    corner_sign: NDArray[np.int8]
    """[3 F] +1 where the vertex's handedness is that of the face, else -1."""
    direction: Floats
    """[3 F] radians, unscaled: direction of each half-edge at its tail. The other edge of the corner is in direction
    ``direction + corner_sign * corner_angle``."""
    total_angle: Floats
    """[V] radians: the sum Θ of the corner angles; 0 at an isolated vertex."""
    boundary: NDArray[np.bool_]
    """[V]"""
    scale: Floats
    """[V] 2π/Θ inside; at the boundary min(1, 2π/Θ), so a flat boundary is left flat; 1 where Θ = 0."""
    corner_ptr: Ints
    """[V + 1]"""
    corners: Ints
    """[3 F] the corners of each vertex in the order of its fan; it does not depend on the handedness."""
    unit: float
    """Mean edge length of the mesh."""

    @property
    def n_vertices(self) -> int:
        return len(self.total_angle)

    @property
    def start_angle(self) -> Floats:
        """[3 F] radians, unscaled: where each corner begins in the fan of its vertex."""
        return np.asarray(self.direction - np.where(self.corner_sign > 0, 0.0, self.corner_angle))


def build_fans(mesh: TriangleMesh, handedness: NDArray[np.int64] | None = None) -> CornerFans:
    """The fans of a mesh.

    Args:
        mesh: a validated surface.
        handedness: [V] of ±1 relative to the default, which is that of the face of the vertex's first corner (the
            orientation of the surface where it is oriented). None for the default.

    Raises:
        ValueError: an edge length is not positive and finite, a vertex has more than one fan, or `handedness` has
            the wrong shape or values.
    """
    faces = np.ascontiguousarray(mesh.faces, np.int64).reshape(-1, 3)
    length = np.ascontiguousarray(mesh.edge_lengths, np.float64).reshape(-1, 3)
    bad = np.flatnonzero(~(np.isfinite(length) & (length > 0)).all(1))
    if len(bad):
        raise ValueError(
            f"edge lengths must be positive and finite: face {bad[0]} has {length[bad[0]].tolist()} "
            f"({len(bad)} such faces); build the mesh with gaugenet.meshes.repair.mesh_from_arrays, which "
            "repairs degenerate faces"
        )
    unit = float(length.mean()) if len(length) else 1.0
    length = length / unit
    vertex = faces.ravel()
    angle = corner_angles(length).ravel()
    twin = np.ascontiguousarray(mesh.twin, np.int64)
    flipped = np.ascontiguousarray(mesh.twin_flipped, np.bool_)
    start, sign, total, boundary, ptr, corners, broken = _walk_fans(vertex, twin, flipped, angle, mesh.n_vertices)
    if broken >= 0:
        raise ValueError(
            f"the faces at vertex {broken} form more than one fan; build the mesh with "
            "gaugenet.meshes.repair.mesh_from_arrays, which splits such vertices"
        )
    direction = np.where(sign > 0, start, start + angle)
    if handedness is not None:
        hand = np.asarray(handedness)
        if hand.shape != (mesh.n_vertices,) or not np.isin(hand, (-1, 1)).all():
            raise ValueError(f"handedness must hold +1 or -1 for each of the {mesh.n_vertices} vertices")
        at_corner = hand[vertex].astype(np.int8)
        direction, sign = direction * at_corner, sign * at_corner
    full = 2.0 * math.pi / np.where(total > 0, total, 2.0 * math.pi)
    return CornerFans(
        vertex=vertex,
        length=length.ravel(),
        twin=twin,
        twin_flipped=flipped,
        corner_angle=angle,
        corner_sign=sign,
        direction=direction,
        total_angle=total,
        boundary=boundary,
        scale=np.where(boundary, np.minimum(full, 1.0), full),
        corner_ptr=ptr,
        corners=corners,
        unit=unit,
    )


def corner_angles(length: Floats) -> Floats:
    """[F, 3] angles in radians of triangles with edge lengths [F, 3], by Kahan's formula.

    tan²(C/2) = ((a - b) + c) μ / ((a + (b + c)) ((a - c) + b)) with a ≥ b the sides at the corner, c the side
    opposite and μ = c - (a - b) where b ≥ c, else b - (a - c). It is accurate to rounding for needles and
    caps as well.
    """
    side = np.stack([length, np.roll(length, 1, axis=1)])
    a, b = side.max(0), side.min(0)
    c = np.roll(length, -1, axis=1)
    mu = np.where(b >= c, c - (a - b), b - (a - c))
    above = np.maximum(((a - b) + c) * mu, 0.0)
    below = np.maximum((a + (b + c)) * ((a - c) + b), 0.0)
    return np.ascontiguousarray(2.0 * np.arctan2(np.sqrt(above), np.sqrt(below)))


def face_areas(length: Floats) -> Floats:
    """[F] areas of triangles with edge lengths [F, 3] (Heron's formula in Kahan's order of summation)."""
    c, b, a = np.sort(length, axis=1).T
    product = (a + (b + c)) * (c - (a - b)) * (c + (a - b)) * (a + (b - c))
    return np.asarray(0.25 * np.sqrt(np.maximum(product, 0.0)))


def vertex_areas(fans: CornerFans) -> Floats:
    """[V] a third of the area of the incident faces, in squared mesh units."""
    third = np.repeat(face_areas(fans.length.reshape(-1, 3) * fans.unit) / 3.0, 3)
    return np.asarray(np.bincount(fans.vertex, weights=third, minlength=fans.n_vertices), np.float64)


HALF_EDGE = np.dtype(
    [
        ("vertex", np.int32),
        ("twin", np.int32),
        ("length", np.float64),
        # the third corner of the face is at tail + along · edge + height · (edge turned by a right angle into the face)
        ("along", np.float64),
        ("height", np.float64),
        ("corner_angle", np.float64),
        ("direction", np.float64),
        # which spokes of the vertex this half-edge and the other edge of the corner are (gaugenet.meshes.spokes)
        ("spoke", np.int32),
        ("other_spoke", np.int32),
        ("corner_sign", np.int8),
        ("twin_flipped", np.int8),
    ],
    align=True,
)
"""One half-edge, and the corner at its tail, in 64 bytes."""

VERTEX = np.dtype(
    [
        ("first", np.int32),
        ("last", np.int32),
        ("first_spoke", np.int32),
        ("last_spoke", np.int32),
        ("total_angle", np.float64),
        ("scale", np.float64),
        ("boundary", np.int8),
    ],
    align=True,
)
"""One vertex; its corners are ``corners[first:last]``, its edges ``[first_spoke:last_spoke]`` of the spokes."""


def packed(fans: CornerFans) -> tuple[NDArray[np.void], NDArray[np.void]]:
    """The same as records, [3 F] of HALF_EDGE and [V] of VERTEX: what compiled loops read."""
    half_edges = _in_cache_lines(len(fans.vertex), HALF_EDGE)
    for name in ("vertex", "twin", "length", "corner_angle", "direction", "corner_sign", "twin_flipped"):
        half_edges[name] = getattr(fans, name)
    ratio = fans.length.reshape(-1, 3)[:, [2, 0, 1]].ravel() / fans.length
    half_edges["along"], half_edges["height"] = ratio * np.cos(fans.corner_angle), ratio * np.sin(fans.corner_angle)
    vertices = np.zeros(fans.n_vertices, VERTEX)
    vertices["first"], vertices["last"] = fans.corner_ptr[:-1], fans.corner_ptr[1:]
    vertices["last_spoke"] = fans.corner_ptr[1:] + np.cumsum(fans.boundary)
    vertices["first_spoke"][1:] = vertices["last_spoke"][:-1]
    for name in ("total_angle", "scale", "boundary"):
        vertices[name] = getattr(fans, name)
    return half_edges, vertices


def _in_cache_lines(n: int, dtype: np.dtype[np.void]) -> NDArray[np.void]:
    """Zeros that begin where a cache line does."""
    raw = np.zeros(n * dtype.itemsize + _CACHE_LINE, np.uint8)
    start = -raw.ctypes.data % _CACHE_LINE
    return raw[start : start + n * dtype.itemsize].view(dtype)


@compiled
def corner_after(corner):  # type: ignore[no-untyped-def]
    """The next corner of the same face."""
    return corner + 1 if corner % 3 < 2 else corner - 2


@compiled
def corner_before(corner):  # type: ignore[no-untyped-def]
    """The previous corner of the same face."""
    return corner - 1 if corner % 3 > 0 else corner + 2


@compiled
def next_corner(twin, twin_flipped, corner, sign):  # type: ignore[no-untyped-def]
    """The corner and sign that follow counterclockwise (in the handedness of the vertex); corner -1 at the
    boundary.

    Clockwise is counterclockwise with the opposite sign.
    """
    f, k = corner // 3, corner % 3
    vertex_is_head = sign > 0
    edge = 3 * f + (k + 2) % 3 if vertex_is_head else 3 * f + k
    other = twin[edge]
    if other < 0:
        return -1, sign
    if twin_flipped[edge]:
        sign = -sign
    else:
        vertex_is_head = not vertex_is_head
    return (3 * (other // 3) + (other + 1) % 3 if vertex_is_head else other), sign


@compiled
def _walk_fans(vertex, twin, twin_flipped, corner_angle, n_vertices):  # type: ignore[no-untyped-def]
    ptr = np.zeros(n_vertices + 1, np.int64)
    first = np.full(n_vertices, -1, np.int64)
    for corner in range(len(vertex)):
        v = vertex[corner]
        ptr[v + 1] += 1
        if first[v] < 0:
            first[v] = corner
    for v in range(n_vertices):
        ptr[v + 1] += ptr[v]
    start = np.zeros(len(vertex))
    sign = np.zeros(len(vertex), np.int8)
    total = np.zeros(n_vertices)
    boundary = np.zeros(n_vertices, np.bool_)
    corners = np.full(len(vertex), -1, np.int64)
    for v in range(n_vertices):
        degree = ptr[v + 1] - ptr[v]
        if degree == 0:
            continue
        begin, begin_sign = first[v], 1
        for _ in range(degree):
            before, before_sign = next_corner(twin, twin_flipped, begin, -begin_sign)
            if before < 0:
                boundary[v] = True
                break
            begin, begin_sign = before, -before_sign
        if not boundary[v]:
            begin, begin_sign = first[v], 1
        corner, s = begin, begin_sign
        walked = 0
        while walked < degree:
            start[corner] = total[v]
            sign[corner] = s
            total[v] += corner_angle[corner]
            corners[ptr[v] + walked] = corner
            walked += 1
            corner, s = next_corner(twin, twin_flipped, corner, s)
            if corner < 0 or corner == begin:
                break
        closed = corner < 0 if boundary[v] else corner == begin
        if walked != degree or not closed:
            return start, sign, total, boundary, ptr, corners, v
    return start, sign, total, boundary, ptr, corners, -1
