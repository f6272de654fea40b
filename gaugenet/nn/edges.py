"""From a surface to the operator's edges: radial and angular scalars, pre- and post-rotations.

Between two levels a source may lie in the place of its target, where log_p q = 0 has no direction. A kernel is
continuous there, and equivariant, only if K(0) is an intertwiner: the mean of K(v) over the directions of v. In
harmonic form that is the part without angle, so all other scalars vanish. In edge-aligned form the mean is taken by
n edges of equal weight in the directions 2πj/n: with n above the highest harmonic of the kernel it is exact.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from gaugenet.field_type import FieldType
from gaugenet.groups import StructureGroup
from gaugenet.kernels.transport_conv import ConvEdges
from gaugenet.meshes.geometry import HOW_TO_MAKE_ONE, MeshGeometry
from gaugenet.meshes.kinds import check_kind
from gaugenet.radial import RadialBasis
from gaugenet.steerable import angular_functions


def check_admissible(group: StructureGroup, geometry: MeshGeometry) -> None:
    """Raise a ValueError unless every transporter of the surface lies in the structure group of the layer."""
    check_kind(geometry, MeshGeometry, HOW_TO_MAKE_ONE)
    found = geometry.structure_group
    if not group.contains(StructureGroup.parse(found)):
        raise ValueError(
            f"structure group {group.name} does not admit this surface: its transporters lie in {found}, "
            f"the smallest admissible group in this gauge; use a field type of {found} or of a larger group"
        )


def edge_aligned_edges(geometry: MeshGeometry, radial: RadialBasis, max_harmonic: int) -> ConvEdges:
    """Edges of the edge-aligned form: out[p] = Σ_q w_q ρ_out(θ) [Σ_r R_r W_r] ρ_in(φ−θ, ε) f[q].

    The scalars are w_q R_r(r/R_p): [E, n_radial]. For SO(2) and O(2).

    Args:
        max_harmonic: at least the highest input plus the highest output frequency, which is the highest harmonic of
            the kernel; it matters only where some source lies in the place of its target, and E grows there.
    """
    directions = max_harmonic + 1 if geometry.has_coincident else 1

    def build() -> ConvEdges:
        row_ptr, edge, theta, share = _with_all_directions(geometry, directions)
        return ConvEdges.from_csr(
            row_ptr,
            geometry.source[edge],
            geometry.n_sources,
            _radial_scalars(geometry, radial)[edge] * share[:, None],
            alpha=geometry.phi[edge] - theta,
            flip=geometry.flip[edge] if geometry.has_flips else None,
            beta=theta,
            **_visits(geometry),
        )

    return geometry.remember(("edge-aligned edges", radial, directions), build)


def _with_all_directions(geometry: MeshGeometry, n: int) -> tuple[Tensor, Tensor | slice, Tensor, Tensor]:
    """Each edge with r = 0 n times over: row_ptr; of each new edge the old one, theta and the share of the weight."""
    if n == 1:
        return geometry.row_ptr, slice(None), geometry.theta, torch.ones_like(geometry.theta)
    times = torch.where(geometry.r == 0, n, 1)
    first = torch.nn.functional.pad(times.cumsum(0), (1, 0))
    edge = torch.repeat_interleave(times)
    copy = torch.arange(edge.shape[0], device=edge.device) - first[edge]
    at_zero = times[edge] > 1
    theta = torch.where(at_zero, copy.to(geometry.dtype) * (2.0 * math.pi / n), geometry.theta[edge])
    return first[geometry.row_ptr.long()], edge, theta, torch.ones_like(theta).masked_fill(at_zero, 1.0 / n)


def harmonic_edges(geometry: MeshGeometry, radial: RadialBasis, max_harmonic: int) -> ConvEdges:
    """Edges of the harmonic form: out[p] = Σ_q w_q Σ_{r,l} R_r h_l(θ) W_{l,r} ρ_in(φ, ε) f[q].

    h are the `angular_functions`; the scalars are [E, (2 L + 1) n_radial], radial functions fastest.
    For any group.
    """

    def build() -> ConvEdges:
        angular = angular_functions(geometry.theta, max_harmonic)
        scalars = kernel_scalars(geometry, angular, _radial_scalars(geometry, radial))
        return ConvEdges.from_csr(
            geometry.row_ptr,
            geometry.source,
            geometry.n_sources,
            scalars,
            alpha=geometry.phi if geometry.rotation_order != 1 else None,
            flip=geometry.flip if geometry.has_flips else None,
            **_visits(geometry),
        )

    return geometry.remember(("harmonic edges", radial, max_harmonic), build)


def mean_edges(geometry: MeshGeometry) -> ConvEdges:
    """Edges of the mean after transport: out[p] = Σ_q w_q ρ(φ, ε) f[q]; the scalars are w_q: [E, 1]. For any group."""

    def build() -> ConvEdges:
        return ConvEdges.from_csr(
            geometry.row_ptr,
            geometry.source,
            geometry.n_sources,
            geometry.weight[:, None],
            alpha=geometry.phi if geometry.rotation_order != 1 else None,
            flip=geometry.flip if geometry.has_flips else None,
            **_visits(geometry),
        )

    return geometry.remember("mean edges", build)


def _visits(geometry: MeshGeometry) -> dict[str, Tensor | None]:
    """The orders of visiting targets and sources; of sources on another level the geometry knows none."""
    order = geometry.visit_order
    return {"order": order, "reverse_order": None if geometry.is_cross_level else order}


def _radial_scalars(geometry: MeshGeometry, radial: RadialBasis) -> Tensor:
    return radial_functions(geometry, radial) * geometry.weight[:, None]


def radial_functions(geometry: MeshGeometry, radial: RadialBasis) -> Tensor:
    """R(r / R_p) on every edge: [E, n_radial]."""
    return radial(geometry.r / geometry.radius[geometry.target].clamp_min(torch.finfo(geometry.dtype).tiny))


def kernel_scalars(geometry: MeshGeometry, angular: Tensor, radial: Tensor) -> Tensor:
    """Products of angular [E, D] and radial [E, n_radial] functions: [E, D n_radial], radial functions fastest.

    The first angular function is constant; where r = 0 there is no direction, and the others count as 0. `angular` is
    overwritten.
    """
    if geometry.has_coincident:
        angular[:, 1:] *= (geometry.r > 0)[:, None]
    return (angular[:, :, None] * radial[:, None, :]).flatten(1)


def check_sources(x: Tensor, geometry: MeshGeometry, field_type: FieldType) -> None:
    """Raise a ValueError unless x is [S, field_type.dim], one row for each source of the geometry."""
    check_kind(geometry, MeshGeometry, HOW_TO_MAKE_ONE)
    check_kind(x, Tensor, "torch.as_tensor makes it of an array")
    if x.ndim != 2 or x.shape != (geometry.n_sources, field_type.dim):
        where = "at the sources of this geometry" if geometry.is_cross_level else "on this geometry"
        raise ValueError(
            f"expected features [{geometry.n_sources}, {field_type.dim}] ({field_type}) {where}, got {list(x.shape)}"
        )
