"""What is glued to what: half-edges, fans, orientation, components, boundary.

Half-edge ``3 f + k`` runs from corner ``k`` to corner ``(k + 1) % 3`` of face ``f``; corner ``3 f + k`` is
the tail of that half-edge. All functions are vectorised and know nothing of lengths or positions, so they
hold for intrinsic surfaces.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gaugenet.meshes.mesh import TriangleMesh

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


def next_in_face(half_edge: Ints) -> Ints:
    """The half-edge after each given one, round its face."""
    return np.where(half_edge % 3 == 2, half_edge - 2, half_edge + 1)


def glue(faces: Ints) -> tuple[Ints, Bools, Ints]:
    """Glue the faces along their common vertex pairs.

    Args:
        faces: [F, 3] vertex indices, three different ones per face.

    Returns:
        twin [3 F] (-1 on the boundary); twin_flipped [3 F] (True where both half-edges start at the same
        vertex, that is where the two faces wind differently); the vertex pairs [n, 2] of edges with more than
        two faces, which are left as boundary.
    """
    faces = np.asarray(faces, np.int64)
    tail, head = faces.ravel(), np.roll(faces, -1, axis=1).ravel()
    low, high = np.minimum(tail, head), np.maximum(tail, head)
    order = np.lexsort((high, low))
    starts = np.ones(len(order), bool)
    starts[1:] = (np.diff(low[order]) != 0) | (np.diff(high[order]) != 0)
    first = np.flatnonzero(starts)
    size = np.diff(np.append(first, len(order)))
    a, b = order[first[size == 2]], order[first[size == 2] + 1]
    twin = np.full(len(order), -1, np.int64)
    twin[a], twin[b] = b, a
    flipped = np.zeros(len(order), bool)
    flipped[a] = flipped[b] = tail[a] == tail[b]
    crowded = order[first[size > 2]]
    return twin, flipped, np.stack([low[crowded], high[crowded]], 1)


def corner_fans(twin: Ints, twin_flipped: Bools) -> tuple[int, Ints]:
    """Number of fans, and the fan [3 F] of each corner: corners are in one fan if edges that meet there
    connect them."""
    h = np.flatnonzero(twin >= 0)
    t, same = twin[h], twin_flipped[h]
    tail_end = np.where(same, t, next_in_face(t))
    head_end = np.where(same, next_in_face(t), t)
    return _components(len(twin), np.concatenate([h, next_in_face(h)]), np.concatenate([tail_end, head_end]))


def split_fans(faces: Ints, twin: Ints, twin_flipped: Bools, n_vertices: int) -> tuple[Ints, Ints]:
    """Give each fan of faces a vertex of its own.

    Args:
        faces: [F, 3] vertex indices below `n_vertices`.
        twin, twin_flipped: [3 F] as `glue` returns them; they stay valid, half-edges do not move.
        n_vertices: number of vertices, isolated ones included.

    Returns:
        faces [F, 3] in which the first fan of each vertex keeps its number and each further fan has a new one
        from `n_vertices` on; original [V'] the old vertex of each new one (its first `n_vertices` entries are
        0, 1, 2, ...).
    """
    corner_vertex = faces.ravel()
    n_fans, fan = corner_fans(twin, twin_flipped)
    vertex_of_fan = np.empty(n_fans, np.int64)
    vertex_of_fan[fan] = corner_vertex
    _, first_fan = np.unique(vertex_of_fan, return_index=True)
    extra = np.ones(n_fans, bool)
    extra[first_fan] = False
    renamed = vertex_of_fan.copy()
    renamed[extra] = n_vertices + np.arange(int(extra.sum()))
    return renamed[fan].reshape(-1, 3), np.concatenate([np.arange(n_vertices), vertex_of_fan[extra]])


def faces_to_reverse(twin: Ints, twin_flipped: Bools) -> tuple[Bools, Bools]:
    """Which faces [F] to reverse so that each orientable component winds one way, and which faces lie on
    non-orientable components [F].

    The winding of the greater part of each component is kept (that of its first face if the parts are equal).
    A non-orientable component is made to wind one way along a spanning tree of its faces.
    """
    n = len(twin) // 3
    h = np.flatnonzero(twin > np.arange(len(twin)))
    f, g, odd = h // 3, twin[h] // 3, twin_flipped[h]
    label = _double_cover(n, f, g, odd)
    one_sided = label[0] == label[1]
    if one_sided.any():
        from scipy.sparse import coo_matrix
        from scipy.sparse.csgraph import minimum_spanning_tree

        tree = minimum_spanning_tree(coo_matrix((h + 1.0, (np.minimum(f, g), np.maximum(f, g))), (n, n)).tocsr())
        # parallel edges between two faces are summed by the sparse format, so the tree names pairs of faces,
        # not edges
        rows, cols = tree.nonzero()
        key = np.minimum(f, g) * n + np.maximum(f, g)
        unique_key, first = np.unique(key, return_index=True)
        in_tree = np.zeros(len(h), bool)
        in_tree[first[np.isin(unique_key, rows.astype(np.int64) * n + cols)]] = True
        keep = in_tree | ~one_sided[f]
        label = _double_cover(n, f[keep], g[keep], odd[keep])
    _, component = np.unique(np.minimum(label[0], label[1]), return_inverse=True)
    reverse = label[0] > label[1]
    size = np.bincount(component)
    count = np.bincount(component, weights=reverse)
    _, first_face = np.unique(component, return_index=True)
    swap = np.where(2 * count == size, reverse[first_face], 2 * count > size)
    return reverse ^ swap[component], one_sided


def reverse_faces(
    which: Bools, faces: Ints, twin: Ints, twin_flipped: Bools, edge_lengths: NDArray[np.float64]
) -> tuple[Ints, Ints, Bools, NDArray[np.float64]]:
    """The same surface with the faces `which` [F] wound the other way: (a, b, c) becomes (a, c, b).

    Returns faces, twin, twin_flipped and edge_lengths [F, 3] in the new order of half-edges.
    """
    new_faces, new_lengths = faces.copy(), edge_lengths.copy()
    new_faces[which] = faces[which][:, [0, 2, 1]]
    new_lengths[which] = edge_lengths[which][:, ::-1]
    h = np.arange(len(twin))
    moved = np.where(which[h // 3], h + 2 - 2 * (h % 3), h)
    glued = twin >= 0
    new_twin = np.full_like(twin, -1)
    new_twin[moved[glued]] = moved[twin[glued]]
    new_flipped = np.zeros_like(twin_flipped)
    new_flipped[moved[glued]] = twin_flipped[glued] ^ which[h[glued] // 3] ^ which[twin[glued] // 3]
    return new_faces, new_twin, new_flipped, new_lengths


def face_components(twin: Ints) -> tuple[int, Ints]:
    """Number of components, and the component [F] of each face."""
    h = np.flatnonzero(twin >= 0)
    return _components(len(twin) // 3, h // 3, twin[h] // 3)


def n_components(mesh: TriangleMesh) -> int:
    """Connected pieces of the surface; isolated vertices are no part of it."""
    return face_components(mesh.twin)[0]


def vertex_components(mesh: TriangleMesh) -> tuple[int, Ints]:
    """Number of components, and the component [V] of each vertex; an isolated vertex is one by itself."""
    return _components(mesh.n_vertices, mesh.faces.ravel(), np.roll(mesh.faces, -1, axis=1).ravel())


def n_edges(mesh: TriangleMesh) -> int:
    """E: two glued half-edges are one edge."""
    return int((len(mesh.twin) + np.count_nonzero(mesh.twin < 0)) // 2)


def euler_characteristic(mesh: TriangleMesh) -> int:
    """χ = V − E + F; isolated vertices are no part of the surface and do not count."""
    return len(np.unique(mesh.faces)) - n_edges(mesh) + mesh.n_faces


def is_orientable(mesh: TriangleMesh) -> bool:
    """Whether every component has two sides."""
    return not bool(faces_to_reverse(mesh.twin, mesh.twin_flipped)[1].any())


def boundary_vertices(mesh: TriangleMesh) -> Bools:
    """[V] True for the vertices on the boundary; isolated vertices are not on it."""
    on = np.zeros(mesh.n_vertices, bool)
    h = np.flatnonzero(mesh.twin < 0)
    corner = mesh.faces.ravel()
    on[corner[h]] = on[corner[next_in_face(h)]] = True
    return on


def isolated_vertices(mesh: TriangleMesh) -> Bools:
    """[V] True for the vertices of no face."""
    alone = np.ones(mesh.n_vertices, bool)
    alone[mesh.faces] = False
    return alone


def boundary_loops(mesh: TriangleMesh) -> list[Ints]:
    """The closed curves of the boundary, each as the vertices [n] along it (the n-th is joined to the first).

    Every boundary vertex has exactly two ends of boundary edges, because its faces form one fan, so walking
    from end to end never has a choice, not even where an edge is a loop at one vertex.
    """
    h = np.flatnonzero(mesh.twin < 0)
    corner = mesh.faces.ravel()
    ends = np.stack([corner[h], corner[next_in_face(h)]], 1).ravel()
    pairs = np.argsort(ends, kind="stable").reshape(-1, 2)
    across = np.empty(len(ends), np.int64)
    across[pairs[:, 0]], across[pairs[:, 1]] = pairs[:, 1], pairs[:, 0]
    other_end, vertex = across.tolist(), ends.tolist()
    seen = np.zeros(len(h), bool)
    loops = []
    for start in range(len(h)):
        if seen[start]:
            continue
        end, loop = 2 * start, []
        while not seen[end // 2]:
            seen[end // 2] = True
            loop.append(vertex[end])
            end = other_end[end ^ 1]
        loops.append(np.array(loop, np.int64))
    return loops


def _double_cover(n: int, f: Ints, g: Ints, odd: Bools) -> Ints:
    """[2, n] component of (face, wound as given) and of (face, reversed) in the orientation double cover."""
    crossing = odd.astype(np.int64) * n
    a = np.concatenate([f, f + n])
    b = np.concatenate([g + crossing, g + n - crossing])
    return _components(2 * n, a, b)[1].reshape(2, n)


def _components(n: int, a: Ints, b: Ints) -> tuple[int, Ints]:
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    graph: Any = coo_matrix((np.ones(len(a), np.int8), (a, b)), shape=(n, n))
    count, label = connected_components(graph, directed=False)
    return int(count), label.astype(np.int64)
