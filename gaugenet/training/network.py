"""From settings to a network."""

from __future__ import annotations

from gaugenet.config import Config
from gaugenet.models.segmentation import SegmentationNetwork


def build_model(config: Config, n_features: int, n_classes: int) -> SegmentationNetwork:
    """The network of a configuration, with the initial weights of its seed."""
    m = config.model
    return SegmentationNetwork(
        m.group,
        n_features,
        n_classes,
        width=m.width,
        max_frequency=m.max_frequency,
        blocks=m.blocks,
        n_radial=m.radial,
        nonlinearity=m.nonlinearity,
        dropout=m.dropout,
        checkpointing=m.checkpointing,
        seed=config.train.seed,
    )
