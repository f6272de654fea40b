"""From settings to a network."""

from __future__ import annotations

from typing import Any

from torch import nn

from gaugenet.config import Config
from gaugenet.models.classifier import Classifier
from gaugenet.models.field_regression import FieldRegression, Scaled
from gaugenet.models.segmentation import SegmentationNetwork
from gaugenet.tasks import ClassTask, Task, as_task


def build_model(config: Config, n_features: int, task: Task | int) -> nn.Module:
    """The network of a configuration, with the initial weights of its seed.

    Args:
        config: all settings.
        n_features: input scalars per vertex.
        task: what it learns; a number of classes means labels of vertices or faces.

    Raises:
        ValueError: the hidden fields do not suffice for what is predicted.
    """
    m, task = config.model, as_task(task)
    options: dict[str, Any] = {
        "width": m.width,
        "max_frequency": m.max_frequency,
        "blocks": m.blocks,
        "n_radial": m.radial,
        "nonlinearity": m.nonlinearity,
        "dropout": m.dropout,
        "checkpointing": m.checkpointing,
        "seed": config.train.seed,
    }
    if isinstance(task, ClassTask) and not task.of_surfaces:
        return SegmentationNetwork(m.group, n_features, task.n_classes, **options)
    if task.of_surfaces:
        network = Classifier(m.group, n_features, task.n_outputs, **options)
        return network if isinstance(task, ClassTask) else Scaled(network, task.n_outputs)
    kind = task.output_type(m.group)
    assert kind is not None
    return Scaled(FieldRegression(n_features, kind, **options), task.n_outputs)
