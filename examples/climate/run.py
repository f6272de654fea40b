"""Temperature of the surface, month by month, from land and sea, height and sun: longitudes never seen.

    python examples/climate/run.py --data FOLDER

trains every network of networks.py on three divisions of the Earth and three seeds and prints the table of README.md.
One JSON file per network and seed; what is finished is not repeated. `--picture FILE` draws what is there.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from pathlib import Path
from typing import Any

import torch
from earth import MONTHS, Earth, earth_at
from networks import MODELS, Sphere, make
from picture import draw
from safetensors.torch import save_file
from torch import Tensor

from gaugenet.training.own_results import OtherRunError, is_done, write_result

BANDS, FOLDS = 6, 3
"""Bands of 60 degrees of longitude from Greenwich eastwards; fold k is tested on the bands k and k + 3."""
BATCH = 3
"""Months of a training step."""
DECAY = 0.05
"""Weight decay."""


def folds(earth: Earth) -> Tensor:
    """[V] in which fold a point is tested."""
    return (earth.longitude / (360 / BANDS)).long() % FOLDS


def train(network: torch.nn.Module, earth: Earth, rows: Tensor, area: Tensor, steps: int, seed: int) -> Tensor:
    """Adam on the mean square error over `rows`, weighted by area; → [V, 12] predicted kelvin.

    The network says by how much a place is warmer than `zonal`, which knows the same points and no others.
    """
    base, weight = zonal(earth, rows, area), area[rows, None] / area[rows].sum()
    target = (earth.temperature - base)[rows]
    scale = ((weight * target**2).sum() / MONTHS).sqrt()
    optimizer = torch.optim.AdamW(network.parameters(), lr=3e-3, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda k: min((k + 1) / 20, 0.5 + 0.5 * math.cos(math.pi * k / steps))
    )
    generator = torch.Generator().manual_seed(seed)
    for _ in range(steps):
        months = torch.randperm(MONTHS, generator=generator)[:BATCH]
        found = network(earth.scalars[:, months], earth.north)[rows]
        loss = (weight * (found - target[:, months] / scale) ** 2).sum() / BATCH
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        schedule.step()
    network.eval()
    with torch.no_grad():
        months = torch.arange(MONTHS).split(BATCH)
        return torch.cat([network(earth.scalars[:, m], earth.north) for m in months], 1) * scale + base


def zonal(earth: Earth, rows: Tensor, area: Tensor, width: float = 4.0) -> Tensor:
    """[V, 12] the mean over `rows` at that latitude, with Gaussian weights of `width` degrees."""
    latitude = torch.rad2deg(torch.asin(earth.points[:, 2].clamp(-1, 1)))
    near = -0.5 * ((latitude[:, None] - latitude[rows]) / width) ** 2 + area[rows].log()
    return near.softmax(1) @ earth.temperature[rows]


def rmse(predicted: Tensor, earth: Earth, rows: Tensor, area: Tensor) -> float:
    """Kelvin, over `rows` and all months, weighted by area."""
    square = ((predicted - earth.temperature) ** 2).mean(1)
    return float(((area * square)[rows].sum() / area[rows].sum()).sqrt())


def run(name: str, seed: int, sphere: Sphere, earth: Earth, used: Tensor, options: argparse.Namespace) -> None:
    """Train one network on each division, write its JSON file and what it predicts, unless that exists.

    Raises:
        OtherRunError: it exists with other settings.
    """
    result = options.out / f"{name}-{seed}.json"
    made_with = {"model": name, "seed": seed, "level": options.level, "steps": options.steps}
    if is_done(result, made_with):
        print(f"{name}, seed {seed}: done before", flush=True)
        return
    area, fold, began = sphere.geometry.area.float(), folds(earth), time.process_time()
    predicted, fitted, parameters = torch.zeros_like(earth.temperature), [], 0
    for k in range(FOLDS):
        if name == "zonal mean":
            found = zonal(earth, used & (fold != k), area)
        else:
            network = make(name, sphere, seed)
            parameters = sum(p.numel() for p in network.parameters())
            found = train(network, earth, used & (fold != k), area, options.steps, seed)
        predicted[fold == k] = found[fold == k]
        fitted.append(rmse(found, earth, used & (fold != k), area))
    written = {
        "parameters": parameters,
        "rmse": rmse(predicted, earth, used, area),
        "rmse_of_folds": [rmse(predicted, earth, used & (fold == k), area) for k in range(FOLDS)],
        "rmse_trained": sum(fitted) / FOLDS,
        "processor_seconds": time.process_time() - began,
        "torch": torch.__version__,
    }
    save_file({"predicted": predicted}, options.out / f"{name}-{seed}.safetensors")
    write_result(result, made_with, written)
    print(f"{name}, seed {seed}: {written['rmse']:.2f} K, {written['processor_seconds']:.0f} s", flush=True)


def table(folder: Path) -> str:
    """Mean ± standard deviation over the seeds."""
    results = [json.loads(p.read_text()) for p in sorted(folder.glob("*.json"))]
    lines = [
        "| model | parameters | error on regions not seen, K | on regions trained on, K | processor time, s | seeds |",
        "|---|---|---|---|---|---|",
    ]

    def spread(rows: list[dict[str, Any]], key: str, places: int) -> str:
        values = torch.tensor([r[key] for r in rows])
        more = f" ± {values.std():.{places}f}" if len(rows) > 1 else ""
        return f"{values.mean():.{places}f}{more}"

    for name in ("zonal mean", *MODELS):
        rows = [r for r in results if r["model"] == name]
        if rows:
            cells = [spread(rows, "rmse", 2), spread(rows, "rmse_trained", 2), spread(rows, "processor_seconds", 0)]
            lines.append(f"| {name} | {rows[0]['parameters']:,} | " + " | ".join(cells) + f" | {len(rows)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder with orography.nc, land-sea_mask.nc and the others")
    parser.add_argument("--models", default="all", help=f"comma-separated, of {', '.join(MODELS)}; or all")
    parser.add_argument("--seeds", default="0,1,2", help="comma-separated numbers")
    parser.add_argument("--steps", type=int, default=80, help="training steps of three months each")
    parser.add_argument("--level", type=int, default=4, help="the icosahedron in 10 · 4^level pixels")
    parser.add_argument("--out", type=Path, default=Path("runs/climate"))
    parser.add_argument("--picture", type=Path, help="draw measured and predicted temperatures into this file")
    parser.add_argument("--table", action="store_true", help="only print the table of what is there")
    options = parser.parse_args()
    models = list(MODELS) if options.models == "all" else options.models.split(",")
    for wrong in (m for m in models if m not in MODELS):
        parser.error(f"unknown name {wrong!r}")
    if options.table:
        print(table(options.out))
        return
    if options.data is None:
        parser.error("--data is missing: the folder of the climatology")
    options.out.mkdir(parents=True, exist_ok=True)
    sphere = Sphere(options.level)
    try:
        earth = earth_at(sphere.points, options.data)
    except ValueError as error:
        parser.error(str(error))
    # the corners of the icosahedron are left out for all models
    used = earth.known & ~sphere.corners
    runs = [("zonal mean", 0)] + [(name, seed) for seed in map(int, options.seeds.split(",")) for name in models]
    for name, seed in runs:
        try:
            run(name, seed, sphere, earth, used, options)
        except OtherRunError as error:
            parser.error(str(error))
    print(table(options.out))
    if options.picture is not None:
        draw(options.picture, earth, used, options.out, torch.arange(BANDS) * (360 / BANDS))


if __name__ == "__main__":
    main()
