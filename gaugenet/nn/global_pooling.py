"""From a field to invariant numbers of each surface."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gaugenet.field_type import FieldType
from gaugenet.meshes.geometry import MeshGeometry
from gaugenet.nn.instance_norm import check_targets
from gaugenet.nn.invariants import Invariants
from gaugenet.nn.surface_sums import Surfaces, surfaces_of

MODES = ("area", "mean", "max")


class GlobalPooling(nn.Module):
    """Invariants of a field, summed up over each surface of a batch:

        "area": Σ_p a_p ι(f[p]),   "mean": 1/V Σ_p ι(f[p]),   "max": max_p ι(f[p])

    ι are the `Invariants` at a vertex, a_p the area of vertex p over that of its surface. Invariants, because vectors
    at different vertices have no common frame in which to add them. "area" is an integral, and so independent of the
    meshing up to its error; "mean" and "max" are not. Several modes follow each other in the columns.

    Args:
        field_type: of the input.
        modes: of "area", "mean", "max", in the order of the output.
        generator: for the initial weights of ι.

    Raises:
        ValueError: a mode is not known, or there is none.
    """

    def __init__(
        self,
        field_type: FieldType,
        modes: tuple[str, ...] = ("area",),
        *,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        unknown = [mode for mode in modes if mode not in MODES]
        if unknown or not modes:
            raise ValueError(f"unknown modes {unknown}: expected at least one of {', '.join(MODES)}")
        self.field_type, self.modes = field_type, tuple(modes)
        self.invariants = Invariants(field_type, generator=generator)
        self.n_out = len(modes) * self.invariants.n_out

    def edges(self, geometry: MeshGeometry) -> Surfaces:
        """What the layer reads of a surface; see `prepare`."""
        return surfaces_of(geometry)

    def forward(self, x: Tensor, geometry: MeshGeometry) -> Tensor:
        """[V, field_type.dim] at the targets of the geometry → [n_meshes, n_out]; 0 for a surface without vertices.

        Raises:
            ValueError: x has the wrong shape.
        """
        check_targets(x, self.field_type, geometry)
        surfaces, iota = self.edges(geometry), self.invariants(x)
        found = []
        for mode in self.modes:
            if mode == "area":
                found.append(surfaces.sum(iota * surfaces.area[:, None].to(iota.dtype)))
            elif mode == "mean":
                found.append(surfaces.sum(iota) / surfaces.count[:, None].to(iota.dtype))
            else:
                found.append(surfaces.max(iota))
        return torch.cat(found, 1)

    def extra_repr(self) -> str:
        return f"{', '.join(self.modes)}, {self.n_out} invariants"
