"""Directions and transport of the edges in the frames of the fans, and from those frames to the ones of a geometry."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gaugenet.meshes.frames import extrinsic_frames
from gaugenet.meshes.mesh import TriangleMesh
from gaugenet.meshes.topology import next_in_face

if TYPE_CHECKING:
    from gaugenet.meshes.fans import CornerFans
    from gaugenet.meshes.geometry import MeshGeometry

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class Gauge(NamedTuple):
    """The gauge transformation from the frames of the fans to those of a geometry: angle [V], radians, sign [V], ±1."""

    angle: Floats
    sign: Floats


class EdgeEnds(NamedTuple):
    """The edges of a mesh, once each, and transport along them in the frames of the fans."""

    half_edge: Ints
    """[E]"""
    tail: Ints
    """[E] vertex"""
    head: Ints
    """[E] vertex"""
    phi: Floats
    """[E] radians: (phi, flip) takes coefficients at the tail to coefficients at the head."""
    flip: Floats
    """[E] -1 where the handedness of the two frames differs along the edge, else 1."""
    correction: Floats
    """[E] radians: by how much phi differs from transport by the directions of the edge at its two ends."""


def corner_directions(fans: CornerFans, smooth: bool = True) -> tuple[Floats, Floats]:
    """Directions of the two edges of each corner in the frame of its vertex: that of the half-edge which starts there
    [3 F], and that of the other one [3 F]; radians. `smooth` as in `compute_geometry`: with or without
    `gaugenet.meshes.edge_directions`."""
    scale = fans.scale[fans.vertex]
    first = fans.direction * scale
    second = (fans.direction + fans.corner_sign * fans.corner_angle) * scale
    if smooth:
        from gaugenet.meshes.edge_directions import edge_turns
        from gaugenet.meshes.fans import packed

        turn_first, turn_second = edge_turns(*packed(fans), fans.corners)
        first, second = first + turn_first, second + turn_second
    return first, second


def edge_ends(fans: CornerFans, geometry: MeshGeometry | None = None, gauge: Gauge | None = None) -> EdgeEnds:
    """The edges of a mesh with the transport that layers see.

    That is the transporter of the geometry, brought into the frames of the fans, where the geometry has the edge and
    the edge is the shortest path between its ends; elsewhere that by the directions of the edge at both ends,
    φ = θ_head + π - flip θ_tail (`gaugenet.meshes.transport`).

    Args:
        geometry: of the mesh of the fans; None for directions alone.
        gauge: from the frames of the fans to those of the geometry (`frames_to_geometry`).
    """
    h, single = _edges(fans)
    after = next_in_face(h)
    tail, head = fans.vertex[h], fans.vertex[after]
    sign = fans.corner_sign.astype(np.float64)
    flip = sign[h] * sign[after]
    first, second = corner_directions(fans)
    phi = second[after] + math.pi - flip * first[h]
    correction = np.zeros(len(h))
    if geometry is not None and gauge is not None:
        length = fans.length[h] * fans.unit
        # g_{head<-tail}, and where there is none g_{tail<-head}⁻¹
        for target, source, inverted in ((tail, head, True), (head, tail, False)):
            edge, known = _edges_of_geometry(geometry, target, source, length, single)
            p, q = target[known], source[known]
            turned, flips = geometry.phi.double().cpu().numpy()[edge], geometry.flip.cpu().numpy()[edge]
            # the gauge acts on the coefficients of the fans, so theirs is h_p⁻¹ g h_q
            seen = gauge.sign[p] * (turned - gauge.angle[p] + flips * gauge.angle[q])
            flips = gauge.sign[p] * flips * gauge.sign[q]
            difference = (-flips * seen if inverted else seen) - phi[known]
            difference = (difference + math.pi) % (2 * math.pi) - math.pi
            correction[known] = np.where(flips == flip[known], difference, 0.0)
    return EdgeEnds(h, tail, head, phi + correction, flip, correction)


def check_same_surface(mesh: TriangleMesh, geometry: MeshGeometry) -> None:
    """Raise a ValueError where a geometry cannot be of the mesh, since their vertices are not as many."""
    if geometry.n_vertices != mesh.n_vertices:
        raise ValueError(
            f"the geometry has {geometry.n_vertices} vertices and the mesh {mesh.n_vertices}: give the geometry that "
            "was computed from this mesh"
        )


def frames_to_geometry(mesh: TriangleMesh, fans: CornerFans, geometry: MeshGeometry) -> Gauge:
    """The gauge transformation from the frames of the fans to those of a geometry of the mesh.

    Without frames in space it is found from the directions of the edges that both know, in either mode.

    Raises:
        ValueError: the geometry is of another mesh.
    """
    check_same_surface(mesh, geometry)
    if geometry.frame is not None and mesh.vertices is not None:
        old, new = extrinsic_frames(mesh.vertices, fans), geometry.frame.double().cpu().numpy()
        along = np.einsum("vij,vj->vi", new, old[:, 0])
        return Gauge(np.arctan2(along[:, 1], along[:, 0]), np.where((old[:, 2] * new[:, 2]).sum(1) < 0, -1.0, 1.0))
    h, single = _edges(fans)
    after, n = next_in_face(h), mesh.n_vertices
    p, q = np.concatenate([fans.vertex[h], fans.vertex[after]]), np.concatenate([fans.vertex[after], fans.vertex[h]])
    edge, known = _edges_of_geometry(geometry, p, q, np.tile(fans.length[h] * fans.unit, 2), np.tile(single, 2))
    at, theirs = p[known], geometry.theta.double().cpu().numpy()[edge]
    fits = []
    for smooth in (True, False):
        first, second = corner_directions(fans, smooth)
        mine = np.concatenate([first[h], second[after]])[known]
        for sign in (1, -1):
            term = np.exp(1j * (theirs - sign * mine))
            fits.append(np.bincount(at, term.real, n) + 1j * np.bincount(at, term.imag, n))
    size = np.abs(fits)
    # what is told first holds unless another one fits better
    size[0] += 1e-9
    best = size.argmax(0)
    return Gauge(np.angle(np.array(fits)[best, np.arange(n)]), np.where(best % 2 == 1, -1.0, 1.0))


def _edges(fans: CornerFans) -> tuple[Ints, NDArray[np.bool_]]:
    """A half-edge [E] of each edge, and whether it is the only edge between its ends [E]."""
    h = np.arange(len(fans.vertex))
    h = h[(fans.twin < 0) | (h < fans.twin)]
    a, b = fans.vertex[h], fans.vertex[next_in_face(h)]
    _, pair, count = np.unique(np.minimum(a, b) * fans.n_vertices + np.maximum(a, b), False, True, True)
    return h, count[pair.ravel()] == 1


def _edges_of_geometry(
    geometry: MeshGeometry, target: Ints, source: Ints, length: Floats, single: NDArray[np.bool_]
) -> tuple[Ints, NDArray[np.bool_]]:
    """(edges [n] of a geometry, bool [N] for which of the N pairs there is one that is as long as it should be).

    Another, shorter path between the same vertices is seen in another direction; of two edges between the same vertices
    it is not known which one a geometry means.
    """
    n = geometry.n_vertices
    key = geometry.target.cpu().numpy() * n + geometry.source.cpu().numpy()
    if len(key) == 0:
        return np.empty(0, np.int64), np.zeros(len(target), bool)
    order = np.argsort(key, kind="stable")
    wanted = target * n + source
    edge = order[np.searchsorted(key, wanted, sorter=order).clip(max=len(key) - 1)]
    r = geometry.r.double().cpu().numpy()
    known = single & (key[edge] == wanted) & (np.abs(r[edge] - length) <= 1e-5 * length)
    return edge[known], known
