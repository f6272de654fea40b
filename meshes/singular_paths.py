"""Which paths of a geometry run through given faces of its mesh."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gaugenet.meshes.compiled import compiled
from gaugenet.meshes.fans import build_fans, packed
from gaugenet.meshes.field_gauge import check_same_surface
from gaugenet.meshes.mesh import TriangleMesh
from gaugenet.meshes.selection import by_distance
from gaugenet.meshes.tracing import CROSSING, trace
from gaugenet.meshes.unfolding import WINDOW, explore, new_search

if TYPE_CHECKING:
    from gaugenet.meshes.geometry import MeshGeometry

Bools = NDArray[np.bool_]

_ROUNDED = 1e-5
"""How much farther than a row says its vertices may be: lengths of a geometry may be float32."""
_ATTEMPTS = 4


def paths_through_faces(mesh: TriangleMesh, geometry: MeshGeometry, faces: Bools) -> Bools:
    """bool [E]: the edges whose path runs through one of the faces.

    The path of an edge is the shortest one on the polyhedron, whatever the mode and the method of the geometry are: the
    straight lines from vertex to vertex that unfolding finds, followed over the faces. Only targets that see a vertex
    which sees a vertex of these faces are looked at: from all others the faces are farther than any of their
    neighbours.

    Args:
        mesh: of the geometry. faces: bool [F].

    Raises:
        ValueError: the geometry is of another mesh.
    """
    check_same_surface(mesh, geometry)
    fans = build_fans(mesh)
    half_edges, vertices = packed(fans)
    p, q = geometry.target.cpu().numpy(), geometry.source.cpu().numpy().astype(np.int64)
    near = np.zeros(mesh.n_vertices, bool)
    near[mesh.faces[faces]] = True
    for _ in range(2):
        wider = near.copy()
        wider[p[near[q]]] = True
        wider[q[near[p]]] = True
        near = wider
    reach = np.zeros(mesh.n_vertices)
    np.maximum.at(reach, p, geometry.r.double().cpu().numpy() / fans.unit * (1.0 + _ROUNDED))
    row_ptr = geometry.row_ptr.cpu().numpy().astype(np.int64)
    search = new_search(mesh.n_vertices)
    targets = np.flatnonzero(near)
    return np.asarray(_through(half_edges, vertices, fans.corners, *search, targets, row_ptr, q, reach, faces))


@compiled
def _through(  # type: ignore[no-untyped-def]
    half_edges, vertices, corners, paths, reached, counts, targets, row_ptr, source, reach, faces
):
    through = np.zeros(len(source), np.bool_)
    inside = np.zeros(len(vertices), np.bool_)
    windows, queue, line = np.empty(256, WINDOW), np.empty(64, np.int64), np.empty(64, CROSSING)
    for i in range(len(targets)):
        p = targets[i]
        row = source[row_ptr[p] : row_ptr[p + 1]]
        if len(row) == 0:
            continue
        radius, token = reach[p], 0
        for attempt in range(_ATTEMPTS):
            token = i * _ATTEMPTS + attempt
            windows, queue = explore(
                half_edges, vertices, corners, paths, reached, counts, windows, queue, token, p, radius
            )
            missing = 0
            for q in row:
                missing += paths[q].stamp != token
            # distances of another method may be shorter than those of shortest paths
            if missing == 0 or attempt == _ATTEMPTS - 1:
                break
            radius *= 1.5
            _forget(paths, p, reached[: counts[0]])
        inside[p] = False
        for q in by_distance(paths, reached[: counts[0]]):
            v = paths[q].origin
            inside[q] = inside[v]
            if not inside[q]:
                length = paths[q].distance - paths[v].distance
                inside[q], line = _meets(half_edges, vertices, corners, v, paths[q].departure, length, faces, line)
        for e in range(len(row)):
            through[row_ptr[p] + e] = paths[row[e]].stamp == token and inside[row[e]]
        _forget(paths, p, reached[: counts[0]])
    return through


@compiled
def _meets(half_edges, vertices, corners, v, departure, length, faces, line):  # type: ignore[no-untyped-def]
    """(whether the straight line from vertex v in the direction `departure` of its fan runs through a face, scratch)"""
    end, done, stopped = np.empty(1, CROSSING), np.zeros(1), np.zeros(1, np.bool_)
    met, ptr = np.zeros(1, np.int64), np.zeros(2, np.int64)
    theta, far = np.full(1, departure * vertices[v].scale), np.full(1, length)
    line, _ = trace(half_edges, vertices, corners, v, theta, far, end, done, stopped, met, ptr, line)
    for k in range(ptr[1]):
        if faces[line[k].face]:
            return True, line
    return False, line


@compiled
def _forget(paths, target, vertices):  # type: ignore[no-untyped-def]
    paths[target].bound = np.inf
    for v in vertices:
        paths[v].bound = np.inf
