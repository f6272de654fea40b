"""What a run learns from, is validated on, and is tested on."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from gaugenet.data.background import PendingSurfaces
from gaugenet.tasks import ClassTask, NumberTask, Task

if TYPE_CHECKING:
    from gaugenet.data.augmentation import Augmentation
    from gaugenet.data.dataset import SurfaceSample
    from gaugenet.data.labelled import LabelKind, LabelledMesh
    from gaugenet.data.quantities import Quantities


@dataclass(frozen=True, eq=False)
class SurfaceData:
    """What a run learns from and is tested on."""

    train: Sequence[SurfaceSample]
    test: Sequence[SurfaceSample]
    class_names: tuple[str, ...] = ()
    label_values: tuple[int, ...] = ()
    """The value in the user's label files of each class."""
    validation: Sequence[SurfaceSample] = ()
    augment: Augmentation | None = None
    """What happens to training surfaces whenever they are learned from."""
    quantities: Quantities | None = None
    """What is predicted instead of classes."""

    @property
    def task(self) -> Task:
        """What is learned."""
        if self.quantities is not None:
            return NumberTask(self.quantities)
        return ClassTask(self.n_classes, self.label_kind)

    @property
    def n_classes(self) -> int:
        return len(self.class_names)

    @property
    def n_features(self) -> int:
        return int(self.train[0].features.shape[1])

    def learned(self, place: int, epoch: int, seed: int) -> SurfaceSample:
        """A training surface as it is learned from in an epoch."""
        sample = self.train[place]
        return sample if self.augment is None else self.augment(sample, place, epoch, seed)

    @property
    def label_kind(self) -> LabelKind:
        return self.described[0].label_kind

    @property
    def described(self) -> Sequence[SurfaceSample | LabelledMesh]:
        """The training surfaces as far as they are known without geometry: meshes and labels."""
        return _described(self.train)

    def check(self) -> None:
        """Raise a ValueError where nothing is known that could be learned, validated on or tested on."""
        where = {"training": self.train, "validation": self.validation, "test": self.test}
        for name, part in where.items():
            if (part or name == "training") and not any(self.task.counted(s) for s in _described(part)):
                raise ValueError(
                    f"nothing on the {name} surfaces has a label or number to learn; check their files"
                    + (", or leave these surfaces out" if name != "training" else "")
                )

    def notices(self) -> list[str]:
        """Sentences about classes that cannot be learned from these surfaces."""
        if self.quantities is not None:
            return []
        learned, others = (
            {int(c) for part in parts for s in _described(part) for c in np.unique(np.asarray(s.labels)) if c >= 0}
            for parts in ((self.train,), (self.validation, self.test))
        )
        found = []
        if lost := sorted(others - learned):
            names = ", ".join(self.class_names[c] for c in lost)
            found.append(f"{names}: on no training surface, only on others, so it cannot be learned")
        if len(learned) == 1:
            only = self.class_names[min(learned)]
            found.append(f"{only} is the only one on the training surfaces: nothing is learned")
        return found

    def digests(self) -> dict[str, str]:
        """A short hash of each surface to train or validate on, and of the classes: what a resumed run must find again.

        Test surfaces may change meanwhile: no weight depends on them.
        """
        found = {"classes": _digest(repr((self.class_names, self.label_values, self.quantities)).encode())}
        for name, part in (("train", self.train), ("val", self.validation)):
            for surface in _described(part):
                mesh, targets = surface.mesh, surface.targets
                arrays = [mesh.faces, mesh.edge_lengths, mesh.vertices, np.asarray(surface.labels)]
                arrays += [getattr(targets, field, None) for field in ("scalars", "vectors", "values")]
                parts = [b"" if a is None else np.ascontiguousarray(a).tobytes() for a in arrays]
                found[f"{name}/{surface.name}"] = _digest(b"|".join(parts))
        return found

    @property
    def ready(self) -> list[SurfaceSample] | None:
        """All surfaces, or None while some are being prepared (those are checked when they are asked for)."""
        parts = (self.train, self.validation, self.test)
        if any(isinstance(part, PendingSurfaces) and not part.are_ready for part in parts):
            return None
        return [sample for part in parts for sample in part]

    def set_aside(self, share: float, seed: int) -> SurfaceData:
        """The same data with `share` of the training surfaces, at least one, chosen by `seed`, for validation instead.

        Raises:
            ValueError: there are validation surfaces already, or no training surface would be left.
        """
        if not share:
            return self
        if self.validation:
            raise ValueError("the data set has val/ surfaces of its own: leave data.validation at 0")
        n = len(self.train)
        chosen = set(validation_places(n, share, seed))
        return replace(
            self,
            train=_chosen(self.train, [i for i in range(n) if i not in chosen]),
            validation=_chosen(self.train, sorted(chosen)),
        )


def _described(surfaces: Sequence[SurfaceSample]) -> Sequence[SurfaceSample | LabelledMesh]:
    return surfaces.surfaces if isinstance(surfaces, PendingSurfaces) else surfaces


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


def _chosen(surfaces: Sequence[SurfaceSample], places: list[int]) -> Sequence[SurfaceSample]:
    return surfaces.chosen(places) if isinstance(surfaces, PendingSurfaces) else [surfaces[i] for i in places]


def validation_places(n: int, share: float, seed: int) -> list[int]:
    """Which of `n` training surfaces are set aside: a function of the arguments alone.

    Raises:
        ValueError: none would be left to train on.
    """
    count = max(round(share * n), 1)
    if count >= n:
        raise ValueError(
            f"data.validation = {share:g} leaves none of the {n} training surfaces to train on; give a smaller share"
        )
    return sorted(torch.randperm(n, generator=torch.Generator().manual_seed(seed % 2**63))[:count].tolist())
