"""The template in cells: which one a vertex belongs to, and how far everything is from the middle of each."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

import gaugenet as gn
from gaugenet.meshes.sampling import sample_vertices


@dataclass(frozen=True)
class Template:
    """A surface whose vertices have numbers, and C of them, spread evenly, as middles of cells."""

    mesh: gn.TriangleMesh
    vertex: Tensor
    """int64 [N] the vertex of the mesh that has each number."""
    distance: Tensor
    """float32 [C, N] along the edges, in units of the square root of the area, from each middle to each number."""
    cell: Tensor
    """int64 [N] the nearest middle of each number."""
    middle: Tensor
    """int64 [C] numbers of the middles."""

    def soft_cells(self, numbers: Tensor) -> Tensor:
        """q_c ∝ exp(-d(c, n)² / 2σ²) of each number n, σ = 1 / (2 √C), about half the distance of two middles.

        Args:
            numbers: int64 [V].

        Returns:
            float32 [V, C], rows sum to 1.
        """
        near = self.distance[:, numbers].T
        return torch.softmax(-2 * len(self.middle) * near.square(), 1)


def make_template(mesh: gn.TriangleMesh, numbers: np.ndarray, n_cells: int, seed: int = 0) -> Template:
    """Farthest points, and shortest paths along edges (Dijkstra) from them.

    Args:
        mesh: one connected surface.
        numbers: int64 [V] the number of each vertex, every one of 0 .. V - 1 once.
        n_cells: C.
        seed: of the first point.

    Raises:
        ValueError: the numbers are not these, or the surface is not connected.
    """
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import dijkstra

    n = mesh.n_vertices
    if not np.array_equal(np.sort(numbers), np.arange(n)):
        raise ValueError(f"template_vertex of the template must hold each of 0 .. {n - 1} once; use another file")
    vertex = np.argsort(numbers)
    points, faces = mesh.vertices, mesh.faces
    assert points is not None
    source, target = faces.ravel(), np.roll(faces, -1, 1).ravel()
    pairs = np.unique(np.sort(np.stack([source, target], 1), 1), axis=0)
    length = np.linalg.norm(points[pairs[:, 0]] - points[pairs[:, 1]], axis=1)
    graph = coo_matrix((length, (pairs[:, 0], pairs[:, 1])), (n, n)).tocsr()
    chosen = sample_vertices(mesh, n_cells, seed=seed)
    distance = dijkstra(graph, directed=False, indices=chosen)[:, vertex]
    if not np.isfinite(distance).all():
        raise ValueError("expected a template in one piece; no path leads from some of its vertices to others")
    corners = points[faces]
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1).sum() / 2
    scaled = torch.from_numpy(distance / np.sqrt(area)).float()
    return Template(mesh, torch.from_numpy(vertex), scaled, scaled.argmin(0), torch.from_numpy(numbers[chosen]))


def load_numbered(path: Path) -> tuple[gn.TriangleMesh, np.ndarray]:
    """The mesh of an npz file, and int64 [V] the array template_vertex at its vertices.

    Raises:
        ValueError: the file has no such array, or is no surface.
    """
    mesh = gn.load_mesh(path)
    with np.load(path) as arrays:
        if "template_vertex" not in arrays:
            raise ValueError(f"{path}: there is no array template_vertex in it, a number for each vertex")
        numbers = arrays["template_vertex"].astype(np.int64)
    return mesh, mesh.vertex_labels_from_file(numbers)
