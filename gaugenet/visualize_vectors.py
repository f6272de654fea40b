"""Pictures of tangent vectors in their frames: fields, transport round a vertex, numbers on the edges of a vertex."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from gaugenet.meshes.geometry import MeshGeometry
from gaugenet.meshes.mesh import TriangleMesh
from gaugenet.visualize import _camera, _make_room, draw_shaded, new_figure
from gaugenet.visualize_fields import _seen

Floats = NDArray[np.float64]

_SURFACE = (0.84, 0.85, 0.87)
_OUTLINE = (0.6, 0.62, 0.66)
_ARROW = "#14469f"
_OWN = "#cd1e2d"


def vectors_in_space(coefficients: Tensor | Floats, geometry: MeshGeometry) -> Floats:
    """[V, 3] the vectors x e1 + y e2 of coefficients (x, y) [V, 2] in the frames of the vertices.

    Raises:
        ValueError: there are no frames in space, or the shape is another.
    """
    values = np.asarray(coefficients, np.float64)
    if geometry.frame is None or values.shape != (geometry.n_vertices, 2):
        raise ValueError(
            f"expected coefficients [{geometry.n_vertices}, 2] on an embedded surface, got {list(values.shape)}"
            + ("" if geometry.frame is not None else " and a geometry without frames")
        )
    frame = geometry.frame.double().cpu().numpy()
    return np.asarray(values[:, :1] * frame[:, 0] + values[:, 1:] * frame[:, 1])


def draw_vectors(
    path: str | Path,
    mesh: TriangleMesh,
    vectors: Floats,
    title: str = "",
    *,
    most: int = 900,
    view: tuple[float, float] = (22.0, -55.0),
    up: str = "z",
) -> None:
    """Draws vectors in space [V, 3], e.g. of `vectors_in_space`, as arrows on the side that faces the eye, into a PNG.

    The longest of 98 % of them is as long as the gap between arrows.

    Args:
        most: arrows to draw, at most; they are spread over the surface.

    Raises:
        ValueError: the mesh has no positions, or there is not one vector per vertex.
        ImportError: matplotlib is not installed.
    """
    points = _positions(mesh)
    vectors = np.asarray(vectors, np.float64)
    if vectors.shape != points.shape:
        raise ValueError(f"expected vectors {list(points.shape)}, got {list(vectors.shape)}")
    figure, axes, camera = _canvas(mesh, points, title, view, up)
    chosen = spread_out(points, most)
    area = float(_areas(points, mesh.faces).sum())
    gap = np.sqrt(area / max(len(chosen), 1))
    size = float(np.percentile(np.linalg.norm(vectors[chosen], axis=1), 98)) if len(chosen) else 0.0
    shown = chosen[_seen(points, mesh.faces, camera, float(mesh.edge_lengths.mean()))[chosen]]
    _arrows(axes, points[shown], vectors[shown] * (1.0 * gap / size if size > 0 else 0.0), camera, _ARROW)
    figure.savefig(path)


def draw_transport(
    path: str | Path,
    mesh: TriangleMesh,
    geometry: MeshGeometry,
    vertex: int,
    *,
    angle: float = 0.0,
    view: tuple[float, float] | None = None,
    up: str = "z",
) -> None:
    """Draws a tangent vector at a vertex (red), and what parallel transport makes of it at each neighbour (blue).

    The vector encloses `angle` (radians) with the first axis of the frame at the vertex p; at q its coefficients are
    g_{p<-q}^{-1} (cos angle, sin angle). The picture does not depend on the gauge if `angle` turns with it. Lines lead
    from p to its neighbours.

    Args:
        view: elevation and azimuth of the eye, degrees; None looks at the vertex from above it.

    Raises:
        ValueError: there is no such vertex, or no positions or frames.
        ImportError: matplotlib is not installed.
    """
    points, frame, edges, q = _neighborhood(mesh, geometry, vertex)
    phi, flip = (getattr(geometry, name)[edges].double().cpu().numpy() for name in ("phi", "flip"))
    # g = R(phi) diag(1, flip), so g^-1 (cos a, sin a) = (cos(a - phi), flip sin(a - phi))
    x, y = np.cos(angle - phi), flip * np.sin(angle - phi)
    moved = x[:, None] * frame[q, 0] + y[:, None] * frame[q, 1]
    own = np.cos(angle) * frame[vertex, 0] + np.sin(angle) * frame[vertex, 1]
    figure, axes, camera, size = _close_up(mesh, points, frame[vertex, 2], vertex, q, view, up, "transport from")
    _spokes(axes, points, vertex, q, camera)
    _arrows(axes, points[q], size * moved, camera, _ARROW, width=1.6)
    _arrows(axes, points[[vertex]], 1.25 * size * own[None], camera, _OWN, width=2.4)
    figure.savefig(path)


def draw_edge_values(
    path: str | Path,
    mesh: TriangleMesh,
    geometry: MeshGeometry,
    vertex: int,
    values: Tensor | Floats,
    title: str = "weights of",
    *,
    view: tuple[float, float] | None = None,
    up: str = "z",
) -> None:
    """Draws one number per edge, e.g. attention or quadrature weights, at the neighbours of a vertex as discs.

    Args:
        values: [E] of all edges of the geometry; those of the vertex are drawn, the area of a disc by the size and its
            colour by the value.
        view: elevation and azimuth of the eye, degrees; None looks at the vertex from above it.

    Raises:
        ValueError: there is no such vertex or not one value per edge, or no positions.
        ImportError: matplotlib is not installed.
    """
    numbers = np.asarray(values, np.float64)
    if numbers.shape != (geometry.n_edges,):
        raise ValueError(f"expected one value per edge, {geometry.n_edges} in all; got {list(numbers.shape)}")
    points, frame, edges, q = _neighborhood(mesh, geometry, vertex)
    figure, axes, camera, _ = _close_up(mesh, points, frame[vertex, 2], vertex, q, view, up, title)
    mine = numbers[edges.cpu().numpy()]
    _spokes(axes, points, vertex, q, camera)
    at = points[q] @ camera.T
    top = np.abs(mine).max(initial=0.0) or 1.0
    low = min(float(mine.min(initial=0.0)), 0.0)
    discs = axes.scatter(
        at[:, 0], at[:, 1], s=40 + 260 * np.abs(mine) / top, c=mine, cmap="RdBu_r" if low < 0 else "viridis",
        vmin=-top if low < 0 else 0.0, vmax=top, edgecolors="white", linewidths=0.8, zorder=6,
    )  # fmt: skip
    own = points[vertex] @ camera.T
    axes.scatter(own[0], own[1], marker="x", s=70, color=_OWN, linewidths=2.2, zorder=7)
    bar = figure.colorbar(discs, cax=figure.add_axes((0.87, 0.2, 0.025, 0.55)))
    bar.outline.set_visible(False)
    bar.ax.tick_params(labelsize=8, length=2)
    figure.savefig(path)


def spread_out(points: Floats, most: int) -> NDArray[np.int64]:
    """Indices of at most so many points, one of each cell of a grid in space as fine as that allows."""
    if len(points) <= most:
        return np.arange(len(points))
    low, size = points.min(0), float(np.ptp(points, axis=0).max()) or 1.0
    chosen = np.arange(1)
    for cells in np.unique(np.geomspace(2, 400, 40).astype(int)):
        key = np.floor((points - low) / size * cells).astype(np.int64) @ np.array([1, 1000, 1000000])
        first = np.unique(key, return_index=True)[1]
        if len(first) > most:
            break
        chosen = np.sort(first)
    return chosen


def _positions(mesh: TriangleMesh) -> Floats:
    if mesh.vertices is None:
        raise ValueError(f"{mesh.name or 'this mesh'}: it has edge lengths only and cannot be drawn")
    return np.asarray(mesh.vertices, np.float64)


def _neighborhood(mesh: TriangleMesh, geometry: MeshGeometry, vertex: int) -> tuple[Floats, Floats, Tensor, Any]:
    points = _positions(mesh)
    if geometry.frame is None or geometry.n_vertices != len(points):
        raise ValueError(f"expected a geometry of the mesh ({len(points)} vertices) with frames, got {geometry}")
    if not 0 <= vertex < len(points):
        raise ValueError(f"there is no vertex {vertex}: expected 0 to {len(points) - 1}")
    edges = (geometry.target == vertex).nonzero()[:, 0]
    return points, geometry.frame.double().cpu().numpy(), edges, geometry.source[edges].long().cpu().numpy()


def _canvas(
    mesh: TriangleMesh, points: Floats, title: str, view: tuple[float, float], up: str
) -> tuple[Any, Any, Floats]:
    figure = new_figure(6.4, 6.4)
    axes = figure.add_axes((0.01, 0.01, 0.98, 0.93))
    draw_shaded(axes, points, mesh.faces, np.tile(_SURFACE, (mesh.n_faces, 1)), view, up)
    figure.text(0.5, 0.955, title, ha="center", fontsize=10)
    return figure, axes, _camera(view, up)


def _close_up(
    mesh: TriangleMesh,
    points: Floats,
    normal: Floats,
    vertex: int,
    q: Any,
    view: tuple[float, float] | None,
    up: str,
    what: str,
) -> tuple[Any, Any, Floats, float]:
    """Figure, axes and camera on a vertex and its neighbours q, and a good length of arrows."""
    if view is None:
        n = normal if up == "z" else normal[[2, 0, 1]]
        view = (float(np.degrees(np.arcsin(np.clip(n[2], -0.98, 0.98)))), float(np.degrees(np.arctan2(n[1], n[0]))))
    figure = new_figure(6.4, 6.0)
    axes = figure.add_axes((0.01, 0.01, 0.85, 0.92))
    reach = float(np.linalg.norm(points[q] - points[vertex], axis=1).max(initial=0.0))
    near = (np.linalg.norm(points[mesh.faces] - points[vertex], axis=2) < 2.2 * max(reach, 1e-300)).any(1)
    draw_shaded(axes, points, mesh.faces[near], np.tile(_SURFACE, (int(near.sum()), 1)), view, up, _OUTLINE)
    camera = _camera(view, up)
    x, y, _ = points[vertex] @ camera.T
    axes.set_xlim(x - 1.5 * reach, x + 1.5 * reach)
    axes.set_ylim(y - 1.5 * reach, y + 1.5 * reach)
    name = Path(mesh.name).name
    figure.text(0.43, 0.95, f"{name}: {what} vertex {vertex}, {len(q)} neighbours", ha="center", fontsize=10)
    return figure, axes, camera, reach * 1.1 / max(np.sqrt(len(q)), 1.0)


def _spokes(axes: Any, points: Floats, vertex: int, q: Any, camera: Floats) -> None:
    from matplotlib.collections import LineCollection

    ends = np.stack([np.broadcast_to(points[vertex], (len(q), 3)), points[q]], 1) @ camera.T
    axes.add_collection(LineCollection(list(ends[:, :, :2]), colors=[(0.45, 0.47, 0.52)], linewidths=0.8, zorder=3))


def _arrows(axes: Any, points: Floats, vectors: Floats, camera: Floats, color: str, width: float = 1.0) -> None:
    """Arrows as strokes with heads in proportion, so that short ones are seen to be short."""
    from matplotlib.collections import LineCollection, PolyCollection

    start = (points @ camera.T)[:, :2]
    step = (vectors @ camera.T)[:, :2]
    side = np.stack([-step[:, 1], step[:, 0]], 1)
    tip, neck = start + step, start + 0.62 * step
    strokes = np.stack([start, neck], 1)
    heads = np.stack([tip, neck + 0.17 * side, neck - 0.17 * side], 1)
    axes.add_collection(LineCollection(list(strokes), colors=[color], linewidths=width, zorder=4, capstyle="round"))
    axes.add_collection(PolyCollection(list(heads), facecolors=[color], edgecolors="none", zorder=5))
    _make_room(axes, heads.reshape(-1, 2))


def _areas(points: Floats, faces: NDArray[Any]) -> Floats:
    a, b, c = (points[faces[:, k]] for k in range(3))
    return np.asarray(0.5 * np.linalg.norm(np.cross(b - a, c - a), axis=1))
