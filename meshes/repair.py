"""From arrays as people have them to a `TriangleMesh`: every repair is reported, nothing is lost silently.

Tolerances are relative to the mesh itself, so the unit of the file and its distance from the origin do not
matter.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from gaugenet.meshes.mesh import MeshError, Repair, TriangleMesh
from gaugenet.meshes.topology import (
    Bools,
    Ints,
    faces_to_reverse,
    glue,
    next_in_face,
    reverse_faces,
    split_fans,
)
from gaugenet.meshes.validation import (
    FLAT,
    Floats,
    check_range,
    check_triangles,
    checked_faces,
    checked_gluing,
    checked_positions,
    checked_vertices,
    point_cloud,
    triangle_slack,
)

MOLLIFY_SLACK = 1e-5
"""Slack of the triangle inequality that a repaired face gets, in mean edge lengths."""

_SPIKE = 2e-6
"""Radians: total angle of an inner vertex below which the surface round it is refused."""
_NEAR = 1e-6
"""Median edge lengths below which two vertices are said to be nearly at one position."""


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
    positions, triangles = checked_vertices(vertices, name), checked_faces(faces, name)
    n_file = len(positions)
    if len(triangles) == 0:
        if n_file:
            raise point_cloud(n_file, name)
        raise MeshError("there is nothing in it", "give vertices and triangles", name)
    check_range(triangles, n_file, name)
    report: list[Repair] = []
    nowhere: Bools = np.logical_not(np.isfinite(positions).all(axis=1))
    positions = checked_positions(positions, triangles, report, name)

    vertex_of_file = _merged(positions, triangles, merge_vertices, nowhere, report)
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
        report.append(Repair("isolated vertices kept", n_isolated, "no face uses them; they have no neighbours"))

    n_touching = _touching(points, file_vertex, triangles, twin)
    if n_touching:
        report.append(
            Repair(
                "boundary vertices at the position of another, not joined",
                n_touching,
                "merge_vertices=True joins them",
            )
        )

    lengths = _edge_lengths(points, triangles, name)
    n_close = _nearly_touching(points, file_vertex, triangles, twin, float(np.median(lengths)))
    if n_close:
        report.append(
            Repair(
                "boundary vertices within 1e-6 edge lengths of another, not joined",
                n_close,
                "seams that rounding has torn: round the coordinates, then merge_vertices=True joins them",
            )
        )
    triangles, twin, flipped, lengths = _oriented(triangles, twin, flipped, lengths, report)
    if not lengths.max() > 0:
        raise MeshError("all faces are points: every edge has length 0", "check the positions of the vertices", name)
    lengths, n_flat = mollified(lengths, twin)
    _check_spikes(lengths, triangles, twin, file_vertex, name)
    if n_flat:
        report.append(
            Repair(
                "faces without area given a little",
                n_flat,
                "their edge lengths, not their positions; remove the faces, if they are not meant",
            )
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
    bad = triangle_slack(lengths) <= np.maximum(FLAT * longest, 1e-14 * mean)
    n_bad, glued = int(bad.sum()), np.flatnonzero(twin >= 0)
    if n_bad == 0:
        return lengths, 0
    out = lengths.copy()
    goal = np.where(bad, target, np.minimum(triangle_slack(lengths), target))
    for _ in range(50):
        deficit = goal - triangle_slack(out)
        if not (deficit > 1e-9 * goal).any():
            return out, n_bad
        growth = np.repeat(np.maximum(deficit, 0.0), 3)
        growth[glued] = np.maximum(growth[glued], growth[twin[glued]])
        out += growth.reshape(-1, 3)
    return out + float(np.maximum(goal - triangle_slack(out), 0.0).max()), n_bad


def _edge_lengths(points: Floats, triangles: Ints, name: str) -> Floats:
    """[F, 3] lengths; scaled first, because squares of coordinates under- or overflow at extreme units."""
    with np.errstate(over="ignore"):
        edges = points[np.roll(triangles, -1, axis=1)] - points[triangles]
    unit = float(np.abs(edges).max())
    if unit > 0 and not 1e-280 < unit < 1e280:
        raise MeshError(
            f"its longest edge is about {unit:.0e} long, at the end of what a number can hold",
            "check its largest coordinates, or give them in another unit",
            name,
        )
    lengths: Floats = np.linalg.norm(edges / (unit or 1.0), axis=2) * unit
    return lengths


def _oriented(
    triangles: Ints, twin: Ints, flipped: Bools, lengths: Floats, report: list[Repair]
) -> tuple[Ints, Ints, Bools, Floats]:
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


def _merged(positions: Floats, triangles: Ints, merge: bool | None, nowhere: Bools, report: list[Repair]) -> Ints:
    """[V_file] the first vertex at the same position as each vertex, or the vertex itself where nothing is merged, as
    `nowhere`, where the position is not the file's."""
    own = np.arange(len(positions))
    if merge is None:
        merge = len(triangles) > 1 and int(np.bincount(triangles.ravel()).max()) == 1
    if not merge:
        return own
    # adding 0.0 makes -0.0 and 0.0 one position
    key = np.column_stack([positions + 0.0, np.where(nowhere, own + 1, 0)])
    _, first, inverse = np.unique(key, axis=0, return_index=True, return_inverse=True)
    representative: Ints = first[inverse.ravel()].astype(np.int64)
    n_merged = len(positions) - len(first)
    if n_merged:
        report.append(Repair("vertices merged with another at the same position", n_merged))
    return representative


def _touching(points: Floats, file_vertex: Ints, triangles: Ints, twin: Ints) -> int:
    """How many of the file's boundary vertices lie exactly on another one: seams that a merge would close."""
    h = np.flatnonzero(twin < 0)
    corner = triangles.ravel()
    edge_ends = np.unique(file_vertex[np.concatenate([corner[h], corner[next_in_face(h)]])])
    row_of = np.empty(int(file_vertex.max()) + 1, np.int64)
    row_of[file_vertex] = np.arange(len(points))
    _, count = np.unique(points[row_of[edge_ends]] + 0.0, axis=0, return_counts=True)
    return int(count[count > 1].sum())


def _check_spikes(lengths: Floats, triangles: Ints, twin: Ints, file_vertex: Ints, name: str) -> None:
    """Refuse tips with an angle Θ that hardly any surface means: straight lines wind round them some π/Θ times."""
    if not (lengths.min(axis=1) < 1e-5 * lengths.max(axis=1)).any():
        return
    from gaugenet.meshes.fans import corner_angles

    n = int(triangles.max()) + 1
    total = np.bincount(triangles.ravel(), weights=corner_angles(lengths / lengths.max()).ravel(), minlength=n)
    inner = np.bincount(triangles.ravel(), minlength=n) > 0
    h = np.flatnonzero(twin < 0)
    corner = triangles.ravel()
    inner[corner[h]] = inner[corner[next_in_face(h)]] = False
    tips = np.flatnonzero(inner & (total < _SPIKE))
    if len(tips):
        raise MeshError(
            f"vertex {file_vertex[tips[0]]} is the tip of a spike: its angles sum to {total[tips[0]]:.0e} "
            f"({len(tips)} such vertices)",
            "check its coordinates, or remove it and its faces",
            name,
        )


def _nearly_touching(points: Floats, file_vertex: Ints, triangles: Ints, twin: Ints, edge: float) -> int:
    """How many positions on the boundary have another one so near, and no edge to it, that they were meant as one."""
    from scipy.spatial import cKDTree

    h = np.flatnonzero(twin < 0)
    corner = triangles.ravel()
    ends = np.unique(np.concatenate([corner[h], corner[next_in_face(h)]]))
    if len(ends) < 4 or not edge > 0:
        return 0
    # in units of the edge: squares of distances must neither under- nor overflow
    with np.errstate(over="ignore"):
        scaled = np.clip((points[ends] - points[ends[0]]) / edge, -1e100, 1e100)
    _, first = np.unique(scaled, axis=0, return_index=True)
    if len(first) < 2:
        return 0
    distance, nearest = cKDTree(scaled[first]).query(scaled[first], k=2)
    near = np.flatnonzero(distance[:, 1] < _NEAR)
    # of each pair either entry may be the vertex itself
    other = np.where(nearest[near, 0] == near, nearest[near, 1], nearest[near, 0])
    # copies of a split vertex have the edges of all of them
    a, b = file_vertex[ends[first[near]]], file_vertex[ends[first[other]]]
    tail, head, n = file_vertex[corner], file_vertex[corner[next_in_face(np.arange(len(corner)))]], len(points)
    edges = np.minimum(tail, head) * n + np.maximum(tail, head)
    joined = np.isin(np.minimum(a, b) * n + np.maximum(a, b), edges)
    return int(np.count_nonzero(~joined))


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
    _, first, inverse = np.unique(np.sort(triangles[proper], 1), axis=0, return_index=True, return_inverse=True)
    file_face = np.sort(proper[first])
    face_of_file = np.full(len(triangles), -1, np.int64)
    face_of_file[proper] = np.searchsorted(file_face, proper[first][inverse.ravel()])
    if len(proper) < len(triangles):
        report.append(Repair("faces with a repeated vertex dropped", len(triangles) - len(proper)))
    if len(first) < len(proper):
        report.append(Repair("duplicate faces dropped", len(proper) - len(first)))
    return triangles[file_face], file_face.astype(np.int64), face_of_file


def mesh_from_edge_lengths(
    faces: ArrayLike,
    edge_lengths: ArrayLike,
    *,
    twin: ArrayLike | None = None,
    twin_flipped: ArrayLike | None = None,
    n_vertices: int | None = None,
    name: str = "",
) -> TriangleMesh:
    """An intrinsic surface: triangles of given edge lengths, glued along their edges.

    Nothing is repaired but the winding (each orientable component is made to wind one way); what does not fit
    is an error.

    Args:
        faces: [F, 3] vertex indices; repeated ones are fine where `twin` says what is glued.
        edge_lengths: [F, 3] length of half-edge ``3 f + k``, from corner k to corner (k + 1) % 3.
        twin: [3 F] the half-edge on the other side of each, -1 on the boundary; None glues equal vertex
            pairs.
        twin_flipped: [3 F] True where tail is glued to tail; None reads it off the vertices, and means False
            where they leave it open.
        n_vertices: number of vertices, if some belong to no face.
        name: stands in errors.

    Raises:
        MeshError: shapes disagree, an index is out of range, twins do not point at each other or differ in
            length, an edge has more than two faces, the faces at a vertex form more than one fan, or three
            lengths make no triangle.
    """
    triangles = checked_faces(faces, name)
    lengths = np.array(edge_lengths, np.float64)
    if len(triangles) == 0 or lengths.shape != triangles.shape:
        raise MeshError(
            f"expected faces and edge lengths of one shape [F, 3], got {list(triangles.shape)} and "
            f"{list(lengths.shape)}",
            "give one length for each side of each triangle",
            name,
        )
    n = int(triangles.max()) + 1 if n_vertices is None else n_vertices
    check_range(triangles, n, name)
    if twin is None:
        if (triangles == np.roll(triangles, -1, axis=1)).any():
            raise MeshError("a face has a repeated vertex", "say with `twin` what its edges are glued to", name)
        glued, flipped, crowded = glue(triangles)
        if len(crowded):
            raise MeshError(
                f"{len(crowded)} edges have more than two faces, the first "
                f"between vertices {crowded[0, 0]} and {crowded[0, 1]}",
                "say with `twin` what is glued to what",
                name,
            )
    else:
        glued, flipped = checked_gluing(triangles, twin, twin_flipped, name)
    check_triangles(lengths, glued, name)
    _, original = split_fans(triangles, glued, flipped, n)
    if len(original) > n:
        raise MeshError(
            f"{len(original) - n} vertices have more than one fan of faces, the first is {original[n]}",
            "give each fan a vertex of its own",
            name,
        )
    report: list[Repair] = []
    triangles, glued, flipped, lengths = _oriented(triangles, glued, flipped, lengths, report)
    own_vertex, own_face = np.arange(n), np.arange(len(triangles))
    return TriangleMesh(
        faces=triangles,
        edge_lengths=lengths,
        twin=glued,
        twin_flipped=flipped,
        n_vertices=n,
        file_vertex=own_vertex,
        vertex_of_file=own_vertex,
        file_face=own_face,
        face_of_file=own_face,
        report=tuple(report),
        name=name,
    )
