"""From arrays as people have them to a `TriangleMesh`: every repair is reported, nothing is lost silently.

Tolerances are relative to the mesh itself, so the unit of the file and its distance from the origin do not
matter.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gaugenet.meshes.mesh import MeshError, Repair, TriangleMesh
from gaugenet.meshes.topology import Ints, faces_to_reverse, glue, reverse_faces, split_fans

Floats = NDArray[np.float64]

MOLLIFY_SLACK = 1e-5
"""Slack of the triangle inequality that a repaired face gets, in mean edge lengths."""
_FLAT = 1e-9
"""A face is repaired if its slack is below this part of its longest edge: its height is then below 3e-5 of
that edge."""


def mesh_from_arrays(
    vertices: ArrayLike, faces: ArrayLike, *, name: str = "", merge_vertices: bool | None = None
) -> TriangleMesh:
    """A validated surface from vertex positions and triangles, however they were glued.

    Args:
        vertices: [V, 3] positions, any real dtype, any unit.
        faces: [F, 3] vertex indices, integers.
        name: stands in reports and errors.
        merge_vertices: True merges vertices at exactly the same position, False never does; None does so only
            for a triangle soup (every vertex in one face only, as in an STL file), because an immersed
            surface has vertices that coincide and are different.

    Returns:
        The mesh; its `report` tells each repair, its maps lead back to these vertices and faces.

    Raises:
        MeshError: the arrays have another shape or dtype, an index is out of range, a position that a face
            uses is not finite, or there is no face of positive size.
    """
    positions, triangles = _checked_vertices(vertices, name), _checked_faces(faces, name)
    n_file = len(positions)
    if len(triangles) == 0:
        raise MeshError(
            f"there are {n_file} vertices and no faces (a point cloud)"
            if n_file
            else "there is nothing in it",
            "give triangles, e.g. by reconstructing a surface first",
            name,
        )
    _check_range(triangles, n_file, name)
    report: list[Repair] = []
    positions = _checked_positions(positions, triangles, report, name)

    vertex_of_file = _merged(positions, triangles, merge_vertices, report)
    file_vertex = np.unique(vertex_of_file)
    renumber = np.empty(n_file, np.int64)
    renumber[file_vertex] = np.arange(len(file_vertex))
    vertex_of_file = renumber[vertex_of_file]
    triangles, file_face, face_of_file = _kept_faces(vertex_of_file[triangles], report, name)

    twin, flipped, crowded = glue(triangles)
    if len(crowded):
        report.append(
            Repair(
                "non-manifold edges opened",
                len(crowded),
                "more than two faces meet there; each was given a boundary, remove the extra faces",
            )
        )
    triangles, original = split_fans(triangles, twin, flipped, len(file_vertex))
    if len(original) > len(file_vertex):
        report.append(
            Repair(
                "vertices added where sheets touch in one vertex",
                len(original) - len(file_vertex),
                "copies share the label of the file's vertex",
            )
        )
    file_vertex = file_vertex[original]
    points = positions[file_vertex]
    n_isolated = len(points) - len(np.unique(triangles))
    if n_isolated:
        report.append(
            Repair("isolated vertices kept", n_isolated, "no face uses them; they have no neighbours")
        )

    lengths = _edge_lengths(points, triangles)
    triangles, twin, flipped, lengths = _oriented(triangles, twin, flipped, lengths, report)
    if not lengths.max() > 0:
        raise MeshError(
            "all faces are points: every edge has length 0", "check the positions of the vertices", name
        )
    lengths, n_flat = mollified(lengths, twin)
    if n_flat:
        report.append(
            Repair("faces without area given a little", n_flat, "their edge lengths, not their positions")
        )
    return TriangleMesh(
        faces=triangles,
        edge_lengths=lengths,
        twin=twin,
        twin_flipped=flipped,
        n_vertices=len(points),
        vertices=points,
        file_vertex=file_vertex,
        vertex_of_file=vertex_of_file,
        file_face=file_face,
        face_of_file=face_of_file,
        report=tuple(report),
        name=name,
    )


def mollified(lengths: Floats, twin: Ints) -> tuple[Floats, int]:
    """Edge lengths [F, 3] in which every face has area, and the number of faces that had none.

    The slack of a face is a + b − c for its longest edge c. Where it is nothing, all three edges grow until
    it is 1e-5 of the mean length (less where the face itself is small); the faces behind those edges are
    looked at again. Faces away from these are left exactly as they are, unlike in Sharp & Crane 2020 (A
    Laplacian for Nonmanifold Triangle Meshes, sec. 4.5), whose uniform growth ends the loop only where the
    local one has not ended after 50 rounds.
    """
    mean = float(lengths.mean())
    longest = lengths.max(axis=1)
    target = MOLLIFY_SLACK * np.clip(longest, 1e-3 * mean, mean)
    bad = _slack(lengths) <= np.maximum(_FLAT * longest, 1e-14 * mean)
    n_bad, glued = int(bad.sum()), np.flatnonzero(twin >= 0)
    if n_bad == 0:
        return lengths, 0
    out = lengths.copy()
    goal = np.where(bad, target, np.minimum(_slack(lengths), target))
    for _ in range(50):
        deficit = goal - _slack(out)
        if not (deficit > 1e-9 * goal).any():
            return out, n_bad
        growth = np.repeat(np.maximum(deficit, 0.0), 3)
        growth[glued] = np.maximum(growth[glued], growth[twin[glued]])
        out += growth.reshape(-1, 3)
    return out + float(np.maximum(goal - _slack(out), 0.0).max()), n_bad


def _slack(lengths: Floats) -> Floats:
    """a + b − c for the longest edge c, exactly 0 for a degenerate one and free of cancellation (Kahan's
    order)."""
    a, b, c = np.sort(lengths, axis=1).T
    slack: Floats = a - (c - b)
    return slack


def _edge_lengths(points: Floats, triangles: Ints) -> Floats:
    """[F, 3] lengths; scaled first, because squares of coordinates under- or overflow at extreme units."""
    edges = points[np.roll(triangles, -1, axis=1)] - points[triangles]
    unit = float(np.abs(edges).max()) or 1.0
    lengths: Floats = np.linalg.norm(edges / unit, axis=2) * unit
    return lengths


def _oriented(
    triangles: Ints, twin: Ints, flipped: NDArray[np.bool_], lengths: Floats, report: list[Repair]
) -> tuple[Ints, Ints, NDArray[np.bool_], Floats]:
    which, one_sided = faces_to_reverse(twin, flipped)
    n_repaired = int(np.count_nonzero(which & ~one_sided))
    if n_repaired:
        report.append(Repair("faces turned over so that each component winds one way", n_repaired))
    if one_sided.any():
        report.append(
            Repair(
                "faces on a one-sided (non-orientable) component",
                int(one_sided.sum()),
                "use a structure group with reflections",
            )
        )
    return reverse_faces(which, triangles, twin, flipped, lengths)


def _merged(positions: Floats, triangles: Ints, merge: bool | None, report: list[Repair]) -> Ints:
    """[V_file] the first vertex at the same position as each vertex, or the vertex itself where nothing is
    merged."""
    own = np.arange(len(positions))
    if merge is None:
        merge = len(triangles) > 1 and int(np.bincount(triangles.ravel()).max()) == 1
    if not merge:
        return own
    # adding 0.0 makes -0.0 and 0.0 one position
    _, first, inverse = np.unique(positions + 0.0, axis=0, return_index=True, return_inverse=True)
    representative: Ints = first[inverse.ravel()].astype(np.int64)
    n_merged = len(positions) - len(first)
    if n_merged:
        report.append(Repair("vertices merged with another at the same position", n_merged))
    return representative


def _kept_faces(triangles: Ints, report: list[Repair], name: str) -> tuple[Ints, Ints, Ints]:
    """Faces that have three different vertices, one of each set of vertices; their number in the file [F];
    and the kept face [F_file] that stands for each of the file's."""
    a, b, c = triangles.T
    proper = np.flatnonzero((a != b) & (b != c) & (c != a))
    if len(proper) == 0:
        raise MeshError(
            "no face has three different vertices",
            "check the faces: each needs three different indices",
            name,
        )
    _, first, inverse = np.unique(
        np.sort(triangles[proper], 1), axis=0, return_index=True, return_inverse=True
    )
    file_face = np.sort(proper[first])
    face_of_file = np.full(len(triangles), -1, np.int64)
    face_of_file[proper] = np.searchsorted(file_face, proper[first][inverse.ravel()])
    if len(proper) < len(triangles):
        report.append(Repair("faces with a repeated vertex dropped", len(triangles) - len(proper)))
    if len(first) < len(proper):
        report.append(Repair("duplicate faces dropped", len(proper) - len(first)))
    return triangles[file_face], file_face.astype(np.int64), face_of_file


def _checked_vertices(vertices: ArrayLike, name: str) -> Floats:
    try:
        positions = np.array(vertices, dtype=np.float64, order="C")
    except (TypeError, ValueError) as error:
        raise MeshError(
            "the vertices are not numbers", "give an array [V, 3] of real numbers", name
        ) from error
    if positions.size == 0:
        return positions.reshape(0, 3)
    if positions.ndim != 2 or positions.shape[1] != 3:
        raise MeshError(
            f"expected vertices of shape [V, 3], got {list(positions.shape)}",
            "give x, y and z of each vertex",
            name,
        )
    return positions


def _checked_faces(faces: ArrayLike, name: str) -> Ints:
    try:
        triangles = np.asarray(faces)
    except ValueError as error:
        raise MeshError("the faces differ in length", "give triangles only, an array [F, 3]", name) from error
    if triangles.size == 0:
        return np.empty((0, 3), np.int64)
    if triangles.ndim != 2 or triangles.shape[1] != 3:
        raise MeshError(
            f"expected faces of shape [F, 3], got {list(triangles.shape)}",
            "give triangles, three indices each",
            name,
        )
    if triangles.dtype.kind not in "iu":
        raise MeshError(
            f"expected whole numbers as vertex indices, got {triangles.dtype}",
            "convert the faces to integers",
            name,
        )
    return np.ascontiguousarray(triangles.astype(np.int64))


def _check_range(triangles: Ints, n: int, name: str) -> None:
    wrong = np.argwhere((triangles < 0) | (triangles >= n))
    if len(wrong):
        f, k = wrong[0]
        raise MeshError(
            f"face {f} uses vertex {triangles[f, k]}, but the vertices are numbered 0 to {n - 1} "
            f"({len(wrong)} such indices)",
            "remove the face, or number the vertices from 0",
            name,
        )


def _checked_positions(positions: Floats, triangles: Ints, report: list[Repair], name: str) -> Floats:
    finite = np.isfinite(positions).all(axis=1)
    if finite.all():
        return positions
    used = np.zeros(len(positions), bool)
    used[triangles] = True
    wrong = np.flatnonzero(used & ~finite)
    if len(wrong):
        v = int(wrong[0])
        raise MeshError(
            f"vertex {v} is at ({', '.join(f'{x:g}' for x in positions[v])}) ({len(wrong)} such vertices)",
            "give finite coordinates to every vertex that a face uses",
            name,
        )
    report.append(
        Repair(
            "unused vertices without finite coordinates moved to the centre",
            int(np.count_nonzero(~finite)),
            "remove them",
        )
    )
    low, high = positions[used].min(0), positions[used].max(0)
    positions = positions.copy()
    positions[~finite] = low / 2 + high / 2
    return positions
