"""How well vertices or faces were labelled: accuracy, intersection over union, accuracy per surface."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from gaugenet.world import World


@dataclass(frozen=True)
class Metrics:
    """Scores over the labelled elements (vertices or faces) of several surfaces; all in [0, 1].

    accuracy = correct / counted over all elements together; mean_mesh_accuracy = mean over surfaces of their
    own accuracy; mean_iou = mean over classes c that occur (in labels or predictions) of TP_c / (TP_c + FP_c
    + FN_c).
    """

    accuracy: float
    mean_iou: float
    mean_mesh_accuracy: float
    counted: int
    """Number of labelled elements."""

    def __str__(self) -> str:
        return (
            f"{100 * self.accuracy:.2f} % of {self.counted:,} right "
            f"(mean class IoU {100 * self.mean_iou:.2f} %, "
            f"mean per surface {100 * self.mean_mesh_accuracy:.2f} %)"
        )


class Tally:
    """Counts from which `Metrics` follow; those of several processes add up."""

    def __init__(self, n_classes: int) -> None:
        self._n_classes = n_classes
        self._confusion = torch.zeros(n_classes, n_classes, dtype=torch.float64)
        self._per_mesh = torch.zeros(2, dtype=torch.float64)

    def add(self, predicted: Tensor, truth: Tensor) -> None:
        """One surface: int64 [N] classes and labels, negative where an element has no label and does not count.

        Raises:
            ValueError: there are not as many predictions as labels.
        """
        if predicted.shape != truth.shape:
            raise ValueError(f"expected one prediction per label, got {len(predicted)} for {len(truth)} labels")
        known = truth >= 0
        truth, predicted = truth[known].cpu(), predicted[known].cpu()
        if len(truth):
            self._per_mesh += torch.tensor([(truth == predicted).double().mean().item(), 1.0], dtype=torch.float64)
        pairs = torch.bincount(truth * self._n_classes + predicted, minlength=self._n_classes**2)
        self._confusion += pairs.view_as(self._confusion)

    def sum_over(self, world: World) -> None:
        """Add up what all processes have counted."""
        counts = world.sum([*self._confusion.flatten().tolist(), *self._per_mesh.tolist()])
        total = torch.tensor(counts, dtype=torch.float64)
        self._confusion = total[:-2].view_as(self._confusion)
        self._per_mesh = total[-2:]

    def metrics(self) -> Metrics:
        """
        Raises:
            ValueError: nothing at all is labelled.
        """
        counted = int(self._confusion.sum())
        if not counted:
            raise ValueError("no vertex or face has a label, so there is nothing to score; check the label files")
        right = self._confusion.diagonal()
        union = self._confusion.sum(0) + self._confusion.sum(1) - right
        return Metrics(
            accuracy=int(right.sum()) / counted,
            mean_iou=(right[union > 0] / union[union > 0]).mean().item(),
            mean_mesh_accuracy=float(self._per_mesh[0] / self._per_mesh[1]),
            counted=counted,
        )


def score(predictions: Iterable[Tensor], labels: Iterable[Tensor], n_classes: int) -> Metrics:
    """Compare predicted classes with labels, surface by surface.

    Args:
        predictions: int64 [N_m] class of each element of surface m.
        labels: int64 [N_m]; negative where an element has no label and does not count.
        n_classes: number of classes.

    Raises:
        ValueError: a surface has another number of predictions than of labels, or nothing at all is labelled.
    """
    tally = Tally(n_classes)
    for predicted, truth in zip(predictions, labels, strict=True):
        tally.add(predicted, truth)
    return tally.metrics()
