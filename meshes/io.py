"""Mesh files in, coloured mesh files out."""

from __future__ import annotations

import dataclasses
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from gaugenet.meshes.atomic import write_atomically
from gaugenet.meshes.encoding import plain
from gaugenet.meshes.mesh import MeshError, Repair, TriangleMesh
from gaugenet.meshes.obj import parse_obj
from gaugenet.meshes.off import parse_off
from gaugenet.meshes.ply import parse_ply
from gaugenet.meshes.polygons import flattened, triangulated
from gaugenet.meshes.repair import mesh_from_arrays
from gaugenet.meshes.scene import read_scene
from gaugenet.meshes.stl import parse_stl
from gaugenet.meshes.topology import Ints
from gaugenet.meshes.validation import Floats, checked_vertices

__all__ = ["SUFFIXES", "MeshError", "load_mesh", "save_ply"]

SUFFIXES = (".obj", ".ply", ".off", ".stl", ".glb", ".gltf", ".npz")


def load_mesh(path: str | PathLike[str], *, merge_vertices: bool | None = None) -> TriangleMesh:
    """Read a surface from a file: OBJ, PLY, OFF, STL, GLB, glTF, or npz with arrays ``v`` [V, 3] and ``f``
    [F, 3] (or [F, n]: polygons).

    The vertices keep the number and order that they have in the file (`TriangleMesh.file_vertex` leads back
    where a repair had to add or merge some). Polygons are cut into triangles. The parts of a scene are joined
    in its order, each moved to its place.

    Args:
        path: of the file; its suffix says what it is (`SUFFIXES`).
        merge_vertices: True merges vertices at exactly the same position, False never does. None does so in
            formats that cannot share a vertex between faces of different normal or texture (STL, GLB, glTF),
            and elsewhere for a triangle soup only.

    Raises:
        MeshError: the file is missing, empty, of another kind, damaged or a point cloud; one line with file,
            problem and remedy. Nothing else is raised, whatever the file holds.
    """
    file = Path(path)
    suffix = file.suffix.lower()
    name = str(path)
    if not file.exists():
        raise MeshError("there is no such file", "check the path", name)
    if not file.is_file():
        raise MeshError("this is not a file", f"give one mesh file ({' '.join(SUFFIXES)})", name)
    if suffix == ".xyz":
        raise MeshError(
            "a file of type '.xyz' holds points without faces",
            "read it with gaugenet.load_point_cloud, and lay a surface through it with gaugenet.mesh_from_points",
            name,
        )
    if suffix not in SUFFIXES:
        raise MeshError(
            f"files of type {suffix or 'without suffix'!r} are not read",
            f"convert it to one of {' '.join(SUFFIXES)}",
            name,
        )
    try:
        if file.stat().st_size == 0:
            raise MeshError("the file is empty", "write or download it again", name)
        if suffix == ".obj":
            vertices, faces, notes = parse_obj(plain(file.read_bytes()).decode("utf-8", "replace"), name)
        elif suffix == ".off":
            vertices, faces, notes = parse_off(file.read_bytes(), name)
        elif suffix == ".ply":
            vertices, faces, notes = parse_ply(file.read_bytes(), name)
        elif suffix == ".npz":
            vertices, faces, notes = _read_npz(file, name)
        elif suffix == ".stl":
            vertices, faces, notes = parse_stl(file.read_bytes(), name)
        else:
            vertices, faces, notes = read_scene(file, name)
    except MeshError:
        raise
    # trimesh lets through whatever its parsers trip over (KeyError, struct.error, MemoryError, ...); what a
    # person needs is the file and the reason
    except Exception as error:
        reason = f"{type(error).__name__}: {error}".splitlines()[0][:120]
        raise MeshError(
            f"the file cannot be read as {suffix[1:].upper()} ({reason})",
            "check that it is complete and opens in a mesh viewer, or save it again as OBJ or PLY",
            name,
        ) from error
    if merge_vertices is None and suffix in (".glb", ".gltf", ".stl"):
        merge_vertices = True
    mesh = mesh_from_arrays(vertices, faces, name=name, merge_vertices=merge_vertices)
    return mesh if not notes else _with_notes(mesh, notes)


def save_ply(
    path: str | PathLike[str],
    vertices: ArrayLike,
    faces: ArrayLike,
    colors: ArrayLike | None = None,
    face_colors: ArrayLike | None = None,
) -> None:
    """Write a binary PLY; the file appears complete or not at all.

    Args:
        path: of the file to write.
        vertices: [V, 3], written as float64.
        faces: [F, 3] vertex indices.
        colors: [V, 3] red, green, blue of each vertex, 0 to 255.
        face_colors: [F, 3] the same for each face.

    Raises:
        ValueError: an array has another shape, or a colour is not a whole number from 0 to 255.
        MeshError: the file cannot be written.
    """
    points, triangles = np.asarray(vertices, np.float64), np.asarray(faces)
    for array, what in ((points, "vertices"), (triangles, "faces")):
        if array.ndim != 2 or array.shape[1] != 3:
            raise ValueError(f"expected {what} of shape [n, 3], got {list(array.shape)}")
    vertex_type: list[Any] = [(axis, "<f8") for axis in "xyz"]
    face_type: list[Any] = [("n", "u1"), ("corner", "<i4", (3,))]
    channels: list[Any] = [(channel, "u1") for channel in ("red", "green", "blue")]
    vertex_rows = np.empty(len(points), vertex_type + (channels if colors is not None else []))
    face_rows = np.empty(len(triangles), face_type + (channels if face_colors is not None else []))
    for i, axis in enumerate("xyz"):
        vertex_rows[axis] = points[:, i]
    face_rows["n"], face_rows["corner"] = 3, triangles
    for rows, given, what in ((vertex_rows, colors, "vertex"), (face_rows, face_colors, "face")):
        if given is not None:
            for (channel, _), column in zip(channels, _checked_colors(given, len(rows), what).T):
                rows[channel] = column
    header = ["ply", "format binary_little_endian 1.0", f"element vertex {len(points)}"]
    header += [f"property double {axis}" for axis in "xyz"]
    header += [f"property uchar {c}" for c, _ in channels] if colors is not None else []
    header += [f"element face {len(triangles)}", "property list uchar int vertex_indices"]
    header += [f"property uchar {c}" for c, _ in channels] if face_colors is not None else []
    content = "\n".join([*header, "end_header\n"]).encode() + vertex_rows.tobytes() + face_rows.tobytes()
    try:
        write_atomically(Path(path), content)
    except OSError as error:
        raise MeshError(f"cannot be written ({error.strerror})", "choose a place you may write to", path) from error


def _checked_colors(colors: ArrayLike, n: int, what: str) -> np.ndarray[Any, np.dtype[np.uint8]]:
    array = np.asarray(colors)
    if array.shape != (n, 3):
        raise ValueError(f"expected one colour per {what}, an array [{n}, 3], got {list(array.shape)}")
    if array.dtype.kind not in "iu" or (array < 0).any() or (array > 255).any():
        raise ValueError(f"expected {what} colours as whole numbers from 0 to 255, got {array.dtype}")
    return array.astype(np.uint8)


def _read_npz(file: Path, name: str) -> tuple[Floats, Ints, list[Repair]]:
    # opened here: numpy leaves the file open where it is no archive
    with file.open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:
        missing = [key for key in ("v", "f") if key not in arrays]
        if missing:
            raise MeshError(
                f"there is no array {' and no array '.join(missing)} in it, only {', '.join(arrays) or 'nothing'}",
                "store vertices [V, 3] as 'v' and triangles [F, 3] as 'f'",
                name,
            )
        vertices, faces = arrays["v"], arrays["f"]
    if faces.ndim == 2 and faces.shape[1] > 3 and faces.dtype.kind in "iu":
        return vertices, *triangulated(*flattened(faces), checked_vertices(vertices, name))
    return vertices, faces, []


def _with_notes(mesh: TriangleMesh, notes: list[Repair]) -> TriangleMesh:
    return dataclasses.replace(mesh, report=(*notes, *mesh.report))
