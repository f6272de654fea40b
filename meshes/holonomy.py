"""The smallest structure groups of a surface: by parallel transport alone, and through a frame field."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gaugenet.meshes.fans import corner_angles
from gaugenet.meshes.mesh import TriangleMesh
from gaugenet.meshes.topology import face_components, faces_to_reverse

_HIGHEST_ORDER = 12
_TOLERANCE = 1e-5
"""Radians; coordinates in single precision keep a cube's angles to about this."""


def holonomy_group(mesh: TriangleMesh) -> str:
    """The smallest group of ours that holds the parallel transport round every closed path of the polyhedron (away from
    its vertices): what all transporters lie in, in a suitable gauge and `polyhedral` mode.

    Frames of faces are carried along a spanning tree of them. Each edge that is not in the tree closes a loop, whose
    transport ψ ↦ α + ε ψ is a generator:  rotations must turn by multiples of 2π/N, and so must the differences of
    two reflections. "trivial", "C2" … "C12", "reflection", "D2" … "D12"; "SO(2)" or "O(2)" where no N ≤ 12 will do.
    A flat torus is trivial, a cube C4, a regular icosahedron C6.
    """
    one_sided = bool(faces_to_reverse(mesh.twin, mesh.twin_flipped)[1].any())
    largest = "O(2)" if one_sided else "SO(2)"
    angles = corner_angles(mesh.edge_lengths)
    total = np.bincount(mesh.faces.ravel(), weights=angles.ravel(), minlength=mesh.n_vertices)
    inner = np.bincount(mesh.faces.ravel(), minlength=mesh.n_vertices) > 0
    h = np.flatnonzero(mesh.twin < 0)
    inner[mesh.faces[h // 3, h % 3]] = inner[mesh.faces[h // 3, (h + 1) % 3]] = False
    if _order(np.asarray(total[inner], np.float64)) == 0:
        return largest
    angle, sign, component = _loops(mesh, angles)
    base = np.zeros(int(component.max(initial=0)) + 1)
    odd = np.flatnonzero(sign < 0)
    base[component[odd]] = angle[odd]
    order = _order(np.where(sign < 0, angle - base[component], angle))
    if order == 0:
        return largest
    if one_sided:
        return "reflection" if order == 1 else f"D{order}"
    return "trivial" if order == 1 else f"C{order}"


def frame_field_group(mesh: TriangleMesh) -> str:
    """The smallest group that a frame field without singularities reduces the structure group to.

    A field of N arms has singularities of total index χ of each closed component (Poincaré–Hopf), so one without any
    exists exactly where every component has a boundary or χ = 0. It leaves "trivial" on a two-sided surface and
    "reflection" on a one-sided one; elsewhere "SO(2)" and "O(2)" stay.
    """
    n, component = face_components(mesh.twin)
    tail = mesh.faces.ravel()
    home = np.zeros(mesh.n_vertices, np.int64)
    home[tail] = np.repeat(component, 3)
    used = np.unique(tail)
    edges = np.flatnonzero((mesh.twin < 0) | (mesh.twin > np.arange(len(mesh.twin))))
    euler = (
        np.bincount(home[used], minlength=n)
        - np.bincount(component[edges // 3], minlength=n)
        + np.bincount(component, minlength=n)
    )
    open_ = np.zeros(n, bool)
    open_[component[np.flatnonzero(mesh.twin < 0) // 3]] = True
    one_sided = bool(faces_to_reverse(mesh.twin, mesh.twin_flipped)[1].any())
    if (open_ | (euler == 0)).all():
        return "reflection" if one_sided else "trivial"
    return "O(2)" if one_sided else "SO(2)"


def _order(angle: NDArray[np.float64]) -> int:
    """The smallest N ≤ 12 for which all angles are multiples of 2π/N, or 0."""
    for order in range(1, _HIGHEST_ORDER + 1):
        turns = angle * (order / (2.0 * math.pi))
        if np.abs(turns - np.rint(turns)).max(initial=0.0) * (2.0 * math.pi / order) <= _TOLERANCE:
            return order
    return 0


def _loops(mesh: TriangleMesh, corner: NDArray[np.float64]) -> tuple[NDArray[Any], NDArray[Any], NDArray[np.int64]]:
    """Angle and sign of the transport round the loop that each glued edge closes (that of a tree edge is the identity),
    and the component that it lies in."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import breadth_first_order

    second = math.pi - corner[:, 1]
    direction = np.stack([np.zeros(len(corner)), second, second + math.pi - corner[:, 2]], 1).ravel()
    h = np.flatnonzero(mesh.twin > np.arange(len(mesh.twin)))
    t = mesh.twin[h]
    sign = np.where(mesh.twin_flipped[h], -1, 1)
    # into the face of h from that of t; and, inverted, the other way
    angle = np.where(sign > 0, direction[h] + math.pi - direction[t], direction[h] + direction[t])
    into, out = h // 3, t // 3
    component = face_components(mesh.twin)[1]
    step: dict[tuple[int, int], tuple[float, int]] = {}
    for f, g, a, s in zip(into.tolist(), out.tolist(), angle.tolist(), sign.tolist()):
        step[f, g], step[g, f] = (a, s), (-s * a, s)
    graph: Any = coo_matrix((np.ones(len(h)), (into, out)), (len(corner), len(corner))).tocsr()
    at, hand = np.zeros(len(corner)), np.ones(len(corner), np.int64)
    for root in np.unique(component, return_index=True)[1]:
        order, parent = breadth_first_order(graph, root, directed=False)
        for face in order[1:].tolist():
            before = int(parent[face])
            a, s = step[before, face]
            at[face], hand[face] = at[before] + hand[before] * a, hand[before] * s
    loop_sign = hand[into] * sign * hand[out]
    loop = at[into] + hand[into] * angle - loop_sign * at[out]
    return loop, loop_sign, component[into]
