"""A window to turn a surface in: polyscope, an extra (``pip install 'gaugenet[view]'``)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gaugenet.meshes.mesh import TriangleMesh


def show(
    mesh: TriangleMesh,
    *,
    colors: Mapping[str, NDArray[Any]] | None = None,
    values: Mapping[str, NDArray[Any]] | None = None,
    vectors: Mapping[str, NDArray[Any]] | None = None,
    window: Any = None,
) -> None:
    """Opens a window on a surface and waits until it is closed.

    Args:
        colors: by name, [V, 3] or [F, 3] red, green and blue from 0 to 255.
        values: by name, [V] or [F] numbers.
        vectors: by name, [V, 3] vectors in space.
        window: used in place of the module polyscope.

    Raises:
        ValueError: the mesh has no positions, or an array fits neither vertices nor faces.
        ImportError: polyscope is not installed.
    """
    if mesh.vertices is None:
        raise ValueError(f"{mesh.name or 'this mesh'}: it has edge lengths only and cannot be drawn")
    if window is None:
        window = _polyscope()
    window.init()
    surface = window.register_surface_mesh("surface", mesh.vertices, mesh.faces)
    first = True
    for name, array in (colors or {}).items():
        place = _place(name, array, mesh)
        surface.add_color_quantity(name, np.asarray(array) / 255.0, defined_on=place, enabled=first)
        first = False
    for name, array in (values or {}).items():
        surface.add_scalar_quantity(name, np.asarray(array), defined_on=_place(name, array, mesh), enabled=first)
        first = False
    for name, array in (vectors or {}).items():
        surface.add_vector_quantity(name, np.asarray(array), defined_on=_place(name, array, mesh), enabled=True)
    window.show()


def _polyscope() -> Any:
    try:
        import polyscope
    except ImportError as error:
        raise ImportError("a window needs polyscope; install it with: pip install polyscope") from error
    return polyscope


def _place(name: str, array: NDArray[Any], mesh: TriangleMesh) -> str:
    if len(array) == mesh.n_vertices:
        return "vertices"
    if len(array) == mesh.n_faces:
        return "faces"
    raise ValueError(f"{name}: expected {mesh.n_vertices} rows (vertices) or {mesh.n_faces} (faces), got {len(array)}")
