"""Möbius MNIST: the table of Weiler et al. 2021, Coordinate Independent Convolutional Networks.

    python examples/mobius_mnist/run.py --data mnist.npz --models regular,scalar,cnn --seeds 0,1,2

One JSON file per model, training set and seed; what is finished is not repeated, what was interrupted goes on from its
last epoch. `--table` prints what is there, `--table --out examples/mobius_mnist/results` the runs behind the README.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import torch
from data import shifted
from model import MODELS, MobiusNetwork
from torch import Tensor, nn
from triangulated import TriangulatedNetwork

from gaugenet.data.digits import Digits, bundled_digits, mnist
from gaugenet.training.own_loop import load_state, save_state
from gaugenet.training.own_results import OtherRunError, is_done, write_result

PAPER = {
    "cnn": (1_501_162, "1.97 ± 0.11", "42.99 ± 2.65"),
    "cnn-small": (832_190, "2.08 ± 0.10", "43.68 ± 2.85"),
    "scalar": (901_962, "1.60 ± 0.10", "1.60 ± 0.09"),
    "sign": (819_962, "4.27 ± 0.24", "4.89 ± 0.36"),
    "regular": (751_914, "1.24 ± 0.08", "1.23 ± 0.07"),
    "irreps": (752_162, "1.65 ± 0.09", "1.64 ± 0.12"),
    "mixed": (752_038, "1.43 ± 0.09", "1.42 ± 0.10"),
}
"""Parameters, test error in % trained on shifted and on centred digits; mean ± standard deviation of 32 runs."""
ALL = (*MODELS, "triangulated")
BATCH = 128


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="npz file of MNIST; without it scikit-learn's digits")
    parser.add_argument("--models", default="regular", help=f"comma-separated, of {', '.join(ALL)}; or all")
    parser.add_argument("--train", default="shifted", help="shifted, centred, or both")
    parser.add_argument("--seeds", default="0", help="comma-separated numbers")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--images", type=int, default=12_000, help="training images of MNIST")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--executor", default="fourier", choices=("fourier", "direct"))
    parser.add_argument(
        "--precision", default="float32", choices=("float32", "bfloat16"), help="of matrix products while training"
    )
    parser.add_argument("--out", type=Path, default=Path("runs/mobius_mnist"))
    parser.add_argument("--table", action="store_true", help="only print the table of what is there")
    options = parser.parse_args()
    models = list(ALL) if options.models == "all" else options.models.split(",")
    settings = ["shifted", "centred"] if options.train == "both" else [options.train]
    for wrong in [m for m in models if m not in ALL] + [s for s in settings if s not in ("shifted", "centred")]:
        parser.error(f"unknown name {wrong!r}")
    if not options.table:
        options.out.mkdir(parents=True, exist_ok=True)
        try:
            digits = bundled_digits() if options.data is None else mnist(options.data, options.images)
        except ValueError as error:
            parser.error(str(error))
        for seed in map(int, options.seeds.split(",")):
            for model in models:
                for setting in settings:
                    try:
                        run(digits, model, setting, seed, options)
                    except OtherRunError as error:
                        parser.error(str(error))
    print(table(options.out))


def run(digits: Digits, model: str, setting: str, seed: int, options: argparse.Namespace) -> None:
    """Train one network and write its JSON file, unless that exists.

    Raises:
        OtherRunError: it exists with other settings, or such a run was begun.
    """
    name = f"{model}-{setting}-{seed}"
    result = options.out / f"{name}.json"
    made_with = {
        "model": model,
        "train": setting,
        "seed": seed,
        "data": digits.name,
        "images": len(digits.train),
        "epochs": options.epochs,
        "precision": options.precision,
    }
    if is_done(result, made_with):
        print(f"{name}: done before", flush=True)
        return
    images = shifted(digits.train, seed) if setting == "shifted" else digits.train
    if model == "triangulated":
        network: nn.Module = TriangulatedNetwork(seed=seed)
    else:
        network = MobiusNetwork(model, seed=seed, executor=options.executor)
    network = network.to(options.device)
    optimizer = torch.optim.Adam(network.parameters(), lr=5e-3, weight_decay=1e-6)
    state = options.out / f"{name}.safetensors"
    start, spent, losses = 0, 0.0, []
    if state.exists():
        start, spent, losses = load_state(state, network, optimizer, made_with)
    for epoch in range(start, options.epochs):
        for group in optimizer.param_groups:
            group["lr"] = 5e-3 * 0.5 ** (5 * epoch // options.epochs)
        began = time.process_time()
        losses.append(train_epoch(network, optimizer, images, digits.train_label, 1000 * seed + epoch, options))
        spent += time.process_time() - began
        save_state(state, network, optimizer, epoch + 1, spent, losses, made_with)
        print(f"{name}: epoch {epoch + 1}, loss {losses[-1]:.4f}, {spent:.0f} s of processor", flush=True)
    error = test_error(network, shifted(digits.test, 10_000 + seed), digits.test_label, options.device)
    found = {
        "parameters": sum(p.numel() for p in network.parameters()),
        "test_error_percent": error,
        "train_loss": losses,
        "processor_seconds": spent,
        "device": options.device,
        "torch": torch.__version__,
    }
    write_result(result, made_with, found)
    state.unlink(missing_ok=True)
    print(f"{name}: test error {error:.2f} %", flush=True)


def train_epoch(
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    images: Tensor,
    label: Tensor,
    seed: int,
    options: argparse.Namespace,
) -> float:
    """Mean loss. Order and dropout follow from the seed alone."""
    device = options.device
    network.train()
    torch.manual_seed(seed)
    order = torch.randperm(len(images))
    total, batches = 0.0, len(images) // BATCH
    for batch in order[: batches * BATCH].view(batches, BATCH):
        with torch.autocast(device, torch.bfloat16, enabled=options.precision == "bfloat16"):
            logits = network(images[batch].to(device))
        loss = nn.functional.cross_entropy(logits.float(), label[batch].to(device))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += float(loss.detach())
    return total / batches


def test_error(network: nn.Module, images: Tensor, label: Tensor, device: str) -> float:
    """Errors in percent of the images."""
    network.eval()
    wrong = 0
    with torch.no_grad():
        for x, y in zip(images.split(BATCH), label.split(BATCH)):
            wrong += int((network(x.to(device)).argmax(1).cpu() != y).sum())
    return 100 * wrong / len(images)


def table(folder: Path) -> str:
    """Mean ± standard deviation over seeds, and their number, beside the paper's numbers."""
    runs = [json.loads(p.read_text()) for p in sorted(folder.glob("*.json"))]
    lines = [
        "| model | parameters | trained on shifted | paper | trained on centred | paper |",
        "|---|---|---|---|---|---|",
    ]
    for model in ALL:
        mine = [r for r in runs if r["model"] == model]
        parameters, *paper = PAPER.get(model, (mine[0]["parameters"] if mine else 0, "–", "–"))
        if model not in PAPER and not mine:
            continue
        cells = []
        for setting, published in zip(("shifted", "centred"), paper):
            errors = torch.tensor([r["test_error_percent"] for r in mine if r["train"] == setting])
            spread = f" ± {errors.std():.2f}" if len(errors) > 1 else ""
            cells += [f"{errors.mean():.2f}{spread} ({len(errors)})" if len(errors) else "–", published]
        lines.append(f"| {model} | {parameters:,} | " + " | ".join(cells) + " |")
    for r in runs:
        # the paper's protocol, and the first files, which did not say
        for key, usual in (("data", "MNIST"), ("epochs", 20), ("images", 12_000)):
            if r.get(key, usual) != usual:
                lines.append(f"\n{r['model']}, trained on {r['train']}, seed {r['seed']}: {key} {r[key]}")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
