"""Input features of a surface, each with the symmetries that it breaks."""

from gaugenet.data.features.cache import FeatureCache
from gaugenet.data.features.spec import FEATURES, Feature, FeatureSpec

__all__ = ["FEATURES", "Feature", "FeatureCache", "FeatureSpec"]
