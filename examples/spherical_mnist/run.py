"""Spherical MNIST: digits on the sphere, turned and not turned, after Cohen et al. 2019, Gauge Equivariant
Convolutional Networks and the Icosahedral CNN.

    python examples/spherical_mnist/run.py --data mnist.npz --models ico,plain --settings N/N,N/R,R/R

A setting says what was done to the digits in training and in the test: N nothing, I one of the icosahedron's 60
rotations, R a rotation of SO(3). One JSON file per model, training set and seed, with the errors in all tests; what is
finished is not repeated, what was interrupted goes on from where it was. `--table` prints what is there,
`--table --out examples/spherical_mnist/results` the runs behind the README.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from pathlib import Path

import torch
from data import BATCH, TURNS, Digits, deformed, mnist, turned
from model import MODELS, make_network, resolutions
from torch import Tensor, nn

from gaugenet.training.own_loop import load_network, load_state, save_state
from gaugenet.training.own_results import OtherRunError, check_made_with, is_done, write_result

LEARNING_RATE = 5e-3
SAVE_EVERY = 50
"""Steps between two states on disk."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="npz file of MNIST")
    parser.add_argument("--models", default="ico", help=f"comma-separated, of {', '.join(MODELS)}; or all")
    parser.add_argument("--settings", default="N/N,N/R,R/R", help="comma-separated, training/test, of N, I and R")
    parser.add_argument("--seeds", default="0", help="comma-separated numbers")
    parser.add_argument(
        "--resolution", type=int, default=3, choices=(3, 4, 5), help="3, 4 or 5: 640, 2,560 or 10,240 pixels"
    )
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--images", type=int, default=60_000, help="training images")
    parser.add_argument("--batch", type=int, default=BATCH, help="training images in a step")
    parser.add_argument("--turn-anew", action="store_true", help="training digits in every epoch, not once for all")
    parser.add_argument(
        "--deform",
        type=float,
        default=0.0,
        help="training digits in their plane, by this part of their size, e.g. 0.1",
    )
    parser.add_argument("--rate", type=float, default=LEARNING_RATE, help="learning rate of the first step")
    parser.add_argument(
        "--after", type=Path, help="JSON file of a run whose weights, in the .safetensors beside it, to start from"
    )
    parser.add_argument("--device", default="cpu")
    parser.add_argument(
        "--precision", default="float32", choices=("float32", "bfloat16"), help="of convolutions while training"
    )
    parser.add_argument("--out", type=Path, default=Path("runs/spherical_mnist"))
    parser.add_argument("--table", action="store_true", help="only print the table of what is there")
    options = parser.parse_args()
    there = [m for m in MODELS if options.resolution in resolutions(m)]
    models = there if options.models == "all" else options.models.split(",")
    settings = [tuple(setting.split("/")) for setting in options.settings.split(",")]
    if wrong := [m for m in models if m not in MODELS]:
        parser.error(f"unknown model {wrong[0]!r}: expected some of {', '.join(MODELS)}")
    if wrong := [m for m in models if m not in there]:
        expected = ", ".join(map(str, resolutions(wrong[0])))
        parser.error(f"there is no {wrong[0]} at resolution {options.resolution}: expected {expected}")
    if wrong := [s for s in settings if len(s) != 2 or not set(s) <= set(TURNS)]:
        parser.error(f"unknown setting {'/'.join(wrong[0])!r}: expected e.g. N/R, of N, I and R")
    if options.after and not (options.after.exists() and options.after.with_suffix(".safetensors").exists()):
        parser.error(f"--after {options.after}: there is no such file, or no .safetensors beside it")
    if options.deform < 0:
        parser.error(f"--deform {options.deform}: expected 0 or more")
    if not options.table:
        if options.data is None:
            parser.error("give MNIST by --data mnist.npz, with x_train, y_train, x_test, y_test")
        options.out.mkdir(parents=True, exist_ok=True)
        try:
            train, test = mnist(options.data, options.images)
        except ValueError as error:
            parser.error(str(error))
        for seed in map(int, options.seeds.split(",")):
            for model in models:
                for turn in dict.fromkeys(first for first, _ in settings):
                    try:
                        run(train, test, model, turn, seed, options)
                    except OtherRunError as error:
                        parser.error(str(error))
    print(table(options.out))


def run(train: Digits, test: Digits, model: str, turn: str, seed: int, options: argparse.Namespace) -> None:
    """Train one network, test it on all kinds of digits, and write its JSON file, unless that exists.

    Raises:
        OtherRunError: it exists with other settings, or such a run was begun.
    """
    before = json.loads(options.after.read_text()) if options.after else {}
    if before:
        check_made_with(options.after, before, {"model": model, "resolution": options.resolution})
    # so many epochs had their rotations and order of digits
    done = before.get("epochs", 0) + before.get("epochs_before", 0)
    name = f"{model}-{options.resolution}-{turn}{'-anew' if options.turn_anew else ''}"
    name += f"{f'-deformed-{options.deform:g}' if options.deform else ''}-{seed}"
    name += f"-after-{done}" if before else ""
    result = options.out / f"{name}.json"
    made_with = {
        "model": model,
        "resolution": options.resolution,
        "train": turn,
        "turned": "anew in every epoch" if options.turn_anew else "once",
        "seed": seed,
        "images": len(train.images),
        "epochs": options.epochs,
        "batch": options.batch,
        "precision": options.precision,
        "rate": options.rate,
        "epochs_before": done,
    }
    if options.deform:
        made_with["deformed"] = options.deform
    if is_done(result, made_with):
        print(f"{name}: done before", flush=True)
        return
    digits = turned(train, turn, seed)
    network = make_network(model, options.resolution, seed).to(options.device)
    if before:
        load_network(options.after.with_suffix(".safetensors"), network)
    optimizer = torch.optim.Adam(network.parameters(), lr=options.rate)
    state = options.out / f"{name}.safetensors"
    step, spent, losses = load_state(state, network, optimizer, made_with) if state.exists() else (0, 0.0, [])
    per_epoch = -(-len(digits.images) // options.batch)
    while step < options.epochs * per_epoch:
        began, epoch = time.process_time(), step // per_epoch
        stop = min(step + SAVE_EVERY, (epoch + 1) * per_epoch)
        if options.turn_anew:
            digits = turned(train, turn, 1_000_000 + 1000 * seed + done + epoch)
        if options.deform:
            digits = deformed(digits, options.deform, 2_000_000 + 1000 * seed + done + epoch)
        order = torch.randperm(len(digits.images), generator=torch.Generator().manual_seed(1000 * seed + done + epoch))
        order = order[options.batch * (step - epoch * per_epoch) : options.batch * (stop - epoch * per_epoch)]
        losses.append(train_steps(network, optimizer, digits, order, step, options.epochs * per_epoch, options))
        spent, step = spent + time.process_time() - began, stop
        save_state(state, network, optimizer, step, spent, losses, made_with)
        print(f"{name}: step {step}, loss {losses[-1]:.4f}, {spent:.0f} s of processor", flush=True)
    errors = {kind: test_error(network, turned(test, kind, 10_000 + seed)) for kind in TURNS}
    found = {
        "parameters": sum(p.numel() for p in network.parameters()),
        "test_error_percent": errors,
        "train_loss": losses,
        "processor_seconds": spent,
        "device": options.device,
        "torch": torch.__version__,
    }
    write_result(result, made_with, found)
    print(f"{name}: test error " + ", ".join(f"{k} {e:.2f} %" for k, e in errors.items()), flush=True)


def train_steps(
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    digits: Digits,
    order: Tensor,
    step: int,
    n_steps: int,
    options: argparse.Namespace,
) -> float:
    """Mean loss of these images; the learning rate falls as half a cosine over `n_steps`, of which `step` were done."""
    network.train()
    losses = []
    for x, label in digits.batches(order, network.directions, options.batch):
        for group in optimizer.param_groups:
            group["lr"] = options.rate * 0.5 * (1 + math.cos(math.pi * (step + len(losses)) / n_steps))
        with torch.autocast(x.device.type, torch.bfloat16, enabled=options.precision == "bfloat16"):
            logits = network(x)
        loss = nn.functional.cross_entropy(logits.float(), label)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.detach())
    return float(torch.stack(losses).mean())


def test_error(network: nn.Module, digits: Digits) -> float:
    """Errors in percent of the images."""
    network.eval()
    wrong = 0
    with torch.no_grad():
        for x, label in digits.batches(torch.arange(len(digits.images)), network.directions):
            wrong += int((network(x).argmax(1) != label).sum())
    return 100 * wrong / len(digits.images)


def table(folder: Path) -> str:
    """Test accuracies, mean ± standard deviation over seeds, one row per model, resolution and training."""
    runs = [json.loads(p.read_text()) for p in sorted(folder.glob("*.json"))]
    lines = [
        "| model | resolution | parameters | trained on | images × epochs | test N | test I | test R | seeds |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    key = ("model", "resolution", "parameters", "train", "images", "epochs", "epochs_before", "turned")
    key += ("batch", "precision", "rate", "deformed")
    # the first files did not say all of it
    usual = {"turned": "once", "epochs_before": 0, "rate": LEARNING_RATE}
    rows = [tuple({**usual, **r}.get(k) for k in key) for r in runs]
    for row in dict.fromkeys(rows):
        model, resolution, parameters, turn, images, epochs, before, how, *_ = row
        cells = []
        how = "" if how == "once" else ", anew"
        how += f", deformed {deform}" if (deform := row[-1]) else ""
        epochs = f"({before} + {epochs})" if before else str(epochs)
        alike = [r for r, its_row in zip(runs, rows) if its_row == row]
        for kind in TURNS:
            right = 100 - torch.tensor([r["test_error_percent"][kind] for r in alike], dtype=torch.float64)
            cells.append(f"{right.mean():.2f}" + (f" ± {right.std():.2f}" if len(right) > 1 else ""))
        lines.append(
            f"| {model} | {resolution} | {parameters:,} | {turn}{how} | {images:,} × {epochs} | "
            + " | ".join(cells)
            + f" | {len(alike)} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
