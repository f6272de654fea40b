"""What a network learns: classes, or numbers; what follows from it for truth, loss and scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor, nn

from gaugenet.data.labelled import LabelKind
from gaugenet.data.quantities import Quantities
from gaugenet.field_type import FieldType
from gaugenet.groups import StructureGroup
from gaugenet.metrics import Metrics, Tally
from gaugenet.regression_metrics import RegressionMetrics, RegressionTally, squared_errors
from gaugenet.settings import TrainConfig
from gaugenet.world import World

if TYPE_CHECKING:
    from gaugenet.data.dataset import SurfaceSample
    from gaugenet.data.labelled import LabelledMesh

Scores = Metrics | RegressionMetrics


class Counts(Protocol):
    """Sums over surfaces from which scores follow."""

    def add(self, predicted: Tensor, truth: Tensor) -> None: ...

    def sum_over(self, world: World) -> None: ...

    def metrics(self) -> Scores: ...


class Task(Protocol):
    """What a network learns."""

    @property
    def name(self) -> str:
        """segmentation, classification or regression."""
        ...

    @property
    def n_outputs(self) -> int:
        """Columns of the output of the network."""
        ...

    @property
    def of_surfaces(self) -> bool:
        """Whether the output is that of a whole surface."""
        ...

    def counted(self, surface: SurfaceSample | LabelledMesh) -> int:
        """Elements (vertices, faces, surfaces) whose truth is known."""
        ...

    def without_truth(self, sample: SurfaceSample) -> SurfaceSample:
        """The surface with nothing known."""
        ...

    def truth(self, sample: SurfaceSample) -> Tensor:
        """Of each element, in the frames of its geometry."""
        ...

    def loss(self, network: nn.Module, output: Tensor, truth: Tensor, config: TrainConfig) -> tuple[Tensor, float]:
        """The sum over all elements of what is minimised, and of what `score` is about (right ones, squared errors)."""
        ...

    def score(self, mean: float) -> float:
        """What the log calls accuracy or error, from the mean of the second sum of `loss`."""
        ...

    def score_of(self, scores: Scores) -> float:
        """The same of an evaluation."""
        ...

    def better(self, score: float) -> float:
        """A number that is larger for a better score."""
        ...

    def counts(self, network: nn.Module) -> Counts:
        """For the scores of the network."""
        ...

    def answers(self, output: Tensor) -> Tensor:
        """What is compared with the truth."""
        ...

    def output_type(self, group: StructureGroup | str) -> FieldType | None:
        """How the output turns with the frames; None: it does not."""
        ...


@dataclass(frozen=True)
class ClassTask:
    """A class of each vertex or face (segmentation), or of each surface (classification)."""

    n_classes: int
    label_kind: LabelKind = "vertex"

    @property
    def name(self) -> str:
        return "classification" if self.of_surfaces else "segmentation"

    @property
    def n_outputs(self) -> int:
        return self.n_classes

    @property
    def of_surfaces(self) -> bool:
        return self.label_kind == "surface"

    def counted(self, surface: SurfaceSample | LabelledMesh) -> int:
        return int((surface.labels >= 0).sum())

    def without_truth(self, sample: SurfaceSample) -> SurfaceSample:
        return sample.replace(labels=torch.full_like(sample.labels, -100))

    def truth(self, sample: SurfaceSample) -> Tensor:
        return sample.labels

    def loss(self, network: nn.Module, output: Tensor, truth: Tensor, config: TrainConfig) -> tuple[Tensor, float]:
        loss = nn.functional.cross_entropy(output, truth, label_smoothing=config.label_smoothing, reduction="sum")
        return loss, float((output.argmax(1) == truth).sum())

    def score(self, mean: float) -> float:
        return mean

    def score_of(self, scores: Scores) -> float:
        assert isinstance(scores, Metrics)
        return scores.accuracy

    def better(self, score: float) -> float:
        return score

    def counts(self, network: nn.Module) -> Tally:
        return Tally(self.n_classes)

    def answers(self, output: Tensor) -> Tensor:
        return output.argmax(1)

    def output_type(self, group: StructureGroup | str) -> None:
        return None


@dataclass(frozen=True)
class NumberTask:
    """Numbers at each vertex, or of each surface. The loss is in units of how much each quantity varies."""

    quantities: Quantities

    @property
    def name(self) -> str:
        return "regression"

    @property
    def n_outputs(self) -> int:
        return self.quantities.n_columns

    @property
    def of_surfaces(self) -> bool:
        return self.quantities.per_surface

    def counted(self, surface: SurfaceSample | LabelledMesh) -> int:
        return 0 if surface.targets is None else surface.targets.n_known

    def without_truth(self, sample: SurfaceSample) -> SurfaceSample:
        return sample.replace(targets=None if sample.targets is None else sample.targets.unknown())

    def truth(self, sample: SurfaceSample) -> Tensor:
        if sample.targets is None:
            raise ValueError(f"{sample.name}: it has no numbers to learn from")
        return sample.targets.coefficients(sample.geometry)

    def loss(self, network: nn.Module, output: Tensor, truth: Tensor, config: TrainConfig) -> tuple[Tensor, float]:
        square = squared_errors(output, truth, self.quantities) / self._scale(network).square()
        seen = float(square.detach().mean(1).sum())
        if config.loss == "absolute":
            # the length of a difference, with a gradient also where it is 0
            return ((square + _SMOOTH**2).sqrt() - _SMOOTH).mean(1).sum(), seen
        return square.mean(1).sum(), seen

    def score(self, mean: float) -> float:
        return float(mean**0.5)

    def score_of(self, scores: Scores) -> float:
        assert isinstance(scores, RegressionMetrics)
        return scores.error

    def better(self, score: float) -> float:
        return -score

    def counts(self, network: nn.Module) -> RegressionTally:
        return RegressionTally(self.quantities, self._scale(network))

    def answers(self, output: Tensor) -> Tensor:
        return output

    def output_type(self, group: StructureGroup | str) -> FieldType | None:
        return None if self.of_surfaces else self.quantities.field_type(group)

    def _scale(self, network: nn.Module) -> Tensor:
        """[a + b] s_k, which stand in the network (`Scaled`)."""
        return self.unit(network)[[columns[0] for columns in self.quantities.columns]]

    @staticmethod
    def unit(network: nn.Module) -> Tensor:
        """[n_columns] the scale of every column, on the device of the network."""
        scale = network.scale
        assert isinstance(scale, Tensor)
        return scale

    def scales(self, surfaces: Sequence[SurfaceSample | LabelledMesh]) -> tuple[Tensor, Tensor]:
        """Offset and scale [n_columns] of what is learned: mean and standard deviation of scalars, 0 and the root of
        the mean square length for vectors, over all vertices (or surfaces). Quantities that do not vary have scale 1.

        Raises:
            ValueError: no surface has numbers, or they are too large, or vary too little, for float32.
        """
        from gaugenet.data.quantities import SurfaceTargets

        scalars, vectors = [], []
        for surface in surfaces:
            t = surface.targets
            if isinstance(t, SurfaceTargets):
                scalars.append(torch.from_numpy(t.values)[None])
            elif t is not None:
                scalars.append(torch.from_numpy(t.scalars))
                vectors.append(torch.from_numpy(t.vectors))
        if not scalars:
            raise ValueError("no surface has numbers to learn from; put NAME.y.npy beside each")
        values = torch.cat(scalars).double()
        offset, scale = torch.zeros(self.n_outputs), torch.ones(self.n_outputs)
        mean = values.mean(0)
        spread = (values - mean).square().mean(0).sqrt()
        sizes = torch.cat(vectors).double().square().sum(2).mean(0).sqrt() if vectors else values.new_zeros(0)
        for k, columns in enumerate(self.quantities.columns):
            a = len(self.quantities.scalars)
            size = float(spread[k] if k < a else sizes[k - a])
            tiny = 1e-12 * abs(float(mean[k])) if k < a else 0.0
            scale[columns] = size if size > tiny else 1.0
            if k < a:
                offset[columns] = float(mean[k])
            middle = abs(float(mean[k])) if k < a else 0.0
            _check_range(self.quantities.names[k], middle, size, size > tiny)
        return offset, scale


def _check_range(name: str, middle: float, size: float, varies: bool) -> None:
    """Networks compute in float32: squares of numbers must not overflow, and differences must not drown in rounding."""
    if max(middle, size) > 1e15 or (varies and size < 1e-15):
        raise ValueError(f"{name} is of the size {max(middle, size):.1g}; give it in another unit, with numbers near 1")
    if varies and middle > 1e5 * size:
        raise ValueError(
            f"{name} varies by {size:.2g} around {middle:.6g}, which float32 hardly tells apart; subtract its mean"
        )


_SMOOTH = 1e-3
"""Below this share of how much a quantity varies, the absolute loss is as a square."""


def as_task(task: Task | int) -> Task:
    """The task; a number of classes means labels of vertices or faces."""
    return ClassTask(task) if isinstance(task, int) else task
