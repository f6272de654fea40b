"""Backbones: from fields at the vertices of a surface to hidden fields there, which models read out."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from gaugenet.field_type import FieldType
from gaugenet.groups import StructureGroup
from gaugenet.meshes.geometry import MeshGeometry
from gaugenet.meshes.hierarchy import Hierarchy
from gaugenet.nn.block import ResidualBlock
from gaugenet.nn.by_name import NONLINEARITIES
from gaugenet.nn.convolution import GaugeConv
from gaugenet.nn.max_pooling import TransportMax
from gaugenet.nn.pooling import TransportMean
from gaugenet.nn.self_interaction import SelfInteraction

BACKBONES = ("residual", "unet")
SAMPLINGS = ("strided", "mean", "max")


def hidden_type(group: StructureGroup, width: int, max_frequency: int, nonlinearity: str) -> FieldType:
    """The field type between the layers: `width` copies of every irrep up to the frequency, or of the regular
    representation (band-limited at the frequency for SO(2), O(2)) where the non-linearity acts on its samples."""
    if nonlinearity == "regular":
        name = f"regular[{max_frequency}]" if group.is_continuous else "regular"
        return FieldType(group, [(name, width)])
    return FieldType(group, [(irrep.name, width) for irrep in group.irreps(max_frequency)])


def finest(surface: MeshGeometry | Hierarchy) -> MeshGeometry:
    """The geometry on which inputs and outputs of a model live."""
    return surface.levels[0] if isinstance(surface, Hierarchy) else surface


def check_positive(**numbers: int) -> None:
    """Raise a ValueError that names a number below 1."""
    for name, number in numbers.items():
        if number < 1:
            raise ValueError(f"{name} must be at least 1, not {number}")


class ResidualBackbone(nn.Module):
    """A linear embedding and residual blocks, x ← x + S σ(conv(norm(x))), all on one geometry.

    Args:
        in_type: field type of the input.
        width, max_frequency: of the hidden field type, see `hidden_type`.
        blocks: number of residual blocks.
        checkpointing: keep nothing of the inside of a block for the backward pass, but compute it again.
        normalization, nonlinearity, n_radial, max_harmonic, n_samples: see `ResidualBlock`.
        generator: for the initial weights.
    """

    def __init__(
        self,
        in_type: FieldType,
        *,
        width: int = 32,
        max_frequency: int = 2,
        blocks: int = 6,
        checkpointing: bool = False,
        generator: torch.Generator | None = None,
        **block: Any,
    ) -> None:
        super().__init__()
        check_positive(width=width, blocks=blocks)
        self.in_type, self.checkpointing = in_type, checkpointing
        self.out_type = hidden_type(in_type.group, width, max_frequency, block.get("nonlinearity", "gated"))
        self.embed = SelfInteraction(in_type, self.out_type, generator=generator)
        self.blocks = nn.ModuleList(ResidualBlock(self.out_type, generator=generator, **block) for _ in range(blocks))

    def forward(self, x: Tensor, surface: MeshGeometry | Hierarchy) -> Tensor:
        """[V, in_type.dim] → [V, out_type.dim]; of a hierarchy only the finest level is used."""
        geometry = finest(surface)
        x = self.embed(x)
        for block in self.blocks:
            if self.checkpointing and torch.is_grad_enabled():
                x = checkpoint(block, x, geometry, use_reentrant=False)
            else:
                x = block(x, geometry)
        return x


class UNetBackbone(nn.Module):
    """Down through the levels of a hierarchy and up again, with skips:

        x_0 = B_0(S x),  x_{l+1} = B_{l+1}(D_l x_l);   y_L = x_L,  y_l = B'_l(S_l (x_l, U_l y_{l+1}))

    B are residual blocks within a level, D_l goes from level l to l + 1 and U_l back, S are intertwiners; the result is
    y_0. With sampling "strided", D and U are convolutions on `Hierarchy.pool` and `Hierarchy.unpool` (strided and
    transposed); with "mean" and "max" D is that pooling after transport and U the mean, each with an intertwiner. All
    are equivariant under an independent gauge transformation on every level. Ronneberger et al. 2015 (U-Net).

    Args:
        in_type: field type of the input.
        width: copies of each representation, per level from the finest; one number is doubled from level to level.
        levels: number of levels, L + 1, where `width` is one number.
        max_frequency: see `hidden_type`.
        blocks: residual blocks on each level, on the way down and on the way up.
        sampling: "strided", "mean" or "max".
        normalization, nonlinearity, n_radial, max_harmonic, n_samples: see `ResidualBlock`.
        generator: for the initial weights.

    Raises:
        ValueError: a number is out of its range, or the sampling is not known.
    """

    def __init__(
        self,
        in_type: FieldType,
        *,
        width: int | Sequence[int] = 16,
        levels: int = 3,
        max_frequency: int = 2,
        blocks: int = 1,
        sampling: str = "strided",
        generator: torch.Generator | None = None,
        **block: Any,
    ) -> None:
        super().__init__()
        widths = [width * 2**level for level in range(levels)] if isinstance(width, int) else list(width)
        check_positive(levels=len(widths), width=min(widths, default=1), blocks=blocks)
        if sampling not in SAMPLINGS:
            raise ValueError(f"unknown sampling {sampling!r}: expected one of {', '.join(SAMPLINGS)}")
        kernel = {name: block[name] for name in ("n_radial", "max_harmonic") if name in block}
        types = [hidden_type(in_type.group, w, max_frequency, block.get("nonlinearity", "gated")) for w in widths]
        self.in_type, self.out_type, self.types, self.sampling = in_type, types[0], tuple(types), sampling

        def within(kind: FieldType) -> _Stage:
            return _Stage(ResidualBlock(kind, generator=generator, **block) for _ in range(blocks))

        def between(source: FieldType, target: FieldType, pooling: type[TransportMean] | type[TransportMax]) -> _Step:
            if sampling == "strided":
                return _Step(GaugeConv(source, target, generator=generator, **kernel), None)
            return _Step(pooling(source), SelfInteraction(source, target, generator=generator))

        self.embed = SelfInteraction(in_type, types[0], generator=generator)
        self.down_blocks = nn.ModuleList(within(kind) for kind in types)
        self.down = nn.ModuleList(
            between(fine, coarse, TransportMax if sampling == "max" else TransportMean)
            for fine, coarse in pairwise(types)
        )
        self.up = nn.ModuleList(between(coarse, fine, TransportMean) for fine, coarse in pairwise(types))
        self.merge = nn.ModuleList(SelfInteraction(fine + fine, fine, generator=generator) for fine in types[:-1])
        self.up_blocks = nn.ModuleList(within(kind) for kind in types[:-1])

    @property
    def n_levels(self) -> int:
        return len(self.types)

    def layers_on(self, hierarchy: Hierarchy) -> list[tuple[nn.Module, MeshGeometry]]:
        """Which part of the network reads which geometry; see `gaugenet.nn.convolution.prepare`."""
        hierarchy = self._checked(hierarchy)
        return [
            *zip(self.down_blocks, hierarchy.levels),
            *zip(self.down, hierarchy.pool),
            *zip(self.up, hierarchy.unpool),
            *zip(self.up_blocks, hierarchy.levels),
        ]

    def _checked(self, surface: MeshGeometry | Hierarchy) -> Hierarchy:
        if not isinstance(surface, Hierarchy) or surface.n_levels != self.n_levels:
            got = f"one of {surface.n_levels} levels" if isinstance(surface, Hierarchy) else type(surface).__name__
            raise ValueError(f"expected a Hierarchy of {self.n_levels} levels (build_hierarchy), got {got}")
        return surface

    def forward(self, x: Tensor, surface: MeshGeometry | Hierarchy) -> Tensor:
        """[V_0, in_type.dim] → [V_0, out_type.dim] on the finest level of a hierarchy.

        Raises:
            ValueError: it is no hierarchy, or one of another number of levels, or x has the wrong shape.
        """
        surface = self._checked(surface)
        x = self.embed(x)
        skips: list[Tensor] = []
        for level in range(self.n_levels):
            if level:
                x = self.down[level - 1](x, surface.pool[level - 1])
            x = self.down_blocks[level](x, surface.levels[level])
            skips.append(x)
        for level in reversed(range(self.n_levels - 1)):
            x = self.merge[level](torch.cat([skips[level], self.up[level](x, surface.unpool[level])], 1))
            x = self.up_blocks[level](x, surface.levels[level])
        return x

    def extra_repr(self) -> str:
        return f"{self.in_type} → {' → '.join(map(str, self.types))}, {self.sampling}"


class _Stage(nn.ModuleList):
    """Blocks one after the other on one geometry."""

    def forward(self, x: Tensor, geometry: MeshGeometry) -> Tensor:
        for block in self:
            x = block(x, geometry)
        return x


class _Step(nn.Module):
    """From one level to the next: a convolution, or a pooling and an intertwiner."""

    def __init__(self, carry: nn.Module, mix: nn.Module | None) -> None:
        super().__init__()
        self.carry, self.mix = carry, mix

    def forward(self, x: Tensor, geometry: MeshGeometry) -> Tensor:
        x = self.carry(x, geometry)
        return x if self.mix is None else self.mix(x)


def make_backbone(
    kind: str, in_type: FieldType, *, generator: torch.Generator | None = None, **options: Any
) -> ResidualBackbone | UNetBackbone:
    """The backbone of that name: "residual" (`ResidualBackbone`) or "unet" (`UNetBackbone`), with its options.

    Raises:
        ValueError: the name is not known, or an option is out of its range.
    """
    if kind not in BACKBONES:
        raise ValueError(f"unknown backbone {kind!r}: expected one of {', '.join(BACKBONES)}")
    nonlinearity = options.get("nonlinearity", "gated")
    if nonlinearity not in NONLINEARITIES:
        raise ValueError(f"unknown non-linearity {nonlinearity!r}: expected one of {', '.join(NONLINEARITIES)}")
    if kind == "residual":
        return ResidualBackbone(in_type, generator=generator, **options)
    return UNetBackbone(in_type, generator=generator, **options)
