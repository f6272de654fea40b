"""The gauge-equivariant convolution layer."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol, TypeVar, runtime_checkable

import torch
from torch import Tensor, nn

from gaugenet.field_type import FieldType, check_field_types
from gaugenet.kernels.transport_conv import ConvEdges, transport_conv
from gaugenet.meshes.geometry import HOW_TO_MAKE_ONE, MeshGeometry
from gaugenet.meshes.hierarchy import Hierarchy
from gaugenet.meshes.kinds import check_kind
from gaugenet.nn.bias import InvariantBias
from gaugenet.nn.edges import check_admissible, check_sources, edge_aligned_edges, harmonic_edges
from gaugenet.nn.self_interaction import SelfInteraction
from gaugenet.radial import RadialBasis
from gaugenet.steerable import KernelBasis, default_max_harmonic


class GaugeConv(nn.Module):
    """Convolution with a steerable kernel:

        out[p] = Σ_{q ∈ N(p)} w_q K(log_p q) ρ_in(g_{p←q}) f[q] + S f[p] + b

    N(p), w_q, log_p q and g_{p←q} come from the geometry; K(v) = Σ_i c_i K_i(v) with K_i a basis of the solutions of
    K(g v) = ρ_out(g) K(v) ρ_in(g)⁻¹ for all g in the structure group G, times radial functions of |v| / R_p; S is an
    intertwiner (the kernel at v = 0) and b a bias on the invariant channels. Weiler et al. 2021, Coordinate
    Independent Convolutional Networks, gauge-steerable kernels; de Haan et al. 2021 for SO(2) on meshes.

    On a geometry between two levels (`MeshGeometry.source_ptr`, `gaugenet.meshes.hierarchy`) this is the strided or
    transposed convolution. A target then need not be a source, and S acts on what the sources say about f at p, their
    mean after transport:

        out[p] = Σ_q w_q K(log_p q) ρ_in(g_{p←q}) f[q] + S Σ_q w_q ρ_in(g_{p←q}) f[q] + b

    which is no second sum, since the radial functions sum to 1: S is added to the weight. A source in the place of its
    target is an edge with r = 0 and takes part with K(0), an intertwiner (`gaugenet.nn.edges`).

    Args:
        in_type, out_type: field types of one structure group.
        n_radial: number of radial functions.
        max_harmonic: highest angular frequency of the kernel (harmonic form only, see `KernelBasis`).
        self_interaction, bias: whether the layer has S and b.
        generator: for the initial weights.

    Raises:
        ValueError: the field types disagree in their group.
    """

    def __init__(
        self,
        in_type: FieldType,
        out_type: FieldType,
        *,
        n_radial: int = 3,
        max_harmonic: int | None = None,
        self_interaction: bool = True,
        bias: bool = True,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        check_field_types(in_type, out_type)
        if in_type.group != out_type.group:
            raise ValueError(f"both field types must have one structure group: got {in_type} and {out_type}")
        self.in_type, self.out_type = in_type, out_type
        self.radial = RadialBasis(n_radial)
        self.basis = KernelBasis(in_type, out_type, max_harmonic=max_harmonic)
        # Each of the two summands starts with half of the variance.
        gain = 0.5**0.5 if self_interaction else 1.0
        self.coefficients = nn.Parameter(self.basis.initial(n_radial, gain=gain, generator=generator))
        self.self_interaction = (
            SelfInteraction(in_type, out_type, bias=False, gain=gain, generator=generator) if self_interaction else None
        )
        self.bias = InvariantBias(out_type) if bias else None

    def forward(self, x: Tensor, geometry: MeshGeometry) -> Tensor:
        """[S, in_type.dim] coefficients in the frames of the sources → [V, out_type.dim] in those of the targets.

        Raises:
            ValueError: x has the wrong shape, or the structure group of the layer does not admit the surface.
        """
        check_sources(x, geometry, self.in_type)
        edges = self.edges(geometry)
        weight = self.basis.expand(self.coefficients)
        if self.self_interaction is not None and geometry.is_cross_level:
            # the first scalars are the radial functions alone, in both forms
            constant = torch.arange(weight.shape[0], device=weight.device) < self.radial.n
            weight = weight + constant[:, None, None] * self.self_interaction.weight
        out = transport_conv(x, weight, edges, self.in_type.transport_blocks, self.out_type.transport_blocks)
        if self.self_interaction is not None and not geometry.is_cross_level:
            out = out + self.self_interaction(x)
        return out if self.bias is None else self.bias(out)

    def edges(self, geometry: MeshGeometry) -> ConvEdges:
        """What the layer reads on the edges of a surface; derived once, then remembered by the geometry.

        Raises:
            ValueError: the structure group of the layer does not admit the surface.
        """
        check_admissible(self.in_type.group, geometry)
        if self.basis.max_harmonic is None:
            return edge_aligned_edges(geometry, self.radial, default_max_harmonic(self.in_type, self.out_type))
        return harmonic_edges(geometry, self.radial, self.basis.max_harmonic)

    def extra_repr(self) -> str:
        return f"{self.in_type} → {self.out_type}, {self.basis.form} form, {self.radial.n} radial functions"


@runtime_checkable
class ReadsEdges(Protocol):
    """A layer that derives something from a geometry, and remembers it there."""

    def edges(self, geometry: MeshGeometry) -> object: ...


@runtime_checkable
class ReadsLevels(Protocol):
    """A module whose parts read different levels of a hierarchy."""

    def layers_on(self, hierarchy: Hierarchy) -> Iterable[tuple[nn.Module, MeshGeometry]]: ...


Surface = TypeVar("Surface", MeshGeometry, Hierarchy)


def prepare(module: nn.Module, surface: Surface) -> Surface:
    """The same geometry or hierarchy, which now remembers what every layer of `module` reads on it.

    Layers derive it by themselves when they first meet a geometry. Under ``torch.compile(fullgraph=True)`` and in
    ``torch.export`` that comes too late: the checks look at numbers, which a tracer does not have.

    A layer of your own takes part if it has a method ``edges(geometry)``; it then answers for the layers inside it. On
    a hierarchy, a module with a method ``layers_on(hierarchy)`` says which of its parts reads which geometry; all
    others read the finest level.

    Raises:
        ValueError: the structure group of a layer does not admit the surface, or the number of levels is wrong.
    """
    check_kind(surface, (MeshGeometry, Hierarchy), f"{HOW_TO_MAKE_ONE}, build_hierarchy a Hierarchy")
    if isinstance(surface, Hierarchy) and isinstance(module, ReadsLevels):
        for part, geometry in module.layers_on(surface):
            prepare(part, geometry)
        return surface
    if isinstance(module, ReadsEdges):
        module.edges(surface.levels[0] if isinstance(surface, Hierarchy) else surface)
        return surface
    for child in module.children():
        prepare(child, surface)
    return surface
