"""Pictures of frame fields: the arms as strokes on the shaded surface, singularities as dots."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gaugenet.meshes.field_export import FIRST_ARM, NEGATIVE, OTHER_ARM, POSITIVE, field_arrows
from gaugenet.meshes.frame_field import FrameField
from gaugenet.meshes.geometry import MeshGeometry
from gaugenet.meshes.mesh import TriangleMesh
from gaugenet.visualize import _camera, _make_room, draw_shaded, new_figure


def draw_field(
    path: str | Path,
    mesh: TriangleMesh,
    geometry: MeshGeometry,
    field: FrameField,
    *,
    every: int = 1,
    length: float | None = None,
    view: tuple[float, float] = (22.0, -55.0),
    up: str = "z",
) -> None:
    """Draws a field on the side of a surface that faces the eye, into a PNG (or what the file's name says).

    The first arm is dark, the others light, and a single one has a head; dots are singular faces, red where the index
    is positive and orange where it is negative.

    Args:
        mesh, geometry, field, length: see `gaugenet.meshes.field_export.field_arrows`.
        every: draws the arms of every so manieth vertex.
        view: elevation and azimuth of the eye, degrees.
        up: the axis, "y" or "z", that points up in the picture.

    Raises:
        ValueError: an argument is not as described.
        ImportError: matplotlib is not installed.
    """
    if every < 1:
        raise ValueError(f"every must be at least 1, got {every}")
    points, vectors = field_arrows(mesh, geometry, field, length)
    camera = _camera(view, up)
    figure = new_figure(6.0, 6.0)
    from matplotlib.collections import LineCollection

    positions = np.asarray(mesh.vertices, np.float64)
    axes = figure.add_subplot()
    draw_shaded(axes, positions, mesh.faces, np.tile((0.84, 0.85, 0.87), (mesh.n_faces, 1)), view, up)
    edge = float(mesh.edge_lengths.mean())
    seen = _seen(positions, mesh.faces, camera, edge)
    shown = np.repeat(seen & (np.arange(mesh.n_vertices) % every == 0), field.n)
    first = np.arange(len(points)) % field.n == 0
    for chosen, color in ((shown & ~first, OTHER_ARM), (shown & first, FIRST_ARM)):
        strokes = np.stack([points[chosen], points[chosen] + vectors[chosen]], 1) @ camera.T
        _make_room(axes, strokes[:, 1, :2])
        if field.n == 1:  # a direction, and not a line
            start, along = strokes[:, 0], strokes[:, 1] - strokes[:, 0]
            axes.quiver(
                *start[:, :2].T, *along[:, :2].T, angles="xy", scale_units="xy", scale=1, color=np.array(color) / 255,
                width=0.0022, headwidth=4, headlength=4.5, headaxislength=4,
            )  # fmt: skip
            continue
        axes.add_collection(LineCollection(list(strokes[:, :, :2]), colors=[np.array(color) / 255], linewidths=0.9))
    at = field.singular_faces
    at = at[seen[mesh.faces[at]].all(1)]
    middle = positions[mesh.faces[at]].mean(1) @ camera.T
    positive = field.face_index[at] > 0
    for some, color in ((positive, POSITIVE), (~positive, NEGATIVE)):
        axes.scatter(middle[some, 0], middle[some, 1], s=16, color=[np.array(color) / 255], zorder=5)
    sides = "one singular face" if len(field.singular_faces) == 1 else f"{len(field.singular_faces)} singular faces"
    arms = "one arm" if field.n == 1 else f"{field.n} arms"
    name, total = Path(mesh.name).name, field.face_index.sum()
    axes.set_title(f"{name}: {arms}, {sides}, total index {total:g}", fontsize=9)
    figure.subplots_adjust(left=0.01, right=0.99, bottom=0.01, top=0.95)
    figure.savefig(path)


def _seen(
    vertices: NDArray[np.float64], faces: NDArray[Any], camera: NDArray[np.float64], edge: float
) -> NDArray[np.bool_]:
    """[V] the vertices with nothing in front of them: no other vertex beside them in the picture and much nearer."""
    from scipy.spatial import cKDTree

    seen = vertices @ camera.T
    pairs = cKDTree(seen[:, :2]).query_pairs(0.9 * edge, output_type="ndarray")
    gap = seen[pairs[:, 0], 2] - seen[pairs[:, 1], 2]
    free = np.ones(len(vertices), bool)
    free[pairs[gap < -3 * edge, 0]] = False
    free[pairs[gap > 3 * edge, 1]] = False
    free[np.setdiff1d(np.arange(len(vertices)), faces)] = False
    return free
