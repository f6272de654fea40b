"""The network on an icosphere: fields of SO(2), and no charts."""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn

import gaugenet as gn

HIDDEN = ("8x0 + 6x1 + 4x2", "12x0 + 8x1 + 6x2", "24x0 + 12x1 + 6x2", "32x0 + 16x1 + 8x2")
"""Fields of SO(2) after the convolutions on and between the levels, from the finest."""
LAST = "32x0 + 16x1"
COARSER = {3: 2, 4: 3, 5: 3}
"""Coarser levels, each with a quarter of the vertices, by resolution."""


class MeshNetwork(nn.Module):
    """A convolution on the finest level, one from each level to the next and one on the coarsest, each followed by
    batch normalisation and gates, mean and maximum of the invariants over the sphere, a perceptron.

    Args:
        resolution: r, of the icosphere with 2^(2 r + 1) · 5 + 2 vertices.
        seed: of the initial weights.
    """

    def __init__(self, resolution: int, *, seed: int = 0) -> None:
        super().__init__()
        if resolution not in COARSER:
            raise ValueError(f"expected resolution 3, 4 or 5, got {resolution}")
        torch.manual_seed(seed)
        mesh = gn.named_surface("sphere", subdivisions=resolution).mesh
        self.hierarchy = gn.build_hierarchy(mesh, ratios=(4,) * COARSER[resolution])
        self.batches: dict[tuple[int, torch.device], gn.Hierarchy] = {}
        hidden = [gn.FieldType.parse(f"SO(2): {t}") for t in ("1x0", *HIDDEN[: COARSER[resolution] + 1], LAST)]
        self.convolutions = nn.ModuleList(gn.GaugeConv(a, b, bias=False) for a, b in itertools.pairwise(hidden))
        self.norms = nn.ModuleList(gn.BatchNorm(t) for t in hidden[1:])
        self.gates = nn.ModuleList(gn.GatedNonlinearity(t) for t in hidden[1:])
        self.pooling = gn.GlobalPooling(hidden[-1], ("mean", "max"))
        self.head = nn.Sequential(nn.Linear(self.pooling.n_out, 32), nn.ReLU(), nn.Linear(32, 10))
        self.register_buffer("directions", torch.tensor(mesh.vertices), persistent=False)
        self.directions: Tensor
        """[V, 3] where the network wants its input."""

    def forward(self, x: Tensor) -> Tensor:
        """[V, N, 1] grey values at `directions` → [N, 10] logits"""
        spheres = self.spheres(x.shape[1], x.device)
        geometries = (spheres.levels[0], *spheres.pool, spheres.levels[-1])
        x = x.transpose(0, 1).reshape(-1, 1)
        for convolution, norm, gate, geometry in zip(self.convolutions, self.norms, self.gates, geometries):
            x = gate(norm(convolution(x, geometry)))
        return self.head(self.pooling(x, spheres.levels[-1]))

    def spheres(self, n: int, device: torch.device) -> gn.Hierarchy:
        """The disjoint union of n spheres; built once for each number."""
        if (n, device) not in self.batches:
            self.batches[n, device] = gn.batch_hierarchies([self.hierarchy] * n).to(device=device)
        return self.batches[n, device]
