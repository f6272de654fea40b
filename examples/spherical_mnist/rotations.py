"""How much rotations of SO(3) change the invariants of networks with random weights, by resolution.

    python examples/spherical_mnist/rotations.py

Smooth signals (polynomials of degree 6) on the icosahedron's charts and on icospheres, two convolutions and one between
two levels: the spread of the pooled values over rotations, as a part of their spread over signals.
"""

from __future__ import annotations

import mesh_model
import model
import torch
from torch import Tensor, nn

import gaugenet as gn

SEEDS = (0, 1, 2)
N_SIGNALS, N_ROTATIONS, DEGREE = 12, 8, 6


def main() -> None:
    generator = torch.Generator().manual_seed(0)
    rotations = gn.random_rotations(N_ROTATIONS, generator)
    ways = nn.functional.normalize(torch.randn(N_SIGNALS, DEGREE, 3, generator=generator).double(), dim=-1)
    size = torch.randn(N_SIGNALS, DEGREE, 1, generator=generator).double()
    powers = torch.arange(1, DEGREE + 1)[:, None]

    def signals(points: Tensor) -> Tensor:
        return (size * (ways @ points.T) ** powers).sum(1).T[..., None]

    print("| model | resolution | mean | maximum |\n|---|---|---|---|")
    for name, resolutions in (("ico", (2, 3, 4, 5)), ("mesh", (2, 3, 4))):
        for resolution in resolutions:
            errors = []
            for seed in SEEDS:
                network = small(name, resolution, seed)
                with torch.no_grad():
                    found = torch.stack([network(signals(network.directions @ r)) for r in rotations])
                # [rotations, signals, mean or maximum, copies]
                found = found.unflatten(2, (2, -1))
                spread = (found - found.mean(0)).square().mean((0, 1, 3))
                scale = (found.mean(0) - found.mean((0, 1))).square().mean((0, 2))
                errors.append((spread / scale).sqrt())
            mean, maximum = torch.stack(errors).mean(0).tolist()
            print(f"| {name} | {resolution} | {100 * mean:.1f} % | {100 * maximum:.1f} % |", flush=True)


def small(name: str, resolution: int, seed: int) -> nn.Module:
    """A narrow network with two levels whose output is what its head would read: means, then maxima."""
    if name == "ico":
        model.WIDTHS, model.POOLED = {resolution: (4, 4, 4)}, {resolution: (0,)}
        network: nn.Module = model.IcosahedralNetwork("ico", resolution, seed=seed)
        # it pools maxima first
        network.head = Swapped()
    else:
        mesh_model.HIDDEN, mesh_model.LAST = ("4x0 + 3x1 + 2x2",) * 2, "6x0 + 2x1"
        mesh_model.COARSER = {resolution: 1}
        network = mesh_model.MeshNetwork(resolution, seed=seed)
        network.hierarchy = network.hierarchy.to(dtype=torch.float64)
        network.head = nn.Identity()
    return network.double().eval()


class Swapped(nn.Module):
    """The second half of the columns before the first."""

    def forward(self, x: Tensor) -> Tensor:
        return x.roll(x.shape[1] // 2, 1)


if __name__ == "__main__":
    main()
