"""Small surfaces as the bytes of a file of each kind: what the tests of the readers read and the fuzzer damages."""

from __future__ import annotations

import base64
import io
import json
import struct
from collections.abc import Sequence
from typing import Any

import numpy as np

CUBE = np.array([[x, y, z] for x in (0, 1) for y in (0, 1) for z in (0, 1)], float)
QUADS = np.array([[0, 1, 3, 2], [4, 6, 7, 5], [0, 4, 5, 1], [2, 3, 7, 6], [0, 2, 6, 4], [1, 5, 7, 3]])
TRIANGLES = QUADS[:, [0, 1, 2, 0, 2, 3]].reshape(-1, 3)

Polygons = Sequence[Any] | np.ndarray


def obj(vertices: Any, faces: Polygons, newline: str = "\n", dress: bool = False) -> bytes:
    """`dress` writes corners as 7/7/7 and names, groups and materials between."""
    lines = [f"v {' '.join(repr(float(x)) for x in v)}" for v in vertices]
    if dress:
        lines = ["# dressed", "mtllib none.mtl", "o thing", *lines, "vt 0 0", "vn 0 0 1", "usemtl red", "s off"]
    corner = "{0}/1/1" if dress else "{0}"
    lines += ["f " + " ".join(corner.format(int(i) + 1) for i in f) for f in faces]
    return (newline.join(lines) + newline).encode()


def off(vertices: Any, faces: Polygons, header: str = "OFF\n", newline: str = "\n") -> bytes:
    rows = [f"{len(vertices)} {len(faces)} 0"] + [" ".join(repr(float(x)) for x in v) for v in vertices]
    rows += [f"{len(f)} {' '.join(str(int(i)) for i in f)}" for f in faces]
    return (header + newline.join(rows) + newline).encode()


def binary_off(vertices: Any, faces: Polygons, order: str = "<", coloured: bool = False) -> bytes:
    rows = [struct.pack(f"{order}{len(f) + 1}i", len(f), *(int(i) for i in f)) for f in faces]
    tail = struct.pack(f"{order}i", 0) if coloured else b""
    head = b"OFF BINARY\n" + struct.pack(f"{order}3i", len(vertices), len(faces), 0)
    return head + np.asarray(vertices).astype(f"{order}f4").tobytes() + b"".join(row + tail for row in rows)


def ply(
    vertices: Any,
    faces: Polygons,
    order: str = "<",
    newline: str = "\n",
    extra: str = "",
    element: str = "face",
    index: str = "uint",
) -> bytes:
    """A PLY with a colour before and a number before each list; `order` "" is text."""
    kind = {"": "ascii", "<": "binary_little_endian", ">": "binary_big_endian"}[order]
    header = [
        "ply", f"format {kind} 1.0", "comment grüße", f"element vertex {len(vertices)}", "property uchar red",
        "property float x", "property float y", "property double z", f"element {element} {len(faces)}",
        "property float quality", f"property list uchar {index} vertex_indices", *([extra] if extra else []),
        "end_header",
    ]  # fmt: skip
    head = (newline.join(header) + newline).encode("latin-1")
    if order == "":
        rows = [f"7 {float(x)!r} {float(y)!r} {float(z)!r}" for x, y, z in vertices]
        rows += [f"0.5 {len(f)} {' '.join(str(int(i)) for i in f)}" for f in faces]
        return head + newline.join(rows).encode() + newline.encode()
    letter = {"uint": "I", "int": "i", "double": "d", "float": "f"}[index]
    single = np.asarray(vertices, np.float64).astype(np.float32)
    body = b"".join(struct.pack(f"{order}Bffd", 7, a, b, c) for (a, b, _), (*_, c) in zip(single, vertices))
    convert = int if index in ("uint", "int") else float
    return head + body + b"".join(
        struct.pack(f"{order}fB{len(f)}{letter}", 0.5, len(f), *(convert(i) for i in f)) for f in faces
    )  # fmt: skip


def stl(vertices: Any, faces: np.ndarray, header: bytes = b"", tail: bytes = b"") -> bytes:
    record = np.zeros(len(faces), [("normal", "<f4", 3), ("corner", "<f4", (3, 3)), ("more", "<u2")])
    record["corner"] = np.asarray(vertices)[faces]
    return header.ljust(80) + struct.pack("<I", len(faces)) + record.tobytes() + tail


def text_stl(vertices: Any, faces: np.ndarray, name: str = "thing", newline: str = "\n") -> bytes:
    lines = [f"solid {name}"]
    for t in faces:
        lines += ["facet normal 0 0 0", " outer loop"]
        lines += [f"  vertex {float(x)!r} {float(y)!r} {float(z)!r}" for x, y, z in np.asarray(vertices)[t]]
        lines += [" endloop", "endfacet"]
    return (newline.join([*lines, f"endsolid {name}"]) + newline).encode()


def scene(vertices: Any, faces: np.ndarray, nodes: list[Any] | None = None) -> tuple[dict[str, Any], bytes]:
    """A glTF document of one mesh, placed by `nodes`, and its binary buffer."""
    points, index = np.asarray(vertices, "<f4"), np.asarray(faces, "<u4").ravel()
    binary = points.tobytes() + index.tobytes()
    low, high = points.min(0).astype(float).tolist(), points.max(0).astype(float).tolist()
    placed = nodes or [{"mesh": 0}]
    document = {
        "asset": {"version": "2.0"},
        "scene": 0,
        "scenes": [{"nodes": list(range(len(placed)))}],
        "nodes": placed,
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0}, "indices": 1}]}],
        "accessors": [
            {"bufferView": 0, "componentType": 5126, "count": len(points), "type": "VEC3", "min": low, "max": high},
            {"bufferView": 1, "componentType": 5125, "count": len(index), "type": "SCALAR"},
        ],
        "bufferViews": [
            {"buffer": 0, "byteOffset": 0, "byteLength": points.nbytes},
            {"buffer": 0, "byteOffset": points.nbytes, "byteLength": index.nbytes},
        ],
        "buffers": [{"byteLength": len(binary)}],
    }
    return document, binary


def glb(document: dict[str, Any], binary: bytes) -> bytes:
    text = json.dumps(document).encode()
    text += b" " * (-len(text) % 4)
    binary += b"\0" * (-len(binary) % 4)
    chunks = struct.pack("<II", len(text), 0x4E4F534A) + text + struct.pack("<II", len(binary), 0x004E4942) + binary
    return struct.pack("<III", 0x46546C67, 2, 12 + len(chunks)) + chunks


def gltf(document: dict[str, Any], binary: bytes) -> bytes:
    uri = "data:application/octet-stream;base64," + base64.b64encode(binary).decode()
    return json.dumps({**document, "buffers": [{"byteLength": len(binary), "uri": uri}]}).encode()


def npz(vertices: Any, faces: Any) -> bytes:
    out = io.BytesIO()
    np.savez(out, v=vertices, f=faces)
    return out.getvalue()
