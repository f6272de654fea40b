"""Convolution over several radii at once."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from gaugenet.field_type import FieldType
from gaugenet.meshes.geometry import MeshGeometry
from gaugenet.nn.convolution import GaugeConv


class MultiScaleConv(nn.Module):
    """The sum of convolutions over neighbourhoods of several radii, each with a kernel of its own:

        out[p] = Σ_s Σ_{q ∈ N_s(p)} w^s_q K_s(log_p q) ρ_in(g_{p←q}) f[q] + S f[p] + b

    Either N_s(p) are the neighbours within s R_p of one geometry, R_p being its radius of support, with weights scaled
    to the sum they had; or they come from one geometry for each scale, e.g. of `Radius(r)` for several r. See
    `GaugeConv` for K, S, b. Every summand is exactly equivariant. After Szegedy et al. 2015 (Inception).

    Args:
        in_type, out_type: field types of one structure group.
        scales: fractions in (0, 1] of the radius of support; or a number of geometries.
        n_radial, max_harmonic: see `GaugeConv`.
        generator: for the initial weights.

    Raises:
        ValueError: the field types disagree in their group, or the scales are not as described.
    """

    def __init__(
        self,
        in_type: FieldType,
        out_type: FieldType,
        scales: Sequence[float] | int = (1.0, 0.5),
        *,
        n_radial: int = 3,
        max_harmonic: int | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.scales = None if isinstance(scales, int) else tuple(float(s) for s in scales)
        n = scales if isinstance(scales, int) else len(scales)
        if n < 1 or any(not 0 < s <= 1 for s in self.scales or ()):
            raise ValueError(f"expected scales in (0, 1], or how many geometries there are, got {scales}")
        self.in_type, self.out_type = in_type, out_type
        convs = [
            GaugeConv(
                in_type,
                out_type,
                n_radial=n_radial,
                max_harmonic=max_harmonic,
                self_interaction=i == 0,
                bias=i == 0,
                generator=generator,
            )
            for i in range(n)
        ]
        with torch.no_grad():
            for conv in convs:
                conv.coefficients.mul_(n**-0.5)
        self.convs = nn.ModuleList(convs)

    def edges(self, geometry: MeshGeometry | Sequence[MeshGeometry]) -> tuple[MeshGeometry, ...]:
        """The geometry of each scale, prepared for its convolution; derived once, then remembered.

        Raises:
            ValueError: the structure group does not admit a surface, or there is not one geometry for each scale.
        """
        if isinstance(geometry, MeshGeometry):
            if self.scales is None:
                raise ValueError(f"expected {len(self.convs)} geometries, one for each convolution, got one")
            found = tuple(within(geometry, scale) for scale in self.scales)
        else:
            found = tuple(geometry)
            if self.scales is not None or len(found) != len(self.convs):
                wanted = "one geometry" if self.scales is not None else f"{len(self.convs)} geometries"
                raise ValueError(f"expected {wanted}, got a sequence of {len(found)}")
        for conv, at_scale in zip(self.convs, found, strict=True):
            if isinstance(conv, GaugeConv):
                conv.edges(at_scale)
        return found

    def forward(self, x: Tensor, geometry: MeshGeometry | Sequence[MeshGeometry]) -> Tensor:
        """[S, in_type.dim] in the frames of the sources → [V, out_type.dim] in those of the targets.

        Raises:
            ValueError: x has the wrong shape, or as `edges`.
        """
        first, *others = self.edges(geometry)
        out: Tensor = self.convs[0](x, first)
        for conv, at_scale in zip(list(self.convs)[1:], others, strict=True):
            out = out + conv(x, at_scale)
        return out

    def extra_repr(self) -> str:
        scales = (
            f"{len(self.convs)} geometries" if self.scales is None else f"scales {', '.join(map(str, self.scales))}"
        )
        return f"{self.in_type} → {self.out_type}, {scales}"


def within(geometry: MeshGeometry, scale: float) -> MeshGeometry:
    """The geometry of the neighbours with r ≤ scale · R_p and that radius of support; remembered by `geometry`.

    The weights that are left at a target are scaled to the sum that they had; where none are left, there is no
    neighbour.
    """
    if scale == 1.0:
        return geometry

    def build() -> MeshGeometry:
        target = geometry.target
        kept = geometry.r <= scale * geometry.radius[target]
        degree = torch.zeros(geometry.n_vertices, dtype=torch.int64, device=geometry.device)
        degree = degree.index_add(0, target, kept.long())
        row_ptr = torch.nn.functional.pad(degree.cumsum(0), (1, 0)).to(torch.int32)
        left = torch.where(kept, geometry.weight, 0.0)
        empty = geometry.weight.new_zeros(geometry.n_vertices)
        before, after = empty.index_add(0, target, geometry.weight), empty.index_add(0, target, left)
        weight = left * (before / torch.where(after > 0, after, 1.0))[target]
        return geometry.replace(
            row_ptr=row_ptr,
            source=geometry.source[kept],
            r=geometry.r[kept],
            theta=geometry.theta[kept],
            phi=geometry.phi[kept],
            flip=geometry.flip[kept],
            weight=weight[kept],
            radius=scale * geometry.radius,
        )

    return geometry.remember(("within", scale), build)
