"""How well vertices or faces were labelled: accuracy, intersection over union, accuracy per surface."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor


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


def score(predictions: Iterable[Tensor], labels: Iterable[Tensor], n_classes: int) -> Metrics:
    """Compare predicted classes with labels, surface by surface.

    Args:
        predictions: int64 [N_m] class of each element of surface m.
        labels: int64 [N_m]; negative where an element has no label and does not count.
        n_classes: number of classes.

    Raises:
        ValueError: a surface has another number of predictions than of labels, or nothing at all is labelled.
    """
    confusion = torch.zeros(n_classes, n_classes, dtype=torch.int64)
    per_mesh = []
    for predicted, truth in zip(predictions, labels, strict=True):
        if predicted.shape != truth.shape:
            raise ValueError(f"expected one prediction per label, got {len(predicted)} for {len(truth)} labels")
        known = truth >= 0
        truth, predicted = truth[known].cpu(), predicted[known].cpu()
        if len(truth):
            per_mesh.append((truth == predicted).double().mean().item())
        confusion += torch.bincount(truth * n_classes + predicted, minlength=n_classes**2).view(n_classes, n_classes)
    counted = int(confusion.sum())
    if not counted:
        raise ValueError("no vertex or face has a label, so there is nothing to score; check the label files")
    right = confusion.diagonal()
    union = confusion.sum(0) + confusion.sum(1) - right
    return Metrics(
        accuracy=int(right.sum()) / counted,
        mean_iou=(right[union > 0].double() / union[union > 0].double()).mean().item(),
        mean_mesh_accuracy=sum(per_mesh) / len(per_mesh),
        counted=counted,
    )
