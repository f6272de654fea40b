"""The same digits on a triangulated Möbius strip, and a network of the operator on meshes."""

from __future__ import annotations

import itertools

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

import gaugenet as gn
from gaugenet.meshes.geometry import MeshGeometry
from gaugenet.meshes.mesh import TriangleMesh
from gaugenet.meshes.precompute import compute_geometry
from gaugenet.meshes.repair import mesh_from_edge_lengths

ROWS, COLUMNS = (33, 17, 9), (28, 14, 7)
"""Vertices across and along the strip, on each level."""
FIELDS = (4, 8, 16, 24, 32)
"""Regular fields after the first five convolutions."""
Reference = tuple[NDArray[np.int64], NDArray[np.float64]]


def places(level: int, size: int = 28) -> NDArray[np.float64]:
    """[V, 2] u along the strip and v across it, in pixels, of vertex i · columns + j: the middles of the first column
    have u = 0, those of the first row v = −(size − 1)/2.

    Every second row is half a spacing further along, and the first and the last row are alike: u → u + spacing and
    (u, v) → (u + size, −v) map the vertices to themselves, and those of the next level to themselves if u moves by two
    spacings.
    """
    rows, columns = ROWS[level], COLUMNS[level]
    i, j = np.divmod(np.arange(rows * columns), columns)
    return np.stack([(j + i % 2 / 2) * size / columns, (i / (rows - 1) - 0.5) * (size - 1)], 1)


def triangulated_strip(level: int, size: int = 28) -> tuple[TriangleMesh, Reference]:
    """The flat strip in isosceles triangles between neighbouring rows, and where the x axis of each vertex is.

    All x axes are along the strip, all y axes across it, so that transporters are 1 or the reflection.
    """
    rows, columns = ROWS[level], COLUMNS[level]
    i, j = (a.ravel() for a in np.meshgrid(np.arange(rows - 1), np.arange(columns), indexing="ij"))
    odd = i % 2
    low = np.stack([i, j, i, j + 1, i + 1, j + odd], 1)
    high = np.stack([i + 1, j + 1, i + 1, j, i, j + 1 - odd], 1)
    corners = np.concatenate([low, high]).reshape(-1, 3, 2)
    # faces across the seam come last: no vertex has one as its first, which says how its frame winds
    corners = corners[np.argsort((corners[..., 1] == columns).any(1), kind="stable")]
    row, column = corners[..., 0], corners[..., 1]
    across = column == columns
    faces = np.where(across, (rows - 1 - row) * columns, row * columns + column)
    plane = np.stack([(column + row % 2 / 2) * size / columns, row / (rows - 1) * (size - 1)], -1)
    side = np.roll(plane, -1, axis=1) - plane
    mesh = mesh_from_edge_lengths(faces, np.hypot(side[..., 0], side[..., 1]), name="triangulated Möbius strip")
    # the first half-edge from each vertex, and by how much the strip's direction differs from its own
    _, first = np.unique(np.where(across, -1, faces).ravel(), return_index=True)
    first = first[-rows * columns :].astype(np.int64)
    return mesh, (first, -np.arctan2(side[..., 1], side[..., 0]).ravel()[first])


def strip_geometry(level: int, dtype: torch.dtype = torch.float32) -> MeshGeometry:
    """Neighbours within 2.5 spacings, 18 of them away from the borders."""
    mesh, reference = triangulated_strip(level)
    around = gn.Radius(2.5 * 28 / COLUMNS[level])
    return compute_geometry(mesh, around, mode="polyhedral", reference=reference, dtype=dtype)


def kept(level: int) -> Tensor:
    """int64 [V of the next level] the vertices of this level that are in the place of those of the next."""
    i, j = np.divmod(np.arange(ROWS[level + 1] * COLUMNS[level + 1]), COLUMNS[level + 1])
    return torch.from_numpy(2 * i * COLUMNS[level] + 2 * j + i % 2)


def window(level: int, dtype: torch.dtype = torch.float32) -> MeshGeometry:
    """From a level to the next: every kept vertex with the neighbours that it shares an edge with, itself included."""
    mesh, reference = triangulated_strip(level)
    near = compute_geometry(
        mesh, gn.Radius(1.2 * 28 / COLUMNS[level]), mode="polyhedral", reference=reference, dtype=dtype
    )
    chosen = kept(level)
    wanted = torch.full((mesh.n_vertices,), -1)
    wanted[chosen] = torch.arange(len(chosen))
    edge = torch.nonzero(wanted[near.target] >= 0).flatten()
    target = torch.cat([wanted[near.target[edge]], torch.arange(len(chosen))])
    order = torch.argsort(target, stable=True)
    degree = torch.bincount(target)

    def joined(values: Tensor, own: float) -> Tensor:
        return torch.cat([values[edge], values.new_full((len(chosen),), own)])[order]

    return MeshGeometry(
        row_ptr=nn.functional.pad(degree.cumsum(0), (1, 0)).int(),
        source=torch.cat([near.source[edge], chosen.int()])[order],
        r=joined(near.r, 0.0),
        theta=joined(near.theta, 0.0),
        phi=joined(near.phi, 0.0),
        flip=joined(near.flip, 1),
        weight=(1 / degree)[target[order]].to(dtype),
        radius=near.radius[chosen],
        area=4 * near.area[chosen],
        boundary=near.boundary[chosen],
        mesh_ptr=torch.tensor([0, len(chosen)]),
        source_ptr=torch.tensor([0, mesh.n_vertices]),
        rotation_order=1,
    )


def at_vertices(size: int = 28) -> Tensor:
    """float64 [V, size²] that interpolates the pixels of a digit linearly at the vertices of the finest level."""
    place = places(0, size)
    column, row = place[:, 0], place[:, 1] + (size - 1) / 2
    matrix = np.zeros((len(place), size, size))
    vertex = np.arange(len(place))
    for down, right in itertools.product((0, 1), repeat=2):
        r, c = np.floor(row + 1e-9).astype(int) + down, np.floor(column).astype(int) + right
        weight = np.maximum(1 - abs(row - r), 0) * np.maximum(1 - abs(column - c), 0)
        inside = r < size
        r, c, weight = r[inside], c[inside], weight[inside]
        beyond = c >= size
        np.add.at(matrix, (vertex[inside], np.where(beyond, size - 1 - r, r), c % size), weight)
    return torch.from_numpy(matrix.reshape(len(place), -1))


class TriangulatedNetwork(nn.Module):
    """Six convolutions of regular fields of the reflection group, each but the last followed by batch normalisation and
    a ReLU of the values, the largest of seven neighbours after the second and the fourth; maximum over the strip and
    perceptron as on pixels.

    Args:
        seed: of the initial weights.
    """

    def __init__(self, *, seed: int = 0) -> None:
        super().__init__()
        torch.manual_seed(seed)
        types = [gn.FieldType.parse(f"reflection: {m}xregular") for m in FIELDS]
        types = [gn.FieldType.parse("reflection: 1xtrivial"), *types, gn.FieldType.parse("reflection: 64xtrivial")]
        self.convolutions = nn.ModuleList(
            gn.GaugeConv(a, b, n_radial=2, max_harmonic=2, bias=b is types[-1]) for a, b in itertools.pairwise(types)
        )
        # after a few hundred steps slower running statistics would still remember where they began
        self.norms = nn.ModuleList(gn.BatchNorm(t, momentum=0.3) for t in types[1:-1])
        self.nonlinearities = nn.ModuleList(gn.RegularNonlinearity(t) for t in types[1:-1])
        self.pooling = nn.ModuleList(gn.TransportMax(types[k]) for k in (2, 4))
        self.head = nn.Sequential(
            *(nn.BatchNorm1d(64), nn.ELU(), nn.Dropout(0.3), nn.Linear(64, 32)),
            *(nn.BatchNorm1d(32), nn.ELU(), nn.Dropout(0.3), nn.Linear(32, 10)),
        )
        self.register_buffer("sampling", at_vertices().float(), persistent=False)
        self.sampling: Tensor
        self.one = ([strip_geometry(level, torch.float64) for level in range(3)], [window(0), window(1)])
        self.batches: dict[tuple[int, torch.dtype, torch.device], tuple[list[MeshGeometry], list[MeshGeometry]]] = {}

    def _apply(self, fn, recurse=True):  # type: ignore[no-untyped-def]
        # A cast to float64 must bring exact weights, not rounded ones.
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        self.sampling = at_vertices().to(self.sampling)
        return self

    def features(self, images: Tensor) -> list[Tensor]:
        """[N, 28, 28] grey values → the fields after each of the six convolutions, coefficients [N, V of its level,
        dim]; pooled where that follows."""
        n = len(images)
        levels, windows = self.strips(n, self.sampling.dtype, images.device)
        x = (images.flatten(1).to(self.sampling) @ self.sampling.T).reshape(-1, 1)
        found = []
        for k, convolution in enumerate(self.convolutions):
            x = convolution(x, levels[k // 2])
            if k < 5:
                x = self.nonlinearities[k](self.norms[k](x))
            if k in (1, 3):
                x = self.pooling[k // 2](x, windows[k // 2])
            found.append(x.view(n, -1, x.shape[1]))
        return found

    def forward(self, images: Tensor) -> Tensor:
        """[N, 28, 28] grey values, width × length → [N, 10] logits"""
        logits: Tensor = self.head(self.features(images)[-1].amax(1))
        return logits

    def strips(self, n: int, dtype: torch.dtype, device: torch.device) -> tuple[list[MeshGeometry], list[MeshGeometry]]:
        """The disjoint union of n strips: its levels, and the windows between them; built once for each number."""
        key = (n, dtype, device)
        if key not in self.batches:
            levels, windows = (
                [gn.batch_geometries([g.to(device, dtype)] * n) for g in geometries] for geometries in self.one
            )
            self.batches[key] = levels, windows
        return self.batches[key]
