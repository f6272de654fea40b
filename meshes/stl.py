"""Stereolithography files, text and binary: three vertices for each triangle, in the order of the file."""

from __future__ import annotations

import re

import numpy as np

from gaugenet.meshes.encoding import plain
from gaugenet.meshes.mesh import MeshError, Repair
from gaugenet.meshes.topology import Ints
from gaugenet.meshes.validation import Floats

_RECORD = np.dtype([("normal", "<f4", 3), ("corner", "<f4", (3, 3)), ("more", "<u2")])
_NAME = re.compile(r"^([ \t]*(?:end)?solid)\b[^\n]*", re.IGNORECASE | re.MULTILINE)
_WORDS = re.compile(r"\b(?:(facet|endsolid)\b|vertex\s+(\S+)\s+(\S+)\s+(\S+))", re.IGNORECASE)


def parse_stl(content: bytes, source: str) -> tuple[Floats, Ints, list[Repair]]:
    """Vertices [3 F, 3], triangles [F, 3] = 0, 1, 2, … and what is worth a report. Normals are left out.

    Many binary files begin with ``solid`` like text does, so a file of exactly the length that its count demands is
    binary, whatever it begins with.

    Raises:
        MeshError: it is neither kind, ends early, has no triangles or a number that cannot be read.
    """
    n = int.from_bytes(content[80:84], "little") if len(content) >= 84 else -1
    needed = 84 + _RECORD.itemsize * n
    if n > 0 and len(content) == needed:
        return _binary(content, n, [])
    text = plain(content)
    if b"facet" in text[:4096].lower() or (text[:5].lower() == b"solid" and b"\0" not in text):
        return _text(text.decode("latin-1"), source)
    if n < 0:
        raise MeshError("it is too short for a binary STL and has no facets of a text one", "write it again", source)
    if n == 0 or len(content) < needed:
        raise MeshError(
            f"its count says {n} triangles, and there are data for {(len(content) - 84) // _RECORD.itemsize}",
            "write or download this STL again",
            source,
        )
    rest = Repair("bytes behind the last triangle left out", len(content) - needed, "check the count in its header")
    return _binary(content, n, [rest])


def _binary(content: bytes, n: int, notes: list[Repair]) -> tuple[Floats, Ints, list[Repair]]:
    corners = np.frombuffer(content, _RECORD, n, 84)["corner"]
    with np.errstate(invalid="ignore"):
        points = corners.reshape(-1, 3).astype(np.float64)
    return points, np.arange(3 * n).reshape(-1, 3), notes


def _text(text: str, source: str) -> tuple[Floats, Ints, list[Repair]]:
    rows: list[list[str]] = []
    n_facets, ended, notes = 0, False, []
    for key, *numbers in _WORDS.findall(_NAME.sub(r"\1", text.replace("\r", "\n"))):
        if not key:
            rows.append(numbers)
        elif key.lower() == "endsolid":
            ended = True
        else:
            if len(rows) != 3 * n_facets:
                break
            n_facets += 1
            ended = False
    if n_facets == 0:
        raise MeshError("no triangles were found in this STL file", "check that it is complete", source)
    if len(rows) != 3 * n_facets:
        raise MeshError(
            f"facet {n_facets} has {len(rows) - 3 * (n_facets - 1)} vertices instead of 3",
            "write or download this STL again",
            source,
        )
    try:
        points = np.array(rows, np.float64).reshape(-1, 3)
    except ValueError as error:
        wrong = next(k for k, row in enumerate(rows) if not _is_point(row))
        raise MeshError(
            f"vertex {wrong} of this STL cannot be read: {' '.join(rows[wrong])[:60]!r}",
            "give three numbers, with points as decimal marks",
            source,
        ) from error
    if not ended:
        notes.append(Repair("solids without an end", 1, "the file may be cut off: compare its number of triangles"))
    return points, np.arange(len(points)).reshape(-1, 3), notes


def _is_point(row: list[str]) -> bool:
    try:
        return len([float(word) for word in row]) == 3
    except ValueError:
        return False
