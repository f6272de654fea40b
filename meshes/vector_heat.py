"""Logarithmic maps and transporters by potpourri3d's vector heat method, in the conventions of this package.

potpourri3d (geometry-central; Sharp, Soliman & Crane 2019, The Vector Heat Method, and its affine strategies)
solves over the whole surface from one vertex at a time: for comparison, for global maps, and where a person prefers
it. Its coefficients at a vertex are with respect to a direction 0 that it takes from the order of the faces:
the half-edge of the vertex's last corner, or at the boundary the half-edge that starts the fan. Inside it scales
angles as we do; at the boundary it always scales them to π. Both are undone here.

It trusts its input: some indices end the process, an isolated vertex is lost without a word, a second component
gives NaN. So nothing reaches it before `HeatSolver` has looked at it.
"""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from gaugenet.meshes.fans import CornerFans, Floats, Ints, build_fans
from gaugenet.meshes.log_map import LogMaps
from gaugenet.meshes.mesh import MeshError, TriangleMesh
from gaugenet.meshes.neighborhoods import ABSURD_NEIGHBORS
from gaugenet.meshes.topology import face_components, glue
from gaugenet.meshes.transport import wrap

Strategy = Literal["vector-heat", "affine-local", "affine-adaptive"]
STRATEGIES: dict[str, str] = {
    "vector-heat": "VectorHeat",
    "affine-local": "AffineLocal",
    "affine-adaptive": "AffineAdaptive",
}
_TIE = 1e-9
_SHORTEST = 0.25
"""Part of the distance in space below which a distance along the surface is a failure of the solve: none is below 1,
VectorHeat gives 0.5 in the first ring, and the affine strategies give 0 at antipodes."""
_THINNEST = 1e-9
"""Twice the area of a face over the square of its longest edge, below which its cotangents mean nothing."""


class HeatSolver:
    """One potpourri3d solver per component of a surface, its results in the default frames of the fans.

    Lengths are in the unit of the mesh. Vertices of other components, isolated ones too, are infinitely far away.

    Raises:
        MeshError: the surface has no positions, is one-sided, has faces without area, or is glued otherwise than its
            vertex indices say; potpourri3d cannot do these.
    """

    def __init__(self, mesh: TriangleMesh, method: Strategy) -> None:
        if method not in STRATEGIES:
            raise ValueError(f"method is one of {', '.join(STRATEGIES)}; got {method!r}")
        try:
            import potpourri3d
        except ImportError as error:
            raise ImportError(f"method {method!r} needs potpourri3d: pip install potpourri3d") from error

        self._points = points = _positions_fit_for_potpourri3d(mesh, method)
        self.strategy, self.n_vertices = STRATEGIES[method], mesh.n_vertices
        self.mesh, self.method = mesh, method
        fans = build_fans(mesh)
        self.unit = fans.unit
        self._zero, self._squeeze = _their_zero(mesh, fans), np.ones(mesh.n_vertices)
        edge = fans.boundary & (fans.total_angle > 0)
        self._squeeze[edge] = fans.total_angle[edge] * fans.scale[edge] / math.pi
        self._boundary = edge
        self._solvers: list[Any] = []
        self._vertices: list[Ints] = []
        self._component = np.full(mesh.n_vertices, -1)
        self._local = np.zeros(mesh.n_vertices, np.int64)
        n_components, of_face = face_components(mesh.twin)
        for c in range(n_components):
            faces = mesh.faces[of_face == c]
            vertices, local = np.unique(faces, return_inverse=True)
            self._component[vertices], self._local[vertices] = c, np.arange(len(vertices))
            place = points[vertices] - points[vertices].mean(0)
            triangles = np.ascontiguousarray(local.reshape(-1, 3), np.int64)
            try:
                self._solvers.append(potpourri3d.MeshVectorHeatSolver(np.ascontiguousarray(place), triangles))
            except (RuntimeError, ValueError) as error:
                raise self._refused(str(error)) from error
            self._vertices.append(vertices)

    def log_map(self, p: int) -> tuple[Ints, Floats, Floats]:
        """(vertices [n] of the component of p in ascending order; r [n]; theta [n] radians in the frame of p)."""
        c = self._component[p]
        if c < 0:
            return np.array([p]), np.zeros(1), np.zeros(1)
        found = self._called(lambda s: s.compute_log_map(int(self._local[p]), strategy=self.strategy), c)
        r = np.hypot(found[:, 0], found[:, 1]) * self.unit
        theta = self._ours(np.arctan2(found[:, 1], found[:, 0]), p)
        r[self._local[p]] = theta[self._local[p]] = 0.0
        return self._vertices[c], r, theta

    def believable(self, p: int, r: Floats) -> Floats:
        """r [n], and inf where it is far below the distance in space."""
        q = self._vertices[self._component[p]] if self._component[p] >= 0 else np.array([p])
        chord = np.linalg.norm(self._points[q] - self._points[p], axis=1) * self.unit
        return np.where(r < _SHORTEST * chord, np.inf, r)

    def transport(self, p: int) -> Floats:
        """phi [n] radians of the transporters g_{p<-q} from the vertices q of the component of p, ascending."""
        c = self._component[p]
        if c < 0:
            return np.zeros(1)
        moved = self._called(lambda s: s.transport_tangent_vector(int(self._local[p]), [1.0, 0.0]), c)
        arrived = np.arctan2(moved[:, 1], moved[:, 0])
        return np.asarray(wrap(self._turn(np.array(p)) - arrived - self._turn(self._vertices[c])))

    def _called(self, solve: Any, component: int) -> Floats:
        try:
            found = np.asarray(solve(self._solvers[component]), np.float64)
        except (RuntimeError, ValueError) as error:
            raise self._refused(str(error)) from error
        n = len(self._vertices[component])
        if found.shape != (n, 2) or not np.isfinite(found).all():
            raise self._refused("it gives no number for some vertices")
        return found

    def _refused(self, reason: str) -> MeshError:
        return MeshError(f"potpourri3d cannot solve on this surface ({reason[:120]})", _REMEDY, self.mesh.name)

    def _ours(self, angle: Floats, p: int) -> Floats:
        """Directions at p. At the boundary their half circle of directions into the surface becomes our fan, and the
        rest of theirs the rest of ours."""
        if not self._boundary[p]:
            return np.asarray(wrap(angle + self._zero[p]))
        squeeze = self._squeeze[p]
        off = wrap(angle - math.pi / 2)
        beyond = np.sign(off) * (math.pi - (math.pi - np.abs(off)) * (2.0 - squeeze))
        return np.asarray(wrap(np.where(np.abs(off) <= math.pi / 2, off * squeeze, beyond) + squeeze * math.pi / 2))

    def _turn(self, v: Ints) -> Floats:
        """The rotation from their frames to ours; at the boundary the one that keeps the middle of the fan."""
        return np.where(self._boundary[v], (self._squeeze[v] - 1.0) * math.pi / 2, self._zero[v])


_REMEDY = 'use method="unfolding", which works on every surface'


def _positions_fit_for_potpourri3d(mesh: TriangleMesh, method: str) -> Floats:
    """[V, 3] positions in units of the mean edge length, if potpourri3d will see the surface that `mesh` is."""

    def refuse(problem: str) -> MeshError:
        return MeshError(f"{problem}, and method {method!r} (potpourri3d) cannot do that", _REMEDY, mesh.name)

    if mesh.vertices is None:
        raise refuse("this surface is given by edge lengths and has no vertex positions")
    if mesh.twin_flipped.any():
        raise refuse("this surface is one-sided (non-orientable), or its faces wind both ways")
    faces = mesh.faces
    repeated = (faces == np.roll(faces, -1, axis=1)).any(1)
    if repeated.any():
        raise refuse(f"{int(repeated.sum())} faces have a repeated vertex")
    twin, flipped, crowded = glue(faces)
    if len(crowded) or flipped.any() or not np.array_equal(twin, mesh.twin):
        raise refuse("the faces are glued otherwise than their vertex indices say (an opened non-manifold edge)")
    unit = float(mesh.edge_lengths.mean())
    points = mesh.vertices / unit - mesh.vertices[faces[0, 0]] / unit
    used = points[faces]
    edges = np.roll(used, -1, axis=1) - used
    lengths = np.linalg.norm(edges, axis=2)
    double = np.linalg.norm(np.cross(edges[:, 0], -edges[:, 2]), axis=1)
    thin = ~(double > _THINNEST * lengths.max(1) ** 2)
    if thin.any():
        raise refuse(f"{int(thin.sum())} faces have no area (the first is {int(thin.argmax())})")
    if not np.allclose(lengths, mesh.edge_lengths / unit, rtol=1e-6, atol=0.0):
        raise refuse("its edge lengths are not those of its positions")
    return np.asarray(points, np.float64)


def _their_zero(mesh: TriangleMesh, fans: CornerFans) -> Floats:
    """[V] scaled direction, in our default frame, of the half-edge that potpourri3d measures from inside."""
    last = np.full(mesh.n_vertices, -1)
    last[fans.vertex] = np.arange(len(fans.vertex))
    return np.where(last >= 0, fans.direction[last] * fans.scale, 0.0)


def heat_log_maps(
    mesh: TriangleMesh, fans: CornerFans, radius: float, most: int, method: Strategy, *, transport: bool = True
) -> LogMaps:
    """The same value as `gaugenet.meshes.log_map.all_log_maps` by potpourri3d: two solves over the surface per vertex.

    Args:
        mesh: an embedded, two-sided surface without zero-area faces. fans: of the mesh, in any handedness.
        radius: largest distance, in mean edge lengths; may be inf if `most` is positive.
        most: how many of the nearest vertices, by r as the method finds it, to keep; -1 for all. A vertex that it
            places at less than a quarter of its distance in space is none of them.
        transport: False leaves phi at 0 and halves the time.

    Raises:
        MeshError: potpourri3d cannot solve on this surface; the message says why.
        ValueError: `method` is unknown, or a neighbourhood by radius is absurdly large.
    """
    solver = HeatSolver(mesh, method)
    n = mesh.n_vertices
    hand = np.ones(n)
    hand[fans.vertex] = fans.corner_sign
    limit = radius * fans.unit
    degree, support = np.zeros(n, np.int64), np.zeros(n)
    sources, rs, thetas, phis = [], [], [], []
    for p in range(n):
        q, r, theta = solver.log_map(p)
        kept, support[p] = nearest_within(q, solver.believable(p, r), p, limit, most)
        if most < 0 and len(kept) > ABSURD_NEIGHBORS:
            raise ValueError(
                f"a radius of {limit:.4g} gives vertex {p} {len(kept)} neighbours, more than the {ABSURD_NEIGHBORS} "
                "that a neighbourhood may have; use a smaller radius, Nearest(k), or Radius(..., max_neighbors=k)"
            )
        degree[p] = len(kept)
        sources.append(q[kept])
        rs.append(r[kept])
        thetas.append(theta[kept] * hand[p])
        phis.append(solver.transport(p)[kept] * hand[p] if transport and len(kept) else np.zeros(len(kept)))
    row_ptr = np.concatenate([np.zeros(1, np.int64), np.cumsum(degree)])
    source = np.concatenate([np.empty(0, np.int64), *sources])
    target = np.repeat(np.arange(n), degree)
    flip = (hand[target] * hand[source]).astype(np.int8)
    phi = np.concatenate([np.empty(0), *phis])
    _make_inverse(target, source, phi, flip)
    return LogMaps(
        row_ptr=row_ptr,
        source=source.astype(np.int32),
        r=np.concatenate([np.empty(0), *rs]),
        theta=wrap(np.concatenate([np.empty(0), *thetas])),
        phi=wrap(phi),
        flip=flip,
        support=support,
        one_sided=0,
    )


def _make_inverse(target: Ints, source: Ints, phi: Floats, flip: NDArray[np.int8]) -> None:
    """Make g_{q<-p} = g_{p<-q}⁻¹, in place, by the mean of both on the circle; edges sorted by target and source."""
    if len(phi) == 0:
        return
    n = int(max(target.max(), source.max())) + 1
    key, reverse = target * n + source, source * n + target
    back = np.minimum(np.searchsorted(key, reverse), len(key) - 1)
    e = np.flatnonzero((key[back] == reverse) & (target < source))
    back = back[e]
    phi[e] += 0.5 * wrap(-flip[e] * phi[back] - phi[e])
    phi[back] = -flip[e] * phi[e]


def nearest_within(q: Ints, r: Floats, p: int, limit: float, most: int) -> tuple[NDArray[np.int64], float]:
    """Which of the vertices q [n], ascending, at distances r [n] are neighbours of p, and the radius of its support.

    As `gaugenet.meshes.neighborhoods` says: ties (to 1e-9) go to the lower index.
    """
    inside = np.flatnonzero((q != p) & np.isfinite(r) & (r <= limit * (1.0 + _TIE)))
    if len(inside) == 0:
        return inside, 0.0
    by_distance = inside[np.argsort(r[inside], kind="stable")]
    last = float(r[by_distance[-1]])
    if most < 0 or len(inside) <= most:
        return inside, limit if limit < math.inf else last * (1.0 + 0.5 / len(inside))
    last, beyond = float(r[by_distance[most - 1]]), float(r[by_distance[most]])
    sure = by_distance[r[by_distance] < last * (1.0 - _TIE)]
    tied = np.sort(by_distance[np.abs(r[by_distance] - last) <= last * _TIE])
    kept = np.sort(np.concatenate([sure, tied[: most - len(sure)]]))
    return kept, min(max(0.5 * (last + beyond), last * (1.0 + 0.5 / most)), limit)
