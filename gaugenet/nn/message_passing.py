"""Non-linear message passing."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from gaugenet.field_type import FieldType
from gaugenet.meshes.geometry import MeshGeometry
from gaugenet.nn.attention import features_at_targets
from gaugenet.nn.bias import InvariantBias
from gaugenet.nn.by_name import make_nonlinearity
from gaugenet.nn.edges import check_admissible, kernel_scalars, mean_edges, radial_functions
from gaugenet.nn.rows import Row, Rows, carry, rows_of
from gaugenet.nn.self_interaction import SelfInteraction
from gaugenet.radial import RadialBasis
from gaugenet.steerable import KernelBasis, default_max_harmonic


class GaugeMessagePassing(nn.Module):
    """Messages by a network on every edge, summed over the neighbourhood:

        out[p] = A Σ_{q ∈ N(p)} w_q m(p, q) + S f[p] + b
        m(p, q) = σ_n(L_n … σ_1(K(log_p q) ρ(g_{p←q}) f[q] + U f[p]) …)

    K is a steerable kernel (see `GaugeConv`), σ an equivariant non-linearity, L, U, A, S intertwiners with biases on
    invariant channels. Where `GaugeConv` is linear in the features, a message can depend on how f[p] and f[q] fit
    together. Every step is equivariant under the gauge at p, so the layer is, for every group, as exactly as σ. Park,
    Wong, Walters 2023 (Modeling Dynamics over Meshes with Gauge Equivariant Nonlinear Message Passing, Hermes).

    On a geometry between two levels, f[p] is what is given for the targets, or else the mean of the sources after
    transport. A message is E × channels; it is made for a chunk of targets at a time (`gaugenet.nn.rows`).

    Args:
        in_type, out_type: field types of one structure group.
        message_type: field type of the messages; the output's by default.
        nonlinearity: σ, one of `gaugenet.nn.by_name.NONLINEARITIES`.
        edge_layers: n, at least 1.
        n_radial, max_harmonic: see `GaugeConv`.
        edges_per_chunk: see `rows_of`.
        generator: for the initial weights.

    Raises:
        ValueError: the field types disagree in their group, or an argument is not as described.
    """

    def __init__(
        self,
        in_type: FieldType,
        out_type: FieldType,
        *,
        message_type: FieldType | None = None,
        nonlinearity: str = "gated",
        edge_layers: int = 1,
        n_radial: int = 3,
        max_harmonic: int | None = None,
        edges_per_chunk: int | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        message_type = out_type if message_type is None else message_type
        if not in_type.group == out_type.group == message_type.group:
            raise ValueError(
                f"all field types must have one structure group: got {in_type}, {out_type} and {message_type}"
            )
        if edge_layers < 1:
            raise ValueError(f"a message needs at least one layer, not {edge_layers}")
        self.in_type, self.out_type, self.message_type = in_type, out_type, message_type
        self.edges_per_chunk = edges_per_chunk
        self.radial = RadialBasis(n_radial)
        self.basis = KernelBasis(in_type, message_type, max_harmonic=max_harmonic)
        half = 0.5**0.5
        self.coefficients = nn.Parameter(self.basis.initial(n_radial, gain=half, generator=generator))
        self.own = SelfInteraction(in_type, message_type, gain=half, generator=generator)
        self.nonlinearities = nn.ModuleList(
            make_nonlinearity(nonlinearity, message_type, generator=generator) for _ in range(edge_layers)
        )
        self.between = nn.ModuleList(
            SelfInteraction(message_type, message_type, generator=generator) for _ in range(edge_layers - 1)
        )
        self.aggregate = SelfInteraction(message_type, out_type, bias=False, gain=half, generator=generator)
        self.self_interaction = SelfInteraction(in_type, out_type, bias=False, gain=half, generator=generator)
        self.bias = InvariantBias(out_type)

    def edges(self, geometry: MeshGeometry) -> Rows:
        """What the layer reads on the edges of a surface; derived once, then remembered by the geometry.

        Raises:
            ValueError: the structure group of the layer does not admit the surface, or it has no edge.
        """
        check_admissible(self.in_type.group, geometry)
        if geometry.is_cross_level:
            mean_edges(geometry)
        rows = rows_of(geometry, self.edges_per_chunk)
        self._functions(geometry, rows)
        return rows

    def _functions(self, geometry: MeshGeometry, rows: Rows) -> tuple[tuple[Tensor, Tensor | None], ...]:
        """Per chunk, the scalars of the kernel [P, D, B], and in edge-aligned form where r = 0 [P, D, 1]."""

        def build() -> tuple[tuple[Tensor, Tensor | None], ...]:
            angular = self.basis.angular(geometry.theta)
            scalars = kernel_scalars(geometry, angular, radial_functions(geometry, self.radial))
            here = geometry.r == 0 if geometry.has_coincident and self.basis.form == "aligned" else None
            return tuple(
                (scalars[chunk.edge], None if here is None else here[chunk.edge][..., None]) for chunk in rows.chunks
            )

        key = ("kernel on rows", self.radial, self.basis.max_harmonic, self.edges_per_chunk)
        return geometry.remember(key, build)

    def forward(self, x: Tensor, geometry: MeshGeometry, target: Tensor | None = None) -> Tensor:
        """Pass messages.

        Args:
            x: [S, in_type.dim] in the frames of the sources.
            target: [V, in_type.dim] in the frames of the targets, on a geometry between two levels only.

        Returns:
            [V, out_type.dim] in the frames of the targets. Inside, all is done in the dtype of the geometry.

        Raises:
            ValueError: a tensor has the wrong shape, or the structure group does not admit the surface.
        """
        rows = self.edges(geometry)
        with torch.autocast(x.device.type, enabled=False):
            at_targets = features_at_targets(x, geometry, target, self.in_type)
            sources, own = x.to(geometry.dtype), self.own(at_targets)
            weight = self.basis.expand(self.coefficients)

            def messages(chunk: Row, kernel: tuple[Tensor, Tensor | None]) -> Tensor:
                message = self._kernel(chunk.gather(sources), weight, chunk, *kernel)
                message = (message + own[chunk.target][:, None]).flatten(0, 1)
                for i, nonlinearity in enumerate(self.nonlinearities):
                    message = nonlinearity(message if i == 0 else self.between[i - 1](message))
                message = message.reshape(*chunk.weight.shape, -1)
                total: Tensor = (chunk.weight[:, None] @ message)[:, 0]
                return total

            out = self.aggregate(rows.run(messages, self._functions(geometry, rows)))
            out = self.bias(out + self.self_interaction(at_targets))
        found: Tensor = out.to(x.dtype)
        return found

    def _kernel(self, f: Tensor, weight: Tensor, chunk: Row, scalars: Tensor, here: Tensor | None) -> Tensor:
        """K(log_p q) ρ(g_{p←q}) f[q]: [P, D, in] → [P, D, message]"""
        if self.basis.form == "harmonic":
            return _contract(carry(self.in_type, f, chunk.phi, chunk.flip), weight, scalars)
        aligned = _contract(carry(self.in_type, f, chunk.phi - chunk.theta, chunk.flip), weight, scalars)
        out = carry(self.message_type, aligned, chunk.theta, None)
        if here is None:
            return out
        moved = carry(self.in_type, f, chunk.phi, chunk.flip)
        return torch.where(here, _contract(moved, self._at_zero(weight), scalars), out)

    def _at_zero(self, weight: Tensor) -> Tensor:
        """The kernel at v = 0, an intertwiner: its mean over directions, over more of them than it has harmonics."""
        n = default_max_harmonic(self.in_type, self.message_type) + 1
        theta = torch.arange(n, dtype=weight.dtype, device=weight.device) * (2.0 * math.pi / n)
        mean = weight.new_zeros(weight.shape)
        for angle in theta:
            mean = mean + self.message_type.matrix(angle) @ weight @ self.in_type.matrix(-angle) / n
        return mean

    def extra_repr(self) -> str:
        return f"{self.in_type} → {self.out_type}, messages {self.message_type}, {self.basis.form} form"


def _contract(f: Tensor, weight: Tensor, scalars: Tensor) -> Tensor:
    """Σ_b scalars_b W_b f: [P, D, in], [B, out, in], [P, D, B] → [P, D, out]"""
    mapped = f.flatten(0, 1) @ weight.flatten(0, 1).T
    out: Tensor = scalars.flatten(0, 1)[:, None] @ mapped.reshape(-1, *weight.shape[:2])
    return out.reshape(*f.shape[:2], -1)
