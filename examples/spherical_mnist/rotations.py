"""How much rotations of SO(3) change the invariants of networks with random weights, by resolution.

    python examples/spherical_mnist/rotations.py

Smooth signals (polynomials of degree 6) on the icosahedron's charts and on icospheres; two convolutions within a level
and one, or a pooling, between two levels: the spread of pooled values over rotations, as a part of their spread over
signals. On charts with missing neighbours read as 0 and filled (`corners`); without a non-linearity, with softplus and
with ReLU; the mean over pixels as they are and weighted by area. In percent, the median over seeds and the largest.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Callable

import mesh_model
import torch
from torch import Tensor, nn

import gaugenet as gn
from gaugenet.meshes.sublattices import sublattice

SEEDS = (0, 1, 2)
N_SIGNALS, N_ROTATIONS, DEGREE = 12, 8, 6
TYPES = ("1xtrivial", "4xregular", "4xregular", "4xregular")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--finest", type=int, default=5, help="resolution of charts up to which to go, from 2")
    options = parser.parse_args()
    generator = torch.Generator().manual_seed(0)
    rotations = gn.random_rotations(N_ROTATIONS, generator)
    ways = nn.functional.normalize(torch.randn(N_SIGNALS, DEGREE, 3, generator=generator).double(), dim=-1)
    size = torch.randn(N_SIGNALS, DEGREE, 1, generator=generator).double()
    powers = torch.arange(1, DEGREE + 1)[:, None]

    def signals(points: Tensor) -> Tensor:
        return (size * (ways @ points.T) ** powers).sum(1).T[..., None]

    print("| network | corners | resolution | mean over pixels | mean by area | maximum |\n|---|---|---|---|---|---|")
    for activation, corners in itertools.product(("none", "softplus", "relu"), ("zero", "mean")):
        for resolution in range(2, options.finest + 1):
            made = [Charts(resolution, activation, corners, seed) for seed in SEEDS]
            print(f"| charts, {activation} | {corners} | {resolution} | {row(made, signals, rotations)} |", flush=True)
    for resolution in range(2, min(options.finest, 4) + 1):
        made = [icosphere(resolution, seed) for seed in SEEDS]
        print(f"| icosphere, gates | – | {resolution} | – | {row(made, signals, rotations)} |", flush=True)


def row(networks: list[nn.Module], signals: Callable[[Tensor], Tensor], rotations: Tensor) -> str:
    """Of every pooling in percent the median over networks, and the largest."""
    errors = []
    for network in networks:
        with torch.no_grad():
            found = torch.stack([network(signals(network.directions @ r)) for r in rotations])
        # [rotations, signals, poolings, copies]
        change = (found - found.mean(0)).square().mean((0, 1, 3))
        scale = (found.mean(0) - found.mean((0, 1))).square().mean((0, 2))
        errors.append((change / scale).sqrt())
    ordered = torch.stack(errors).sort(0).values
    return " | ".join(f"{100 * a:.2f} ({100 * b:.2f})" for a, b in zip(ordered[len(ordered) // 2], ordered[-1]))


class Charts(nn.Module):
    """[P, N, 1] → [N, 3, copies]: mean over pixels, mean by area, maximum."""

    def __init__(self, resolution: int, activation: str, corners: str, seed: int) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.atlas = gn.icosahedral_atlas(resolution)
        types = [gn.FieldType.parse(f"C6: {t}") for t in TYPES]
        self.convolutions = nn.ModuleList(
            gn.ChartConv(a, b, lattice="hexagonal", bias=False, values=True, corners=corners)
            for a, b in itertools.pairwise(types)
        )
        self.pool = gn.SublatticePool(types[1], values=True)
        self.activation = {"none": nn.Identity(), "relu": nn.ReLU(), "softplus": nn.Softplus()}[activation]
        self.double().eval()
        self.directions = torch.from_numpy(gn.pixel_directions(self.atlas))

    def forward(self, x: Tensor) -> Tensor:
        atlas = self.atlas
        for k, convolution in enumerate(self.convolutions):
            x = convolution(x, atlas)
            if k == 0:
                x, atlas = self.pool(x, atlas), sublattice(atlas)
            x = self.activation(x)
        area = torch.from_numpy(gn.pixel_areas(atlas))
        kept, field = area > 0, x.unflatten(2, (6, -1))
        mean, largest = field[kept].mean((0, 2)), field[kept].amax((0, 2))
        by_area = torch.einsum("p,pnhc->nc", area / area.sum(), field) / 6
        return torch.stack([mean, by_area, largest], 1)


class Pooled(nn.Module):
    """[N, 2 · copies] → [N, 2, copies]"""

    def forward(self, x: Tensor) -> Tensor:
        return x.unflatten(1, (2, -1))


def icosphere(resolution: int, seed: int) -> nn.Module:
    """A narrow network of two levels whose output is what its head would read: means by area, then maxima."""
    mesh_model.HIDDEN, mesh_model.LAST = ("4x0 + 3x1 + 2x2",) * 2, "6x0 + 2x1"
    mesh_model.COARSER = {resolution: 1}
    network = mesh_model.MeshNetwork(resolution, seed=seed)
    network.hierarchy = network.hierarchy.to(dtype=torch.float64)
    network.head = Pooled()
    return network.double().eval()


if __name__ == "__main__":
    main()
