"""What a frame field is, and where it is singular."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gaugenet.meshes.field_gauge import frames_to_geometry
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
    """The field with its singularities, from its angles in the frames of the fans."""
    index = face_indices(fans, angle, n)
    near = np.zeros(mesh.n_vertices, bool)
    near[mesh.faces[index != 0]] = True
    if geometry is not None:
        turn, sign = frames_to_geometry(mesh, fans, geometry)
        angle = turn + sign * angle
    return FrameField((angle + math.pi) % (2 * math.pi) - math.pi, n, index, near, mesh)


def face_indices(fans: CornerFans, angle: Floats, n: int) -> Floats:
    """[F] the index k/n of each face (Knöppel et al. 2013, section 6.1.3, there for n-direction fields):

        k = (Σ_edges ω_pq + n Ω) / 2π,     ω_pq = n (angle_q - angle_p - φ_pq) in [-π, π),     Ω = Σ_corners α s - π

    in the handedness of the face, with φ the transport along the edge and Ω the curvature in the face: corner angles α
    scaled by s = 2π/Θ. The ω of an edge cancel between its two faces and Σ Ω = 2πχ, so the indices sum to χ.
    """
    sign = fans.corner_sign.astype(np.float64)
    after = next_in_face(np.arange(len(sign)))
    scaled = fans.scale[fans.vertex]
    arm = sign * angle[fans.vertex]
    outward = sign * fans.direction * scaled
    back = outward + fans.corner_angle * scaled
    residual = n * (arm[after] - arm - (back[after] + math.pi - outward))
    residual = (residual + math.pi) % (2 * math.pi) - math.pi
    # rounding must not let both faces of an edge have +π
    second = (fans.twin >= 0) & (fans.twin < np.arange(len(sign)))
    residual = np.where(second, -residual[fans.twin], residual)
    curvature = (fans.corner_angle * scaled).reshape(-1, 3).sum(1) - math.pi
    turns = (residual.reshape(-1, 3).sum(1) + n * curvature) / (2 * math.pi)
    return np.asarray(np.rint(turns) / n)


def check_arms(n: int) -> None:
    if n < 1:
        raise ValueError(f"a frame field has at least 1 arm per vertex, got n = {n}")


def embedded_positions(mesh: TriangleMesh) -> Floats:
    if mesh.vertices is None:
        raise ValueError("this needs vertex positions in space, and the mesh is intrinsic; use smoothest_frame_field")
    return mesh.vertices
