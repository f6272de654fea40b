"""VTK PolyData, XML format (``.vtp``): ASCII, base64 and appended data, plain or compressed with zlib."""

from __future__ import annotations

import base64
import re
import zlib
from pathlib import Path
from typing import Any, Literal
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from gaugenet.data.label_files import DatasetError
from gaugenet.data.vtk import PolyData, strip_triangles


def read_vtp(file: Path) -> PolyData:
    """The first piece of a ``.vtp`` file.

    Raises:
        DatasetError: it holds another kind of data, more than one piece, an encoding that is not read, or is damaged.
    """
    try:
        return _Xml(file).read()
    except DatasetError:
        raise
    except Exception as error:
        reason = f"{type(error).__name__}: {error}".splitlines()[0][:120]
        raise DatasetError(file, f"cannot be read as VTK XML ({reason})", "write it again as PolyData") from error


class _Xml:
    def __init__(self, file: Path) -> None:
        self.file = file
        content = file.read_bytes()
        # raw appended data is no XML; it is cut out first
        match = re.search(rb"<AppendedData[^>]*>\s*_", content)
        self.appended = b""
        if match:
            stop = content.rfind(b"</AppendedData>")
            self.appended = content[match.end() : stop]
            content = content[: match.end()] + content[stop:]
        if b"<!DOCTYPE" in content or b"<!ENTITY" in content:
            raise DatasetError(file, "it declares XML entities", "write it again with VTK")
        root = ElementTree.fromstring(content)
        if root.tag != "VTKFile" or root.get("type") != "PolyData":
            raise DatasetError(file, f"it holds {root.get('type') or root.tag}", "save the surface as PolyData")
        pieces = root.findall("PolyData/Piece")
        if len(pieces) != 1:
            raise DatasetError(file, f"it has {len(pieces)} pieces", "append them to one")
        self.piece = pieces[0]
        self.order: Literal["<", ">"] = ">" if root.get("byte_order") == "BigEndian" else "<"
        self.header = np.dtype(self.order + ("u8" if root.get("header_type") == "UInt64" else "u4"))
        compressor = root.get("compressor")
        if compressor not in (None, "", "vtkZLibDataCompressor"):
            raise DatasetError(file, f"compression by {compressor} is not read", "write it with zlib or without")
        self.compressed = bool(compressor)
        data = root.find("AppendedData")
        self.raw = data is not None and data.get("encoding") == "raw"

    def read(self) -> PolyData:
        points = self._array(self.piece.find("Points/DataArray"))
        polygons: list[NDArray[np.int64]] = self._rows("Polys")
        polygons = polygons + strip_triangles(self._rows("Strips"))
        before = sum(int(self.piece.get(name) or 0) for name in ("NumberOfVerts", "NumberOfLines"))
        cells = {k: v[before : before + len(polygons)] for k, v in self._arrays("CellData").items()}
        return PolyData(points.reshape(-1, 3).astype(np.float64), polygons, self._arrays("PointData"), cells)

    def _rows(self, section: str) -> list[NDArray[np.int64]]:
        found = {a.get("Name"): self._array(a) for a in self.piece.findall(f"{section}/DataArray")}
        if "offsets" not in found or len(found["offsets"]) == 0:
            return []
        corners, stops = found["connectivity"].astype(np.int64), found["offsets"].astype(np.int64)
        return [corners[a:b] for a, b in zip([0, *stops[:-1]], stops)]

    def _arrays(self, section: str) -> dict[str, NDArray[Any]]:
        arrays = {}
        for element in self.piece.findall(f"{section}/DataArray"):
            width = int(element.get("NumberOfComponents") or 1)
            values = self._array(element)
            arrays[element.get("Name") or ""] = values.reshape(-1, width) if width != 1 else values
        return arrays

    def _array(self, element: ElementTree.Element | None) -> NDArray[Any]:
        if element is None:
            raise DatasetError(self.file, "it has no points", "write it again as PolyData")
        kind = element.get("type") or ""
        match = re.fullmatch(r"(U?)(Int|Float)(8|16|32|64)", kind)
        if not match:
            raise DatasetError(self.file, f"numbers of type {kind!r} are not read", "write them as Float or Int")
        letter = "f" if match[2] == "Float" else "u" if match[1] else "i"
        dtype = np.dtype(f"{letter}{int(match[3]) // 8}").newbyteorder(self.order)
        form, text = element.get("format"), (element.text or "").strip()
        if form == "ascii":
            return np.array(text.split(), dtype.newbyteorder("="))
        if form == "binary":
            content = self._decoded(text.encode())
        elif form == "appended":
            start = int(element.get("offset") or 0)
            content = self._blocks(self.appended[start:]) if self.raw else self._decoded(self.appended[start:])
        else:
            raise DatasetError(self.file, f"data in the format {form!r} are not read", "write them as ascii or binary")
        return np.frombuffer(content, dtype).astype(dtype.newbyteorder("="))

    def _decoded(self, text: bytes) -> bytes:
        """Base64: header and data are encoded one after the other where the data are compressed, else together."""
        size = self.header.itemsize
        if not self.compressed:
            head = base64.b64decode(text[: 4 * (-(-size // 3))])
            n = int(np.frombuffer(head, self.header, 1)[0])
            return base64.b64decode(text[: 4 * (-(-(size + n) // 3))])[size : size + n]
        count = int(np.frombuffer(base64.b64decode(text[: 4 * (-(-size // 3))]), self.header, 1)[0])
        length = 4 * (-(-(size * (3 + count)) // 3))
        head = base64.b64decode(text[:length])
        sizes = np.frombuffer(head, self.header, count, 3 * size)
        body = base64.b64decode(text[length : length + 4 * (-(-int(sizes.sum()) // 3))])
        return self._inflated(body, sizes)

    def _blocks(self, data: bytes) -> bytes:
        size = self.header.itemsize
        count = int(np.frombuffer(data, self.header, 1)[0])
        if not self.compressed:
            return data[size : size + count]
        sizes = np.frombuffer(data, self.header, count, 3 * size)
        return self._inflated(data[size * (3 + count) :], sizes)

    def _inflated(self, body: bytes, sizes: NDArray[Any]) -> bytes:
        stops = np.cumsum(sizes.astype(np.int64))
        return b"".join(zlib.decompress(body[a:b]) for a, b in zip([0, *stops[:-1]], stops))
