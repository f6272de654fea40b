"""What a named surface is: a mesh, and the geometry that is known exactly of it."""

from __future__ import annotations

from dataclasses import dataclass

from numpy.typing import ArrayLike

from gaugenet.meshes.closed_forms import ClosedForm, PolarMap
from gaugenet.meshes.grids import Grid
from gaugenet.meshes.mesh import TriangleMesh
from gaugenet.meshes.repair import mesh_from_arrays, mesh_from_edge_lengths
from gaugenet.meshes.topology import Ints
from gaugenet.meshes.validation import Floats


@dataclass(frozen=True, eq=False)
class Shape:
    """A surface and what is known exactly about it."""

    mesh: TriangleMesh
    closed_form: ClosedForm | None = None
    """Logarithmic maps and transporters, in the frames that its class defines; None where no closed form is known."""
    frame: Floats | None = None
    """[V, 3, 3] those frames in space, rows (x, y, normal x × y); None for an intrinsic surface."""

    def log_and_transport(self, p: ArrayLike, q: ArrayLike) -> PolarMap:
        """r, theta, phi, flip of pairs of target p [n] and source q [n] vertices: see `closed_forms`.

        Raises:
            ValueError: this surface has no closed form.
        """
        if self.closed_form is None:
            raise ValueError(f"{self.mesh.name}: no closed form is known; take a developed, flat or round surface")
        return self.closed_form.log_and_transport(p, q)


def embedded_mesh(vertices: Floats, faces: Ints, name: str) -> TriangleMesh:
    """Vertices at the same position stay different."""
    return mesh_from_arrays(vertices, faces, name=name, merge_vertices=False)


def developed_mesh(grid: Grid, name: str) -> TriangleMesh:
    """The intrinsic surface of the lengths that a grid has in the plane."""
    return mesh_from_edge_lengths(
        grid.faces, grid.edge_lengths, twin=grid.twin, twin_flipped=grid.twin_flipped, name=name
    )
