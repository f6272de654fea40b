"""What a frame field is, and where it is singular."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gaugenet.meshes.field_gauge import EdgeEnds, corner_directions, edge_ends, frames_to_geometry
from gaugenet.meshes.mesh import TriangleMesh
from gaugenet.meshes.topology import next_in_face

if TYPE_CHECKING:
    from gaugenet.meshes.fans import CornerFans
    from gaugenet.meshes.geometry import MeshGeometry

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class FrameField:
    """At every vertex the n directions ``angle + 2 π k / n``, k = 0 … n - 1."""

    angle: Floats
    """[V] radians in [-π/n, π/n] or any other of its n arms, from the x axis of the frame of the vertex towards y."""
    n: int
    """Number of arms: 1 a vector field, 2 a line field, 4 a cross field."""
    face_index: Floats
    """[F] the index k/n of the singularity in each face, 0 where there is none. On a closed surface they sum to χ."""
    near_singularity: NDArray[np.bool_]
    """[V] the vertices of singular faces."""
    mesh: TriangleMesh | None = None
    """The surface: it tells which paths run through a singular face."""

    @property
    def singular_faces(self) -> Ints:
        """[S] the faces whose index is not 0."""
        return np.flatnonzero(self.face_index)


def finished_field(
    mesh: TriangleMesh, fans: CornerFans, angle: Floats, n: int, geometry: MeshGeometry | None
) -> FrameField:
    """The field with its singularities, from its angles in the frames of the fans; with a geometry in its frames, and
    with the singularities that its transporters see."""
    gauge = None if geometry is None else frames_to_geometry(mesh, fans, geometry)
    index = face_indices(fans, edge_ends(fans, geometry, gauge), angle, n)
    near = np.zeros(mesh.n_vertices, bool)
    near[mesh.faces[index != 0]] = True
    if gauge is not None:
        angle = gauge.angle + gauge.sign * angle
    return FrameField((angle + math.pi) % (2 * math.pi) - math.pi, n, index, near, mesh)


def face_indices(fans: CornerFans, ends: EdgeEnds, angle: Floats, n: int) -> Floats:
    """[F] the index k/n of each face (Knöppel et al. 2013, section 6.1.3, there for n-direction fields):

        k = (Σ_edges ω_pq + n Ω) / 2π,    ω_pq = n (angle_q - angle_p - φ_pq) in [-π, π),
        Ω = Σ_corners α' + Σ_edges δ - π

    in the handedness of the face, with φ the transport along the edge and Ω the curvature that it sees in the face: α'
    is the angle between the directions of the two edges of a corner, δ what φ has beyond those directions
    (`EdgeEnds.correction`). The ω and δ of an edge cancel between its two faces and the α' of a vertex sum to 2π, so
    Σ Ω = 2πχ, and the indices sum to χ. Transporters rounded to multiples of 2π/n in frames along the field
    (`gaugenet.meshes.structure`) turn by 2π k/n round the face.
    """
    sign = fans.corner_sign.astype(np.float64)
    h, second = ends.half_edge, fans.twin[ends.half_edge]
    first, other = corner_directions(fans)
    at_head = sign[next_in_face(h)]
    arm = angle[ends.head] - ends.phi - ends.flip * angle[ends.tail]
    omega, delta = np.zeros(len(sign)), np.zeros(len(sign))
    omega[h] = (n * at_head * arm + math.pi) % (2 * math.pi) - math.pi
    delta[h] = at_head * ends.correction
    # not wrapped again: rounding must not let both faces of an edge have +π
    glued = second >= 0
    omega[second[glued]], delta[second[glued]] = -omega[h[glued]], -delta[h[glued]]
    curvature = (sign * (other - first) + delta).reshape(-1, 3).sum(1) - math.pi
    turns = (omega.reshape(-1, 3).sum(1) + n * curvature) / (2 * math.pi)
    return np.asarray(np.rint(turns) / n)


def check_arms(n: int) -> None:
    if n < 1:
        raise ValueError(f"a frame field has at least 1 arm per vertex, got n = {n}")


def embedded_positions(mesh: TriangleMesh) -> Floats:
    if mesh.vertices is None:
        raise ValueError("this needs vertex positions in space, and the mesh is intrinsic; use smoothest_frame_field")
    return mesh.vertices
