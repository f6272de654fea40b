"""Object File Format: text, and the binary kind that trimesh does not read; faces keep the order of the file."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from gaugenet.meshes.encoding import plain
from gaugenet.meshes.mesh import MeshError, Repair
from gaugenet.meshes.polygons import flattened, triangulated
from gaugenet.meshes.topology import Ints
from gaugenet.meshes.validation import Floats

_HEADER = re.compile(rb"(?:\s|#[^\n]*\n)*(ST)?(C)?(N)?(4)?(n)?OFF\b[ \t]*(BINARY)?")


def parse_off(content: bytes, source: str) -> tuple[Floats, Ints, list[Repair]]:
    """Vertices [V, 3], triangles [F, 3] and what is worth a report; polygons become triangles.

    Raises:
        MeshError: the header is missing, or the numbers that it promises are not there.
    """
    content = plain(content)
    header = _HEADER.match(content)
    if header is None or header.group(4) or header.group(5):
        raise MeshError("the file does not start with OFF", "save it again as OFF with x, y, z or as OBJ", source)
    if header.group(6):
        positions, polygons = _binary(content[header.end() :].lstrip(b" \t\r")[1:], source)
    else:
        positions, polygons = _text(content[header.end() :].decode("latin-1"), source)
    faces, report = triangulated(*flattened(polygons), positions)
    return positions, faces, report


def _text(text: str, source: str) -> tuple[Floats, Sequence[Sequence[int]]]:
    lines = [line for line in (raw.partition("#")[0].split() for raw in text.replace("\r", "\n").split("\n")) if line]
    try:
        n_vertices, n_faces = int(lines[0][0]), int(lines[0][1])
        if n_vertices < 0 or n_faces < 0:
            raise ValueError(f"a count is negative: {n_vertices} {n_faces}")
        rows, tails = lines[1 : 1 + n_vertices], lines[1 + n_vertices : 1 + n_vertices + n_faces]
        if len(rows) < n_vertices or len(tails) < n_faces:
            raise MeshError(
                f"it promises {n_vertices} vertices and {n_faces} faces and has {len(lines) - 1} lines for them",
                "write or download it again",
                source,
            )
        positions = np.array([row[:3] for row in rows], np.float64).reshape(-1, 3)
        polygons = [[int(word) for word in row[1 : 1 + int(row[0])]] for row in tails]
        if any(len(p) != int(row[0]) for p, row in zip(polygons, tails)):
            raise ValueError("a face has fewer indices than it says")
    except (ValueError, IndexError) as error:
        if isinstance(error, MeshError):
            raise
        problem = f"a number cannot be read ({str(error)[:80]})"
        raise MeshError(problem, "check its counts and columns; decimal marks are points", source) from error
    return positions, polygons


def _binary(data: bytes, source: str) -> tuple[Floats, Sequence[Sequence[int]]]:
    """The format is big-endian with a colour count behind each face; writers exist that use neither."""
    for order in ("<", ">"):
        for coloured in (False, True):
            found = _binary_as(data, order, coloured)
            if found is not None:
                return found
    raise MeshError("its length does not fit the counts of a binary OFF file", "save it again as text", source)


def _binary_as(data: bytes, order: str, coloured: bool) -> tuple[Floats, Sequence[Sequence[int]]] | None:
    if len(data) < 12:
        return None
    n_vertices, n_faces = (int(n) for n in np.frombuffer(data, f"{order}i4", 2))
    start = 12 + 12 * n_vertices
    if n_vertices < 0 or n_faces < 0 or start + 4 * n_faces > len(data) or (len(data) - start) % 4:
        return None
    words = np.frombuffer(data, f"{order}i4", offset=start).tolist()
    polygons, at = [], 0
    for _ in range(n_faces):
        end = at + 1 + words[at] if at < len(words) else -1
        if end <= at or end + coloured > len(words):
            return None
        polygons.append(words[at + 1 : end])
        at = end + (1 + words[end] if coloured else 0)
    if at != len(words):
        return None
    with np.errstate(invalid="ignore"):
        positions = np.frombuffer(data, f"{order}f4", 3 * n_vertices, 12).astype(np.float64)
    return positions.reshape(-1, 3), polygons
