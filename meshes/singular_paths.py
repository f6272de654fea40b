"""Which paths of a geometry run through given faces of its mesh."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gaugenet.meshes.field_gauge import frames_to_geometry
from gaugenet.meshes.mesh import TriangleMesh

if TYPE_CHECKING:
    from gaugenet.meshes.geometry import MeshGeometry

Bools = NDArray[np.bool_]


def paths_through_faces(mesh: TriangleMesh, geometry: MeshGeometry, faces: Bools) -> Bools:
    """bool [E]: the edges whose path runs through one of the faces.

    The path from the target p is the straight line from p along log_p q, followed over the faces for the length r; one
    that meets the boundary is followed to there. Only targets that see a vertex which sees a vertex of these faces are
    followed: from all others the faces are farther than any of their neighbours.

    Args:
        mesh: of the geometry. faces: bool [F].
    """
    from gaugenet.meshes.fans import build_fans, packed
    from gaugenet.meshes.tracing import CROSSING, trace

    fans = build_fans(mesh)
    turn, sign = frames_to_geometry(mesh, fans, geometry)
    half_edges, vertices = packed(fans)
    p, q = geometry.target.cpu().numpy(), geometry.source.cpu().numpy().astype(np.int64)
    ptr = geometry.row_ptr.cpu().numpy().astype(np.int64)
    theta = sign[p] * (geometry.theta.double().cpu().numpy() - turn[p])
    length = geometry.r.double().cpu().numpy() / fans.unit

    near = np.zeros(mesh.n_vertices, bool)
    near[mesh.faces[faces]] = True
    for _ in range(2):
        wider = near.copy()
        wider[p[near[q]]] = True
        wider[q[near[p]]] = True
        near = wider
    through = np.zeros(len(p), bool)
    path = np.empty(64, CROSSING)
    for v in np.flatnonzero(near).tolist():
        row = slice(int(ptr[v]), int(ptr[v + 1]))
        n = row.stop - row.start
        if n == 0:
            continue
        end, done, stopped = np.zeros(n, CROSSING), np.zeros(n), np.zeros(n, np.bool_)
        met, path_ptr = np.zeros(n, np.int64), np.zeros(n + 1, np.int64)
        path, _ = trace(
            half_edges, vertices, fans.corners, v, theta[row], length[row], end, done, stopped, met, path_ptr, path
        )
        inside = np.concatenate([[0], np.cumsum(faces[path["face"][: path_ptr[-1]]])])
        through[row] = np.diff(inside[path_ptr]) > 0
    return through
