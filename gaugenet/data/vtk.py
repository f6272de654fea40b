"""VTK PolyData, legacy format (``.vtk``): the surface and its point and cell data, from ASCII and binary files.

The layout follows the VTK User's Guide, "VTK File Formats", simple legacy formats: a version line, a title, ASCII or
BINARY, ``DATASET POLYDATA``, then sections. Binary numbers are big-endian. XML files: `gaugenet.data.vtk_xml`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gaugenet.data.label_files import DatasetError

_TYPES = {
    "char": "i1", "unsigned_char": "u1", "short": "i2", "unsigned_short": "u2", "int": "i4", "unsigned_int": "u4",
    "long": "i8", "unsigned_long": "u8", "vtktypeint32": "i4", "vtktypeint64": "i8", "vtkidtype": "i8",
    "vtktypeuint32": "u4", "vtktypeuint64": "u8", "float": "f4", "double": "f8", "bit": "bit",
}  # fmt: skip
_FIXED = {"vectors": 3, "normals": 3, "tensors": 9, "tensors6": 6, "global_ids": 1, "pedigree_ids": 1}


@dataclass(frozen=True, eq=False)
class PolyData:
    """A surface with named arrays on its points and polygons."""

    points: NDArray[np.float64]
    """[V, 3]"""
    polygons: list[NDArray[np.int64]]
    """[F] vertex indices of each polygon; strips are cut into triangles."""
    point_data: dict[str, NDArray[Any]] = field(default_factory=dict)
    """[V] or [V, n]"""
    cell_data: dict[str, NDArray[Any]] = field(default_factory=dict)
    """[F] or [F, n]"""


def read_vtk(file: Path) -> PolyData:
    """A ``.vtk`` file of legacy PolyData.

    Raises:
        DatasetError: it holds another kind of data, or is damaged; the line says where.
    """
    if file.suffix.lower() == ".vtp":
        from gaugenet.data.vtk_xml import read_vtp

        return read_vtp(file)
    try:
        return _Legacy(file, file.read_bytes()).read()
    except DatasetError:
        raise
    except Exception as error:
        reason = f"{type(error).__name__}: {error}".splitlines()[0][:120]
        raise DatasetError(file, f"cannot be read as VTK ({reason})", "write it again as PolyData") from error


class _Legacy:
    def __init__(self, file: Path, data: bytes) -> None:
        self.file, self.data, self.at = file, data, 0
        self.binary = False
        self.points = np.empty((0, 3))
        self.polygons: list[NDArray[np.int64]] = []
        self.other_cells = [0, 0]
        """Number of cells that stand before the polygons (vertices, lines) and behind them."""
        self.arrays: dict[str, dict[str, NDArray[Any]]] = {"point_data": {}, "cell_data": {}}

    def read(self) -> PolyData:
        if not self._line().lower().startswith("# vtk datafile"):
            raise DatasetError(self.file, "the first line is not '# vtk DataFile Version'", "write it again as VTK")
        self._line()
        mode = self._line().strip().upper()
        self.binary = mode == "BINARY"
        if mode not in ("ASCII", "BINARY"):
            raise DatasetError(self.file, f"the third line is {mode!r}, not ASCII or BINARY", "write it again as VTK")
        kind = self._line().split()
        if len(kind) != 2 or kind[1].upper() != "POLYDATA":
            found = kind[-1] if kind else "nothing"
            raise DatasetError(self.file, f"it holds {found}", "save the surface as PolyData (VTK: extract surface)")
        where, count, triangles = "", 0, 0
        while (words := self._keyword()) is not None:
            word = words[0].lower()
            if word == "points":
                self.points = self._numbers(3 * int(words[1]), words[2]).reshape(-1, 3).astype(np.float64)
            elif word in ("polygons", "triangle_strips", "vertices", "lines"):
                self._cells(word, int(words[1]), int(words[2]))
                triangles = len(self.polygons)
            elif word in self.arrays:
                where, count = word, int(words[1])
            elif where or word in ("field", "metadata"):
                self._attribute(word, words, where, count)
            else:
                raise DatasetError(self.file, f"the section {words[0]!r} is not known", "write it again as PolyData")
        before = self.other_cells[0]
        cells = {k: v[before : before + triangles] for k, v in self.arrays["cell_data"].items()}
        return PolyData(self.points, self.polygons, self.arrays["point_data"], cells)

    def _cells(self, word: str, n: int, size: int) -> None:
        if word in ("vertices", "lines"):
            self.other_cells[0] += n
        following = self._peek()
        if following and following[0].upper() == "OFFSETS":  # version 5: n is the number of offsets
            offsets = self._numbers(n, self._keyword_of("OFFSETS")).astype(np.int64)
            corners = self._numbers(size, self._keyword_of("CONNECTIVITY")).astype(np.int64)
            if word in ("vertices", "lines"):
                self.other_cells[0] -= 1
            rows = [corners[a:b] for a, b in pairwise(offsets)]
        else:
            flat = self._numbers(size, "int").astype(np.int64)
            rows, at = [], 0
            for _ in range(n):
                rows.append(flat[at + 1 : at + 1 + flat[at]])
                at += 1 + int(flat[at])
        if word == "polygons":
            self.polygons += rows
        elif word == "triangle_strips":
            self.polygons += strip_triangles(rows)

    def _attribute(self, word: str, words: list[str], where: str, count: int) -> None:
        if word == "metadata":  # names of components and the like, up to an empty line
            while self._line().strip():
                pass
        elif word == "field":
            for _ in range(int(words[2])):
                row = self._keyword()
                if row is None:
                    raise DatasetError(self.file, "it ends within a field", "write it again")
                if row[0].lower() == "metadata":
                    self._attribute("metadata", row, where, count)
                    row = self._keyword() or []
                name, columns, n, kind = row
                self._keep(where, name, self._numbers(int(columns) * int(n), kind), int(columns))
        elif word == "scalars":
            width = int(words[3]) if len(words) > 3 else 1
            following = self._peek()
            if following and following[0].upper() == "LOOKUP_TABLE":
                self._keyword()
            self._keep(where, words[1], self._numbers(width * count, words[2]), width)
        elif word == "lookup_table":
            self._numbers(4 * int(words[2]), "unsigned_char" if self.binary else "float")
        elif word == "color_scalars":
            width = int(words[2])
            self._keep(
                where, words[1], self._numbers(width * count, "unsigned_char" if self.binary else "float"), width
            )
        elif word == "texture_coordinates":
            self._keep(where, words[1], self._numbers(int(words[2]) * count, words[3]), int(words[2]))
        elif word in _FIXED:
            self._keep(where, words[1], self._numbers(_FIXED[word] * count, words[2]), _FIXED[word])
        else:
            raise DatasetError(self.file, f"the attribute {words[0]!r} is not known", "leave it out")

    def _keep(self, where: str, name: str, values: NDArray[Any], width: int) -> None:
        if where:
            # VTK writes blanks in a name as %20
            self.arrays[where][name.replace("%20", " ")] = values.reshape(-1, width) if width != 1 else values

    def _numbers(self, n: int, kind: str) -> NDArray[Any]:
        dtype = _TYPES.get(kind.lower())
        if dtype is None:
            raise DatasetError(self.file, f"numbers of type {kind!r} are not read", "write them as float or int")
        if not self.binary:
            values: list[str] = []
            while len(values) < n:
                line = self._line()
                if not line and self.at >= len(self.data):
                    raise DatasetError(self.file, f"it ends after {len(values)} of {n} numbers", "write it again")
                values += line.split()
            if len(values) > n:
                raise DatasetError(self.file, f"{len(values)} numbers where {n} belong", "write it again")
            return np.array(values, np.float64 if dtype.startswith("f") else np.int64)
        if dtype == "bit":
            size = -(-n // 8)
            bits = np.unpackbits(np.frombuffer(self.data, np.uint8, size, self.at))[:n]
            self.at += size
            return bits
        numbers = np.dtype(dtype).newbyteorder(">")
        if self.at + n * numbers.itemsize > len(self.data):
            raise DatasetError(self.file, "it ends within its numbers", "copy it again")
        found = np.frombuffer(self.data, numbers, n, self.at)
        self.at += n * numbers.itemsize
        return found.astype(numbers.newbyteorder("="))

    def _line(self) -> str:
        end = self.data.find(b"\n", self.at)
        end = len(self.data) if end < 0 else end
        line = self.data[self.at : end]
        self.at = min(end + 1, len(self.data))
        return line.decode("latin-1").rstrip("\r")

    def _peek(self) -> list[str] | None:
        at = self.at
        words = self._keyword()
        self.at = at
        return words

    def _keyword(self) -> list[str] | None:
        """The words of the next line that is not empty; None at the end."""
        while self.at < len(self.data):
            if words := self._line().split():
                return words
        return None

    def _keyword_of(self, expected: str) -> str:
        words = self._keyword()
        if words is None or words[0].upper() != expected:
            raise DatasetError(self.file, f"expected {expected}, got {words}", "write it again")
        return words[1]


def strip_triangles(strips: list[NDArray[np.int64]]) -> list[NDArray[np.int64]]:
    """The triangles of strips, every second one turned over so that all wind alike."""
    return [
        strip[i : i + 3] if i % 2 == 0 else strip[[i + 1, i, i + 2]] for strip in strips for i in range(len(strip) - 2)
    ]
