"""From a mesh to its `Hierarchy`."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from gaugenet.meshes.frames import extrinsic_frames, turned
from gaugenet.meshes.geometry import MeshGeometry
from gaugenet.meshes.hierarchy import Hierarchy
from gaugenet.meshes.mesh import TriangleMesh
from gaugenet.meshes.neighborhoods import Nearest, Neighborhood, Radius, search_limits
from gaugenet.meshes.ordering import visit_order
from gaugenet.meshes.precompute import Mode, Reference, check_options, gauge_turn, snapped_rotations
from gaugenet.meshes.quadrature import quadrature_weights

if TYPE_CHECKING:
    from gaugenet.meshes.fans import CornerFans
    from gaugenet.meshes.log_map import LogMaps, Progress
    from gaugenet.meshes.sampling import Sampling

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

_POOL_OVERLAP = 4.0
"""Fine vertices in the neighbourhood of a coarse one, by default, for each fine vertex in its cluster."""
_UNPOOL_NEIGHBORS = 6


def build_hierarchy(
    mesh: TriangleMesh,
    neighborhood: Neighborhood | Sequence[Neighborhood] = Nearest(16),  # noqa: B008  (immutable)
    *,
    ratios: Sequence[float] = (4, 4),
    method: Sampling = "farthest-point",
    seed: int = 0,
    pool_neighborhood: Neighborhood | None = None,
    unpool_neighborhood: Neighborhood | None = None,
    mode: Mode = "smooth",
    handedness: NDArray[np.int64] | None = None,
    reference: Reference | None = None,
    frame_direction: Floats | None = None,
    dtype: torch.dtype = torch.float32,
    threads: int | None = None,
    progress: Progress | None = None,
) -> Hierarchy:
    """Coarser and coarser subsets of the vertices, and the geometry within and between them.

    V_{l+1} = V_l / ratio_l (to the nearest whole number, at least one vertex of each component). Level l + 1 are the
    first V_{l+1} vertices of one sample (`gaugenet.meshes.sampling`), so levels are nested. All logarithmic maps and
    transporters are those of the finest surface, where they are exact; g_{p<-q} of `pool` and g_{q<-p} of `unpool` are
    inverses of each other wherever both are there. The area of a coarse vertex is that of its cluster, the vertices to
    which it is the nearest, so every level has the area of the surface.

    The cost of a level is about that of the finest, whose targets are more and whose neighbourhoods are smaller. The
    same arguments give the same bits, whatever `threads` is.

    Args:
        mesh: a validated surface; two-sided or not, in one piece or several, with or without boundary.
        neighborhood: within each level; one for all, or one for each. One `Radius` for all is meant for level 0 and
            grows by √(V_0 / V_l), so that all levels have about as many neighbours.
        ratios: of the numbers of vertices of consecutive levels, each above 1; whole or not.
        method, seed: see `gaugenet.meshes.sampling.sample_vertices`.
        pool_neighborhood: the vertices of level l around each of level l + 1, itself included; by default the nearest
            4 · ratio_l. A `Radius` is meant for l = 0 and grows with l in the same way.
        unpool_neighborhood: the vertices of level l + 1 around each of level l, by default the nearest 6.
        mode, handedness, reference, frame_direction, dtype, threads: see `gaugenet.meshes.precompute.compute_geometry`;
            the vertices of coarser levels have the frames of the same vertices on level 0.
        progress: called with (rows done, rows in all) from time to time, in the thread of the caller.

    Raises:
        MeshError: the unit of the mesh is such that areas do not fit into `dtype`.
        ValueError: an argument is not as described, or a radius is absurdly large, or so small that some vertex has no
            vertex of the next level near it.
    """
    from gaugenet.meshes.fans import build_fans, vertex_areas

    ratios = tuple(float(ratio) for ratio in ratios)
    if not all(math.isfinite(ratio) and ratio > 1 for ratio in ratios):
        raise ValueError(f"ratios must be finite numbers above 1, got {ratios}")
    check_options(mesh, mode, dtype, threads)
    within = _each_level(neighborhood, len(ratios) + 1)
    shared = isinstance(neighborhood, (Nearest, Radius))
    vertices = _nested_levels(mesh, ratios, method, seed)
    fans = build_fans(mesh, handedness)
    frames = None if mesh.vertices is None else extrinsic_frames(mesh.vertices, fans)
    turn = gauge_turn(fans, frames, reference, frame_direction)
    if turn is not None and frames is not None:
        frames = turned(frames, turn)
    rank = np.empty(mesh.n_vertices, np.int64)
    rank[visit_order(mesh)] = np.arange(mesh.n_vertices)
    visit = [np.argsort(rank[chosen]) for chosen in vertices]
    maker = _Maker(fans, frames, turn, vertices, visit, mode == "smooth", threads, _Progress(vertices, progress))

    steps = range(len(ratios))
    own = [maker.maps(level, level, _scaled(n, maker.spread(level), shared)) for level, n in enumerate(within)]
    pool, unpool = [], []
    for step in steps:
        ratio = len(vertices[step]) / len(vertices[step + 1])
        around = pool_neighborhood or Nearest(math.ceil(_POOL_OVERLAP * ratio))
        pool.append(maker.maps(step + 1, step, _scaled(around, maker.spread(step), True)))
        around = unpool_neighborhood or Nearest(_UNPOOL_NEIGHBORS)
        unpool.append(maker.maps(step, step + 1, _scaled(around, maker.spread(step), True)))
        _make_inverse(pool[-1], unpool[-1], len(vertices[step]), mode == "smooth")

    parent = [_nearest(maps, step) for step, maps in enumerate(unpool)]
    area = [vertex_areas(fans)]
    for step in steps:
        cluster = np.bincount(parent[step], weights=area[-1], minlength=len(vertices[step + 1]))
        area.append(np.asarray(cluster, np.float64))
    return Hierarchy(
        levels=tuple(maker.geometry(maps, level, level, area, dtype) for level, maps in enumerate(own)),
        pool=tuple(maker.geometry(maps, step + 1, step, area, dtype) for step, maps in enumerate(pool)),
        unpool=tuple(maker.geometry(maps, step, step + 1, area, dtype) for step, maps in enumerate(unpool)),
        kept=tuple(torch.from_numpy(np.searchsorted(vertices[step], vertices[step + 1])) for step in steps),
        parent=tuple(map(torch.from_numpy, parent)),
    )


def _nested_levels(mesh: TriangleMesh, ratios: Sequence[float], method: Sampling, seed: int) -> list[Ints]:
    """The vertices of each level, ascending."""
    from gaugenet.meshes.sampling import sample_vertices
    from gaugenet.meshes.topology import vertex_components

    n_components, _ = vertex_components(mesh)
    sizes = [mesh.n_vertices]
    for ratio in ratios:
        sizes.append(max(n_components, round(sizes[-1] / ratio)))
    sample = sample_vertices(mesh, max(sizes[1:], default=0), method=method, seed=seed)
    return [np.arange(mesh.n_vertices), *(np.sort(sample[:size]) for size in sizes[1:])]


def _each_level(given: Neighborhood | Sequence[Neighborhood], n: int) -> list[Neighborhood]:
    each = list(given) if isinstance(given, Sequence) else [given] * n
    if len(each) != n or not all(isinstance(one, (Nearest, Radius)) for one in each):
        raise ValueError(f"expected one Radius(...) or Nearest(...), or one for each of {n} levels; got {given!r}")
    return each


def _scaled(neighborhood: Neighborhood, factor: float, grows: bool) -> Neighborhood:
    if not grows or isinstance(neighborhood, Nearest):
        return neighborhood
    return dataclasses.replace(neighborhood, radius=neighborhood.radius * factor)


class _Progress:
    """Adds up the rows of all searches."""

    def __init__(self, vertices: list[Ints], report: Progress | None) -> None:
        sizes = [len(v) for v in vertices]
        self._report, self._before = report, 0
        self._all = sum(sizes) + sum(fine + coarse for fine, coarse in pairwise(sizes))

    def search(self, n: int) -> Progress | None:
        """What a search of `n` rows calls."""
        report, before = self._report, self._before
        self._before += n
        return None if report is None else lambda done, _: report(before + done, self._all)


@dataclass(frozen=True)
class _Maker:
    """A surface, its gauge and the vertices of its levels."""

    fans: CornerFans
    frames: Floats | None
    turn: Floats | None
    vertices: list[Ints]
    visit: list[Ints]
    """The order in which to visit the vertices of each level (`gaugenet.meshes.ordering`)."""
    smooth: bool
    threads: int | None
    progress: _Progress

    def spread(self, level: int) -> float:
        """How much farther apart than on level 0 the vertices of a level are, √(V_0 / V_l)."""
        return math.sqrt(len(self.vertices[0]) / max(len(self.vertices[level]), 1))

    def maps(self, target_level: int, source_level: int, neighborhood: Neighborhood) -> LogMaps:
        """Rows of the vertices of one level, whose ``source`` counts the vertices of the other, in the gauge."""
        from gaugenet.meshes.log_map import all_log_maps
        from gaugenet.meshes.transport import turn_frames

        targets, sources = self.vertices[target_level], self.vertices[source_level]
        number = np.full(self.fans.n_vertices, -1, np.int32)
        number[sources] = np.arange(len(sources))
        radius, most = search_limits(neighborhood, self.fans.unit)
        found = all_log_maps(
            self.fans,
            radius,
            most,
            targets=targets,
            sources=number >= 0,
            include_self=target_level != source_level,
            smooth=self.smooth,
            threads=self.threads,
            progress=self.progress.search(len(targets)),
            visit=self.visit[target_level],
        )
        theta, phi = found.theta, found.phi
        if self.turn is not None:
            target = np.repeat(targets, np.diff(found.row_ptr))
            theta, phi = turn_frames(theta, phi, found.flip, target, found.source.astype(np.int64), self.turn)
        theta = np.where(found.r == 0, 0.0, theta)
        return found._replace(source=number[found.source], theta=theta, phi=phi)

    def geometry(
        self, maps: LogMaps, target_level: int, source_level: int, area: list[Floats], dtype: torch.dtype
    ) -> MeshGeometry:
        """Args: maps: as `maps` gives them; area: [V_l] of each level."""
        vertices, n_sources = self.vertices[target_level], len(self.vertices[source_level])
        order, phi = snapped_rotations(maps.phi)
        target = np.repeat(np.arange(len(vertices)), np.diff(maps.row_ptr))
        weight = quadrature_weights(target, maps.source.astype(np.int64), maps.r, maps.support, area[source_level])

        def real(values: Floats) -> torch.Tensor:
            return torch.from_numpy(np.ascontiguousarray(values)).to(dtype)

        return MeshGeometry(
            row_ptr=torch.from_numpy(maps.row_ptr.astype(np.int32)),
            source=torch.from_numpy(maps.source),
            r=real(maps.r),
            theta=real(maps.theta),
            phi=real(phi),
            flip=torch.from_numpy(maps.flip),
            weight=real(weight),
            radius=real(maps.support),
            area=real(area[target_level]),
            boundary=torch.from_numpy(self.fans.boundary[vertices]),
            mesh_ptr=torch.tensor([0, len(vertices)]),
            frame=None if self.frames is None else real(self.frames[vertices]),
            visit_order=torch.from_numpy(self.visit[target_level].astype(np.int32)),
            source_ptr=None if target_level == source_level else torch.tensor([0, n_sources]),
            rotation_order=order,
        )


def _make_inverse(pool: LogMaps, unpool: LogMaps, n_fine: int, average: bool) -> None:
    """Make g_{q<-p} of `unpool` the inverse of g_{p<-q} of `pool`, in place, as `transport.symmetrize` does in a level.

    Pairs whose flips disagree (two shortest paths of equal length) stay as they are.
    """
    from gaugenet.meshes.transport import wrap

    coarse = np.repeat(np.arange(len(pool.row_ptr) - 1), np.diff(pool.row_ptr))
    fine = np.repeat(np.arange(len(unpool.row_ptr) - 1), np.diff(unpool.row_ptr))
    _, down, up = np.intersect1d(
        coarse * n_fine + pool.source, unpool.source.astype(np.int64) * n_fine + fine, return_indices=True
    )
    same = pool.flip[down] == unpool.flip[up]
    down, up = down[same], up[same]
    flip, phi = pool.flip[down], pool.phi[down]
    if average:
        phi = wrap(phi + 0.5 * wrap(-flip * unpool.phi[up] - phi))
    pool.phi[down], unpool.phi[up] = phi, wrap(-flip * phi)


def _nearest(maps: LogMaps, step: int) -> Ints:
    """The nearest source of each target; of equally near ones the first."""
    start, degree = maps.row_ptr[:-1], np.diff(maps.row_ptr)
    if (degree == 0).any():
        raise ValueError(
            f"unpool_neighborhood: vertex {int(np.flatnonzero(degree == 0)[0])} of level {step} has no vertex of level "
            f"{step + 1} near it; use a larger radius or Nearest(k)"
        )
    target = np.repeat(np.arange(len(degree)), degree)
    order = np.lexsort((maps.r, target))
    return maps.source[order[start]].astype(np.int64)
