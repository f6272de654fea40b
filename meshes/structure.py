"""Reduction of the structure group: from the Levi-Civita connection to one that lies in C_N, D_N, {e} or {e, flip}.

On a curved surface parallel transport turns by any angle, so its structure group is SO(2) (O(2) where it is
one-sided). A field of N arms makes it smaller: in frames along it, transporters are nearly multiples of 2π/N, and
the connection of the nearest ones is G-compatible (Weiler, Forré, Verlinde, Welling 2021, Coordinate Independent
Convolutional Networks, on G-structures and G-compatible connections). What was rounded away measures how far this is
from Levi-Civita.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gaugenet.meshes.frame_field import FrameField
from gaugenet.meshes.geometry import MeshGeometry

AMBIGUOUS = 0.9
"""Of π/N: a transporter that is moved by more is nearly as close to another element of G."""


class GCompatibility(NamedTuple):
    """How far the G-compatible connection is from Levi-Civita, over the edges that are not masked."""

    rms: float
    """Root mean square of the angle that was rounded away, radians."""
    max: float
    """The largest such angle, radians; at most π/N."""
    masked_edges: int
    """How many edges have lost their weight."""

    def __str__(self) -> str:
        masked = f", {self.masked_edges} edges masked" if self.masked_edges else ""
        return f"transporters moved by {self.rms:.3f} rad (rms), {self.max:.3f} at most{masked}"


class Reduction(NamedTuple):
    """A geometry that admits the smaller group, and what that took."""

    geometry: MeshGeometry
    compatibility: GCompatibility


def reduce_structure_group(
    geometry: MeshGeometry,
    field: FrameField | Tensor | NDArray[np.float64],
    rotation_order: int | None = None,
    *,
    reflections: bool = False,
    mask_singular: bool = False,
) -> Reduction:
    """The same surface in frames along a field, with the nearest transporters in G:

        h_p = R(-α_p),     g' = h_p g_{p<-q} h_q⁻¹ = (φ', flip),     φ'' = (2π/N) round(N φ' / 2π)

    α is the angle of the field and N the rotation order of G: N = 1 is the trivial group, 2 is C2 and so on; with
    flips on the edges it is the reflection group, D2 and so on. Distances do not change, log maps only turn with the
    frames, flips stay. Layers of C_N (D_N) then run on it.

    Args:
        geometry: one surface. A batch goes as well, with the fields of its surfaces concatenated as angles.
        field: in the frames of `geometry`; or its angles alone, [V] radians.
        rotation_order: N ≥ 1, a multiple of the field's number of arms, which is the default.
        reflections: whether G has reflections. Transporters with flips are refused without them.
        mask_singular: whether edges on which the element of G is an accident lose their weight. An edge is masked if,
            for it or for its reverse,

            1. one of its ends is a vertex of a singular face (`field.near_singularity`), or
            2. its path, the shortest one on the surface, runs through a singular face: passing on the other side of the
               singularity would give another element; or
            3. the angle rounded away is more than `AMBIGUOUS` π/N, so that another element is nearly as close.

            The weights left at a target are scaled to the sum they had; a target with none left sees nothing (its sum
            is 0), so a layer has its self-interaction and bias only. Needs a FrameField; rule 2 needs its `mesh`,
            which those of `gaugenet.meshes` have.

    Returns:
        (geometry, compatibility); the rotation order of the geometry is N.

    Raises:
        ValueError: an argument is not as described, or the surface has flips and G has no reflections.
    """
    arms = field.n if isinstance(field, FrameField) else None
    order = rotation_order if rotation_order is not None else arms
    if order is None:
        raise ValueError("a field given as angles does not say how many arms it has: give rotation_order")
    if order < 1 or (arms is not None and order % arms):
        raise ValueError(
            f"rotation_order must be positive and a multiple of the arms of the field, got {order} for "
            f"{arms or 1} arms: transporters are nearly multiples of 2π/{arms or 1} only"
        )
    if geometry.has_flips and not reflections:
        group = "reflection" if order == 1 else f"D{order}"
        raise ValueError(
            "transporters of this geometry reverse handedness, so no group of rotations admits it: "
            f"reduce it to {group} (reflections=True)"
        )
    if mask_singular and not isinstance(field, FrameField):
        raise ValueError("mask_singular needs a FrameField: angles alone do not say where the singularities are")
    angle = torch.as_tensor(field.angle if isinstance(field, FrameField) else field).to(geometry.device)
    if angle.shape != (geometry.n_vertices,) or not bool(torch.isfinite(angle).all()):
        raise ValueError(
            f"expected a finite angle for each of the {geometry.n_vertices} vertices, got {list(angle.shape)}"
        )

    aligned = geometry.to(dtype=torch.float64).transform(-angle.to(torch.float64))
    step = 2.0 * math.pi / order
    turns = torch.round(aligned.phi / step)
    moved = aligned.phi - turns * step
    weight, masked = aligned.weight, torch.zeros_like(moved, dtype=torch.bool)
    if mask_singular and isinstance(field, FrameField):
        masked = _accidental(geometry, field) | (moved.abs() > AMBIGUOUS * math.pi / order)
        masked = masked | _of_reverse(geometry, masked)
        weight = _masked_weights(aligned, masked)
    kept = moved[~masked]
    reduced = aligned.replace(phi=(torch.remainder(turns + order // 2, order) - order // 2) * step, weight=weight).to(
        dtype=geometry.dtype
    )
    found = GCompatibility(
        rms=float(kept.square().mean().sqrt()) if len(kept) else 0.0,
        max=float(kept.abs().max()) if len(kept) else 0.0,
        masked_edges=int(masked.sum()),
    )
    return Reduction(reduced.replace(rotation_order=order), found)


def _masked_weights(geometry: MeshGeometry, masked: Tensor) -> Tensor:
    """[E] weights without those of the masked edges, scaled so that each target has the sum that it had."""
    target = geometry.target
    left = torch.where(masked, 0.0, geometry.weight)
    empty = geometry.weight.new_zeros(geometry.n_vertices)
    before, after = empty.index_add(0, target, geometry.weight), empty.index_add(0, target, left)
    return left * (before / torch.where(after > 0, after, 1.0))[target]


def _accidental(geometry: MeshGeometry, field: FrameField) -> Tensor:
    """bool [E]: the edges with an end at a singular face, or a path through one."""
    near = torch.from_numpy(field.near_singularity).to(geometry.device)
    masked = near[geometry.target] | near[geometry.source.long()]
    if field.mesh is not None and len(field.singular_faces):
        from gaugenet.meshes.singular_paths import paths_through_faces

        singular = np.zeros(field.mesh.n_faces, bool)
        singular[field.singular_faces] = True
        through = paths_through_faces(field.mesh, geometry, singular)
        masked = masked | torch.from_numpy(through).to(geometry.device)
    return masked


def _of_reverse(geometry: MeshGeometry, values: Tensor) -> Tensor:
    """bool [E]: `values` [E] of the edge from p to q for the edge from q to p; False where there is none."""
    n = geometry.n_vertices
    key, other = geometry.target * n + geometry.source, geometry.source.long() * n + geometry.target
    order = torch.argsort(key)
    at = torch.searchsorted(key[order], other).clamp(max=max(len(key) - 1, 0))
    found = order[at] if len(key) else order
    return (key[found] == other) & values[found]
