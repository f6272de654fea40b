"""The seven networks of the paper's Möbius MNIST experiment (Weiler et al. 2021), and one with normalisation."""

from __future__ import annotations

import itertools
import math

import torch
from torch import Tensor, nn

from gaugenet.field_type import FieldType
from gaugenet.meshes.chart_atlases import mobius_strip
from gaugenet.meshes.charts import ChartAtlas
from gaugenet.nn.chart_conv import ChartConv, Executor
from gaugenet.nn.chart_pooling import ChartMaxPool
from gaugenet.nn.value_basis import ValueNonlinearity
from gaugenet.nn.value_batch_norm import ValueBatchNorm

WIDTHS = (4, 8, 16, 32, 64)
FIELDS = {
    "scalar": (4, 0, 0),
    "sign": (0, 4, 0),
    "regular": (0, 0, 2),
    "irreps": (2, 2, 0),
    "mixed": (1, 1, 1),
}
"""Multiples of `WIDTHS` of trivial, sign-flip and regular fields."""
MODELS = ("cnn", "cnn-small", *FIELDS, "normalised")
"""Those of the paper; "normalised" is `regular` with batch normalisation."""


def field_types(model: str) -> list[FieldType]:
    """The types of the input, the five hidden layers and the last one.

    Raises:
        ValueError: there is no model of that name.
    """
    if model not in MODELS:
        raise ValueError(f"unknown model {model!r}: expected one of {', '.join(MODELS)}")
    if model == "normalised":
        return field_types("regular")
    if model in FIELDS:
        types = ["reflection: 1xtrivial"]
        for width in WIDTHS:
            named = zip(FIELDS[model], ("trivial", "sign", "regular"), strict=True)
            types.append("reflection: " + " + ".join(f"{m * width}x{name}" for m, name in named if m))
        return [FieldType.parse(t) for t in [*types, "reflection: 64xtrivial"]]
    shrink = math.sqrt(2) if model == "cnn-small" else 1.0
    channels = [int(4 * width / shrink) for width in WIDTHS]
    return [FieldType("trivial", [("0", c)]) for c in (1, *channels, 64)]


class MobiusNetwork(nn.Module):
    """Six 5 × 5 convolutions, 2 × 2 maxima after the second and the fourth, the maximum over the strip, a perceptron.

    Fields are in the value basis: regular fields need no change of basis between layers. The plain CNN is the same
    network with the trivial group on the strip without transition functions. "normalised" has, before each of the five
    non-linearities, a normalisation of every copy over the batch, the strip and both values of a regular field.

    Args:
        model: one of `MODELS`.
        size: pixels along both sides of the strip, a multiple of 4.
        seed: of the initial weights: coefficients N(0, 4 / (25 (C_in + C_out))), biases 0.
    """

    def __init__(self, model: str, *, size: int = 28, seed: int = 0, executor: Executor = "fourier") -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.model = model
        types = field_types(model)
        self.atlas = mobius_strip(size, size)
        if model.startswith("cnn"):
            self.atlas = self.atlas.without_transitions()
        self.convolutions = nn.ModuleList()
        self.norms = nn.ModuleList()
        self.nonlinearities = nn.ModuleList()
        self.pooling = nn.ModuleDict()
        for i, (in_type, out_type) in enumerate(itertools.pairwise(types)):
            last = i == len(types) - 2
            std = 2 / math.sqrt(25 * (in_type.dim + out_type.dim))
            self.convolutions.append(
                ChartConv(in_type, out_type, size=5, bias=last, values=True, executor=executor, std=std)
            )
            if not last and model == "normalised":
                self.norms.append(ValueBatchNorm(out_type))
            if not last:
                self.nonlinearities.append(ValueNonlinearity(out_type, activation="elu"))
            if i in (1, 3):
                self.pooling[str(i)] = ChartMaxPool(out_type, values=True)
        self.head = nn.Sequential(
            nn.BatchNorm1d(64),
            nn.ELU(),
            nn.Dropout(0.3),
            nn.Linear(64, 32),
            nn.BatchNorm1d(32),
            nn.ELU(),
            nn.Dropout(0.3),
            nn.Linear(32, 10),
        )

    def features(self, x: Tensor, n_layers: int = 6, *, pool: bool = True) -> tuple[Tensor, ChartAtlas]:
        """[P, N, 1] grey values → the field [P', N, dim] after so many convolutions, in values, and its atlas."""
        atlas = self.atlas
        for i in range(n_layers):
            x = self.convolutions[i](x, atlas)
            if i < len(self.norms):
                # half precision has no digits for a mean of squares less the square of the mean
                x = self.norms[i](x.to(self.head[0].weight.dtype), atlas)
            if i < len(self.nonlinearities):
                x = self.nonlinearities[i](x)
            if pool and str(i) in self.pooling:
                x, atlas = self.pooling[str(i)](x, atlas), atlas.coarser(2)
        return x, atlas

    def forward(self, images: Tensor) -> Tensor:
        """[N, size, size] grey values, width × length → [N, 10] logits"""
        x = images.flatten(1).T.contiguous()[..., None]
        features, _ = self.features(x)
        return self.head(features.amax(0).to(self.head[0].weight.dtype))
