"""Gauge-equivariant attention over neighbourhoods."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from gaugenet.field_type import FieldType
from gaugenet.kernels.transport_conv import transport_conv
from gaugenet.meshes.geometry import MeshGeometry
from gaugenet.nn.bias import InvariantBias
from gaugenet.nn.edges import check_admissible, check_sources, kernel_scalars, mean_edges, radial_functions
from gaugenet.nn.rows import Row, Rows, carried_components, rows_of
from gaugenet.nn.self_interaction import SelfInteraction
from gaugenet.radial import RadialBasis
from gaugenet.steerable import KernelBasis, default_max_harmonic


class GaugeAttention(nn.Module):
    """Attention with steerable keys and values:

        out[p] = Σ_h Σ_{q ∈ N(p)} α_h(p, q) V_h(log_p q) t_h(p, q) + S f[p] + b
        α_h(p, q) = w_q exp s_h(p, q) / Σ_{q'} w_q' exp s_h(p, q')
        s_h(p, q) = ⟨(Q f[p])_h, K_h(log_p q) t_h(p, q)⟩ / √d,      t(p, q) = ρ(g_{p←q}) H f[q]

    for heads h. H, Q, S are intertwiners: H and Q go to `heads` copies of the head's field type, of dimension d. K_h
    and V_h are steerable kernels from the head's type to itself and to the output (see `GaugeConv`), so a score knows
    where the neighbour lies. ρ is orthogonal and both arguments of ⟨ , ⟩ turn with the frame at p, so scores are
    invariant and the layer is exactly equivariant for every group. The quadrature weights w make sums over neighbours
    independent of how densely they are sampled; a masked edge (w = 0) is not attended to. Basu et al. 2022 (Equivariant
    Mesh Attention Networks); He et al. 2021 (Gauge Equivariant Transformer); Fuchs et al. 2020 (SE(3)-Transformers) for
    kernels in keys and values.

    On a geometry between two levels, f[p] is what is given for the targets, or else the mean of the sources after
    transport. Cost: E (B d + d) heads products for B basis functions, nothing of size E × channels is kept
    (`gaugenet.nn.rows`).

    Args:
        in_type, out_type: field types of one structure group.
        heads: number of heads.
        head_type: field type of one head; by default the input's with its multiplicities divided by `heads`.
        n_radial: number of radial functions.
        max_harmonic: highest angular frequency of the kernels (see `KernelBasis`).
        self_interaction, bias: whether the layer has S and b.
        edges_per_chunk: see `rows_of`.
        generator: for the initial weights.

    Raises:
        ValueError: the field types disagree in their group, or there is no head.
    """

    def __init__(
        self,
        in_type: FieldType,
        out_type: FieldType,
        *,
        heads: int = 4,
        head_type: FieldType | None = None,
        n_radial: int = 2,
        max_harmonic: int | None = None,
        self_interaction: bool = True,
        bias: bool = True,
        edges_per_chunk: int | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        if heads < 1:
            raise ValueError(f"attention needs at least one head, not {heads}")
        if head_type is None:
            terms = [(t.representation, max(1, t.multiplicity // heads)) for t in in_type.terms]
            head_type = FieldType(in_type.group, terms)
        if not in_type.group == out_type.group == head_type.group:
            raise ValueError(f"all field types must have one structure group: got {in_type}, {out_type}, {head_type}")
        self.in_type, self.out_type, self.head_type = in_type, out_type, head_type
        self.heads, self.edges_per_chunk = heads, edges_per_chunk
        self.radial = RadialBasis(n_radial)
        level = max_harmonic
        if level is None:
            level = max(default_max_harmonic(head_type, t) for t in (head_type, out_type))
        self.key_basis = KernelBasis(head_type, head_type, max_harmonic=level, form="harmonic")
        self.value_basis = KernelBasis(head_type, out_type, max_harmonic=level, form="harmonic")
        # heads run beside the radial functions, as independent copies of the kernel's coefficients
        n = heads * n_radial
        gain = 0.5**0.5 if self_interaction else 1.0
        self.keys = nn.Parameter(self.key_basis.initial(n, generator=generator))
        self.values = nn.Parameter(self.value_basis.initial(n, gain=gain * heads**-0.5, generator=generator))
        self.all_heads = FieldType(in_type.group, [(t.representation, heads * t.multiplicity) for t in head_type.terms])
        self.hidden = SelfInteraction(in_type, self.all_heads, bias=False, generator=generator)
        self.queries = SelfInteraction(in_type, self.all_heads, bias=False, generator=generator)
        self._components = [b for b in self.all_heads.blocks for _ in range(b.irrep.dim)]
        self.self_interaction = (
            SelfInteraction(in_type, out_type, bias=False, gain=gain, generator=generator) if self_interaction else None
        )
        self.bias = InvariantBias(out_type) if bias else None

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

    def _functions(self, geometry: MeshGeometry, rows: Rows) -> tuple[Tensor, ...]:
        """[P, D, B] per chunk, b = angular * n_radial + radial: the basis functions of kernels, without weights."""

        def build() -> tuple[Tensor, ...]:
            angular = self.key_basis.angular(geometry.theta)
            functions = kernel_scalars(geometry, angular, radial_functions(geometry, self.radial))
            return tuple(functions[chunk.edge] for chunk in rows.chunks)

        key = ("functions on rows", self.radial, self.key_basis.max_harmonic, self.edges_per_chunk)
        return geometry.remember(key, build)

    def forward(self, x: Tensor, geometry: MeshGeometry, target: Tensor | None = None) -> Tensor:
        """Attend.

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
            own, hidden, queries, key_weight, value_weight = self._prepared(x, geometry, target)

            def attend(chunk: Row, functions: Tensor) -> Tensor:
                t = self._transported(hidden, chunk)
                alpha = self._weights(t, queries[:, chunk.target], key_weight, functions, chunk)
                mixed = (alpha[..., None] * functions).mT @ t
                return (mixed.flatten(2) @ value_weight).sum(0)

            out = rows.run(attend, self._functions(geometry, rows))
            if self.self_interaction is not None:
                out = out + self.self_interaction(own)
            out = out if self.bias is None else self.bias(out)
        return out.to(x.dtype)

    def attention(self, x: Tensor, geometry: MeshGeometry, target: Tensor | None = None) -> Tensor:
        """[E, heads] the weights α of every edge, of sum 1 over the neighbours of each target; for pictures."""
        rows = self.edges(geometry)
        with torch.autocast(x.device.type, enabled=False):
            _, hidden, queries, key_weight, _ = self._prepared(x, geometry, target)
            found = hidden.new_zeros(geometry.n_edges, self.heads)
            for chunk, functions in zip(rows.chunks, self._functions(geometry, rows), strict=True):
                t = self._transported(hidden, chunk)
                alpha = self._weights(t, queries[:, chunk.target], key_weight, functions, chunk)
                # padding adds 0 to some edge of its row
                found = found.index_add(0, chunk.edge.flatten(), alpha.permute(1, 2, 0).flatten(0, 1))
        return found

    def _prepared(self, x: Tensor, geometry: MeshGeometry, target: Tensor | None) -> tuple[Tensor, ...]:
        """What is the same for all chunks: f at the targets, H f [S, all heads], queries [heads, V, d], weights of keys
        [heads, d, d B] and of values [heads, B d, out]."""
        own = features_at_targets(x, geometry, target, self.in_type)
        hidden = self.hidden(x.to(geometry.dtype))
        queries = self._by_head(self.queries(own).split([b.multiplicity for b in self._components], 1))
        keys = self._per_head_weight(self.key_basis.expand(self.keys))
        values = self._per_head_weight(self.value_basis.expand(self.values))
        d = self.head_type.dim
        return own, hidden, queries * d**-0.5, keys.permute(0, 2, 3, 1).flatten(2), values.mT.flatten(1, 2)

    def _transported(self, hidden: Tensor, chunk: Row) -> Tensor:
        """t [heads, P, D, d] from H f [S, all heads]."""
        parts = carried_components(self.all_heads, chunk.gather(hidden), chunk.phi, chunk.flip)
        return self._by_head(parts)

    def _by_head(self, parts: Sequence[Tensor]) -> Tensor:
        """[heads, ..., d] from the components [..., multiplicity] of all heads, block after block."""
        split = []
        for part, b in zip(parts, self._components, strict=True):
            # copies run over occurrences of the irrep in its representation, then heads, then copies of a head
            times = b.multiplicity // self.all_heads.terms[b.term].multiplicity
            part = part.reshape(*part.shape[:-1], times, self.heads, -1)
            split.append(part.movedim(-2, 0).flatten(-2))
        return torch.cat(split, -1)

    def _per_head_weight(self, weight: Tensor) -> Tensor:
        """[T * heads * R, out, in] → [heads, T * R, out, in]"""
        split = weight.reshape(-1, self.heads, self.radial.n, *weight.shape[1:])
        return split.transpose(0, 1).flatten(1, 2)

    def _weights(self, t: Tensor, queries: Tensor, key_weight: Tensor, functions: Tensor, chunk: Row) -> Tensor:
        """α [heads, P, D] from t [heads, P, D, d], queries [heads, P, d] and basis functions [P, D, B]."""
        # the kernel acts on the query, once per target, instead of on every key
        asked = (queries @ key_weight).reshape(*queries.shape, functions.shape[2])
        scores = ((t @ asked) * functions).sum(3)
        scores = scores.masked_fill(chunk.weight <= 0, -torch.inf)
        top = scores.amax(2, keepdim=True).detach()
        exp = chunk.weight * torch.exp(scores - torch.where(top.isfinite(), top, 0.0))
        total = exp.sum(2, keepdim=True)
        alpha: Tensor = exp / torch.where(total > 0, total, 1.0)
        return alpha

    def extra_repr(self) -> str:
        heads = f"{self.heads} heads of {self.head_type}"
        return f"{self.in_type} → {self.out_type}, {heads}, {self.radial.n} radial functions"


def features_at_targets(x: Tensor, geometry: MeshGeometry, target: Tensor | None, field_type: FieldType) -> Tensor:
    """f at the targets, in the dtype of the geometry: x itself; between two levels `target`, or the mean of x after
    transport.

    Raises:
        ValueError: x or target has the wrong shape, or target is given where the sources are the targets.
    """
    check_sources(x, geometry, field_type)
    if target is not None and not geometry.is_cross_level:
        raise ValueError("the sources of this geometry are its targets: give x only")
    if target is not None and target.shape != (geometry.n_vertices, field_type.dim):
        raise ValueError(
            f"expected features [{geometry.n_vertices}, {field_type.dim}] ({field_type}) at the targets, "
            f"got {list(target.shape)}"
        )
    x = x.to(geometry.dtype)
    if not geometry.is_cross_level:
        return x
    if target is not None:
        return target.to(geometry.dtype)
    identity = torch.eye(field_type.dim, dtype=x.dtype, device=x.device)[None]
    blocks = field_type.transport_blocks
    return transport_conv(x, identity, mean_edges(geometry), blocks, blocks)
