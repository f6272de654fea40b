"""What a mesh is, as a surface, and what to do about what is wrong with it (``gaugenet inspect``)."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from gaugenet.meshes.holonomy import frame_field_group, holonomy_group
from gaugenet.meshes.mesh import TriangleMesh
from gaugenet.meshes.topology import (
    boundary_loops,
    boundary_vertices,
    euler_characteristic,
    is_orientable,
    isolated_vertices,
    n_components,
    n_edges,
)

_FLAT = 1e-6
"""Largest angle defect, in radians, of an interior vertex of a surface that is called flat."""


@dataclass(frozen=True)
class MeshReport:
    """Facts of one surface.

    Gauss–Bonnet for a triangulated surface: Σ_interior (2π − Θ_v) + Σ_boundary (π − Θ_v) = 2π χ, where Θ_v is
    the sum of the angles of the faces at v. It holds for every surface, so a difference tells of a wrong
    gluing or bad numbers.
    """

    name: str
    n_vertices: int
    n_edges: int
    n_faces: int
    n_components: int
    n_isolated: int
    loops: tuple[int, ...]
    """Number of vertices of each boundary loop, longest first."""
    orientable: bool
    euler: int
    total_defect: float
    """Left side of Gauss–Bonnet, radians."""
    flat: bool
    """True where the angle defect of every interior vertex is zero."""
    edge_min: float
    edge_median: float
    edge_max: float
    """Lengths of edges, in the unit of the file."""
    smallest_angle: float
    """Smallest angle of a face, degrees."""
    holonomy_group: str
    """The smallest group that holds all transporters of the polyhedron in a suitable gauge."""
    frame_field_group: str
    """The smallest group that a frame field without singularities reduces the structure group to."""
    float32_error: float
    """How far rounding to single precision, if the coordinates look rounded, moves a vertex, in median edge lengths."""
    repairs: tuple[str, ...]
    problems: tuple[tuple[str, str], ...]
    """What is wrong or needs attention, and what to do."""

    @property
    def structure_group(self) -> str:
        """The smaller of SO(2) and O(2) that holds all transporters, whatever the frames are: what ``--group`` must
        contain. Smaller groups need frames of their own: see `holonomy_group` and `frame_field_group`."""
        return "SO(2)" if self.orientable else "O(2)"

    @property
    def gauss_bonnet_error(self) -> float:
        """|Σ defects − 2π χ|, radians."""
        return abs(self.total_defect - 2 * np.pi * self.euler)

    def rows(self) -> Iterator[tuple[str, str]]:
        """Pairs of a name and a value, as printed."""
        yield "vertices, edges, faces", f"{self.n_vertices:,}, {self.n_edges:,}, {self.n_faces:,}"
        yield "components", f"{self.n_components:,}"
        if self.n_isolated:
            yield "isolated vertices", f"{self.n_isolated:,}"
        shown = ", ".join(f"{n:,}" for n in self.loops[:6]) + (", …" if len(self.loops) > 6 else "")
        yield (
            "boundary loops",
            f"{len(self.loops):,}" + (f" of {shown} vertices" if self.loops else " (closed)"),
        )
        yield "orientable", "yes" if self.orientable else "no (one-sided)"
        yield "Euler characteristic", f"{self.euler}"
        yield (
            "sum of angle defects",
            # + 0.0 turns -0.0 into 0.0
            f"{round(self.total_defect / (2 * np.pi), 9) + 0.0:.9g} · 2π (Gauss–Bonnet: {self.euler} · 2π, "
            f"difference {self.gauss_bonnet_error:.1e})",
        )
        yield (
            "edge length",
            f"min {self.edge_min:.4g}, median {self.edge_median:.4g}, max {self.edge_max:.4g}",
        )
        yield "smallest face angle", f"{self.smallest_angle:.3g}°"
        flat = ", flat" if self.flat else ""
        yield (
            "smallest structure group",
            f"{self.structure_group} in any gauge ({'two' if self.orientable else 'one'}-sided{flat})",
        )
        if self.holonomy_group != self.structure_group:
            yield "  as the polyhedron it is", f"{self.holonomy_group}, in a suitable gauge (mode = polyhedral)"
        if self.frame_field_group != self.structure_group:
            yield "  along a frame field", f"{self.frame_field_group}, without singularities"
        else:
            sides = "C<N> or trivial" if self.orientable else "D<N> or reflection"
            yield (
                "  along a frame field",
                f"{sides}, with singularities to mask: of total index χ on each closed component",
            )

    def as_dict(self) -> dict[str, Any]:
        """All fields and the two derived values, for JSON."""
        return {
            **dataclasses.asdict(self),
            "structure_group": self.structure_group,
            "gauss_bonnet_error": self.gauss_bonnet_error,
        }


def inspect_mesh(mesh: TriangleMesh) -> MeshReport:
    """Measure a surface and list what should be mended, each with a remedy."""
    from gaugenet.meshes.fans import corner_angles

    angles = corner_angles(mesh.edge_lengths)
    total = np.bincount(mesh.faces.ravel(), weights=angles.ravel(), minlength=mesh.n_vertices)
    boundary, isolated = boundary_vertices(mesh), isolated_vertices(mesh)
    defect = np.where(boundary, np.pi, 2 * np.pi) - total
    defect[isolated] = 0.0
    interior = ~boundary & ~isolated
    lengths = mesh.edge_lengths.ravel()
    # an inner edge is two half-edges; counting it once keeps the median that of the edges
    lengths = lengths[(mesh.twin < 0) | (mesh.twin > np.arange(len(mesh.twin)))]
    loops = tuple(sorted((len(loop) for loop in boundary_loops(mesh)), reverse=True))
    report = MeshReport(
        name=mesh.name,
        n_vertices=mesh.n_vertices,
        n_edges=n_edges(mesh),
        n_faces=mesh.n_faces,
        n_components=n_components(mesh),
        n_isolated=int(isolated.sum()),
        loops=loops,
        orientable=is_orientable(mesh),
        euler=euler_characteristic(mesh),
        total_defect=float(defect.sum()),
        flat=bool((np.abs(defect[interior]) < _FLAT).all()),
        edge_min=float(lengths.min()),
        edge_median=float(np.median(lengths)),
        edge_max=float(lengths.max()),
        smallest_angle=float(np.degrees(angles.min())),
        holonomy_group=holonomy_group(mesh),
        frame_field_group=frame_field_group(mesh),
        float32_error=_float32_error(mesh, float(np.median(lengths))),
        repairs=tuple(f"{r.count:,} {r.kind}" for r in mesh.report if not r.remedy),
        # a one-sided surface is said once, below
        problems=tuple(
            (f"{r.count:,} {r.kind}", r.remedy) for r in mesh.report if r.remedy and "one-sided" not in r.kind
        ),
    )
    return dataclasses.replace(report, problems=(*report.problems, *_problems(report)))


def _float32_error(mesh: TriangleMesh, edge: float) -> float:
    """Spacing of single-precision numbers at the farthest coordinate over the median edge, if all coordinates are such
    numbers; 0 if they are finer."""
    if mesh.vertices is None or not len(mesh.vertices) or not edge > 0:
        return 0.0
    with np.errstate(over="ignore"):
        single = mesh.vertices.astype(np.float32)
    if not (single == mesh.vertices).all():
        return 0.0
    return float(np.spacing(np.abs(single).max()) / edge)


def _problems(r: MeshReport) -> Iterator[tuple[str, str]]:
    if not r.orientable:
        yield (
            "the surface is one-sided: no choice of normals is continuous",
            "use a structure group with reflections: --group 'O(2)', or where it is flat a D<N> or reflection",
        )
    if r.n_components > 1:
        yield (
            f"{r.n_components:,} separate components",
            "convolutions do not pass between them; merge vertices or delete debris if that is not meant",
        )
    # the longest loop may be all there is of an edge
    small = sum(n <= 8 for n in r.loops[1:])
    if small:
        yield f"{small:,} {'holes' if small > 1 else 'hole'} of at most 8 edges", "fill what is no real opening"
    if r.edge_max > 20 * r.edge_median:
        yield (
            f"the longest edge is {r.edge_max / r.edge_median:.0f} times the median",
            "remesh to more even edges, or choose neighbours by number rather than by radius",
        )
    if r.smallest_angle < 0.1:
        yield (
            f"a face has an angle of {r.smallest_angle:.2g}°",
            "remesh or collapse needles: they hardly add area",
        )
    if r.float32_error > 1e-3:
        yield (
            f"coordinates were rounded to single precision: by up to {r.float32_error:.1g} of an edge",
            "move the surface to the origin before it is written, or write it in double precision",
        )
    if not r.gauss_bonnet_error < 1e-6 * max(r.n_vertices, 1):
        yield (
            f"angle defects differ from 2π χ by {r.gauss_bonnet_error:.2g}",
            "lengths or gluing are inconsistent: look for overlapping or duplicate faces",
        )
