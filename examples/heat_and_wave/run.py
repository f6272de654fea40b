"""Emulators of heat, waves and advection on surfaces: generate, train, test on time, start and surface unseen.

    python examples/heat_and_wave/run.py --equation heat

prints RMSE x 1000 of three predicted steps on each split, for a gauge-equivariant emulator, an isotropic one of equal
size, a plain GEM-CNN-like one, and extrapolation at each vertex alone; README.md says what was measured.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from pathlib import Path
from typing import Any

import torch
from picture import draw
from surfaces import EQUATIONS, N_TEST, SAMPLES, STEPS, Surface, generated_surfaces, prepare, surfaces_of_folder
from torch import Tensor

import gaugenet as gn
from gaugenet.models.emulator import Emulator

AHEAD = 3
N_TRAIN = 3
"""Of the samples on each surface, the first ones are to train on; the others are the test-init split."""
LAST_TRAINED = 150
"""Frames up to this one are to train on; the later ones of the same trajectories are the test-time split."""
ROLLOUT = 50
ORDERS = (1, 2, 3, 5)
"""Frames through which extrapolation lays polynomials."""

MODELS: dict[str, dict[str, Any]] = {
    "gauge-equivariant": {"hidden": "SO(2): 34x0 + 8x1"},
    "isotropic": {"hidden": "SO(2): 46x0", "max_harmonic": 0},
    "GEM-CNN-like": {"width": 12, "order": 0, "nonlinearity": "regular"},
}
"""Of about as many parameters each. The last one knows no area, unless the equation has more that stays."""


def emulator(name: str, equation: str, seed: int) -> Emulator:
    """A network of `MODELS` with what it is told of the equation."""
    e = EQUATIONS[equation]
    static = f"SO(2): {e.static}" if name != "GEM-CNN-like" or equation == "advection" else None
    return Emulator(
        "SO(2): 1x0", seed=seed, **{"history": e.history, "order": e.order, "static": static} | MODELS[name]
    )


def rollout_of(model: Emulator) -> Any:
    """`Emulator.rollout` that takes what stays whether the network knows it or not."""

    def rollout(frames: Tensor, geometry: gn.MeshGeometry, steps: int, static: Tensor) -> Tensor:
        return model.rollout(frames, geometry, steps, None if model.static is None else static)

    return rollout


def train(model: Emulator, surfaces: list[Surface], steps: int, lr: float, seed: int, log: int) -> None:
    """Adam on windows drawn at random, one at a time: the mean square error of three steps from true ones."""
    model.set_scales([s.u[i, :, : LAST_TRAINED + 1] for s in surfaces for i in range(N_TRAIN)])
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    warm = min(100, steps // 10)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda k: min((k + 1) / (warm + 1), 0.5 + 0.5 * math.cos(math.pi * k / steps))
    )
    generator = torch.Generator().manual_seed(seed)
    recent: list[float] = []
    for step in range(steps):
        which, sample, start = (
            int(torch.randint(n, (1,), generator=generator))
            for n in (len(surfaces), N_TRAIN, LAST_TRAINED + 1 - model.history - AHEAD + 1)
        )
        surface = surfaces[which]
        window = surface.u[sample, :, start : start + model.history + AHEAD]
        found = rollout_of(model)(window[:, : model.history], surface.geometry, AHEAD, surface.static)
        loss = ((found - window[:, model.history :]) / model.correction_scale).square().mean()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        recent.append(float(loss.detach()))
        if log and (step + 1) % log == 0:
            rmse = float(model.correction_scale) * (sum(recent) / len(recent)) ** 0.5
            print(f"    step {step + 1:5d}: RMSE {1e3 * rmse:.3f}e-3 of the last {len(recent)}", flush=True)
            recent.clear()


def extrapolation(order: int) -> Any:
    """A predictor that continues the polynomial through the last `order` frames of each vertex alone."""
    weights = [(-1) ** i * math.comb(order, i + 1) for i in range(order)]

    def rollout(frames: Tensor, geometry: gn.MeshGeometry, steps: int, static: Tensor) -> Tensor:
        found = list(frames.unbind(1))
        for _ in range(steps):
            found.append(sum(w * u for w, u in zip(weights, reversed(found), strict=False)))
        return torch.stack(found[frames.shape[1] :], 1)

    return rollout


@torch.no_grad()
def evaluate(rollout: Any, surfaces: list[Surface], history: int, stride: int) -> dict[str, float]:
    """RMSE x 1000 of three steps over windows of each split, and of step 50 from the first frames."""
    parts = {
        "test-time": (surfaces[:-N_TEST], range(N_TRAIN), range(LAST_TRAINED + 1, STEPS + 2 - history - AHEAD)),
        "test-init": (surfaces[:-N_TEST], range(N_TRAIN, SAMPLES), range(STEPS + 2 - history - AHEAD)),
        "test-mesh": (surfaces[-N_TEST:], range(SAMPLES), range(STEPS + 2 - history - AHEAD)),
    }
    found = {}
    for split, (members, samples, starts) in parts.items():
        square, count = 0.0, 0
        for s in members:
            for sample in samples:
                for start in list(starts)[::stride]:
                    window = s.u[sample, :, start : start + history + AHEAD]
                    error = rollout(window[:, :history], s.geometry, AHEAD, s.static) - window[:, history:]
                    square += float(error.double().square().sum())
                    count += error.numel()
        found[split] = 1e3 * (square / count) ** 0.5
    for split, (members, samples) in {
        "step-50 test-init": (surfaces[:-N_TEST], range(N_TRAIN, SAMPLES)),
        "step-50 test-mesh": (surfaces[-N_TEST:], range(SAMPLES)),
    }.items():
        square, count = 0.0, 0
        for s in members:
            for sample in samples:
                u = s.u[sample]
                last = rollout(u[:, :history], s.geometry, ROLLOUT, s.static)[:, -1]
                error = last - u[:, history + ROLLOUT - 1]
                square += float(error.double().square().sum())
                count += error.numel()
        found[split] = 1e3 * (square / count) ** 0.5
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--equation", choices=tuple(EQUATIONS), default="heat")
    parser.add_argument("--models", nargs="+", choices=tuple(MODELS), default=list(MODELS))
    parser.add_argument("--steps", type=int, default=700, help="training steps of one window each")
    parser.add_argument("--lr", type=float, default=2e-3)
    parser.add_argument("--seeds", type=int, default=1, help="runs of each model, with seeds 0, 1, ...")
    parser.add_argument("--tau", type=float, help="dt / mean vertex area (see `Equation.tau`)")
    parser.add_argument("--vertices", type=int, default=500, help="of each generated surface, about")
    parser.add_argument("--neighbors", type=int, default=12)
    parser.add_argument("--meshes", type=Path, help="a folder of mesh files instead; the last two by name are unseen")
    parser.add_argument("--stride", type=int, default=16, help="of the windows that are evaluated; 1 for all")
    parser.add_argument("--log", type=int, default=100, help="print the training error every so many steps; 0: never")
    parser.add_argument("--json", type=Path, help="write the results here")
    parser.add_argument("--picture", type=Path, help="write a picture of rollouts on the last surface here")
    args = parser.parse_args()
    equation = EQUATIONS[args.equation]
    args.tau = args.tau or equation.tau

    meshes = surfaces_of_folder(args.meshes) if args.meshes else generated_surfaces(args.vertices)
    surfaces = [prepare(m, args.equation, args.tau, args.neighbors, seed=i) for i, m in enumerate(meshes)]
    print(f"{args.equation}, tau {args.tau}:", ", ".join(f"{m.name} ({m.n_vertices})" for m in meshes), flush=True)
    results: list[dict[str, Any]] = []

    def report(name: str, seed: int | None, scores: dict[str, float], **more: Any) -> None:
        results.append({"model": name, "seed": seed, "rmse_e-3": scores, **more})
        label = name if seed is None else f"{name}, seed {seed}"
        print(f"{label:28s}", "  ".join(f"{split} {value:.3g}" for split, value in scores.items()), flush=True)

    for order in ORDERS:
        report(
            f"extrapolation of order {order}", None, evaluate(extrapolation(order), surfaces, max(ORDERS), args.stride)
        )
    trained: dict[str, Emulator] = {}
    for seed in range(args.seeds):
        for name in args.models:
            model = emulator(name, args.equation, seed)
            began = time.perf_counter(), time.process_time()
            train(model, surfaces[:-N_TEST], args.steps, args.lr, seed, args.log)
            wall, cpu = time.perf_counter() - began[0], time.process_time() - began[1]
            scores = evaluate(rollout_of(model), surfaces, model.history, args.stride)
            n_parameters = sum(p.numel() for p in model.parameters())
            report(name, seed, scores, parameters=n_parameters, seconds=round(wall), cpu_seconds=round(cpu))
            trained.setdefault(name, model)
            if args.json:
                settings = {k: str(v) if isinstance(v, Path) else v for k, v in vars(args).items()}
                args.json.write_text(json.dumps({"settings": settings, "results": results}, indent=1) + "\n")
    if args.picture:
        last, history = surfaces[-1], equation.history
        frames = last.u[0, :, :history]
        with torch.no_grad():
            ends = {
                name: rollout_of(model)(frames, last.geometry, ROLLOUT, last.static)[:, -1, 0]
                for name, model in trained.items()
            }
        fields = {
            "start": last.u[0, :, 0, 0],
            f"solution, step {history + ROLLOUT - 1}": last.u[0, :, history + ROLLOUT - 1, 0],
            **ends,
        }
        draw(args.picture, last.mesh, {name: u.numpy() for name, u in fields.items()}, signed=equation.signed)


if __name__ == "__main__":
    main()
