"""Input features of a surface, each with the symmetries that it breaks."""

from gaugenet.data.features.spec import FEATURES, FeatureSpec

__all__ = ["FEATURES", "FeatureSpec"]
