"""`MeshGeometry`: all that a layer sees of a surface."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import torch
from torch import Tensor

_TWO_PI = 2.0 * math.pi
_T = TypeVar("_T")
_PER_EDGE_REAL = ("r", "theta", "phi", "weight")


@dataclass(frozen=True, eq=False)
class MeshGeometry:
    """Neighbourhoods, logarithmic maps and transporters of one surface, or of a disjoint union of surfaces.

    An edge e runs from a source vertex q to a target vertex p; edges are sorted by target, ``row_ptr`` delimits the
    edges of each target (compressed sparse rows). A vertex is no neighbour of itself. All real tensors share one dtype
    (float32 or float64) and one device. Conventions of r, theta, phi and flip: `gaugenet.meshes.transport`.
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
    """[V] vertex area (a third of the area of the incident faces)."""
    boundary: Tensor
    """bool [V]"""
    mesh_ptr: Tensor
    """int64 [M + 1] first vertex of each surface in a disjoint union; (0, V) for one surface."""
    frame: Tensor | None = None
    """[V, 3, 3] the frame of each vertex in space: rows x, y and the normal x × y; None for an intrinsic surface."""
    rotation_order: int = 0
    """N if every transporter angle is a multiple of 2π/N in this gauge (1: all are 0), 0 if they are not."""
    memo: dict[Any, Any] = field(default_factory=dict, repr=False, compare=False)
    """Values that layers derive from this geometry and share (see `remember`). Never copied, never saved."""

    @property
    def n_vertices(self) -> int:
        return self.row_ptr.shape[0] - 1

    @property
    def n_edges(self) -> int:
        return self.source.shape[0]

    @property
    def n_meshes(self) -> int:
        return self.mesh_ptr.shape[0] - 1

    @property
    def dtype(self) -> torch.dtype:
        return self.r.dtype

    @property
    def device(self) -> torch.device:
        return self.r.device

    def __repr__(self) -> str:
        degree = self.n_edges / max(self.n_vertices, 1)
        surfaces = f"{self.n_meshes} surfaces, " if self.n_meshes != 1 else ""
        return (
            f"MeshGeometry({surfaces}{self.n_vertices:,} vertices, {self.n_edges:,} edges ({degree:.1f} per vertex), "
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
    def structure_group(self) -> str:
        """The smallest structure group that contains every transporter in this gauge, e.g. ``"SO(2)"``."""
        if self.has_flips:
            return {0: "O(2)", 1: "reflection"}.get(self.rotation_order, f"D{self.rotation_order}")
        return {0: "SO(2)", 1: "trivial"}.get(self.rotation_order, f"C{self.rotation_order}")

    def remember(self, key: Any, build: Callable[[], _T]) -> _T:
        """``build()``, computed once per geometry and key."""
        if key not in self.memo:
            self.memo[key] = build()
        value: _T = self.memo[key]
        return value

    def replace(self, **changes: Any) -> MeshGeometry:
        """A copy with some fields changed and nothing remembered."""
        return dataclasses.replace(self, **changes, memo={})

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

    def transform(self, angle: Tensor, flip: Tensor | None = None) -> MeshGeometry:
        """The same surface in another gauge: vertex p's coefficients change by h_p = R(angle_p) diag(1, flip_p).

        Args:
            angle: [V] radians.
            flip: [V] of ±1; None for no flips.

        The logarithmic map turns with h_p and the transporter becomes h_p g_{p<-q} h_q^{-1} (Weiler et al. 2021,
        Coordinate Independent Convolutional Networks, eqs. for gauge transformations of transporters). Distances,
        weights and areas do not change.

        Raises:
            ValueError: the tensors have the wrong length, or `flip` holds anything but ±1.
        """
        n = self.n_vertices
        if angle.shape != (n,) or (flip is not None and flip.shape != (n,)):
            raise ValueError(f"a gauge transformation of this geometry has one element per vertex: expected [{n}]")
        angle = angle.to(self.r)
        sign = torch.ones_like(angle) if flip is None else flip.to(self.r)
        if not bool((sign.abs() == 1).all()):
            raise ValueError("flip must hold +1 and -1 only")
        p, q = self.target, self.source.long()
        eps = self.flip.to(self.r)
        theta = angle[p] + sign[p] * self.theta
        phi = angle[p] + sign[p] * self.phi - sign[p] * eps * sign[q] * angle[q]
        return self.replace(
            theta=torch.remainder(theta + math.pi, _TWO_PI) - math.pi,
            phi=torch.remainder(phi + math.pi, _TWO_PI) - math.pi,
            flip=(sign[p] * eps * sign[q]).to(torch.int8),
            frame=None if self.frame is None else _turn_frames(self.frame, angle, sign),
            rotation_order=0 if bool((angle != 0).any()) else self.rotation_order,
        )


def _turn_frames(frame: Tensor, angle: Tensor, sign: Tensor) -> Tensor:
    """Frames in which coefficients are h = R(angle) diag(1, sign) times the old ones: e' = e h^{-1}."""
    c, s = angle.cos()[:, None], angle.sin()[:, None]
    x, y, normal = frame.unbind(1)
    sign = sign[:, None]
    return torch.stack([c * x - sign * s * y, s * x + sign * c * y, sign * normal], 1)


def batch_geometries(geometries: Sequence[MeshGeometry]) -> MeshGeometry:
    """The disjoint union of several geometries; vertex v of surface m becomes ``mesh_ptr[m] + v``.

    Raises:
        ValueError: no geometry was given, they disagree in dtype or device, or there are too many edges for int32.
    """
    if not geometries:
        raise ValueError("expected at least one geometry to batch, got none")
    if len(geometries) == 1:
        return geometries[0]
    first = geometries[0]
    for g in geometries[1:]:
        if g.dtype != first.dtype or g.device != first.device:
            raise ValueError(
                f"all geometries of a batch must share dtype and device: got {first.dtype} on {first.device} and "
                f"{g.dtype} on {g.device}; use .to() first"
            )
    if sum(g.n_edges for g in geometries) > torch.iinfo(torch.int32).max:
        raise ValueError("a batch may hold 2³¹ - 1 edges: batch fewer geometries")
    counts = [g.n_vertices for g in geometries]
    starts = [sum(counts[:i]) for i in range(len(counts))]
    edges = [sum(g.n_edges for g in geometries[:i]) for i in range(len(counts))]
    joined: dict[str, Any] = {
        name: torch.cat([getattr(g, name) for g in geometries])
        for name in (*_PER_EDGE_REAL, "flip", "radius", "area", "boundary")
    }
    row_ptr = torch.cat([first.row_ptr[:1], *(g.row_ptr[1:] + e for g, e in zip(geometries, edges))])
    orders = [g.rotation_order for g in geometries]
    return MeshGeometry(
        row_ptr=row_ptr.to(torch.int32),
        source=torch.cat([g.source + s for g, s in zip(geometries, starts)]).to(torch.int32),
        mesh_ptr=torch.cat([first.mesh_ptr[:1], *(g.mesh_ptr[1:] + s for g, s in zip(geometries, starts))]),
        frame=None
        if any(g.frame is None for g in geometries)
        else torch.cat([g.frame for g in geometries if g.frame is not None]),
        rotation_order=0 if 0 in orders else math.lcm(*orders),
        **joined,
    )
