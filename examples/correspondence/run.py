"""Correspondence with a template: which of its cells every vertex of a body belongs to.

    python examples/correspondence/run.py --data FOLDER

FOLDER has train/, test/ and native_topology/ with npz files v, f, template_vertex; the first of native_topology/ is the
template. Prints the errors on the test bodies; README.md says what was measured.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from picture import draw
from template import Template, load_numbered, make_template
from torch import Tensor

import gaugenet as gn
from gaugenet.config import ORIENTED_FEATURES
from gaugenet.data.dataset import SurfaceSample, prepare_mesh
from gaugenet.equivariance import random_gauge
from gaugenet.meshes.cache import GeometryCache

THRESHOLDS = (0.025, 0.05, 0.1, 0.2, 0.4)
"""Of the curve, in square roots of the template's area."""
GROUP, LR, DRAWN = "SO(2)", 3e-3, 3


@dataclass(frozen=True)
class Body:
    """A surface and int64 [V], the number of the template's vertex at each of its own."""

    sample: SurfaceSample
    number: Tensor


def load_bodies(folder: Path, limit: int, neighbors: int, cache: GeometryCache) -> list[Body]:
    """The first `limit` surfaces by name, with heat-kernel signatures, curvatures and chirality.

    Raises:
        ValueError: there are none, or one is no numbered surface.
    """
    files = sorted(folder.glob("*.npz"))[:limit]
    if not files:
        raise ValueError(f"{folder}: there is no npz file; give the folder that holds train/, test/, native_topology/")
    bodies = []
    for file in files:
        mesh, number = load_numbered(file)
        sample = prepare_mesh(
            mesh, gn.Nearest(neighbors), features=ORIENTED_FEATURES, cache=cache, name=file.stem, path=file
        )
        bodies.append(Body(sample, torch.from_numpy(np.ascontiguousarray(number))))
    return bodies


def train(network: gn.CorrespondenceNetwork, bodies: list[Body], template: Template, epochs: int, seed: int) -> None:
    """AdamW on the cross-entropy with the soft cells of the true vertices, one body at a time, cosine decay."""
    optimizer = torch.optim.AdamW(network.parameters(), lr=LR, weight_decay=1e-2)
    steps = epochs * len(bodies)
    warm = max(steps // 20, 1)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda k: min((k + 1) / (warm + 1), 0.5 + 0.5 * math.cos(math.pi * k / steps))
    )
    generator = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)  # of the dropout
    network.train()
    for epoch in range(epochs):
        total, right, seen = 0.0, 0, 0
        for i in torch.randperm(len(bodies), generator=generator).tolist():
            body = bodies[i]
            # a copy, so that what layers derive from a geometry does not fill the memory
            logits = network(body.sample.features, body.sample.geometry.replace())
            loss = torch.nn.functional.cross_entropy(logits, template.soft_cells(body.number))
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            total += float(loss.detach())
            right += int((logits.detach().argmax(1) == template.cell[body.number]).sum())
            seen += len(logits)
        print(
            f"epoch {epoch + 1}: loss {total / len(bodies):.3f}, {100 * right / seen:.2f} % in their cell", flush=True
        )


@torch.no_grad()
def predict(network: gn.CorrespondenceNetwork, body: Body, gauge: torch.Generator | None = None) -> Tensor:
    """[V, C] logits, in the frames of the geometry or, with a generator, in random ones."""
    geometry = body.sample.geometry.replace()
    if gauge is not None:
        geometry = geometry.transform(random_gauge(GROUP, geometry, gauge)[0])
    logits: Tensor = network(body.sample.features, geometry)
    return logits


def evaluate(
    network: gn.CorrespondenceNetwork, bodies: list[Body], template: Template, seed: int
) -> tuple[dict[str, Any], list[Tensor]]:
    """Errors over all vertices of all bodies, and the predicted numbers [V] of each.

    The error of a vertex is the distance, along the template's edges and in square roots of its area, from the middle
    of the predicted cell to the true vertex. `least` is that of the true cell.
    """
    network.eval()
    gauge = torch.Generator().manual_seed(seed)
    errors, least, right, predicted, changed, moved = [], [], 0, [], 0, 0.0
    for body in bodies:
        logits = predict(network, body)
        found = logits.argmax(1)
        other = predict(network, body, gauge)
        changed += int((other.argmax(1) != found).sum())
        moved = max(moved, float((other - logits).abs().max() / logits.abs().max()))
        errors.append(template.distance[found, body.number])
        least.append(template.distance[template.cell[body.number], body.number])
        right += int((found == template.cell[body.number]).sum())
        predicted.append(template.middle[found])
    error, floor = torch.cat(errors), torch.cat(least)
    scores = {
        "vertices": len(error),
        "in_their_cell": right / len(error),
        "mean_error": float(error.mean()),
        "median_error": float(error.median()),
        "mean_error_least": float(floor.mean()),
        "within": {str(t): float((error <= t).float().mean()) for t in THRESHOLDS},
        "within_at_most": {str(t): float((floor <= t).float().mean()) for t in THRESHOLDS},
        "worst_body_mean_error": max(float(e.mean()) for e in errors),
        "predictions_changed_by_random_gauge": changed,
        "logits_changed_by_random_gauge": moved,
    }
    return scores, predicted


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with train/, test/ and native_topology/")
    parser.add_argument("--cells", type=int, default=500, help="farthest points of the template, the classes")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--bodies", type=int, default=64, help="the first so many to train on")
    parser.add_argument("--test-bodies", type=int, default=36, help="the first so many to test on")
    parser.add_argument("--width", type=int, default=32, help="copies of frequencies 0 and 1")
    parser.add_argument("--blocks", type=int, default=6, help="residual blocks")
    parser.add_argument("--neighbors", type=int, default=16)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cache", type=Path, help="folder for geometry; by default the user's cache folder")
    parser.add_argument("--json", type=Path, help="write the results here")
    parser.add_argument("--picture", type=Path, help="draw the template's colours on test bodies into this file")
    args = parser.parse_args()

    began = time.process_time()
    cache = GeometryCache(args.cache)
    try:
        files = sorted((args.data / "native_topology").glob("*.npz"))
        if not files:
            raise ValueError(
                f"{args.data / 'native_topology'}: there is no npz file, of which the first is the template"
            )
        template = make_template(*load_numbered(files[0]), args.cells)
        bodies = load_bodies(args.data / "train", args.bodies, args.neighbors, cache)
        tests = load_bodies(args.data / "test", args.test_bodies, args.neighbors, cache)
    except ValueError as error:
        parser.error(str(error))
    prepared = time.process_time() - began
    print(f"{len(bodies)} + {len(tests)} bodies, {len(template.middle)} cells, {prepared:.0f} s", flush=True)
    network = gn.CorrespondenceNetwork(
        GROUP,
        bodies[0].sample.features.shape[1],
        len(template.middle),
        width=args.width,
        blocks=args.blocks,
        max_frequency=1,
        dropout=0.1,
        seed=args.seed,
    )
    began, wall = time.process_time(), time.perf_counter()
    train(network, bodies, template, args.epochs, args.seed)
    trained, wall = time.process_time() - began, time.perf_counter() - wall
    scores, predicted = evaluate(network, tests, template, args.seed)
    result = {
        "settings": {k: str(v) if isinstance(v, Path) else v for k, v in vars(args).items()},
        "parameters": sum(p.numel() for p in network.parameters()),
        "preparation_cpu_seconds": prepared,
        "training_cpu_seconds": trained,
        "training_seconds": wall,
        "torch": torch.__version__,
        **scores,
    }
    print(json.dumps(result, indent=1), flush=True)
    if args.json is not None:
        args.json.write_text(json.dumps(result, indent=1) + "\n")
    if args.picture is not None:
        drawn = zip(tests[:DRAWN], predicted, strict=False)
        draw(
            args.picture,
            template,
            [(b.sample.name, b.sample.mesh, b.number.numpy(), p.numpy()) for b, p in drawn],
        )


if __name__ == "__main__":
    main()
