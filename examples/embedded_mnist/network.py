"""A small network that classifies an image on a surface, with directions or without."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

import gaugenet as gn
from gaugenet.models.backbones import hidden_type
from gaugenet.models.perceptron import perceptron
from gaugenet.nn.block import ResidualBlock
from gaugenet.nn.by_name import make_nonlinearity
from gaugenet.nn.global_pooling import GlobalPooling
from gaugenet.nn.normalization import FieldNorm

MODELS = {"gauge-equivariant": (2, (8, 16, 24)), "isotropic": (0, (34, 67, 99))}
"""Highest frequency of the fields, and copies of each frequency on each level. With scalars alone a kernel that does
not depend on the gauge depends on the distance only: an isotropic graph convolution."""


class ImageNetwork(nn.Module):
    """Grey values at the vertices → ten logits for each surface of a batch.

        conv, σ;   for each coarser level: strided conv, residual block;   invariants, summed up;   perceptron

    Logits do not change under a gauge transformation, nor under an isometry of the surface.

    Args:
        model: a name of `MODELS`.
        seed: of the initial weights.
    """

    def __init__(self, model: str, seed: int = 0) -> None:
        super().__init__()
        frequency, widths = MODELS[model]
        g = torch.Generator().manual_seed(seed)
        grey = gn.FieldType.parse("SO(2): 1x0")
        types = [hidden_type(grey.group, width, frequency, "gated") for width in widths]
        # with scalars alone the harmonic form, of harmonic 0, spares the other angular functions
        harmonics = 0 if frequency == 0 else None
        self.first = gn.GaugeConv(grey, types[0], max_harmonic=harmonics, generator=g)
        self.sigma = make_nonlinearity("gated", types[0], generator=g)
        self.norms = nn.ModuleList(map(FieldNorm, types))
        self.strided = nn.ModuleList(
            gn.GaugeConv(a, b, max_harmonic=harmonics, generator=g) for a, b in pairwise(types)
        )
        self.blocks = nn.ModuleList(ResidualBlock(t, max_harmonic=harmonics, generator=g) for t in types[1:])
        self.pooling = GlobalPooling(types[-1], ("area", "max"), generator=g)
        self.head = perceptron(self.pooling.n_out, 10, hidden=64, dropout=0.2, generator=g)

    def forward(self, images: Tensor, hierarchy: gn.Hierarchy) -> Tensor:
        """[V, 1] grey values on the finest level of a batch of surfaces → [surfaces, 10]"""
        x = self.norms[0](self.sigma(self.first(images, hierarchy.levels[0])))
        for level, (strided, block) in enumerate(zip(self.strided, self.blocks)):
            x = block(strided(x, hierarchy.pool[level]), hierarchy.levels[level + 1])
            if level + 1 < len(self.strided):
                x = self.norms[level + 1](x)
        # the coarsest level has the surfaces of the batch as well
        logits: Tensor = self.head(self.pooling(self.norms[-1](x), hierarchy.levels[-1]))
        return logits
