"""Wavefront OBJ: exactly the file's `v` and `f` lines.

trimesh's reader serves rendering: it splits vertices along texture and normal seams, renumbers, resolves
negative indices from the end of the file and gives up at a comment behind a vertex. Labels are given in the
order of the file, so here a vertex of the mesh is a `v` line, whatever stands behind the slashes.
"""

from __future__ import annotations

import numpy as np

from gaugenet.meshes.mesh import MeshError, Repair
from gaugenet.meshes.polygons import flattened, triangulated
from gaugenet.meshes.topology import Ints
from gaugenet.meshes.validation import Floats


def parse_obj(text: str, source: str) -> tuple[Floats, Ints, list[Repair]]:
    """Vertices [V, 3], triangles [F, 3] and what is worth a report.

    Polygons are cut into triangles (`meshes.polygons`). An index may be negative: −1 is the last vertex
    so far.

    Raises:
        MeshError: a line cannot be read, or uses a vertex that the file does not have; it names the line.
    """
    positions: list[tuple[float, float, float]] = []
    polygons: list[list[int]] = []
    lines: list[int] = []
    for number, line in _logical_lines(text):
        key, _, rest = line.partition(" ")
        try:
            if key == "v":
                x, y, z = rest.split()[:3]
                positions.append((float(x), float(y), float(z)))
            elif key == "f" or key == "fo":
                polygons.append([_vertex(word, len(positions)) for word in rest.split()])
                lines.append(number)
        except ValueError as error:
            raise MeshError(
                f"line {number} cannot be read: {line[:60]!r}",
                "a vertex is 'v x y z' with points as decimal marks, a face 'f 1 2 3'",
                source,
            ) from error
    points = np.array(positions, np.float64).reshape(-1, 3)
    corners, sizes = flattened(polygons)
    wrong = np.flatnonzero((corners < 0) | (corners >= len(points)))
    if len(wrong):
        number = lines[int(np.searchsorted(np.cumsum(sizes), wrong[0], "right"))]
        raise MeshError(
            f"line {number} uses vertex {corners[wrong[0]] + 1}, but the file has {len(points)} vertices",
            "number the vertices from 1, or backwards from -1",
            source,
        )
    if len(sizes) and sizes.max() < 3:
        raise MeshError(f"all {len(sizes)} faces have fewer than three corners", "give triangles or polygons", source)
    faces, report = triangulated(corners, sizes, points)
    return points, faces, report


def _vertex(word: str, so_far: int) -> int:
    """The vertex, counted from 0, of one corner such as ``7``, ``7/2``, ``7//3`` or ``-1``."""
    index = int(word.split("/", 1)[0])
    if index == 0:
        raise ValueError("vertices are numbered from 1")
    return index - 1 if index > 0 else max(so_far + index, -1)


def _logical_lines(text: str) -> list[tuple[int, str]]:
    """(number, text) of each line with comments cut off, continuations joined and white space made single."""
    out: list[tuple[int, str]] = []
    held, start = "", 0
    for number, raw in enumerate(text.replace("\r\n", "\n").replace("\r", "\n").split("\n"), 1):
        line = raw.partition("#")[0].strip() if "#" in raw else raw.strip()
        if held:
            line, number = f"{held} {line}", start
        if line.endswith("\\"):
            held, start = line[:-1].strip(), number
            continue
        held = ""
        if line:
            out.append((number, line.replace("\t", " ")))
    if held:
        out.append((start, held.replace("\t", " ")))
    return out
