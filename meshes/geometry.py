"""`MeshGeometry`: all that a layer sees of a surface."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any, TypeVar

import torch
from torch import Tensor

from gaugenet.meshes.kinds import check_kind
from gaugenet.meshes.memo import remembered

HOW_TO_MAKE_ONE = "compute_geometry(mesh, Nearest(16)) makes a MeshGeometry of a TriangleMesh"
"""For errors, where something else is given."""
_TWO_PI = 2.0 * math.pi
_T = TypeVar("_T")
_PER_EDGE_REAL = ("r", "theta", "phi", "weight")


@dataclass(frozen=True, eq=False)
class MeshGeometry:
    """Neighbourhoods, logarithmic maps and transporters of one surface, or of a disjoint union of surfaces.

    An edge e runs from a source vertex q to a target vertex p; edges are sorted by target, ``row_ptr`` delimits the
    edges of each target (compressed sparse rows). All real tensors share one dtype (float32 or float64) and one device.
    Conventions of r, theta, phi and flip: `gaugenet.meshes.transport`.

    The V targets are the sources too, and no vertex is a neighbour of itself; or, where `source_ptr` is given, the
    sources are another set of S vertices of the same surface (a finer or a coarser level, `gaugenet.meshes.hierarchy`)
    with frames of their own. A source in the place of its target is then a neighbour like others, with r = 0; it has no
    direction, theta is 0 in every gauge and means nothing, and the transporter is the change between two frames.

    Raises:
        ValueError: shapes or dtypes do not fit (the numbers in them are not looked at).
    """

    row_ptr: Tensor
    """int32 [V + 1]"""
    source: Tensor
    """int32 [E] source vertex of each edge."""
    r: Tensor
    """[E] geodesic distance between p and q, in the unit of the mesh."""
    theta: Tensor
    """[E] direction of q seen from p, radians, in the frame of p: log_p q = r (cos theta, sin theta)."""
    phi: Tensor
    """[E] angle of the transporter g_{p<-q} = R(phi) diag(1, flip), radians: coefficients in the frame of q to
    coefficients in the frame of p."""
    flip: Tensor
    """int8 [E] +1, or -1 where the handedness of the frames of p and q disagrees along the edge."""
    weight: Tensor
    """[E] quadrature weight of q in the neighbourhood of p; those of one target sum to 1."""
    radius: Tensor
    """[V] radius of the support of the convolution at each target, in the unit of the mesh."""
    area: Tensor
    """[V] area of each target: a third of the area of the incident faces; on a coarser level, of its cluster."""
    boundary: Tensor
    """bool [V]"""
    mesh_ptr: Tensor
    """int64 [M + 1] first vertex of each surface in a disjoint union; (0, V) for one surface."""
    frame: Tensor | None = None
    """[V, 3, 3] the frame of each vertex in space: rows x, y and the normal x × y; None for an intrinsic surface."""
    source_ptr: Tensor | None = None
    """int64 [M + 1] first source vertex of each surface where the sources are no targets; None: they are the same."""
    visit_order: Tensor | None = None
    """int32 [V] a permutation of the targets in which those next to each other are close on the surface
    (`gaugenet.meshes.ordering`): the order in which rows are best visited. Indices of vertices do not follow it."""
    rotation_order: int = 0
    """N if every transporter angle is a multiple of 2π/N in this gauge (1: all are 0), 0 if they are not."""
    memo: dict[Any, Any] = field(default_factory=dict, init=False, repr=False, compare=False)
    """Values that layers derive from this geometry and share (see `remember`). Never copied, never saved."""

    def __post_init__(self) -> None:
        _check_shapes(self)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "memo": {}}

    @property
    def n_vertices(self) -> int:
        """V, the number of targets."""
        return self.row_ptr.shape[0] - 1

    @property
    def n_sources(self) -> int:
        """S, the number of sources: `n_vertices` unless the sources are another set."""
        source_ptr = self.source_ptr
        if source_ptr is None:
            return self.n_vertices
        return self.remember("n_sources", lambda: int(source_ptr[-1]))

    @property
    def is_cross_level(self) -> bool:
        """Whether the sources are another set of vertices than the targets."""
        return self.source_ptr is not None

    @property
    def n_edges(self) -> int:
        """E."""
        return self.source.shape[0]

    @property
    def n_meshes(self) -> int:
        """M, the number of surfaces in the union."""
        return self.mesh_ptr.shape[0] - 1

    @property
    def dtype(self) -> torch.dtype:
        """Of all real tensors."""
        return self.r.dtype

    @property
    def device(self) -> torch.device:
        """Of all tensors."""
        return self.r.device

    def __repr__(self) -> str:
        degree = self.n_edges / max(self.n_vertices, 1)
        surfaces = f"{self.n_meshes} surfaces, " if self.n_meshes != 1 else ""
        if self.is_cross_level:
            vertices, each = f"{self.n_sources:,} sources, {self.n_vertices:,} targets", "target"
        else:
            vertices, each = f"{self.n_vertices:,} vertices", "vertex"
        return (
            f"MeshGeometry({surfaces}{vertices}, {self.n_edges:,} edges ({degree:.1f} per {each}), "
            f"admits {self.structure_group}, {str(self.dtype).removeprefix('torch.')}, {self.device})"
        )

    @property
    def target(self) -> Tensor:
        """int64 [E] target vertex of each edge."""
        return self.remember("target", self._target)

    def _target(self) -> Tensor:
        degree = (self.row_ptr[1:] - self.row_ptr[:-1]).long()
        vertices = torch.arange(self.n_vertices, device=self.device)
        return torch.repeat_interleave(vertices, degree, output_size=self.n_edges)

    @property
    def has_flips(self) -> bool:
        """True where some transporter reverses handedness, so that only groups with reflections are admissible."""
        return self.remember("has_flips", lambda: bool((self.flip < 0).any()))

    @property
    def has_coincident(self) -> bool:
        """True where some source lies in the place of its target (r = 0), so that theta means nothing there."""
        return self.remember("has_coincident", lambda: bool((self.r == 0).any()))

    @property
    def structure_group(self) -> str:
        """The smallest structure group that contains every transporter in this gauge, e.g. ``"SO(2)"``."""
        return group_name(self.rotation_order, self.has_flips)

    def remember(self, key: Any, build: Callable[[], _T]) -> _T:
        """``build()``, computed once per geometry and key."""
        return remembered(self.memo, key, build, "a geometry", of=self)

    def replace(self, **changes: Any) -> MeshGeometry:
        """A copy with some fields changed and nothing remembered."""
        return dataclasses.replace(self, **changes)

    def to(self, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> MeshGeometry:
        """The same geometry on another device or in another real dtype (indices and signs keep theirs)."""
        if dtype is not None and not dtype.is_floating_point:
            raise ValueError(f"a geometry is real: expected torch.float32 or torch.float64, got {dtype}")
        moved = {}
        for f in dataclasses.fields(self):
            value = getattr(self, f.name)
            if isinstance(value, Tensor):
                moved[f.name] = value.to(device=device, dtype=dtype if value.is_floating_point() else None)
        return self.replace(**moved)

    def transform(
        self,
        angle: Tensor,
        flip: Tensor | None = None,
        source_angle: Tensor | None = None,
        source_flip: Tensor | None = None,
    ) -> MeshGeometry:
        """The same surface in another gauge: vertex p's coefficients change by h_p = R(angle_p) diag(1, flip_p).

        Args:
            angle: [V] radians, at the targets.
            flip: [V] of ±1; None for no flips.
            source_angle: [S] radians, at the sources, only where these are another set; None: their frames stay.
            source_flip: [S] of ±1, in the same way.

        The logarithmic map turns with h_p and the transporter becomes h_p g_{p<-q} h_q^{-1} (Weiler et al. 2021,
        Coordinate Independent Convolutional Networks, eqs. for gauge transformations of transporters). Distances,
        weights and areas do not change; theta stays 0 where r is 0.

        Raises:
            ValueError: the tensors have the wrong length, or a flip holds anything but ±1.
        """
        at_p, sign_p = self._gauge_elements(angle, flip, self.n_vertices, "vertex")
        if self.is_cross_level:
            zero = self.r.new_zeros(self.n_sources) if source_angle is None else source_angle
            at_q, sign_q = self._gauge_elements(zero, source_flip, self.n_sources, "source")
        elif source_angle is not None or source_flip is not None:
            raise ValueError("the sources of this geometry are its targets: give angle and flip only")
        else:
            at_q, sign_q = at_p, sign_p
        p, q = self.target, self.source.long()
        eps = self.flip.to(self.r)
        theta = torch.where(self.r == 0, 0.0, _wrapped(at_p[p] + sign_p[p] * self.theta))
        turned = bool((at_p != 0).any()) or bool((at_q != 0).any())
        return self.replace(
            theta=theta,
            phi=_wrapped(at_p[p] + sign_p[p] * self.phi - sign_p[p] * eps * sign_q[q] * at_q[q]),
            flip=(sign_p[p] * eps * sign_q[q]).to(torch.int8),
            frame=None if self.frame is None else _turn_frames(self.frame, at_p, sign_p),
            rotation_order=0 if turned else self.rotation_order,
        )

    def _gauge_elements(self, angle: Tensor, flip: Tensor | None, n: int, what: str) -> tuple[Tensor, Tensor]:
        if angle.shape != (n,) or (flip is not None and flip.shape != (n,)):
            raise ValueError(f"a gauge transformation of this geometry has one element per {what}: expected [{n}]")
        angle = angle.to(self.r)
        sign = torch.ones_like(angle) if flip is None else flip.to(self.r)
        if not bool((sign.abs() == 1).all()):
            raise ValueError("flip must hold +1 and -1 only")
        return angle, sign


def group_name(rotation_order: int, has_flips: bool) -> str:
    """The group with that rotation order (0: all rotations), with or without reflections, as a person types it."""
    if has_flips:
        return {0: "O(2)", 1: "reflection"}.get(rotation_order, f"D{rotation_order}")
    return {0: "SO(2)", 1: "trivial"}.get(rotation_order, f"C{rotation_order}")


def joint_rotation_order(orders: Sequence[int]) -> int:
    """N of the smallest group that contains those of several geometries: 0 if one of them is 0."""
    return 0 if 0 in orders else math.lcm(*orders)


def _wrapped(angle: Tensor) -> Tensor:
    return torch.remainder(angle + math.pi, _TWO_PI) - math.pi


def _check_shapes(geometry: MeshGeometry) -> None:
    """Raise a ValueError unless all tensors have the lengths that `row_ptr` and `source` say, and one real dtype."""
    if geometry.row_ptr.ndim != 1 or geometry.row_ptr.shape[0] < 1 or geometry.source.ndim != 1:
        raise ValueError(
            f"expected row_ptr [V + 1] and source [E], got {list(geometry.row_ptr.shape)} and "
            f"{list(geometry.source.shape)}"
        )
    v, e = geometry.n_vertices, geometry.n_edges
    for name, shape in (
        *((name, (e,)) for name in (*_PER_EDGE_REAL, "flip")),
        *((name, (v,)) for name in ("radius", "area", "boundary")),
        ("frame", (v, 3, 3)),
        ("visit_order", (v,)),
        ("source_ptr", tuple(geometry.mesh_ptr.shape)),
    ):
        value = getattr(geometry, name)
        if value is not None and tuple(value.shape) != shape:
            raise ValueError(
                f"{name}: expected {list(shape)} on a geometry of {v} targets, {e} edges and {geometry.n_meshes} "
                f"surfaces, got {list(value.shape)}"
            )
        if value is not None and value.is_floating_point() and value.dtype != geometry.dtype:
            raise ValueError(f"{name}: expected {geometry.dtype} like r, got {value.dtype}; use .to(dtype=...)")


def _turn_frames(frame: Tensor, angle: Tensor, sign: Tensor) -> Tensor:
    """Frames in which coefficients are h = R(angle) diag(1, sign) times the old ones: e' = e h^{-1}."""
    c, s = angle.cos()[:, None], angle.sin()[:, None]
    x, y, normal = frame.unbind(1)
    sign = sign[:, None]
    return torch.stack([c * x - sign * s * y, s * x + sign * c * y, sign * normal], 1)


def batch_geometries(geometries: Sequence[MeshGeometry]) -> MeshGeometry:
    """The disjoint union of several geometries; vertex v of surface m becomes ``mesh_ptr[m] + v``.

    Raises:
        ValueError: no geometry was given, they disagree in dtype, device or in whether the sources are the targets, or
            there are too many edges for int32.
    """
    if not geometries:
        raise ValueError("expected at least one geometry to batch, got none")
    for g in geometries:
        check_kind(g, MeshGeometry, HOW_TO_MAKE_ONE)
    if len(geometries) == 1:
        return geometries[0]
    first = geometries[0]
    for g in geometries[1:]:
        if g.dtype != first.dtype or g.device != first.device:
            raise ValueError(
                f"all geometries of a batch must share dtype and device: got {first.dtype} on {first.device} and "
                f"{g.dtype} on {g.device}; use .to() first"
            )
        if g.is_cross_level != first.is_cross_level:
            raise ValueError("geometries between two levels cannot be batched with geometries of one level")
    if sum(g.n_edges for g in geometries) > torch.iinfo(torch.int32).max:
        raise ValueError("a batch may hold 2³¹ - 1 edges: batch fewer geometries")
    starts = _starts([g.n_vertices for g in geometries])
    source_starts = _starts([g.n_sources for g in geometries])
    edges = _starts([g.n_edges for g in geometries])
    joined: dict[str, Any] = {
        name: torch.cat([getattr(g, name) for g in geometries])
        for name in (*_PER_EDGE_REAL, "flip", "radius", "area", "boundary")
    }
    row_ptr = torch.cat([first.row_ptr[:1], *(g.row_ptr[1:] + e for g, e in zip(geometries, edges))])
    return MeshGeometry(
        row_ptr=row_ptr.to(torch.int32),
        source=torch.cat([g.source + s for g, s in zip(geometries, source_starts)]).to(torch.int32),
        mesh_ptr=torch.cat([first.mesh_ptr[:1], *(g.mesh_ptr[1:] + s for g, s in zip(geometries, starts))]),
        source_ptr=None
        if first.source_ptr is None
        else torch.cat(
            [
                first.source_ptr[:1],
                *(g.source_ptr[1:] + s for g, s in zip(geometries, source_starts) if g.source_ptr is not None),
            ]
        ),
        frame=None
        if any(g.frame is None for g in geometries)
        else torch.cat([g.frame for g in geometries if g.frame is not None]),
        visit_order=None
        if any(g.visit_order is None for g in geometries)
        else torch.cat([g.visit_order + s for g, s in zip(geometries, starts) if g.visit_order is not None]),
        rotation_order=joint_rotation_order([g.rotation_order for g in geometries]),
        **joined,
    )


def _starts(counts: Sequence[int]) -> list[int]:
    return [0, *accumulate(counts)][:-1]
