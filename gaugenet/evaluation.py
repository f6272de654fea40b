"""What a trained network is worth: its predictions, their scores, and whether they depend on the gauge."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from gaugenet.equivariance import gauge_transform, random_gauge
from gaugenet.groups import StructureGroup
from gaugenet.meshes.geometry import MeshGeometry, batch_geometries
from gaugenet.tasks import ClassTask, NumberTask, Scores, Task, as_task
from gaugenet.world import World

if TYPE_CHECKING:
    from gaugenet.data.dataset import SurfaceSample
    from gaugenet.meshes.mesh import TriangleMesh


@dataclass(frozen=True, eq=False)
class Batch:
    """Several surfaces as one: the disjoint union of geometries, with features, truth and faces to match."""

    geometry: MeshGeometry
    features: Tensor
    """[V, n_features]"""
    truth: Tensor | None
    """What is learned, as `Task.truth` has it: int64 labels [V], [F] or [M], or numbers [V, C] or [M, C]; None where no
    task was given."""
    faces: Tensor | None
    """int64 [F, 3] vertex indices in the union, where faces are labelled; else None."""
    sizes: tuple[int, ...]
    """Number of labelled-or-not elements of each surface."""
    names: tuple[str, ...]

    @classmethod
    def of(
        cls,
        samples: Sequence[SurfaceSample],
        device: torch.device | str = "cpu",
        *,
        task: Task | None = None,
        remember: bool = False,
    ) -> Batch:
        """The disjoint union of the samples, on `device`.

        Args:
            task: says what the truth is.
            remember: let what layers derive from the geometry of a single sample stay with the sample. That saves time
                when it is used again, and costs about twice the memory of the geometry.
        """
        faces = None
        if samples[0].label_kind == "face":
            starts = [0]
            for s in samples:
                starts.append(starts[-1] + s.geometry.n_vertices)
            faces = torch.cat([s.faces + start for s, start in zip(samples, starts) if s.faces is not None]).to(device)
        geometry = batch_geometries([s.geometry for s in samples])
        if geometry.device != torch.device(device):
            geometry = geometry.to(device)
        elif not remember:
            geometry = geometry.replace()
        return cls(
            geometry=geometry,
            features=torch.cat([s.features for s in samples]).to(device),
            truth=None if task is None else torch.cat([task.truth(s) for s in samples]).to(device),
            faces=faces,
            sizes=tuple(len(s.labels) for s in samples),
            names=tuple(s.name for s in samples),
        )

    @property
    def inputs(self) -> tuple[Any, ...]:
        """The arguments of a network."""
        return (self.features, self.geometry) if self.faces is None else (self.features, self.geometry, self.faces)


@dataclass(frozen=True)
class GaugeCheck:
    """What happened to the predictions when every frame was turned at random."""

    metrics: Scores
    """Scores in the random gauge."""
    changed: int | None
    """Number of elements whose predicted class changed; None where numbers are predicted."""
    total: int
    error: float
    """max |output in the random gauge − output, turned with the frames| / max |output|, the largest of all surfaces;
    inf if not finite."""


def predict(
    model: nn.Module,
    samples: Sequence[SurfaceSample],
    *,
    device: torch.device | str = "cpu",
    remember: bool = False,
) -> Iterator[Tensor]:
    """The output of the model for each surface, on the CPU, e.g. logits [V or F, n_classes]; the model's mode is put
    back afterwards."""
    training = model.training
    model.eval()
    try:
        for sample in samples:
            batch = Batch.of([sample], device, remember=remember)
            with torch.no_grad():
                yield model(*batch.inputs).cpu()
    finally:
        model.train(training)


def evaluate(
    model: nn.Module,
    samples: Sequence[SurfaceSample],
    task: Task | int,
    *,
    device: torch.device | str = "cpu",
    remember: bool = False,
    world: World | None = None,
) -> Scores:
    """Scores of the model on some surfaces. Draws no random number.

    Args:
        task: what is learned; a number of classes means labels of vertices or faces.
        world: processes that share the surfaces out among them, all of which call this; None for this one alone.
    """
    world = world or World()
    mine = [samples[i] for i in range(world.rank, len(samples), world.size)]
    task = as_task(task)
    counts = task.counts(model)
    for sample, output in zip(mine, predict(model, mine, device=device, remember=remember)):
        counts.add(task.answers(output), task.truth(sample))
    counts.sum_over(world)
    return counts.metrics()


def check_gauge(
    model: nn.Module,
    samples: Sequence[SurfaceSample],
    group: StructureGroup | str,
    task: Task | int,
    *,
    seed: int = 0,
    device: torch.device | str = "cpu",
) -> GaugeCheck:
    """Predict in the stored gauge, and again after a different random element of `group` at every vertex.

    A group with reflections also flips about half of all frames. Random numbers come from a generator of this
    function.
    """
    task = as_task(task)
    generator = torch.Generator().manual_seed(seed)
    counts, kind = task.counts(model), task.output_type(group)
    unit = task.unit(model).cpu() if isinstance(task, NumberTask) else 1.0
    changed = total = 0
    error = 0.0
    for sample, output in zip(samples, predict(model, samples, device=device)):
        angle, flip = random_gauge(group, sample.geometry, generator)
        moved = sample.replace(geometry=gauge_transform(sample.geometry, group, angle, flip))
        turned = next(iter(predict(model, [moved], device=device)))
        expected = output if kind is None else kind.transform(output, angle, flip)
        scale = (output / unit).abs().max().clamp_min(torch.finfo(output.dtype).tiny)
        off = float(((turned - expected) / unit).abs().max() / scale)
        # max() would drop a NaN, and with it the error
        error = max(error, off) if math.isfinite(off) else math.inf
        counts.add(task.answers(turned), task.truth(moved))
        changed += int((task.answers(turned) != task.answers(output)).sum()) if isinstance(task, ClassTask) else 0
        total += len(output)
    return GaugeCheck(
        metrics=counts.metrics(),
        changed=changed if isinstance(task, ClassTask) else None,
        total=total,
        error=error,
    )


def check_sides(mesh: TriangleMesh, name: str, group: StructureGroup | str, *, retrain: bool = False) -> None:
    """Refuse a one-sided surface for a group without reflections, before anything is computed on it.

    Args:
        retrain: the group is that of a trained model, so that another one can be had by training only.

    Raises:
        ValueError: names the surface, the smallest group it admits, and what to type.
    """
    group = StructureGroup.parse(group)
    if mesh.twin_flipped.any() and not group.has_reflections:
        raise ValueError(_refusal(name, "is one-sided", group, "O(2)", retrain))


def check_surfaces(samples: Sequence[SurfaceSample], group: StructureGroup | str, *, retrain: bool = False) -> None:
    """Refuse the first surface that has a transporter outside the structure group; as `check_sides`."""
    group = StructureGroup.parse(group)
    for sample in samples:
        found = sample.geometry.structure_group
        if not group.contains(StructureGroup.parse(found)):
            flips = sample.geometry.has_flips and not group.has_reflections
            reason = "is one-sided" if flips else f"turns frames by angles outside {group}"
            raise ValueError(_refusal(str(sample.path or sample.name), reason, group, found, retrain))


def _refusal(name: str, reason: str, group: StructureGroup, found: str, retrain: bool) -> str:
    return (
        f"{name}: the surface {reason}, so the structure group {group} is too small for it; "
        f"the smallest admissible group is {found}: {'train a model with' if retrain else 'use'} --group '{found}'"
    )
