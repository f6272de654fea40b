"""What is asked of arrays before they become a surface; each refusal names the first thing that is wrong."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gaugenet.meshes.mesh import MeshError, Repair
from gaugenet.meshes.topology import Bools, Ints

Floats = NDArray[np.float64]

FLAT = 1e-9
"""A face is repaired if its slack is below this part of its longest edge: its height is then below 3e-5 of
that edge."""


def triangle_slack(lengths: Floats) -> Floats:
    """a + b − c for the longest edge c, exactly 0 for a degenerate one and free of cancellation (Kahan's order)."""
    a, b, c = np.sort(lengths, axis=1).T
    slack: Floats = a - (c - b)
    return slack


def point_cloud(n: int, name: str) -> MeshError:
    """The refusal of vertices without faces."""
    return MeshError(
        f"there are {n} vertices and no faces (a point cloud or lines)",
        "gn.point_cloud_geometry takes points as they are; for a mesh give triangles, e.g. by reconstructing a surface",
        name,
    )


def checked_vertices(vertices: ArrayLike, name: str) -> Floats:
    try:
        given = np.asarray(vertices)
        if given.dtype.kind not in "fiub" and given.size:
            raise TypeError(f"positions of type {given.dtype}")
        with np.errstate(over="ignore"):
            positions = np.array(given, dtype=np.float64, order="C")
    except (TypeError, ValueError) as error:
        raise MeshError("the vertices are not numbers", "give an array [V, 3] of real numbers", name) from error
    if positions.size == 0:
        return positions.reshape(0, 3)
    if positions.ndim != 2 or positions.shape[1] != 3:
        raise MeshError(
            f"expected vertices of shape [V, 3], got {list(positions.shape)}",
            "give x, y and z of each vertex",
            name,
        )
    return positions


def check_unit(lengths: Floats, smallest: float, largest: float, dtype: str, name: str) -> None:
    """Refuse edges whose squares, the size of areas, are outside of what a dtype holds (about 1e-19 to 1e18 long for
    float32, 1e-154 to 1e153 for float64).

    Args:
        lengths: [F, 3] edge lengths.
        smallest, largest: positive normal numbers of the dtype.
        dtype, name: stand in the error.
    """
    longest, mean = float(lengths.max(initial=0.0)), float(lengths.mean()) if lengths.size else 1.0
    if longest > (largest / 64) ** 0.5 or mean < (64 * smallest) ** 0.5:
        raise MeshError(
            f"its edges are {mean:.1e} long in the mean and {longest:.1e} at most, so areas do not fit into {dtype}",
            "scale the vertices until edges are about 1 long, or use dtype=torch.float64",
            name,
        )


def checked_faces(faces: ArrayLike, name: str) -> Ints:
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
    if triangles.dtype == np.uint64:
        triangles = np.minimum(triangles, np.uint64(2**62))
    if triangles.dtype.kind not in "iu":
        raise MeshError(
            f"expected whole numbers as vertex indices, got {triangles.dtype}",
            "convert the faces to integers",
            name,
        )
    return np.ascontiguousarray(triangles.astype(np.int64))


def check_range(triangles: Ints, n: int, name: str) -> None:
    wrong = np.argwhere((triangles < 0) | (triangles >= n))
    if len(wrong):
        f, k = wrong[0]
        raise MeshError(
            f"face {f} uses vertex {triangles[f, k]}, but the vertices are numbered 0 to {n - 1} "
            f"({len(wrong)} such indices)",
            "remove the face, or number the vertices from 0",
            name,
        )


def checked_positions(positions: Floats, triangles: Ints, report: list[Repair], name: str) -> Floats:
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


def checked_gluing(triangles: Ints, twin: ArrayLike, twin_flipped: ArrayLike | None, name: str) -> tuple[Ints, Bools]:
    glued = np.array(twin, np.int64)
    size = triangles.size
    if glued.shape != (size,) or (glued < -1).any() or (glued >= size).any():
        raise MeshError(
            f"expected a twin of shape [{size}] with entries -1 to {size - 1}",
            "give one per half-edge",
            name,
        )
    h = np.flatnonzero(glued >= 0)
    t = glued[h]
    lonely = h[(glued[t] != h) | (t == h)]
    if len(lonely):
        raise MeshError(
            f"half-edge {lonely[0]} has twin {glued[lonely[0]]}, which does not point back",
            "glue half-edges in pairs",
            name,
        )
    tail, head = triangles.ravel(), np.roll(triangles, -1, axis=1).ravel()
    along = (tail[h] == head[t]) & (head[h] == tail[t])
    against = (tail[h] == tail[t]) & (head[h] == head[t])
    flipped = np.zeros(size, bool)
    if twin_flipped is None:
        flipped[h] = against & ~along
    else:
        given = np.array(twin_flipped, bool)
        if given.shape != (size,) or (given[h] != given[t]).any():
            raise MeshError(
                f"expected twin_flipped of shape [{size}], the same on both sides of an edge",
                "set it on both half-edges or on neither",
                name,
            )
        flipped[h] = given[h]
    wrong = h[~np.where(flipped[h], against, along)]
    if len(wrong):
        raise MeshError(
            f"half-edges {wrong[0]} and {glued[wrong[0]]} are glued but have different vertices at their ends",
            "give both the same two vertices, in opposite order unless twin_flipped says otherwise",
            name,
        )
    return glued, flipped


def check_triangles(lengths: Floats, twin: Ints, name: str) -> None:
    flat = lengths.ravel()
    h = np.flatnonzero(twin >= 0)
    with np.errstate(invalid="ignore"):
        uneven = h[~(np.abs(flat[h] - flat[twin[h]]) <= 1e-9 * flat[h])]
        proper = np.isfinite(lengths).all(axis=1) & (triangle_slack(lengths) > FLAT * lengths.max(axis=1))
    bad = np.flatnonzero(~proper)
    if len(bad):
        sides = ", ".join(f"{x:g}" for x in lengths[bad[0]])
        raise MeshError(
            f"the edges of face {bad[0]} are {sides} long and make no triangle ({len(bad)} such faces)",
            "give positive lengths of which none reaches the sum of the other two",
            name,
        )
    if len(uneven):
        raise MeshError(
            f"half-edges {uneven[0]} and {twin[uneven[0]]} are glued but {flat[uneven[0]]:g} and "
            f"{flat[twin[uneven[0]]]:g} long",
            "give both sides of an edge the same length",
            name,
        )
