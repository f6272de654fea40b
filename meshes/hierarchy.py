"""`Hierarchy`: a surface at several resolutions, and the geometry within and between its levels."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from gaugenet.meshes.geometry import MeshGeometry, batch_geometries, group_name, joint_rotation_order


@dataclass(frozen=True, eq=False)
class Hierarchy:
    """Levels 0 (all vertices), 1, 2, ... of one surface, or of a disjoint union of surfaces.

    The vertices of each level are some of those of the level before, in the same order. Paths always run over the
    finest surface, so distances, directions and transporters are as exact on coarse levels as on the finest. Every
    level has a gauge of its own (as built: that of the same vertices on level 0).

    Let V_l be the number of vertices of level l; there are L + 1 levels.

    Raises:
        ValueError: the numbers of levels, or of vertices in them, do not fit together.
    """

    levels: tuple[MeshGeometry, ...]
    """[L + 1] the neighbourhoods within each level; areas are those of clusters, so all levels have the same area."""
    pool: tuple[MeshGeometry, ...]
    """[L] from level l (sources) to level l + 1 (targets)."""
    unpool: tuple[MeshGeometry, ...]
    """[L] from level l + 1 (sources) to level l (targets)."""
    kept: tuple[Tensor, ...]
    """[L] of int64 [V_{l+1}], ascending: which vertices of level l are those of level l + 1."""
    parent: tuple[Tensor, ...]
    """[L] of int64 [V_l]: the vertex of level l + 1 that is nearest to each vertex of level l; it has cluster mates."""

    def __post_init__(self) -> None:
        steps = len(self.levels) - 1
        if steps < 0 or any(len(part) != steps for part in (self.pool, self.unpool, self.kept, self.parent)):
            raise ValueError(
                f"a hierarchy of {len(self.levels)} levels has one pool, unpool, kept and parent fewer; got "
                f"{len(self.pool)}, {len(self.unpool)}, {len(self.kept)} and {len(self.parent)}"
            )
        for step in range(steps):
            fine, coarse = self.levels[step].n_vertices, self.levels[step + 1].n_vertices
            down, up = self.pool[step], self.unpool[step]
            expected = (fine, coarse, coarse, fine, (coarse,), (fine,))
            got = (
                *(down.n_sources, down.n_vertices),
                *(up.n_sources, up.n_vertices),
                *(tuple(self.kept[step].shape), tuple(self.parent[step].shape)),
            )
            if expected != got:
                raise ValueError(
                    f"between levels {step} and {step + 1} of {fine} and {coarse} vertices: expected sources and "
                    f"targets of pool, of unpool, lengths of kept and parent {expected}, got {got}"
                )

    @property
    def n_levels(self) -> int:
        """L + 1."""
        return len(self.levels)

    @property
    def dtype(self) -> torch.dtype:
        """Of all real tensors."""
        return self.levels[0].dtype

    @property
    def device(self) -> torch.device:
        """Of all tensors."""
        return self.levels[0].device

    @property
    def geometries(self) -> tuple[MeshGeometry, ...]:
        """All of them: levels, pool, unpool."""
        return (*self.levels, *self.pool, *self.unpool)

    @property
    def vertices(self) -> tuple[Tensor, ...]:
        """[L + 1] of int64 [V_l]: the vertices of each level as vertices of level 0."""
        found = [torch.arange(self.levels[0].n_vertices, device=self.device)]
        for kept in self.kept:
            found.append(found[-1][kept])
        return tuple(found)

    @property
    def has_flips(self) -> bool:
        """Whether a transporter within or between levels has a flip."""
        return any(g.has_flips for g in self.geometries)

    @property
    def structure_group(self) -> str:
        """The smallest structure group that contains every transporter within and between levels."""
        return group_name(joint_rotation_order([g.rotation_order for g in self.geometries]), self.has_flips)

    def __repr__(self) -> str:
        surfaces = f"{self.levels[0].n_meshes} surfaces, " if self.levels[0].n_meshes != 1 else ""
        vertices = " → ".join(f"{level.n_vertices:,}" for level in self.levels)
        return (
            f"Hierarchy({surfaces}{vertices} vertices, admits {self.structure_group}, "
            f"{str(self.dtype).removeprefix('torch.')}, {self.device})"
        )

    def clusters(self, step: int) -> tuple[Tensor, Tensor]:
        """The vertices of level `step` that share a parent, in compressed rows: (row_ptr int64 [V_{l+1} + 1], member
        int64 [V_l], ascending in each row). No row is empty: a vertex that is kept is its own parent."""

        def build() -> tuple[Tensor, Tensor]:
            parent = self.parent[step]
            count = torch.bincount(parent, minlength=self.levels[step + 1].n_vertices)
            return torch.nn.functional.pad(count.cumsum(0), (1, 0)), torch.argsort(parent, stable=True)

        return self.pool[step].remember("clusters", build)

    def to(self, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> Hierarchy:
        """The same hierarchy on another device or in another real dtype (indices and signs keep theirs)."""
        return dataclasses.replace(
            self._each(lambda g, *_: g.to(device, dtype)),
            kept=tuple(t.to(device) for t in self.kept),
            parent=tuple(t.to(device) for t in self.parent),
        )

    def transform(self, angle: Sequence[Tensor], flip: Sequence[Tensor] | None = None) -> Hierarchy:
        """The same surface in another gauge: one element h = R(angle) diag(1, flip) per vertex of each level.

        Args:
            angle: L + 1 tensors [V_l], radians.
            flip: L + 1 tensors [V_l] of ±1; None for no flips.

        Raises:
            ValueError: there is not one tensor per level, or one is not as `MeshGeometry.transform` expects it.
        """
        if len(angle) != self.n_levels or (flip is not None and len(flip) != self.n_levels):
            raise ValueError(f"expected one gauge transformation for each of {self.n_levels} levels, got {len(angle)}")

        def moved(geometry: MeshGeometry, target: int, source: int) -> MeshGeometry:
            signs = [None if flip is None else flip[level] for level in (target, source)]
            if target == source:
                return geometry.transform(angle[target], signs[0])
            return geometry.transform(angle[target], signs[0], angle[source], signs[1])

        return self._each(moved)

    def _each(self, change: Callable[[MeshGeometry, int, int], MeshGeometry]) -> Hierarchy:
        """With ``change(geometry, level of its targets, level of its sources)`` in place of every geometry."""
        return dataclasses.replace(
            self,
            levels=tuple(change(g, i, i) for i, g in enumerate(self.levels)),
            pool=tuple(change(g, i + 1, i) for i, g in enumerate(self.pool)),
            unpool=tuple(change(g, i, i + 1) for i, g in enumerate(self.unpool)),
        )


def batch_hierarchies(hierarchies: Sequence[Hierarchy]) -> Hierarchy:
    """The disjoint union of several hierarchies, level by level (`batch_geometries`).

    Raises:
        ValueError: no hierarchy was given, or they disagree in the number of levels, in dtype or in device.
    """
    if not hierarchies:
        raise ValueError("expected at least one hierarchy to batch, got none")
    if len(hierarchies) == 1:
        return hierarchies[0]
    depths = sorted({h.n_levels for h in hierarchies})
    if len(depths) != 1:
        raise ValueError(f"all hierarchies of a batch must have the same number of levels: got {depths}")

    def joined(name: str) -> Any:
        return tuple(map(batch_geometries, zip(*(getattr(h, name) for h in hierarchies))))

    levels = joined("levels")
    kept, parent = [], []
    for step in range(depths[0] - 1):
        fine, coarse = (_starts(hierarchies, level) for level in (step, step + 1))
        kept.append(torch.cat([h.kept[step] + start for h, start in zip(hierarchies, fine)]))
        parent.append(torch.cat([h.parent[step] + start for h, start in zip(hierarchies, coarse)]))
    return Hierarchy(levels, joined("pool"), joined("unpool"), tuple(kept), tuple(parent))


def _starts(hierarchies: Sequence[Hierarchy], level: int) -> list[int]:
    """First vertex of each hierarchy in the union's level."""
    counts = [h.levels[level].n_vertices for h in hierarchies]
    return [sum(counts[:i]) for i in range(len(counts))]
