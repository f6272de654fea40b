"""glTF scenes, text and binary, through trimesh; what it would read wrongly, or without bound, is refused before."""

from __future__ import annotations

import json
import logging
import warnings
from pathlib import Path
from urllib.parse import unquote

import numpy as np

from gaugenet.meshes.encoding import plain
from gaugenet.meshes.mesh import MeshError, Repair
from gaugenet.meshes.topology import Ints
from gaugenet.meshes.validation import Floats, point_cloud

_UNREADABLE = {"KHR_draco_mesh_compression": "Draco", "EXT_meshopt_compression": "meshopt"}


def read_scene(file: Path, name: str) -> tuple[Floats, Ints, list[Repair]]:
    """Vertices, triangles and notes of all surfaces in a scene, each moved to its place, in the order of its nodes.

    Raises:
        MeshError: it is compressed, promises more than the file holds, uses itself as a part, has no triangles.
    """
    import trimesh

    kind = file.suffix.lower()[1:]
    n_unread = _checked_document(file, name)
    chatter = logging.getLogger("trimesh")
    was_disabled, chatter.disabled = chatter.disabled, True
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            scene = trimesh.load_scene(str(file), process=False, maintain_order=True)
    finally:
        chatter.disabled = was_disabled
    points, triangles = [np.empty((0, 3))], [np.empty((0, 3), np.int64)]
    n, n_loose = 0, 0
    for node in scene.graph.nodes_geometry:
        transform, key = scene.graph[node]
        part = scene.geometry[key]
        vertices = np.asarray(part.vertices, np.float64)
        faces = np.asarray(getattr(part, "faces", np.empty((0, 3))), np.int64)
        if len(faces) == 0:
            n_loose += len(vertices)
            continue
        outside = np.argwhere((faces < 0) | (faces >= len(vertices)))
        if len(outside):
            f, k = outside[0]
            raise MeshError(
                f"face {f} uses vertex {faces[f, k]}, but the vertices are numbered 0 to {len(vertices) - 1}",
                "remove the face, or number the vertices from 0",
                name,
            )
        if not np.array_equal(transform, np.eye(4)):
            vertices = vertices @ transform[:3, :3].T + transform[:3, 3]
            if np.linalg.det(transform[:3, :3]) < 0:
                faces = faces[:, ::-1]
        points.append(vertices)
        triangles.append(faces + n)
        n += len(vertices)
    if len(triangles) == 1 and not n_loose:
        raise MeshError(
            f"no triangles were found in this {kind.upper()} file", "check that it is complete and of that kind", name
        )
    if len(triangles) == 1:
        raise point_cloud(n_loose, name)
    notes = [Repair("points and lines left out", n_loose)] if n_loose else []
    if n_unread:
        remedy = "write them as lists of triangles"
        notes.append(Repair("parts that are neither triangles nor strips left out", n_unread, remedy))
    return np.concatenate(points), np.concatenate(triangles), notes


def _checked_document(file: Path, name: str) -> int:
    """How many parts are neither triangles nor points nor lines, after a look at what the document promises."""
    content = file.read_bytes()
    if file.suffix.lower() == ".glb":
        document = json.loads(content[20 : 20 + int.from_bytes(content[12:16], "little")])
    else:
        document = json.loads(plain(content))
    if not isinstance(document, dict):
        raise MeshError("its document is no object", "check that it is a glTF file", name)
    used = {*document.get("extensionsRequired", []), *document.get("extensionsUsed", [])}
    for extension, word in _UNREADABLE.items():
        if extension in used:
            raise MeshError(f"it is compressed with {word}", "save it again without compression", name)
    held = len(content)
    for buffer in document.get("buffers", []):
        uri = buffer.get("uri", "")
        beside = file.parent / unquote(uri)
        if uri and not uri.startswith("data:") and beside.is_file():
            held += beside.stat().st_size
    for number, accessor in enumerate(document.get("accessors", [])):
        # one entry takes at least a byte, so this bounds the memory that is asked for below
        if not 0 <= int(accessor["count"]) <= held:
            raise MeshError(
                f"accessor {number} promises {int(accessor['count'])} entries, and all data are {held} bytes",
                "write or download it again",
                name,
            )
    if _has_cycle([[int(c) for c in node.get("children", [])] for node in document.get("nodes", [])]):
        raise MeshError("a node of its scene is a part of itself", "write the scene again as a tree", name)
    primitives = [p for mesh in document.get("meshes", []) for p in mesh["primitives"]]
    return sum(p.get("mode", 4) not in (0, 1, 4, 5) for p in primitives)


def _has_cycle(children: list[list[int]]) -> bool:
    """Whether nodes lead back to themselves: what is left when leaves are taken off again and again."""
    parents: list[list[int]] = [[] for _ in children]
    open_children = [len(c) for c in children]
    for node, own in enumerate(children):
        for child in own:
            parents[child].append(node)
    free = [node for node, n in enumerate(open_children) if n == 0]
    for node in free:
        for parent in parents[node]:
            open_children[parent] -= 1
            if open_children[parent] == 0:
                free.append(parent)
    return len(free) < len(children)
