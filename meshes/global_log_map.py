"""The logarithmic map of one vertex over the whole surface."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gaugenet.meshes.exponential import checked_vertex
from gaugenet.meshes.fans import Floats, build_fans
from gaugenet.meshes.frames import extrinsic_frames
from gaugenet.meshes.log_map import all_log_maps
from gaugenet.meshes.mesh import TriangleMesh
from gaugenet.meshes.precompute import Method, Mode, Reference, gauge_turn
from gaugenet.meshes.transport import wrap
from gaugenet.meshes.vector_heat import HeatSolver


def log_map_from(
    mesh: TriangleMesh,
    vertex: int,
    *,
    method: Method = "unfolding",
    mode: Mode = "polyhedral",
    handedness: NDArray[np.int64] | None = None,
    reference: Reference | None = None,
    frame_direction: NDArray[np.float64] | None = None,
) -> tuple[Floats, Floats]:
    """log_p q for all vertices q of the surface.

    Args:
        mesh: a validated surface.
        vertex: p, from 0 to V - 1.
        method: "unfolding" finds the shortest paths themselves, on every surface. "vector-heat", "affine-local" and
            "affine-adaptive" are potpourri3d's, smooth across the cut locus and approximate.
        mode: "polyhedral": θ is the direction in which the shortest path leaves p. "smooth": with the correction of
            `gaugenet.meshes.transport`, which is meant for neighbourhoods.
        handedness, reference, frame_direction: which frame, as in `gaugenet.meshes.precompute.compute_geometry`.

    Returns:
        r [V] in the unit of the mesh, inf on other components; theta [V] radians in the frame of p, 0 at p itself and
        on other components.

    Raises:
        ValueError: there is no such vertex or method. MeshError: potpourri3d cannot do this surface.
    """
    if mode not in ("smooth", "polyhedral"):
        raise ValueError(f'mode is "smooth" or "polyhedral", got {mode!r}')
    p = checked_vertex(mesh, vertex)
    fans = build_fans(mesh, handedness)
    frames = None if mesh.vertices is None else extrinsic_frames(mesh.vertices, fans)
    turn = gauge_turn(fans, frames, reference, frame_direction)
    r, theta = np.full(mesh.n_vertices, np.inf), np.zeros(mesh.n_vertices)
    if method == "unfolding":
        # a number of neighbours that is never reached: all of them, however many
        maps = all_log_maps(
            fans, np.inf, max(mesh.n_vertices, 1), targets=np.array([p]), smooth=mode == "smooth", threads=1
        )
        r[maps.source], theta[maps.source] = maps.r, maps.theta
    else:
        reached, r_found, theta_found = HeatSolver(mesh, method).log_map(p)
        r[reached], theta[reached] = r_found, theta_found * (1 if handedness is None else handedness[p])
    if turn is not None:
        theta = np.where(np.isfinite(r), wrap(theta + turn[p]), 0.0)
    r[p] = theta[p] = 0.0
    return r, theta
