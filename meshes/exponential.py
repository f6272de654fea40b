"""The exponential map: straight lines on the polyhedron from a vertex, unfolded face by face.

    exp_p(v) = the point that the straightest geodesic from p in direction v reaches after the length |v|

The inverse of the logarithmic map in `polyhedral` mode: exp_p(log_p q) = q wherever the shortest path to q does not
bend at a pseudo-source. Faces are crossed by edge lengths and gluing alone, so intrinsic and one-sided surfaces are no
different. A line that meets a vertex leaves it with half of the total angle on either side (Polthier & Schmies 1998,
Straightest geodesics on polyhedral surfaces), at the boundary with the angle π on one side if there is as much. One
that leads off the surface ends at the boundary.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gaugenet.meshes.fans import Floats, Ints, build_fans, packed
from gaugenet.meshes.frames import extrinsic_frames
from gaugenet.meshes.mesh import TriangleMesh
from gaugenet.meshes.precompute import Reference, gauge_turn
from gaugenet.meshes.tracing import CROSSING, MOST_CROSSINGS, trace


@dataclass(frozen=True, eq=False)
class TracedGeodesics:
    """Where n straight lines end and which way they went. Points are a face and barycentric coordinates in it."""

    face: Ints
    """[n] -1 only for a line from an isolated vertex."""
    barycentric: Floats
    """[n, 3] of the end in its face."""
    length: Floats
    """[n] length of the line, in the unit of the mesh: that of its vector, or less where it met the boundary."""
    at_boundary: NDArray[np.bool_]
    """[n] True where the line met the boundary (or left its vertex straight off the surface) before its full length."""
    through_vertices: Ints
    """[n] how many vertices the line ran through; directions behind one depend discontinuously on the vector."""
    path_ptr: Ints
    """[n + 1] the points of line i are rows path_ptr[i] to path_ptr[i + 1] of the next two."""
    path_face: Ints
    """[P]"""
    path_barycentric: Floats
    """[P, 3] the vertex, each crossing of an edge, and the end."""

    def ends(self, mesh: TriangleMesh) -> Floats:
        """[n, 3] positions in space. Raises ValueError on a mesh without positions."""
        return _positions(mesh, self.face, self.barycentric)

    def paths(self, mesh: TriangleMesh) -> list[Floats]:
        """Of each line the corners [m, 3] of its polyline in space. Raises ValueError on a mesh without positions."""
        return np.split(_positions(mesh, self.path_face, self.path_barycentric), self.path_ptr[1:-1])


def exponential_map(
    mesh: TriangleMesh,
    vertex: int,
    vectors: ArrayLike,
    *,
    handedness: NDArray[np.int64] | None = None,
    reference: Reference | None = None,
    frame_direction: NDArray[np.float64] | None = None,
) -> TracedGeodesics:
    """Straight lines from a vertex.

    Args:
        mesh: a validated surface, embedded or intrinsic.
        vertex: p, from 0 to V - 1.
        vectors: [n, 2] tangent vectors at p, r (cos θ, sin θ), in the unit of the mesh and the frame of p.
        handedness, reference, frame_direction: which frame, as in `gaugenet.meshes.precompute.compute_geometry`.

    Raises:
        ValueError: an argument is not as described, or a line crosses a million edges.
    """
    tangent = np.asarray(vectors, np.float64)
    if tangent.ndim != 2 or tangent.shape[1] != 2 or not np.isfinite(tangent).all():
        raise ValueError(f"expected finite tangent vectors of shape [n, 2], got {list(tangent.shape)}")
    p = checked_vertex(mesh, vertex)
    theta = np.arctan2(tangent[:, 1], tangent[:, 0])
    if handedness is not None or reference is not None or frame_direction is not None:
        handed = build_fans(mesh, handedness)
        frames = None if mesh.vertices is None else extrinsic_frames(mesh.vertices, handed)
        turn = gauge_turn(handed, frames, reference, frame_direction)
        theta = (theta - (0.0 if turn is None else turn[p])) * (1 if handedness is None else handedness[p])
    fans = build_fans(mesh)
    length = np.hypot(tangent[:, 0], tangent[:, 1]) / fans.unit
    half_edges, vertices = packed(fans)
    n = len(tangent)
    end, done = np.zeros(n, CROSSING), np.zeros(n)
    stopped, met, ptr = np.zeros(n, np.bool_), np.zeros(n, np.int64), np.zeros(n + 1, np.int64)
    path = np.empty(64, CROSSING)
    path, lost = trace(half_edges, vertices, fans.corners, p, theta, length, end, done, stopped, met, ptr, path)
    if lost >= 0:
        raise ValueError(f"line {lost} crosses more than {MOST_CROSSINGS:,} edges; give a shorter vector")
    path = path[: ptr[-1]]
    return TracedGeodesics(
        face=end["face"].copy(),
        barycentric=_coordinates(end),
        length=done * fans.unit,
        at_boundary=stopped,
        through_vertices=met,
        path_ptr=ptr,
        path_face=path["face"].copy(),
        path_barycentric=_coordinates(path),
    )


def checked_vertex(mesh: TriangleMesh, vertex: int) -> int:
    """Raises ValueError where there is no such vertex."""
    if not 0 <= int(vertex) < mesh.n_vertices or int(vertex) != vertex:
        raise ValueError(f"expected a vertex from 0 to {mesh.n_vertices - 1}, got {vertex}")
    return int(vertex)


def _coordinates(points: NDArray[np.void]) -> Floats:
    return np.stack([points["a"], points["b"], points["c"]], 1)


def _positions(mesh: TriangleMesh, face: Ints, barycentric: Floats) -> Floats:
    if mesh.vertices is None:
        raise ValueError(f"{mesh.name or 'this mesh'} is intrinsic: its points have no positions in space")
    return np.asarray(np.einsum("nk,nki->ni", barycentric, mesh.vertices[mesh.faces[face]]))
