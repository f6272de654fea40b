"""Files of points without faces."""

from __future__ import annotations

from os import PathLike
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gaugenet.meshes.mesh import MeshError
from gaugenet.meshes.ply import vertex_columns

POINT_SUFFIXES = (".ply", ".obj", ".xyz", ".txt", ".npz")

Floats = NDArray[np.float64]


def load_point_cloud(path: str | PathLike[str]) -> tuple[Floats, Floats | None]:
    """Read the points of a file, and their normals if it has them; faces are ignored.

    PLY (``x y z``, ``nx ny nz``), OBJ (``v``, ``vn``), XYZ or TXT (three or six numbers a line, maybe more) or npz with
    arrays ``points`` or ``v`` [N, 3] and maybe ``normals`` [N, 3].

    Args:
        path: of the file; its suffix says which of these it is.

    Returns:
        points [N, 3] float64 in the order of the file; normals [N, 3] or None. Not checked: that is done by
        `gaugenet.meshes.point_cloud.mesh_from_points`.

    Raises:
        MeshError: the file is missing, of another kind or damaged.
    """
    file, name = Path(path), str(path)
    suffix = file.suffix.lower()
    if not file.is_file():
        raise MeshError("there is no such file", "check the path", name)
    if suffix not in POINT_SUFFIXES:
        raise MeshError(
            f"point clouds of type {suffix or 'without suffix'!r} are not read",
            f"convert it to one of {' '.join(POINT_SUFFIXES)}",
            name,
        )
    try:
        points, normals = {".ply": _ply, ".obj": _obj, ".npz": _npz}.get(suffix, _text)(file, name)
    except MeshError:
        raise
    except Exception as error:
        reason = f"{type(error).__name__}: {error}".splitlines()[0][:120]
        raise MeshError(f"the file cannot be read as points ({reason})", "write it again as PLY", name) from error
    if points.ndim != 2 or points.shape[1] != 3 or len(points) == 0:
        raise MeshError(f"expected points [N, 3], got {list(points.shape)}", "give x, y and z of each point", name)
    return points, normals if normals is not None and normals.shape == points.shape else None


def _ply(file: Path, name: str) -> tuple[Floats, Floats | None]:
    vertex = vertex_columns(file.read_bytes(), name)
    both = [
        np.stack([np.asarray(vertex[key], np.float64) for key in keys], 1) if all(k in vertex for k in keys) else None
        for keys in (("x", "y", "z"), ("nx", "ny", "nz"))
    ]
    if both[0] is None:
        raise MeshError("it has no vertices with x, y and z", "write it again with positions", name)
    return both[0], both[1]


def _obj(file: Path, name: str) -> tuple[Floats, Floats | None]:
    rows: dict[str, list[list[float]]] = {"v": [], "vn": []}
    for line in file.read_text("utf-8", errors="replace").splitlines():
        words = line.partition("#")[0].split()
        if words and words[0] in rows:
            rows[words[0]].append([float(w) for w in words[1:4]])
    normals = np.array(rows["vn"], np.float64) if rows["vn"] else None
    return np.array(rows["v"], np.float64).reshape(-1, 3), normals


def _npz(file: Path, name: str) -> tuple[Floats, Floats | None]:
    with np.load(file, allow_pickle=False) as arrays:
        key = next((k for k in ("points", "v") if k in arrays), None)
        if key is None:
            raise MeshError("there is no array 'points' or 'v' in it", "store points [N, 3] as 'points'", name)
        normals = np.asarray(arrays["normals"], np.float64) if "normals" in arrays else None
        return np.asarray(arrays[key], np.float64), normals


def _text(file: Path, name: str) -> tuple[Floats, Floats | None]:
    lines = [line.partition("#")[0].replace(",", " ").split() for line in file.read_text("utf-8").splitlines()]
    rows = np.array([[float(w) for w in words] for words in lines if words], np.float64)
    if rows.ndim != 2 or rows.shape[1] < 3:
        raise MeshError("its lines do not hold three numbers each", "give x, y and z of each point", name)
    return rows[:, :3].copy(), rows[:, 3:6].copy() if rows.shape[1] == 6 else None
