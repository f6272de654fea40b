"""The intrinsic Delaunay triangulation: the same surface, cut into better triangles.

An edge is Delaunay if the two angles opposite to it sum to at most π (Bobenko & Springborn 2007, A discrete
Laplace–Beltrami operator for simplicial surfaces, sec. 2). Flipping one that is not, within the flat quadrilateral of
its two faces, changes neither the surface nor any distance on it; after finitely many flips none is left (loc. cit.,
Proposition 12; for data structures Fisher, Springborn, Bobenko & Schröder 2006, An algorithm for the construction of
intrinsic Delaunay triangulations).
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from gaugenet.meshes.compiled import compiled
from gaugenet.meshes.mesh import Repair, TriangleMesh
from gaugenet.meshes.validation import FLAT

_ANGLE = 1e-10
"""Radians by which opposite angles must exceed π before an edge is flipped: four vertices on a circle stay as they
are."""
_FLIPS_PER_EDGE = 200


def intrinsic_delaunay(mesh: TriangleMesh) -> TriangleMesh:
    """The intrinsic Delaunay triangulation of the polyhedral surface of `mesh`.

    Vertices, their positions and their labels stay; faces, edge lengths and gluing are others. New edges are geodesics
    across old faces, so a face may use a vertex twice and is in general not flat in space: only the gluing and the
    lengths say what the surface is. Distances in polyhedral mode do not change; the smooth mode, areas, quadrature
    weights and whatever is computed from faces in space do. Boundary edges are not flipped. It works on every surface,
    one-sided ones and those of edge lengths alone included.

    **Face labels**: a face that was flipped away cannot keep its label. Each flip passes the numbers of the file's
    faces of the old two on to the new two, so `file_face` still names every face once and values by face come back
    from the file complete, but a flipped face lies beside, not on, the face of the file that it stands for. Label faces
    on the mesh itself where that matters.

    Returns:
        A new mesh whose report says how many flips were made; `mesh` itself if none was needed.
    """
    faces = np.ascontiguousarray(mesh.faces, np.int64).ravel().copy()
    lengths = np.ascontiguousarray(mesh.edge_lengths, np.float64).ravel().copy()
    twin, flipped = mesh.twin.astype(np.int64), mesh.twin_flipped.astype(np.bool_)
    n_flips, n_left = _flip_all(faces, lengths, twin, flipped, _FLIPS_PER_EDGE * len(twin))
    if n_flips == 0 and n_left == 0:
        return mesh
    report = [*mesh.report]
    if n_flips:
        report.append(Repair("edges flipped to the intrinsic Delaunay triangulation", n_flips))
    if n_left:
        remedy = "faces there have hardly any area: remesh or collapse needles"
        report.append(Repair("edges left that are not Delaunay", n_left, remedy))
    return dataclasses.replace(
        mesh,
        faces=faces.reshape(-1, 3),
        edge_lengths=lengths.reshape(-1, 3),
        twin=twin,
        twin_flipped=flipped,
        report=tuple(report),
    )


def not_delaunay(mesh: TriangleMesh) -> int:
    """How many edges have opposite angles that sum to more than π (by more than rounding)."""
    twin = mesh.twin.astype(np.int64)
    return int(_count_bad(np.ascontiguousarray(mesh.edge_lengths, np.float64).ravel(), twin))


@compiled
def _angle(a, b, c):  # type: ignore[no-untyped-def]
    """Angle between sides a and b, opposite to c: Kahan's formula (see `gaugenet.meshes.fans.corner_angles`)."""
    if a < b:
        a, b = b, a
    mu = c - (a - b) if b >= c else b - (a - c)
    above = max(((a - b) + c) * mu, 0.0)
    below = max((a + (b + c)) * ((a - c) + b), 0.0)
    return 2.0 * math.atan2(math.sqrt(above), math.sqrt(below))


@compiled
def _after(h):  # type: ignore[no-untyped-def]
    return h - 2 if h % 3 == 2 else h + 1


@compiled
def _is_bad(lengths, h, t):  # type: ignore[no-untyped-def]
    h1, t1 = _after(h), _after(t)
    side, h2, t2 = lengths[h], _after(h1), _after(t1)
    # angles that sum to more than π include an obtuse one; most edges are done with here
    sharp = lengths[h1] ** 2 + lengths[h2] ** 2 >= side**2
    if sharp and lengths[t1] ** 2 + lengths[t2] ** 2 >= side**2:
        return False
    angles = _angle(lengths[h1], lengths[h2], side) + _angle(lengths[t1], lengths[t2], side)
    return angles > math.pi + _ANGLE


@compiled
def _count_bad(lengths, twin):  # type: ignore[no-untyped-def]
    n = 0
    for h in range(len(twin)):
        if twin[h] > h and _is_bad(lengths, h, twin[h]):
            n += 1
    return n


@compiled
def _reverse(faces, lengths, twin, flipped, f):  # type: ignore[no-untyped-def]
    """Wind face f the other way, in place: (a, b, c) becomes (a, c, b), so half-edges 0 and 2 change places."""
    h, g = 3 * f, 3 * f + 2
    faces[h + 1], faces[g] = faces[g], faces[h + 1]
    lengths[h], lengths[g] = lengths[g], lengths[h]
    to_h, to_g = twin[h], twin[g]
    flip_h, flip_g = flipped[h], flipped[g]
    if to_h != g:
        twin[h], twin[g] = to_g, to_h
        flipped[h], flipped[g] = flip_g, flip_h
        if to_g >= 0:
            twin[to_g] = h
        if to_h >= 0:
            twin[to_h] = g
    for k in range(h, g + 1):
        # an edge of the face with itself is turned on both sides
        if twin[k] >= 0 and twin[k] // 3 != f:
            flipped[k] = not flipped[k]
            flipped[twin[k]] = flipped[k]


@compiled
def _flip_edge(faces, lengths, twin, flipped, h, t, new_length):  # type: ignore[no-untyped-def]
    """Turn the edge of h: a → b and t: b → a (wound alike) inside the quadrilateral a d b c, in place.

    Faces (a, b, c) and (b, a, d) become (d, c, a) and (c, d, b); half-edges h and t become d → c and c → d.
    """
    h1, t1 = _after(h), _after(t)
    h2, t2 = _after(h1), _after(t1)
    a, b, c, d = faces[h], faces[t], faces[h2], faces[t2]
    old, new = (h2, t1, t2, h1), (h1, h2, t1, t2)
    length = (lengths[h2], lengths[t1], lengths[t2], lengths[h1])
    mate = (twin[h2], twin[t1], twin[t2], twin[h1])
    odd = (flipped[h2], flipped[t1], flipped[t2], flipped[h1])
    for i in range(4):
        other = mate[i]
        inside = False
        for j in range(4):
            if not inside and other == old[j]:
                other, inside = new[j], True
        lengths[new[i]], twin[new[i]], flipped[new[i]] = length[i], other, odd[i]
        if other >= 0 and not inside:
            twin[other] = new[i]
    lengths[h] = lengths[t] = new_length
    faces[h], faces[h1], faces[h2] = d, c, a
    faces[t], faces[t1], faces[t2] = c, d, b


@compiled
def _diagonal(lengths, h, t, odd):  # type: ignore[no-untyped-def]
    """Length of the other diagonal by the law of cosines at a, or -1 where a new face would have no area."""
    h1, t1 = _after(h), _after(t)
    side, bc, ca = lengths[h], lengths[h1], lengths[_after(h1)]
    ad, db = lengths[t1], lengths[_after(t1)]
    if odd:
        ad, db = db, ad
    half = 0.5 * (_angle(side, ca, bc) + _angle(side, ad, db))
    found = math.sqrt((ca - ad) ** 2 + 4.0 * ca * ad * math.sin(half) ** 2)
    for x, y in ((ca, ad), (bc, db)):
        low, high = min(x, y), max(x, y)
        slack = min(low - (high - found), low + high - found)
        if not slack > FLAT * max(high, found):
            return -1.0
    return found


@compiled
def _flip_all(faces, lengths, twin, flipped, most):  # type: ignore[no-untyped-def]
    """(number of flips, edges left that are not Delaunay), in place. Edges wait on a stack, each once."""
    stack, waiting = np.empty(len(twin), np.int64), np.zeros(len(twin), np.bool_)
    size, n_flips = 0, 0
    for h in range(len(twin) - 1, -1, -1):
        if twin[h] > h and twin[h] // 3 != h // 3 and _is_bad(lengths, h, twin[h]):
            stack[size], waiting[h] = h, True
            size += 1
    while size > 0 and n_flips < most:
        size -= 1
        h = stack[size]
        waiting[h] = False
        t = twin[h]
        if t < 0 or t // 3 == h // 3 or not _is_bad(lengths, h, t):
            continue
        length = _diagonal(lengths, h, t, flipped[h])
        if length < 0.0:
            continue
        if flipped[h]:
            _reverse(faces, lengths, twin, flipped, t // 3)
            t = twin[h]
        _flip_edge(faces, lengths, twin, flipped, h, t, length)
        n_flips += 1
        h1, t1 = _after(h), _after(t)
        for side in (h1, _after(h1), t1, _after(t1)):
            other = twin[side]
            if other >= 0 and not waiting[side] and not waiting[other]:
                stack[size], waiting[side] = side, True
                size += 1
    return n_flips, _count_bad(lengths, twin)
