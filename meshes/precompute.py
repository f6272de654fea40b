"""From a mesh to its `MeshGeometry`."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from gaugenet.meshes.frames import direction_angles, extrinsic_frames, turned
from gaugenet.meshes.geometry import MeshGeometry
from gaugenet.meshes.kinds import check_kind
from gaugenet.meshes.mesh import TriangleMesh
from gaugenet.meshes.neighborhoods import Nearest, Neighborhood, search_limits
from gaugenet.meshes.ordering import visit_order
from gaugenet.meshes.quadrature import quadrature_weights
from gaugenet.meshes.validation import check_unit

if TYPE_CHECKING:
    from gaugenet.meshes.fans import CornerFans
    from gaugenet.meshes.log_map import Progress

Mode = Literal["smooth", "polyhedral"]
Method = Literal["unfolding", "vector-heat", "affine-local", "affine-adaptive"]
Reference = tuple[NDArray[np.int64], NDArray[np.float64]]

_REMEDY = "load_mesh reads a file, mesh_from_arrays takes vertices and faces, and a named surface has it as .mesh"
_HIGHEST_ORDER = 12
_ORDER_TOLERANCE = 1e-9
_SAMPLE = 1024


def compute_geometry(
    mesh: TriangleMesh,
    neighborhood: Neighborhood = Nearest(24),  # noqa: B008  (immutable)
    *,
    method: Method = "unfolding",
    mode: Mode = "smooth",
    handedness: NDArray[np.int64] | None = None,
    reference: Reference | None = None,
    frame_direction: NDArray[np.float64] | None = None,
    dtype: torch.dtype = torch.float32,
    threads: int | None = None,
    progress: Progress | None = None,
) -> MeshGeometry:
    """Neighbourhoods, logarithmic maps and transporters of a mesh (conventions: `gaugenet.meshes.transport`).

    All computation is in float64, in units of the mean edge length, and the result is rounded once; it costs time
    and memory linear in the number of edges. The edges of a row are sorted by source index. The same mesh gives
    the same bits, whatever `threads` is. Vertices are visited in the order of `gaugenet.meshes.ordering`, which the
    result carries.

    Args:
        mesh: a validated surface.
        neighborhood: `Nearest(k)` or `Radius(...)`.
        method: "unfolding" is exact on the polyhedron, local and works on every surface. The others are potpourri3d's
            strategies for the same (`gaugenet.meshes.vector_heat`), for comparison: two solves over the whole surface
            per vertex; embedded, two-sided surfaces only.
        mode: "smooth" where the mesh samples a smooth surface; "polyhedral" where the polyhedron itself is meant. On a
            flat surface with cone points, polyhedral transporters between the other vertices lie in C_N in a suitable
            gauge (flat icosahedron: C6).
        handedness: [V] of ±1 relative to the default (the winding of the vertex's first face). -1 reflects
            the frame about its x axis.
        reference: (half-edge [V] int64, angle [V] radians): the x axis of vertex v is at that angle (in the handedness
            of v) from the scaled direction of half-edge ``halfedge[v]`` in its fan, in both modes, so they have the
            same frames; the half-edge must start at v, and a negative one keeps the default, the first edge of the
            fan. For gauges known in closed form.
        frame_direction: [V, 3] vectors in space; the x axis is along their projection. Where nothing is left
            of a projection the default stays. Embedded meshes only.
        dtype: torch.float32 or torch.float64, of the result.
        threads: None for all that the process may use.
        progress: is called from time to time, in the thread of the caller, with (vertices done, V); only with method
            "unfolding".

    Returns:
        MeshGeometry on the CPU. `rotation_order` is the smallest N ≤ 12 for which all transporter angles are
        multiples of 2π/N (to 1e-9; they are then set to exact multiples), 0 if there is none.

    Raises:
        MeshError: the unit of the mesh is such that areas do not fit into `dtype`.
        ValueError: an argument is not as described, or a neighbourhood by radius is absurdly large.
    """
    from gaugenet.meshes.fans import build_fans, vertex_areas
    from gaugenet.meshes.log_map import all_log_maps, packed_surface
    from gaugenet.meshes.transport import turn_frames
    from gaugenet.meshes.vector_heat import heat_log_maps

    check_options(mesh, mode, dtype, threads)
    if method != "unfolding" and mode != "smooth":
        raise ValueError(f'mode "polyhedral" needs method "unfolding", got {method!r}')

    def real(values: NDArray[np.float64]) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(values)).to(dtype)

    fans = build_fans(mesh, handedness)
    frames = None if mesh.vertices is None else extrinsic_frames(mesh.vertices, fans)
    turn = gauge_turn(fans, frames, reference, frame_direction)
    radius, most = search_limits(neighborhood, fans.unit)
    frame = None if frames is None else real(frames if turn is None else turned(frames, turn))
    n, boundary, area, visit = fans.n_vertices, fans.boundary, vertex_areas(fans), visit_order(mesh)
    del frames
    if method == "unfolding":
        packed = [packed_surface(fans, mode == "smooth")]
        del fans
        # theta is rounded here unless it is yet to be turned
        stored = np.float32 if dtype == torch.float32 and turn is None else np.float64
        maps = all_log_maps(
            packed.pop(),  # no reference stays here, so that it can be let go before rows are put in order
            radius,
            most,
            smooth=mode == "smooth",
            threads=threads,
            progress=progress,
            visit=visit.astype(np.int64),
            area=area,
            dtype=stored,
        )
    else:
        maps = heat_log_maps(mesh, fans, radius, most, method)
    theta, phi, weight = maps.theta, maps.phi, maps.weight
    if weight is None or turn is not None:
        target, source = np.repeat(np.arange(n), np.diff(maps.row_ptr)), maps.source.astype(np.int64)
        if weight is None:
            weight = quadrature_weights(target, source, maps.r, maps.support, area)
        if turn is not None:
            theta, phi = turn_frames(theta, phi, maps.flip, target, source, turn)
    order, phi = snapped_rotations(phi)

    return MeshGeometry(
        row_ptr=torch.from_numpy(maps.row_ptr.astype(np.int32)),
        source=torch.from_numpy(maps.source),
        r=real(maps.r),
        theta=real(theta),
        phi=real(phi),
        flip=torch.from_numpy(maps.flip),
        weight=real(weight),
        radius=real(maps.support),
        area=real(area),
        boundary=torch.from_numpy(boundary),
        mesh_ptr=torch.tensor([0, n]),
        frame=frame,
        visit_order=torch.from_numpy(visit),
        rotation_order=order,
    )


def check_options(mesh: TriangleMesh, mode: str, dtype: torch.dtype, threads: int | None) -> None:
    """What every computation of geometries asks of its arguments.

    Raises:
        MeshError: the unit of the mesh is such that areas do not fit into `dtype`.
        ValueError: another argument is not as `compute_geometry` describes it.
    """
    check_kind(mesh, TriangleMesh, _REMEDY)
    if mode not in ("smooth", "polyhedral"):
        raise ValueError(f'mode is "smooth" or "polyhedral", got {mode!r}')
    if dtype not in (torch.float32, torch.float64):
        raise ValueError(f"a geometry is torch.float32 or torch.float64, got {dtype}")
    if threads is not None and threads < 1:
        raise ValueError(f"threads must be at least 1 or None, got {threads}")
    number = torch.finfo(dtype)
    check_unit(mesh.edge_lengths, number.tiny, number.max, str(dtype), mesh.name)


def gauge_turn(
    fans: CornerFans,
    frames: NDArray[np.float64] | None,
    reference: Reference | None,
    frame_direction: NDArray[np.float64] | None,
) -> NDArray[np.float64] | None:
    """[V] angle of the gauge transformation from the frames of the fans to those asked for; None for none."""
    if reference is not None and frame_direction is not None:
        raise ValueError("give either reference or frame_direction, not both")
    if frame_direction is not None:
        if frames is None:
            raise ValueError("frame_direction needs vertex positions; on an intrinsic mesh use reference")
        return -direction_angles(frames, frame_direction)
    if reference is None:
        return None
    halfedge, angle = np.asarray(reference[0]), np.asarray(reference[1], np.float64)
    n = fans.n_vertices
    if halfedge.shape != (n,) or angle.shape != (n,) or not np.issubdtype(halfedge.dtype, np.integer):
        raise ValueError(f"reference is (half-edge, angle), an integer and a real array of shape [{n}]")
    given = halfedge >= 0
    if (halfedge >= len(fans.vertex)).any() or (fans.vertex[halfedge[given]] != np.flatnonzero(given)).any():
        raise ValueError("reference: half-edge 3 f + k must start at its vertex, faces[f, k] == v")
    turn = np.zeros(n)
    turn[given] = -(fans.direction[halfedge[given]] * fans.scale[given] + angle[given])
    return turn


def snapped_rotations(phi: NDArray[np.float64]) -> tuple[int, NDArray[np.float64]]:
    """(N, phi at exact multiples of 2π/N), or (0, phi)."""
    if len(phi) > 4 * _SAMPLE and snapped_rotations(phi[:_SAMPLE])[0] == 0:
        return 0, phi
    for order in range(1, _HIGHEST_ORDER + 1):
        step = 2.0 * math.pi / order
        turns = np.rint(phi / step)
        if np.abs(phi - turns * step).max(initial=0.0) <= _ORDER_TOLERANCE:
            exact = np.remainder(turns + order // 2, order) - order // 2
            return order, exact * step
    return 0, phi
