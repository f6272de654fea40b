"""MNIST on a surface: a gauge-equivariant network beside an isotropic one of equal size.

    python examples/embedded_mnist/run.py --data mnist.npz

Both are trained on a flat grid, by the same code, and tested on it and on the same grid raised to hills.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from pathlib import Path
from typing import NamedTuple

import torch
from network import MODELS, ImageNetwork
from surface import SURFACES, hierarchy_of, surface
from torch import Tensor, nn

import gaugenet as gn
from gaugenet.data.digits import Digits, bundled_digits, mnist
from gaugenet.equivariance import random_gauge
from gaugenet.meshes.hierarchy import Hierarchy, batch_hierarchies


class Grid(NamedTuple):
    """A surface: as many copies of it as a batch has images, and the pixel of each of its vertices."""

    one: Hierarchy
    batch: Hierarchy
    pixel: Tensor


def grid(name: str, batch: int) -> Grid:
    mesh, pixel = surface(name)
    one = hierarchy_of(mesh)
    return Grid(one, batch_hierarchies([one] * batch), torch.from_numpy(pixel))


def on_surface(images: Tensor, where: Grid) -> Tensor:
    """[N, 28, 28] → [N · V, 1] grey values, less their mean over MNIST and by their standard deviation"""
    return ((images.flatten(1)[:, where.pixel].reshape(-1, 1)) - 0.1307) / 0.3081


def train(network: nn.Module, digits: Digits, where: Grid, batch: int, epochs: int, lr: float, seed: int) -> None:
    """AdamW with a short warmup and a cosine; order and dropout follow from the seed."""
    torch.manual_seed(seed)
    optimizer = torch.optim.AdamW(network.parameters(), lr=lr, weight_decay=1e-2)
    per_epoch = len(digits.train) // batch
    steps = epochs * per_epoch
    warm = max(steps // 20, 1)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda k: min((k + 1) / warm, 0.5 + 0.5 * math.cos(math.pi * k / steps))
    )
    network.train()
    for epoch in range(epochs):
        total, right = 0.0, 0
        for chosen in torch.randperm(len(digits.train))[: per_epoch * batch].view(per_epoch, batch):
            label = digits.train_label[chosen]
            logits = network(on_surface(digits.train[chosen], where), where.batch)
            loss = nn.functional.cross_entropy(logits, label)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            total += float(loss.detach())
            right += int((logits.argmax(1) == label).sum())
        shown = f"loss {total / per_epoch:.4f}, {100 - 100 * right / (per_epoch * batch):.2f} % wrong"
        print(f"    epoch {epoch + 1}: {shown}", flush=True)


@torch.no_grad()
def test_error(network: nn.Module, digits: Digits, where: Grid, batch: int) -> float:
    """Errors on the test images, in percent."""
    network.eval()
    wrong = 0
    for image, label in zip(digits.test.split(batch), digits.test_label.split(batch)):
        surfaces = where.batch if len(image) == batch else batch_hierarchies([where.one] * len(image))
        wrong += int((network(on_surface(image, where), surfaces).argmax(1) != label).sum())
    return 100 * wrong / len(digits.test)


@torch.no_grad()
def gauge_error(network: nn.Module, digits: Digits, where: Grid, batch: int) -> float:
    """Largest change of the logits of a batch, relative, under a random rotation of each frame of each level."""
    network.eval()
    generator = torch.Generator().manual_seed(0)
    turned = where.batch.transform([random_gauge("SO(2)", g, generator)[0] for g in where.batch.levels])
    x = on_surface(digits.test[:batch], where)
    before, after = network(x, where.batch), network(x, turned)
    return float((after - before).abs().max() / before.abs().max())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="npz file of MNIST; without it scikit-learn's digits")
    parser.add_argument("--models", nargs="+", choices=tuple(MODELS), default=list(MODELS))
    parser.add_argument("--images", type=int, default=6_000, help="the first so many are trained on")
    parser.add_argument("--tested", type=int, default=10_000, help="the first so many are tested on")
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--batch", type=int, default=30)
    parser.add_argument("--lr", type=float, default=5e-3)
    parser.add_argument("--seeds", type=int, default=1, help="runs of each model, with seeds 0, 1, ...")
    parser.add_argument("--json", type=Path, help="write the results here")
    args = parser.parse_args()
    try:
        digits = bundled_digits() if args.data is None else mnist(args.data, args.images)
    except ValueError as error:
        parser.error(str(error))
    digits = digits._replace(test=digits.test[: args.tested], test_label=digits.test_label[: args.tested])
    if len(digits.train) < args.batch or len(digits.test) < args.batch:
        parser.error(f"{len(digits.train)} and {len(digits.test)} images are less than a batch of {args.batch}")
    grids = {name: grid(name, args.batch) for name in SURFACES}
    print(f"{digits.name}: {len(digits.train)} images to train on, {len(digits.test)} to test", flush=True)
    results = []
    for seed in range(args.seeds):
        for model in args.models:
            network = ImageNetwork(model, seed)
            n_parameters = sum(p.numel() for p in network.parameters())
            print(f"{model}, seed {seed}, {n_parameters:,} parameters", flush=True)
            began = time.perf_counter(), time.process_time()
            train(network, digits, grids["flat"], args.batch, args.epochs, args.lr, seed)
            wall, cpu = time.perf_counter() - began[0], time.process_time() - began[1]
            errors = {name: test_error(network, digits, where, args.batch) for name, where in grids.items()}
            changed = gauge_error(network, digits, grids["hills"], args.batch)
            shown = ", ".join(f"{name} {error:.2f} %" for name, error in errors.items())
            print(f"    test error {shown}; a random gauge changes the logits by {changed:.1e}", flush=True)
            print(f"    {cpu:.0f} s of processor, {wall:.0f} s by the clock", flush=True)
            results.append(
                {"model": model, "seed": seed, "parameters": n_parameters, "test_error_percent": errors}
                | {"gauge_error": changed, "seconds": round(wall), "cpu_seconds": round(cpu)}
            )
            if args.json:
                settings = {k: str(v) if isinstance(v, Path) else v for k, v in vars(args).items()}
                settings |= {"data": digits.name, "version": gn.__version__}
                args.json.write_text(json.dumps({"settings": settings, "results": results}, indent=1) + "\n")


if __name__ == "__main__":
    main()
