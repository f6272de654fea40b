"""Frame fields to look at: arrows in space, and files of them that any viewer opens."""

from __future__ import annotations

import math
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gaugenet.meshes.frame_field import FrameField, embedded_positions
from gaugenet.meshes.mesh import TriangleMesh

if TYPE_CHECKING:
    from gaugenet.meshes.geometry import MeshGeometry

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

SURFACE, FIRST_ARM, OTHER_ARM = (205, 205, 205), (20, 70, 160), (90, 150, 215)
POSITIVE, NEGATIVE = (205, 30, 45), (240, 150, 20)
"""RGB of the surface, the arms and the singularities of positive and negative index."""


def field_arrows(
    mesh: TriangleMesh, geometry: MeshGeometry, field: FrameField, length: float | None = None
) -> tuple[Floats, Floats]:
    """The arms of a field as arrows in space, to be drawn or exported.

    Args:
        mesh: an embedded surface.
        geometry: of the same mesh; `field` must be in its frames.
        length: of the arrows, in the unit of the mesh; by default 0.4 mean edge lengths.

    Returns:
        points [V n, 3] where the arrows start and vectors [V n, 3] along them; those of a vertex follow each other.

    Raises:
        ValueError: there are no positions or frames in space, or the sizes disagree.
    """
    positions = embedded_positions(mesh)
    if geometry.frame is None or geometry.n_vertices != len(positions) or len(field.angle) != len(positions):
        raise ValueError(
            f"expected a geometry with frames and a field on the {len(positions)} vertices of the mesh, got "
            f"{geometry} and a field on {len(field.angle)}; compute both from this mesh"
        )
    size = 0.4 * float(mesh.edge_lengths.mean()) if length is None else length
    frame = geometry.frame.double().cpu().numpy()
    angle = field.angle[:, None] + 2 * math.pi / field.n * np.arange(field.n)
    vectors = np.cos(angle)[..., None] * frame[:, None, 0] + np.sin(angle)[..., None] * frame[:, None, 1]
    return np.repeat(positions, field.n, axis=0), size * vectors.reshape(-1, 3)


def save_field(
    path: str | PathLike[str],
    mesh: TriangleMesh,
    geometry: MeshGeometry,
    field: FrameField,
    *,
    length: float | None = None,
    every: int = 1,
) -> None:
    """A file with the surface, the arms of a field and its singularities.

    ``.ply``: coloured triangles; an arm is a slender pyramid from the vertex, the first one darker, and a singular face
    has an octahedron, red where its index is positive and orange where it is negative. ``.obj``: the surface and, as
    line elements, the arms.

    Args:
        path: ends in .ply or .obj.
        mesh, geometry, field, length: see `field_arrows`.
        every: draws the arms of every so manieth vertex.

    Raises:
        ValueError: the name ends otherwise, or an argument is not as `field_arrows` expects it.
    """
    file = Path(path)
    if file.suffix.lower() not in (".ply", ".obj"):
        raise ValueError(f"a field is saved as .ply (coloured triangles) or .obj (lines), got {file.name!r}")
    if every < 1:
        raise ValueError(f"every must be at least 1, got {every}")
    points, vectors = field_arrows(mesh, geometry, field, length)
    shown = np.arange(len(points)) // field.n % every == 0
    first = (np.arange(len(points)) % field.n == 0)[shown]
    points, vectors = points[shown], vectors[shown]
    positions = embedded_positions(mesh)
    if file.suffix.lower() == ".obj":
        _write_lines(file, positions, mesh.faces, points, vectors)
        return
    from gaugenet.meshes.io import save_ply

    parts = [(positions, mesh.faces, np.tile(SURFACE, (mesh.n_faces, 1)))]
    parts.append(_pyramids(points, vectors, first))
    at = field.singular_faces
    size = 0.3 * float(mesh.edge_lengths.mean())
    parts.append(_octahedra(positions[mesh.faces[at]].mean(1), size, field.face_index[at] > 0))
    starts = np.cumsum([0, *(len(p[0]) for p in parts)])
    save_ply(
        file,
        np.concatenate([p[0] for p in parts]),
        np.concatenate([p[1] + s for p, s in zip(parts, starts)]),
        face_colors=np.concatenate([p[2] for p in parts]).astype(np.uint8),
    )


def _pyramids(points: Floats, vectors: Floats, first: NDArray[np.bool_]) -> tuple[Floats, Ints, Ints]:
    """Vertices, faces and colours of four-faced needles from `points` along `vectors`."""
    size = np.linalg.norm(vectors, axis=1, keepdims=True)
    along = vectors / np.maximum(size, 1e-300)
    side = np.cross(along, np.eye(3)[np.abs(along).argmin(1)])
    side *= 0.09 * size / np.maximum(np.linalg.norm(side, axis=1, keepdims=True), 1e-300)
    up = np.cross(along, side)
    corners = [points + math.cos(a) * side + math.sin(a) * up for a in (0.0, 2 * math.pi / 3, 4 * math.pi / 3)]
    vertices = np.stack([*corners, points + vectors], 1).reshape(-1, 3)
    faces = np.array([[0, 2, 1], [0, 1, 3], [1, 2, 3], [2, 0, 3]]) + 4 * np.arange(len(points))[:, None, None]
    colors = np.where(first[:, None], FIRST_ARM, OTHER_ARM)
    return vertices, faces.reshape(-1, 3), np.repeat(colors, 4, axis=0)


def _octahedra(middles: Floats, size: float, positive: NDArray[np.bool_]) -> tuple[Floats, Ints, Ints]:
    axes = size * np.concatenate([np.eye(3), -np.eye(3)])
    sides = [[a, b, c] for a in (0, 3) for b in (1, 4) for c in (2, 5)]
    outwards = np.array([s if sum(x > 2 for x in s) % 2 == 0 else s[::-1] for s in sides])
    faces = outwards + 6 * np.arange(len(middles))[:, None, None]
    colors = np.where(positive[:, None], POSITIVE, NEGATIVE).reshape(-1, 3)
    return (middles[:, None] + axes).reshape(-1, 3), faces.reshape(-1, 3), np.repeat(colors, 8, axis=0)


def _write_lines(file: Path, positions: Floats, faces: Ints, points: Floats, vectors: Floats) -> None:
    from gaugenet.meshes.atomic import write_atomically

    ends = np.stack([points, points + vectors], 1).reshape(-1, 3)
    lines = [f"v {x:.9g} {y:.9g} {z:.9g}" for x, y, z in np.concatenate([positions, ends]).tolist()]
    lines += [f"f {a} {b} {c}" for a, b, c in (faces + 1).tolist()]
    start = len(positions) + 1
    lines += [f"l {start + 2 * k} {start + 2 * k + 1}" for k in range(len(points))]
    write_atomically(file, ("\n".join(lines) + "\n").encode())
