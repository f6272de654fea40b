"""Surfaces that are changed at random before they are learned from: turned, stretched, noised, remeshed."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from gaugenet.data.features import FEATURES, FeatureSpec
from gaugenet.data.labelled import LabelledMesh
from gaugenet.data.remeshing import remeshed
from gaugenet.meshes.repair import mesh_from_arrays
from gaugenet.settings import AugmentConfig

if TYPE_CHECKING:
    from gaugenet.data.dataset import SurfaceSample

Array = NDArray[np.float64]

_KEPT_VERTICES = 10_000_000
"""Changed copies, without their geometry, are kept in memory for sets of up to this many vertices (about 100 bytes
each): to make them takes longer than to read their geometry from the cache."""

_VECTORS = ("xyz", "normals")
"""Features whose three columns turn as a vector in space does."""


@dataclass(frozen=True)
class Augmentation:
    """What happens to a training surface whenever it is learned from.

    Rotation turns the features that are vectors in space, xyz and normals, by a random rotation that is new each time;
    all other features, the geometry and the labels do not depend on how a surface lies in space, so nothing happens to
    them. All else changes the surface itself, and geometry and features are computed anew: that is done for
    `config.variants` copies of each surface, which do not depend on the seed of the run and which the cache keeps; a
    surface is then seen as it is or as one of them, with equal probability.
    """

    config: AugmentConfig
    features: FeatureSpec
    prepare: Callable[[LabelledMesh], SurfaceSample]
    """Geometry and features of a changed surface, e.g. from a cache."""
    _kept: dict[tuple[int, int], LabelledMesh] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __call__(self, sample: SurfaceSample, place: int, epoch: int, seed: int) -> SurfaceSample:
        """The surface as it is learned from in an epoch: a function of the arguments alone.

        Args:
            place: of the surface among the training surfaces.

        Raises:
            ValueError: the surface has to be changed and has edge lengths only.
        """
        rng = np.random.default_rng([seed, epoch, place])
        if changes_surface(self.config):
            number = int(rng.integers(self.config.variants + 1))
            if number:
                sample = self.prepare(self._variant(sample, place, number))
        turned = rotated_columns(self.features) if self.config.rotation != "off" else []
        if not turned:
            return sample
        rotation = torch.from_numpy(random_rotation(self.config.rotation, rng)).to(sample.features)
        values = sample.features.clone()
        for first in turned:
            values[:, first : first + 3] = values[:, first : first + 3] @ rotation.T
        return sample.replace(features=values)

    def _variant(self, sample: SurfaceSample, place: int, number: int) -> LabelledMesh:
        found = self._kept.get((place, number))
        if found is None:
            found = variant(sample, self.config, number)
            if sum(kept.mesh.n_vertices for kept in self._kept.values()) < _KEPT_VERTICES:
                self._kept[place, number] = found
        return found


def changes_surface(config: AugmentConfig) -> bool:
    """Whether anything but the place in space changes."""
    return max(config.scale, config.stretch, config.noise, config.remesh, config.coarsen) > 0


def rotated_columns(features: FeatureSpec) -> list[int]:
    """First column of each feature that turns with the surface.

    Raises:
        ValueError: a feature depends on how the surface lies in space in another way.
    """
    found, column = [], 0
    for name, number in features.terms:
        if name in _VECTORS:
            found.append(column)
        elif "rotation" in FEATURES[name].breaks:
            raise ValueError(f"augment.rotation cannot turn the feature {name}; leave it out, or leave rotation off")
        column += len(FEATURES[name].names(number))
    return found


def without_effect(config: AugmentConfig, features: FeatureSpec, radius: float) -> list[str]:
    """What is asked for and changes nothing with these features, a sentence for each."""
    found = []
    if config.rotation != "off" and not rotated_columns(features):
        found.append(f"rotation changes nothing: {features} do not depend on how a surface lies in space")
    if config.scale and not radius:
        found.append(
            "scale changes nothing: all features and the nearest neighbours are free of units (data.radius is not)"
        )
    return found


def variant(sample: SurfaceSample, config: AugmentConfig, number: int) -> LabelledMesh:
    """The changed copy of a surface with that number: remeshed and coarsened, then noised, stretched and scaled.

    Raises:
        ValueError: the surface has edge lengths only, or numbers to be predicted.
    """
    mesh = sample.mesh
    if mesh.vertices is None:
        raise ValueError(f"{sample.name}: it has edge lengths only, so it cannot be changed; leave [augment] out")
    if sample.targets is not None:
        raise ValueError(
            f"{sample.name}: what becomes of numbers on a changed surface depends on what they mean; leave all of "
            "[augment] out but rotation"
        )
    rng = np.random.default_rng([zlib.crc32(sample.name.encode()), number])
    points, faces, labels = mesh.vertices, mesh.faces, sample.labels.numpy()
    if config.remesh or config.coarsen:
        # drawn where it is asked for only, so that all else stays what it is without
        removed = float(rng.uniform(0, config.coarsen)) if config.coarsen else 0.0
        if sample.label_kind == "surface":
            nothing = np.zeros(len(points), np.int64)
            points, faces, _ = remeshed(points, faces, nothing, "vertex", config.remesh, rng, removed)
        else:
            points, faces, labels = remeshed(points, faces, labels, sample.label_kind, config.remesh, rng, removed)
    edge = float(np.linalg.norm(points[faces[:, 0]] - points[faces[:, 1]], axis=1).mean())
    points = points + config.noise * edge * rng.standard_normal(points.shape)
    points = points * np.exp(config.stretch * rng.uniform(-1, 1, 3)) * np.exp(config.scale * rng.uniform(-1, 1))
    name = f"{sample.name} (variant {number})"
    changed = mesh_from_arrays(points, faces, name=name, merge_vertices=False)
    return LabelledMesh.from_file_labels(name, changed, labels, sample.label_kind, sample.path)


def random_rotation(axis: str, rng: np.random.Generator) -> Array:
    """[3, 3] a rotation, uniformly of all, or about the axis "x", "y" or "z" of the file."""
    if axis == "all":
        # a normal quaternion, scaled to 1, is uniform (Shoemake 1992)
        w, x, y, z = (q := rng.standard_normal(4)) / np.linalg.norm(q)
        rows = [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
        return np.array(rows)
    angle = rng.uniform(0, 2 * np.pi)
    k = "xyz".index(axis)
    i, j = (k + 1) % 3, (k + 2) % 3
    out = np.eye(3)
    out[[i, i, j, j], [i, j, i, j]] = np.cos(angle), -np.sin(angle), np.sin(angle), np.cos(angle)
    return out
