"""The mean over rotations of what a trained network says of a digit: closer to invariant under SO(3) than once.

    python examples/spherical_mnist/averaged.py --data mnist.npz --run runs/spherical_mnist/ico-large-4-R-anew-0.json

    p(y | x) = 1/K Σ_k softmax(network(R_k x))_y,     R_0 = 1, R_1 … R_{K−1} drawn once, evenly from SO(3)

on test digits turned by SO(3), the same as in the run. Rotations of the icosahedron would change nothing, the network
is invariant under them. Prints the errors for every K up to `--rotations` and the processor time.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from pathlib import Path

import torch
from data import Digits, mnist, turned
from model import make_network
from torch import Tensor, nn

from gaugenet.meshes.sphere_images import random_rotations
from gaugenet.training.own_loop import load_network


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="npz file of MNIST")
    parser.add_argument("--run", type=Path, required=True, help="JSON file of a run, with its .safetensors beside it")
    parser.add_argument("--rotations", type=int, default=8, help="K")
    options = parser.parse_args()
    if options.rotations < 1:
        parser.error(f"expected at least one rotation, got {options.rotations}")
    try:
        test = mnist(options.data)[1]
        run = json.loads(options.run.read_text())
        network = make_network(run["model"], run["resolution"], run["seed"])
        load_network(options.run.with_suffix(".safetensors"), network)
    except (OSError, ValueError) as error:
        parser.error(str(error))
    print("| rotations | test error on R, % | processor, s |\n|---|---|---|")
    began = time.process_time()
    for k, error in enumerate(errors(network, turned(test, "R", 10_000 + run["seed"]), options.rotations), 1):
        print(f"| {k} | {error:.2f} | {time.process_time() - began:.0f} |", flush=True)


def errors(network: nn.Module, digits: Digits, n_rotations: int) -> Iterator[float]:
    """In percent of the images, of the mean over one rotation, over two and so on."""
    for mean in mean_over_rotations(network, digits, n_rotations):
        yield 100 * float((mean.argmax(1) != digits.label).float().mean())


def mean_over_rotations(network: nn.Module, digits: Digits, n_rotations: int) -> Iterator[Tensor]:
    """[N, 10] probabilities, the mean over one rotation, over two and so on."""
    if digits.rotation is None:
        raise ValueError("expected digits that are turned")
    network.eval()
    rotations = random_rotations(n_rotations, torch.Generator().manual_seed(0)).float()
    rotations[0] = torch.eye(3)
    total, order = torch.zeros(len(digits.label), 10), torch.arange(len(digits.label))
    for k, rotation in enumerate(rotations, 1):
        again = digits._replace(rotation=rotation @ digits.rotation)
        with torch.no_grad():
            total += torch.cat([network(x).softmax(1) for x, _ in again.batches(order, network.directions)])
        yield total / k


if __name__ == "__main__":
    main()
