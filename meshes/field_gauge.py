"""Directions of the edges in the frames of the fans, and from those frames to the ones of a geometry."""

from __future__ import annotations

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


class EdgeEnds(NamedTuple):
    """The edges, once each: the half-edge [E], its end vertices [E], the directions [E] of the edge at both of them
    (scaled radians, each pointing to the other), and flip [E] = -1 where their handedness differs."""

    half_edge: Ints
    tail: Ints
    head: Ints
    at_tail: Floats
    at_head: Floats
    flip: Floats


def edge_ends(fans: CornerFans) -> EdgeEnds:
    h = np.arange(len(fans.vertex))
    h = h[(fans.twin < 0) | (h < fans.twin)]
    after = next_in_face(h)
    scaled = fans.scale[fans.vertex]
    back = (fans.direction + fans.corner_sign * fans.corner_angle) * scaled
    sign = fans.corner_sign.astype(np.float64)
    return EdgeEnds(
        h, fans.vertex[h], fans.vertex[after], (fans.direction * scaled)[h], back[after], sign[h] * sign[after]
    )


def frames_to_geometry(mesh: TriangleMesh, fans: CornerFans, geometry: MeshGeometry) -> tuple[Floats, Floats]:
    """The gauge transformation (angle [V], sign [V]) from the frames of the fans to those of a geometry."""
    if geometry.n_vertices != mesh.n_vertices:
        raise ValueError(
            f"the geometry has {geometry.n_vertices} vertices and the mesh {mesh.n_vertices}: give the geometry that "
            "was computed from this mesh"
        )
    if geometry.frame is not None and mesh.vertices is not None:
        old, new = extrinsic_frames(mesh.vertices, fans), geometry.frame.double().cpu().numpy()
        along = np.einsum("vij,vj->vi", new, old[:, 0])
        return np.arctan2(along[:, 1], along[:, 0]), np.where((old[:, 2] * new[:, 2]).sum(1) < 0, -1.0, 1.0)
    # without frames in space: from the directions of the edges of the mesh, which both know
    ends = edge_ends(fans)
    p, q = np.concatenate([ends.tail, ends.head]), np.concatenate([ends.head, ends.tail])
    mine = np.concatenate([ends.at_tail, ends.at_head])
    length = np.tile(fans.length[ends.half_edge] * fans.unit, 2)
    n_vertices = mesh.n_vertices
    key = geometry.target.cpu().numpy() * n_vertices + geometry.source.cpu().numpy()
    order = np.argsort(key, kind="stable")
    at = np.searchsorted(key[order], p * n_vertices + q).clip(max=max(len(key) - 1, 0))
    edge = order[at] if len(key) else np.zeros(len(p), np.int64)
    known = (key[edge] == p * n_vertices + q) if len(key) else np.zeros(len(p), bool)
    r, theta = geometry.r.double().cpu().numpy(), geometry.theta.double().cpu().numpy()
    # another, shorter path between the same vertices is seen in another direction
    known[known] &= np.abs(r[edge[known]] - length[known]) <= 1e-5 * length[known]
    p, mine, theirs = p[known], mine[known], theta[edge[known]]
    fits = []
    for sign in (1, -1):
        term = np.exp(1j * (theirs - sign * mine))
        fits.append(np.bincount(p, term.real, n_vertices) + 1j * np.bincount(p, term.imag, n_vertices))
    mirrored = np.abs(fits[1]) > np.abs(fits[0]) + 1e-9
    return np.angle(np.where(mirrored, fits[1], fits[0])), np.where(mirrored, -1.0, 1.0)
