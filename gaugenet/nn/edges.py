"""From a surface to the operator's edges: radial and angular scalars, pre- and post-rotations."""

from __future__ import annotations

import torch

from gaugenet.groups import StructureGroup
from gaugenet.kernels.transport_conv import ConvEdges
from gaugenet.meshes.geometry import MeshGeometry
from gaugenet.radial import RadialBasis
from gaugenet.steerable import angular_functions


def check_admissible(group: StructureGroup, geometry: MeshGeometry) -> None:
    """Raise a ValueError unless every transporter of the surface lies in the structure group of the layer."""
    found = geometry.structure_group
    if not group.contains(StructureGroup.parse(found)):
        raise ValueError(
            f"structure group {group.name} does not admit this surface: its transporters lie in {found}, "
            f"the smallest admissible group in this gauge; use a field type of {found} or of a larger group"
        )


def edge_aligned_edges(geometry: MeshGeometry, radial: RadialBasis) -> ConvEdges:
    """Edges of the edge-aligned form: out[p] = Σ_q w_q ρ_out(θ) [Σ_r R_r W_r] ρ_in(φ−θ, ε) f[q].

    The scalars are w_q R_r(r/R_p): [E, n_radial]. For SO(2) and O(2).
    """

    def build() -> ConvEdges:
        return ConvEdges.from_csr(
            geometry.row_ptr,
            geometry.source,
            geometry.n_vertices,
            _radial_scalars(geometry, radial),
            alpha=geometry.phi - geometry.theta,
            flip=geometry.flip if geometry.has_flips else None,
            beta=geometry.theta,
        )

    return geometry.remember(("edge-aligned edges", radial), build)


def harmonic_edges(geometry: MeshGeometry, radial: RadialBasis, max_harmonic: int) -> ConvEdges:
    """Edges of the harmonic form: out[p] = Σ_q w_q Σ_{r,l} R_r h_l(θ) W_{l,r} ρ_in(φ, ε) f[q].

    h are the `angular_functions`; the scalars are [E, (2 L + 1) n_radial], radial functions fastest.
    For any group.
    """

    def build() -> ConvEdges:
        angular = angular_functions(geometry.theta, max_harmonic)
        scalars = angular[:, :, None] * _radial_scalars(geometry, radial)[:, None, :]
        return ConvEdges.from_csr(
            geometry.row_ptr,
            geometry.source,
            geometry.n_vertices,
            scalars.flatten(1),
            alpha=geometry.phi if geometry.rotation_order != 1 else None,
            flip=geometry.flip if geometry.has_flips else None,
        )

    return geometry.remember(("harmonic edges", radial, max_harmonic), build)


def _radial_scalars(geometry: MeshGeometry, radial: RadialBasis) -> torch.Tensor:
    relative = geometry.r / geometry.radius[geometry.target].clamp_min(torch.finfo(geometry.dtype).tiny)
    return radial(relative) * geometry.weight[:, None]
