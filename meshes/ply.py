"""Polygon File Format: text and binary, lists of any length, triangle strips.

trimesh's reader refuses binary files whose faces differ in their number of corners, and headers with carriage
returns.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from gaugenet.meshes.encoding import plain
from gaugenet.meshes.mesh import MeshError, Repair
from gaugenet.meshes.polygons import flattened, triangulated, whole
from gaugenet.meshes.topology import Ints
from gaugenet.meshes.validation import Floats

_TYPES = {
    "char": "i1", "uchar": "u1", "short": "i2", "ushort": "u2", "int": "i4", "uint": "u4", "float": "f4",
    "double": "f8", "int8": "i1", "uint8": "u1", "int16": "i2", "uint16": "u2", "int32": "i4", "uint32": "u4",
    "int64": "i8", "uint64": "u8", "float32": "f4", "float64": "f8",
}  # fmt: skip


class _Property(NamedTuple):
    name: str
    type: str
    count_type: str = ""
    """Type of the length in front of a list; empty for a single number."""


class _Element(NamedTuple):
    name: str
    size: int
    properties: list[_Property]


def parse_ply(content: bytes, source: str) -> tuple[Floats, Ints, list[Repair]]:
    """Vertices [V, 3], triangles [F, 3] (from faces and triangle strips) and what is worth a report.

    Raises:
        MeshError: the header makes no sense, the data end early, or there are no vertices.
    """
    content = plain(content)
    columns = _columns(content, source)
    vertex = columns.get("vertex", {})
    if not all(axis in vertex for axis in "xyz"):
        raise MeshError("it has no vertices with x, y and z", "write it again with positions", source)
    with np.errstate(invalid="ignore"):
        positions = np.stack([np.asarray(vertex[axis], np.float64) for axis in "xyz"], 1)
    try:
        polygons = flattened(_lists(columns.get("face", {})))
        strips = [whole(s) for s in _lists(columns.get("tristrips", {}))]
    except ValueError as error:
        raise MeshError(str(error), "write its faces again, with integers", source) from error
    faces, report = triangulated(*polygons, positions)
    if len(strips):
        faces = np.concatenate([faces, *(_unrolled(s) for s in strips)])
        report.append(Repair("triangle strips unrolled", len(strips)))
    return positions, faces, report


def vertex_columns(content: bytes, source: str) -> dict[str, Any]:
    """The properties of the vertices by name, e.g. ``x`` and ``nx``; none where there are no vertices.

    Raises:
        MeshError: the header makes no sense, or the data end early.
    """
    return _columns(content, source).get("vertex", {})


def _columns(content: bytes, source: str) -> dict[str, dict[str, Any]]:
    order, elements, start = _header(content, source)
    read = _text_rows if order == "" else _binary_rows
    data: Any = content[start:].split() if order == "" else memoryview(content)[start:]
    columns: dict[str, dict[str, Any]] = {}
    at = 0
    for element in elements:
        try:
            columns[element.name], at = read(data, at, element, order)
        except (ValueError, IndexError, OverflowError) as error:
            raise MeshError(
                f"the data of its {element.size} {element.name} elements end early or cannot be read",
                "write or download it again",
                source,
            ) from error
    return columns


def _header(content: bytes, source: str) -> tuple[str, list[_Element], int]:
    """Byte order ("" for text), elements, and where the data start."""
    end = content.find(b"end_header")
    if not content.startswith(b"ply") or end < 0:
        raise MeshError("the file does not start with a PLY header", "check that it is a PLY file", source)
    start = end + len(b"end_header")
    while content[start : start + 1] in (b" ", b"\t"):
        start += 1
    start += 2 if content[start : start + 2] == b"\r\n" else 1
    order, elements = None, []
    for line in content[:end].decode("latin-1").replace("\r", "\n").split("\n"):
        words = line.split()
        try:
            if words[:1] == ["format"]:
                order = {"ascii": "", "binary_little_endian": "<", "binary_big_endian": ">"}[words[1]]
            elif words[:1] == ["element"]:
                elements.append(_Element(words[1], int(words[2]), []))
                if elements[-1].size < 0:
                    raise ValueError("a count is negative")
            elif words[:2] == ["property", "list"]:
                elements[-1].properties.append(_Property(words[4], _TYPES[words[3]], _TYPES[words[2]]))
            elif words[:1] == ["property"]:
                elements[-1].properties.append(_Property(words[2], _TYPES[words[1]]))
        except (KeyError, IndexError, ValueError) as error:
            raise MeshError(
                f"its header line {line.strip()[:60]!r} cannot be read", "write it again", source
            ) from error
    if order is None:
        raise MeshError("its header names no format", "write it again", source)
    return order, elements, start


def _binary_rows(data: memoryview, at: int, element: _Element, order: str) -> tuple[dict[str, Any], int]:
    """Columns of one element, and where the next one starts. Rows of one shape are read in one go."""
    if element.size == 0 or not element.properties:
        return {}, at
    row: list[Any] = []
    for k, p in enumerate(element.properties):
        if not p.count_type:
            row.append((str(k), order + p.type))
            continue
        # all lists are taken to be as long as in the first row, and the guess is checked
        so_far = np.dtype(row).itemsize if row else 0
        length = _length(np.frombuffer(data, order + p.count_type, 1, at + so_far)[0])
        row += [(f"{k}n", order + p.count_type), (str(k), order + p.type, (length,))]
    layout = np.dtype(row)
    if at + layout.itemsize * element.size <= len(data):
        rows = np.frombuffer(data, layout, element.size, at)
        lists = [(f"{k}n", str(k)) for k, p in enumerate(element.properties) if p.count_type]
        if all((rows[n] == layout[name].shape[0]).all() for n, name in lists):
            return {p.name: rows[str(k)] for k, p in enumerate(element.properties)}, at + rows.nbytes
    return _ragged_rows(data, at, element, order)


def _ragged_rows(data: memoryview, at: int, element: _Element, order: str) -> tuple[dict[str, Any], int]:
    types = [(np.dtype(order + p.type), np.dtype(order + (p.count_type or "u1"))) for p in element.properties]
    columns: list[list[Any]] = [[] for _ in element.properties]
    for _ in range(element.size):
        for p, (kind, counter), column in zip(element.properties, types, columns):
            length = 1
            if p.count_type:
                length = _length(np.frombuffer(data, counter, 1, at)[0])
                at += counter.itemsize
            values = np.frombuffer(data, kind, length, at) if length > 0 else np.empty(0, kind)
            at += values.nbytes
            column.append(values if p.count_type else values[0])
    return {p.name: column for p, column in zip(element.properties, columns)}, at


def _text_rows(words: list[bytes], at: int, element: _Element, order: str) -> tuple[dict[str, Any], int]:
    if not any(p.count_type for p in element.properties):
        width = len(element.properties)
        block = np.array(words[at : at + width * element.size], np.float64).reshape(element.size, width)
        return {p.name: block[:, k] for k, p in enumerate(element.properties)}, at + width * element.size
    columns: list[list[Any]] = [[] for _ in element.properties]
    for _ in range(element.size):
        for p, column in zip(element.properties, columns):
            if p.count_type:
                length = _length(words[at])
                values = words[at + 1 : at + 1 + length]
                if len(values) < length:
                    raise IndexError("the data end early")
                column.append([_number(w) for w in values])
                at += 1 + length
            else:
                column.append(float(words[at]))
                at += 1
    return {p.name: column for p, column in zip(element.properties, columns)}, at


def _length(word: Any) -> int:
    length = int(word)
    if length < 0:
        raise ValueError("the length of a list is negative")
    return length


def _number(word: bytes) -> int | float:
    """The whole number that a word stands for, exactly; another number as it is (some lists are texture
    coordinates)."""
    try:
        return int(word)
    except ValueError:
        return float(word)


def _lists(columns: dict[str, Any]) -> Any:
    """The lists of vertex indices of a face or strip element; none where it has no such property."""
    for name in ("vertex_indices", "vertex_index"):
        if name in columns:
            return columns[name]
    return []


def _unrolled(strip: Ints) -> Ints:
    """Triangles [n, 3] of a strip of vertices; −1 starts a new one, and every second triangle winds the other way."""
    cuts = np.flatnonzero(strip < 0)
    pieces = [piece[piece >= 0] for piece in np.split(strip, cuts)]
    triangles = [np.empty((0, 3), np.int64)]
    for piece in pieces:
        if len(piece) >= 3:
            rows = np.stack([piece[:-2], piece[1:-1], piece[2:]], 1)
            rows[1::2] = rows[1::2][:, [1, 0, 2]]
            triangles.append(rows)
    return np.concatenate(triangles)
