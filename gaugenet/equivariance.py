"""The audit: is a module equivariant under gauge transformations? For our layers and for anybody's own."""

from __future__ import annotations

import copy
import dataclasses
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor, nn

from gaugenet.field_type import FieldType
from gaugenet.groups import StructureGroup
from gaugenet.meshes.geometry import MeshGeometry
from gaugenet.meshes.hierarchy import Hierarchy

Surface = TypeVar("Surface", MeshGeometry, Hierarchy)

TOLERANCES = {torch.float64: 1e-12, torch.float32: 1e-5}
"""Largest admissible relative error: rounding in layers of some hundred channels, with one digit to spare."""


@dataclass(frozen=True)
class EquivarianceReport:
    """What the audit measured."""

    error: float
    """max |f(h·x, h·geometry) − h·f(x, geometry)| over max |f(x, geometry)|, the largest of all trials."""
    sensitivity: float
    """How much is at stake: max |h·f(x) − f(x)| over max |f(x)|. Where the output is invariant, its change when the
    logarithmic maps are turned and the transporters are not, or when vertices exchange what a gauge changes of x."""
    tolerance: float
    """Largest error that passes."""
    group: str
    """From which the gauges were drawn."""
    in_type: str
    """Field type of the input, as a person writes it."""
    out_type: str
    """Field type of the output."""

    @property
    def passed(self) -> bool:
        """Whether the error is within the tolerance. See `conclusive`, too."""
        return self.error <= self.tolerance

    @property
    def conclusive(self) -> bool:
        """Whether an error could have shown: False where neither x, the output nor f itself knows of the gauge."""
        return self.sensitivity > self.tolerance

    def __str__(self) -> str:
        verdict = "equivariant" if self.passed else "NOT EQUIVARIANT"
        if not self.conclusive:
            verdict += " (nothing was at stake)"
        return (
            f"{verdict}: {self.group} gauge error {self.error:.1e} (tolerance {self.tolerance:.0e}, "
            f"sensitivity {self.sensitivity:.1e}), {self.in_type} → {self.out_type}"
        )


def random_gauge(
    group: StructureGroup | str, geometry: MeshGeometry, generator: torch.Generator | None = None
) -> tuple[Tensor, Tensor]:
    """A different random element of the group at every target: angle [V] in radians, flip [V] of ±1.

    Args:
        group: or its name.
        geometry: says how many targets there are, on which device and in which dtype.
        generator: for the random elements.
    """
    return _random_elements(group, geometry.n_vertices, geometry, generator)


def _random_elements(
    group: StructureGroup | str, n: int, geometry: MeshGeometry, generator: torch.Generator | None
) -> tuple[Tensor, Tensor]:
    angle, flip = StructureGroup.parse(group).sample(n, generator=generator, dtype=geometry.dtype)
    return angle.to(geometry.device), flip.to(geometry.device)


def gauge_transform(
    geometry: MeshGeometry,
    group: StructureGroup | str,
    angle: Tensor,
    flip: Tensor,
    source_angle: Tensor | None = None,
    source_flip: Tensor | None = None,
) -> MeshGeometry:
    """`geometry.transform`, which still admits a finite group afterwards if it did before and h is in the group."""
    group = StructureGroup.parse(group)
    if not group.has_reflections:
        moved = geometry.transform(angle, None, source_angle)
    else:
        moved = geometry.transform(angle, flip, source_angle, source_flip)
    if group.is_continuous or not group.contains(StructureGroup.parse(geometry.structure_group)):
        return moved
    return moved.replace(rotation_order=group.rotation_order)


def random_gauges(
    group: StructureGroup | str, hierarchy: Hierarchy, generator: torch.Generator | None = None
) -> list[tuple[Tensor, Tensor]]:
    """`random_gauge` of every level of a hierarchy, independent of each other."""
    return [random_gauge(group, level, generator) for level in hierarchy.levels]


def gauge_transform_levels(
    hierarchy: Hierarchy, group: StructureGroup | str, gauges: Sequence[tuple[Tensor, Tensor]]
) -> Hierarchy:
    """`gauge_transform` of every geometry within and between the levels, one gauge transformation per level."""

    def between(geometry: MeshGeometry, target: int, source: int) -> MeshGeometry:
        return gauge_transform(geometry, group, *gauges[target], *gauges[source])

    return dataclasses.replace(
        hierarchy,
        levels=tuple(gauge_transform(g, group, *gauges[i]) for i, g in enumerate(hierarchy.levels)),
        pool=tuple(between(g, i + 1, i) for i, g in enumerate(hierarchy.pool)),
        unpool=tuple(between(g, i, i + 1) for i, g in enumerate(hierarchy.unpool)),
    )


def _in_another_gauge(
    surface: Surface, group: StructureGroup, generator: torch.Generator
) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor], Surface]:
    """Random elements at the targets and at the sources, and the surface transformed by them."""
    if isinstance(surface, Hierarchy):
        gauges = random_gauges(group, surface, generator)
        return gauges[0], gauges[0], gauge_transform_levels(surface, group, gauges)
    at_targets = random_gauge(group, surface, generator)
    if not surface.is_cross_level:
        return at_targets, at_targets, gauge_transform(surface, group, *at_targets)
    at_sources = _random_elements(group, surface.n_sources, surface, generator)
    return at_targets, at_sources, gauge_transform(surface, group, *at_targets, *at_sources)


def _with_theta_of(surface: Surface, moved: Surface) -> Surface:
    """The surface in its gauge, but with the logarithmic maps of another."""
    if isinstance(surface, Hierarchy) and isinstance(moved, Hierarchy):
        parts = {
            name: tuple(g.replace(theta=m.theta) for g, m in zip(getattr(surface, name), getattr(moved, name)))
            for name in ("levels", "pool", "unpool")
        }
        return dataclasses.replace(surface, **parts)
    assert isinstance(surface, MeshGeometry)
    assert isinstance(moved, MeshGeometry)
    return surface.replace(theta=moved.theta)


def audit(
    module: Callable[[Tensor, Surface], Tensor],
    in_type: FieldType,
    out_type: FieldType,
    geometry: Surface,
    *,
    trials: int = 3,
    seed: int = 0,
    randomize: bool = True,
    tolerance: float | None = None,
) -> EquivarianceReport:
    """Measure f(h·x, h·geometry) = h·f(x, geometry) with a different random h at every vertex.

    Between two levels, x belongs to the sources and f(x, geometry) to the targets, and each have gauges of their own.
    On a hierarchy every level has, and x and f(x, hierarchy) belong to the finest.

    Args:
        module: f, called as ``module(x, geometry)`` with x [S, in_type.dim]; an `nn.Module` is audited in evaluation
            mode as a copy, yours is not touched.
        in_type, out_type: how input and output transform; of one structure group.
        geometry: a surface in a gauge that the group admits, or a hierarchy; its dtype is the dtype of the test.
        trials: how many random inputs and gauges, at least 1.
        seed: of inputs, gauges and noise.
        randomize: first add noise to every parameter of the copy, so that biases which start at zero hide no error.
        tolerance: for `EquivarianceReport.passed`; by default 1e-12 in float64 and 1e-5 in float32.

    Raises:
        ValueError: the types disagree in their group, there is no trial or no vertex, or the output is zero or not
            finite, so that no relative error exists.
    """
    if in_type.group != out_type.group:
        raise ValueError(f"both field types must have one structure group: got {in_type} and {out_type}")
    finest = geometry.levels[0] if isinstance(geometry, Hierarchy) else geometry
    if trials < 1 or finest.n_vertices < 1:
        raise ValueError(f"nothing to audit: {trials} trials on {finest.n_vertices} vertices; give at least 1")
    group = in_type.group
    generator = torch.Generator().manual_seed(seed)
    if isinstance(module, nn.Module):
        module = copy.deepcopy(module).eval().to(device=geometry.device, dtype=geometry.dtype)
        if randomize:
            with torch.no_grad():
                for p in module.parameters():
                    noise = torch.randn(p.shape, generator=generator, dtype=p.dtype).to(p.device)
                    p.add_(noise, alpha=0.1 + 0.1 * float(p.abs().mean()))
    error = sensitivity = 0.0
    with torch.no_grad():
        for _ in range(trials):
            x = torch.randn(finest.n_sources, in_type.dim, generator=generator, dtype=geometry.dtype)
            x = x.to(geometry.device)
            (angle, flip), at_sources, moved = _in_another_gauge(geometry, group, generator)
            before = module(x, geometry)
            scale = float(before.abs().max())
            if not (scale > 0 and math.isfinite(scale)):
                raise ValueError(f"the largest output of the module is {scale}: a relative error has no meaning")
            expected = out_type.transform(before, angle, flip)
            after = module(in_type.transform(x, *at_sources), moved)
            off = float((after - expected).abs().max()) / scale
            # max() would drop a NaN, and with it the error
            error = max(error, off) if math.isfinite(off) else math.inf
            change = float((expected - before).abs().max()) / scale
            if change == 0:
                exchanged = x.roll(1, 0)
                for invariant in in_type.invariant:
                    exchanged[:, invariant] = x[:, invariant]
                for other in (module(x, _with_theta_of(geometry, moved)), module(exchanged, geometry)):
                    change = max(change, float((other - before).abs().max()) / scale)
            sensitivity = max(sensitivity, change)
    return EquivarianceReport(
        error=error,
        sensitivity=sensitivity,
        tolerance=TOLERANCES[geometry.dtype] if tolerance is None else tolerance,
        group=group.name,
        in_type=str(in_type),
        out_type=str(out_type),
    )
