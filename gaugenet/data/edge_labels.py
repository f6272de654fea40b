"""Labels of edges, as MeshCNN keeps them (``.eseg``, ``.seseg``), and the labels of faces that they vote for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gaugenet.data.label_files import DatasetError
from gaugenet.meshes.encoding import plain
from gaugenet.meshes.obj import parse_obj
from gaugenet.meshes.off import parse_off
from gaugenet.meshes.ply import parse_ply

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


def edges_in_order(faces: Ints) -> tuple[Ints, Ints]:
    """Edges [E, 2] of triangles [F, 3] in the order in which MeshCNN numbers them, and those of each face [F, 3].

    Edge e is the e-th pair of vertices (smaller first) to occur when the faces are gone through one after another and
    each along its corners 0-1, 1-2, 2-0 (Hanocka et al. 2019, MeshCNN; `build_gemm` of its code).
    """
    tail, head = faces.ravel(), np.roll(faces, -1, axis=1).ravel()
    pairs = np.stack([np.minimum(tail, head), np.maximum(tail, head)], 1)
    edges, first, which = np.unique(pairs, axis=0, return_index=True, return_inverse=True)
    order = np.argsort(first)
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    return edges[order], rank[which.reshape(-1)].reshape(-1, 3)


def edge_scores(file: Path, values: Sequence[int]) -> Floats:
    """[E, C] how much each edge speaks for each of the classes whose labels are `values`, ascending.

    ``.eseg``: one number per line, the label of an edge: 1 for its class. ``.seseg``: C numbers per line, above 0 where
    a class occurs at the edge: they share 1 among them.

    Raises:
        DatasetError: the file cannot be read, or has another number of columns than there are classes.
    """
    rows = _table(file)
    classes = np.asarray(values)
    if file.suffix.lower() == ".eseg":
        if rows.shape[1] != 1:
            raise DatasetError(file, f"expected one label per line, got {rows.shape[1]}", "rename it if it is a .seseg")
        return np.asarray(rows == classes, np.float64)
    if rows.shape[1] != len(classes):
        remedy = "name all classes in classes.txt, in the order of its columns"
        raise DatasetError(file, f"{rows.shape[1]} columns for {len(classes)} classes", remedy)
    present = (rows > 0).astype(np.float64)
    return np.asarray(present / np.maximum(present.sum(1, keepdims=True), 1.0))


def edge_label_values(file: Path) -> Ints:
    """The different labels in an ``.eseg`` file, ascending.

    Raises:
        DatasetError: it cannot be read.
    """
    values = np.unique(_table(file))
    if (values != np.round(values)).any():
        raise DatasetError(file, "some labels are not whole numbers", "write one integer per line")
    return values.astype(np.int64)


def face_votes(mesh_file: Path, label_file: Path, scores: Floats) -> Ints:
    """[F_file] the class (column of `scores` [E, C]) that the three edges of each triangle of a file vote for.

    With equal votes the lower class wins; a face whose edges speak for no class gets -1.

    Raises:
        DatasetError: there is not one row per edge.
    """
    faces = _file_triangles(mesh_file)
    edges, of_face = edges_in_order(faces)
    kept = np.ones(len(faces), bool)
    if len(edges) != len(scores):
        # MeshCNN numbers edges after it has left out faces without area and second faces on a directed edge
        kept = _kept_by_meshcnn(mesh_file, faces)
        edges, of_kept = edges_in_order(faces[kept])
        of_face = np.zeros_like(of_face)
        of_face[kept] = of_kept
    if len(edges) != len(scores):
        problem = f"{len(scores)} lines for the {len(edges)} edges of {mesh_file.name}"
        raise DatasetError(label_file, problem, "give one line per edge, in MeshCNN's order")
    votes = scores[of_face].sum(1)
    return np.where(kept & (votes.max(1, initial=0.0) > 0), votes.argmax(1), -1)


def _kept_by_meshcnn(mesh_file: Path, faces: Ints) -> NDArray[np.bool_]:
    positions = _parsed(mesh_file)[0]
    a, b, c = (positions[faces[:, k]] for k in range(3))
    has_area = (np.cross(b - a, c - b) ** 2).sum(1) > 0
    kept = np.zeros(len(faces), bool)
    seen: set[tuple[int, int]] = set()
    for f, (i, j, k) in enumerate(faces.tolist()):
        sides = {(i, j), (j, k), (k, i)}
        if has_area[f] and not sides & seen:
            kept[f] = True
            seen |= sides
    return kept


def _file_triangles(mesh_file: Path) -> Ints:
    return np.asarray(_parsed(mesh_file)[1], np.int64)


def _parsed(mesh_file: Path) -> tuple[Floats, Ints]:
    """Vertices and triangles just as the file lists them: repairs may wind a face the other way, which moves edges."""
    suffix, content, name = mesh_file.suffix.lower(), mesh_file.read_bytes(), str(mesh_file)
    if suffix == ".obj":
        vertices, faces, _ = parse_obj(plain(content).decode("utf-8", "replace"), name)
    elif suffix in (".off", ".ply"):
        vertices, faces, _ = (parse_off if suffix == ".off" else parse_ply)(content, name)
    else:
        raise DatasetError(mesh_file, "labels of edges need an OBJ, OFF or PLY file", "save the mesh as OBJ")
    return vertices, faces


def _table(file: Path) -> Floats:
    try:
        rows = np.loadtxt(file, dtype=np.float64, ndmin=2)
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0][:120]
        raise DatasetError(file, f"cannot be read ({reason})", "write one line of numbers per edge") from error
    return rows
