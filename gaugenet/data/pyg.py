"""PyTorch Geometric's ``Data``, to and from `MeshGeometry`. An extra: ``pip install 'gaugenet[graph]'``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from gaugenet.meshes.geometry import MeshGeometry
from gaugenet.meshes.mesh import TriangleMesh

_EXTRA = ("weight", "radius", "area", "boundary", "frame", "visit_order")
"""Attributes of a `Data` beside the usual ones that make the way back exact."""


def to_pyg(
    geometry: MeshGeometry,
    mesh: TriangleMesh | None = None,
    *,
    x: Tensor | None = None,
    y: Tensor | None = None,
    make: Callable[..., Any] | None = None,
) -> Any:
    """A ``torch_geometric.data.Data`` of one surface or of a union of surfaces.

    It has edge_index [2, E] (source, target), edge_attr [E, 4] = (r, theta, phi, flip) in the dtype of the geometry;
    pos [V, 3] and face [3, F] of an embedded mesh; x, y as given; the other fields of the geometry under their names;
    and batch [V] where it is a union.

    Args:
        geometry: with targets and sources the same.
        mesh: of the geometry, for pos and face; None without.
        x: inputs [V, n]; None without.
        y: what is to be predicted; None without.
        make: called with the attributes instead of ``Data``.

    Raises:
        ValueError: the geometry is between levels, or the mesh is another one.
        ImportError: torch_geometric is not installed.
    """
    if geometry.is_cross_level:
        raise ValueError("a geometry between two levels is no single graph; convert that of a level")
    if mesh is not None and mesh.n_vertices != geometry.n_vertices:
        raise ValueError(f"the mesh has {mesh.n_vertices} vertices and the geometry {geometry.n_vertices}")
    attributes: dict[str, Any] = {
        "edge_index": torch.stack([geometry.source.long(), geometry.target]),
        "edge_attr": torch.stack(
            [geometry.r, geometry.theta, geometry.phi, geometry.flip.to(geometry.r)],
            1,
        ),
        "num_nodes": geometry.n_vertices,
        "rotation_order": geometry.rotation_order,
    }
    attributes |= {name: value for name in _EXTRA if (value := getattr(geometry, name)) is not None}
    if geometry.n_meshes > 1:
        sizes = geometry.mesh_ptr.diff()
        attributes["batch"] = torch.repeat_interleave(torch.arange(len(sizes), device=geometry.device), sizes)
    if mesh is not None:
        attributes["face"] = torch.tensor(mesh.faces).T.contiguous().to(geometry.device)
        if mesh.vertices is not None:
            attributes["pos"] = torch.tensor(mesh.vertices).to(geometry.r)
    attributes |= {name: value for name, value in (("x", x), ("y", y)) if value is not None}
    return (make or _data())(**attributes)


def from_pyg(data: Any) -> MeshGeometry:
    """The geometry in a ``Data`` (or anything with its attributes) that has edge_index and edge_attr as `to_pyg` has.

    Edges may stand in any order; self-loops are refused. What is not there is filled in: weight 1 / degree, radius just
    beyond the farthest neighbour (as `Nearest` has it), area 1, no boundary.

    Args:
        data: edge_index int64 [2, E] (source, target), edge_attr [E, 4] = (r, theta, phi, flip), and num_nodes.

    Raises:
        ValueError: edge_index or edge_attr is missing or of another shape, or an index is out of range.
    """
    index, attributes = getattr(data, "edge_index", None), getattr(data, "edge_attr", None)
    if index is None or attributes is None or index.ndim != 2 or tuple(attributes.shape) != (index.shape[1], 4):
        shapes = [None if v is None else list(v.shape) for v in (index, attributes)]
        raise ValueError(
            f"expected edge_index [2, E] and edge_attr [E, 4] = (r, theta, phi, flip), got {shapes[0]} and {shapes[1]}"
        )
    n = int(data.num_nodes)
    source, target = index.long()
    if index.numel() and (int(index.min()) < 0 or int(index.max()) >= n):
        raise ValueError(f"edge_index runs from {int(index.min())} to {int(index.max())} on {n} nodes")
    if bool((source == target).any()):
        raise ValueError("no vertex is a neighbour of itself: remove the self-loops")
    if bool((attributes[:, 3].abs() != 1).any()):
        raise ValueError("the fourth column of edge_attr, flip, must hold +1 and -1 only")
    order = torch.argsort(target * n + source)  # rows by target, sources ascending
    real = attributes[order]
    degree = torch.bincount(target, minlength=n)
    row_ptr = torch.zeros(n + 1, dtype=torch.int32, device=index.device)
    row_ptr[1:] = degree.cumsum(0)
    found = {name: getattr(data, name, None) for name in _EXTRA}
    weight = (1.0 / degree.clamp_min(1).to(real))[target] if found["weight"] is None else found["weight"]
    batch = getattr(data, "batch", None)
    sizes = torch.tensor([n]) if batch is None else torch.bincount(batch).cpu()
    farthest = real.new_zeros(n).scatter_reduce(0, target, attributes[:, 0], "amax")
    beyond = farthest * (1 + 0.5 / degree.clamp_min(1).to(real))
    return MeshGeometry(
        row_ptr=row_ptr,
        source=source[order].to(torch.int32),
        r=real[:, 0].contiguous(),
        theta=real[:, 1].contiguous(),
        phi=real[:, 2].contiguous(),
        flip=real[:, 3].to(torch.int8),
        weight=weight[order],
        radius=beyond if found["radius"] is None else found["radius"],
        area=real.new_ones(n) if found["area"] is None else found["area"],
        boundary=index.new_zeros(n, dtype=torch.bool) if found["boundary"] is None else found["boundary"],
        mesh_ptr=torch.cat([torch.zeros(1, dtype=torch.int64), sizes.cumsum(0)]).to(index.device),
        frame=found["frame"],
        visit_order=found["visit_order"],
        rotation_order=int(getattr(data, "rotation_order", 0) or 0),
    )


def _data() -> Callable[..., Any]:
    try:
        from torch_geometric.data import Data
    except ImportError as error:
        raise ImportError("this needs PyTorch Geometric; install it with: pip install torch-geometric") from error
    made: Callable[..., Any] = Data
    return made
