"""Emulators of the heat and the wave equation on surfaces: generate, train, test on time, start and surface unseen.

    python examples/heat_and_wave/run.py --equation heat

prints RMSE x 1000 of three predicted steps on each split, for a gauge-equivariant emulator, an isotropic one of equal
size, a plain GEM-CNN-like one, and extrapolation at each vertex alone; README.md says what was measured.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from picture import draw
from surfaces import N_TEST, generated_surfaces, surfaces_of_folder
from torch import Tensor

import gaugenet as gn
from gaugenet.data.dynamics import simulate
from gaugenet.models.emulator import Emulator

HISTORY, AHEAD, SAMPLES, STEPS = 5, 3, 5, 200
N_TRAIN = 3
"""Of the samples on each surface, the first ones are to train on; the others are the test-init split."""
LAST_TRAINED = 150
"""Frames up to this one are to train on; the later ones of the same trajectories are the test-time split."""
ROLLOUT = 50
STATIC = 1

MODELS: dict[str, dict[str, Any]] = {
    "gauge-equivariant": {"width": 12, "n_static": STATIC},
    "isotropic": {"width": 46, "max_frequency": 0, "max_harmonic": 0, "n_static": STATIC},
    "GEM-CNN-like": {"width": 12, "order": 0, "nonlinearity": "regular"},
}
ORDERS = {"heat": 1, "wave": 2}
TAU = {"heat": 0.0027, "wave": 0.0024}
"""dt / A and dt² / A of the sphere of the published data: 1e-5 and (3e-3)² over its mean vertex area of 3.7e-3."""


@dataclass(frozen=True)
class Surface:
    """A surface, its solutions u [samples, V, STEPS + 1, 1] and what does not change in time, [V, 1]."""

    mesh: gn.TriangleMesh
    geometry: gn.MeshGeometry
    u: Tensor
    static: Tensor


def prepare(mesh: gn.TriangleMesh, equation: str, tau: float, neighbors: int, seed: int) -> Surface:
    solved = simulate(mesh, equation, samples=SAMPLES, steps=STEPS, tau=tau, seed=seed)
    geometry = gn.compute_geometry(mesh, gn.Nearest(neighbors))
    u = torch.from_numpy(solved.u).transpose(1, 2)[..., None].contiguous()
    return Surface(mesh, geometry, u, torch.log(geometry.area / geometry.area.mean())[:, None])


def train(model: Emulator, surfaces: list[Surface], steps: int, lr: float, seed: int, log: int) -> None:
    """Adam on windows drawn at random, one at a time: the mean square error of three steps from five true ones."""
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
            for n in (len(surfaces), N_TRAIN, LAST_TRAINED + 1 - HISTORY - AHEAD + 1)
        )
        surface = surfaces[which]
        window = surface.u[sample, :, start : start + HISTORY + AHEAD]
        static = surface.static if model.n_static else None
        found = model.rollout(window[:, :HISTORY], surface.geometry, AHEAD, static)
        loss = ((found - window[:, HISTORY:]) / model.correction_scale).square().mean()
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

    def rollout(frames: Tensor, geometry: gn.MeshGeometry, steps: int, static: Tensor | None = None) -> Tensor:
        found = list(frames.unbind(1))
        for _ in range(steps):
            found.append(sum(w * u for w, u in zip(weights, reversed(found), strict=False)))
        return torch.stack(found[frames.shape[1] :], 1)

    return rollout


@torch.no_grad()
def evaluate(rollout: Any, surfaces: list[Surface], n_static: int, stride: int) -> dict[str, float]:
    """RMSE x 1000 of three steps over windows of each split, and of step 50 from the first frames."""
    parts = {
        "test-time": (surfaces[:-N_TEST], range(N_TRAIN), range(LAST_TRAINED + 1, STEPS + 2 - HISTORY - AHEAD)),
        "test-init": (surfaces[:-N_TEST], range(N_TRAIN, SAMPLES), range(STEPS + 2 - HISTORY - AHEAD)),
        "test-mesh": (surfaces[-N_TEST:], range(SAMPLES), range(STEPS + 2 - HISTORY - AHEAD)),
    }
    found = {}
    for split, (members, samples, starts) in parts.items():
        square, count = 0.0, 0
        for s in members:
            static = s.static if n_static else None
            for sample in samples:
                for start in list(starts)[::stride]:
                    window = s.u[sample, :, start : start + HISTORY + AHEAD]
                    error = rollout(window[:, :HISTORY], s.geometry, AHEAD, static) - window[:, HISTORY:]
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
                last = rollout(u[:, :HISTORY], s.geometry, ROLLOUT, s.static if n_static else None)[:, -1]
                error = last - u[:, HISTORY + ROLLOUT - 1]
                square += float(error.double().square().sum())
                count += error.numel()
        found[split] = 1e3 * (square / count) ** 0.5
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--equation", choices=tuple(ORDERS), default="heat")
    parser.add_argument("--models", nargs="+", choices=tuple(MODELS), default=list(MODELS))
    parser.add_argument("--steps", type=int, default=700, help="training steps of one window each")
    parser.add_argument("--lr", type=float, default=2e-3)
    parser.add_argument("--seeds", type=int, default=1, help="runs of each model, with seeds 0, 1, ...")
    parser.add_argument("--tau", type=float, help="dt / mean vertex area (dt² for waves)")
    parser.add_argument("--vertices", type=int, default=500, help="of each generated surface, about")
    parser.add_argument("--neighbors", type=int, default=12)
    parser.add_argument("--meshes", type=Path, help="a folder of mesh files instead; the last two by name are unseen")
    parser.add_argument("--stride", type=int, default=16, help="of the windows that are evaluated; 1 for all")
    parser.add_argument("--log", type=int, default=100, help="print the training error every so many steps; 0: never")
    parser.add_argument("--json", type=Path, help="write the results here")
    parser.add_argument("--picture", type=Path, help="write a picture of rollouts on the last surface here")
    args = parser.parse_args()
    args.tau = args.tau or TAU[args.equation]

    meshes = surfaces_of_folder(args.meshes) if args.meshes else generated_surfaces(args.vertices)
    surfaces = [prepare(m, args.equation, args.tau, args.neighbors, seed=i) for i, m in enumerate(meshes)]
    print(f"{args.equation}, tau {args.tau}:", ", ".join(f"{m.name} ({m.n_vertices})" for m in meshes), flush=True)
    results: list[dict[str, Any]] = []

    def report(name: str, seed: int | None, scores: dict[str, float], **more: Any) -> None:
        results.append({"model": name, "seed": seed, "rmse_e-3": scores, **more})
        label = name if seed is None else f"{name}, seed {seed}"
        print(f"{label:28s}", "  ".join(f"{split} {value:.3g}" for split, value in scores.items()), flush=True)

    for order in (1, 2, 3, 5):
        report(f"extrapolation of order {order}", None, evaluate(extrapolation(order), surfaces, 0, args.stride))
    trained: dict[str, Emulator] = {}
    for seed in range(args.seeds):
        for name in args.models:
            options = {"order": ORDERS[args.equation], **MODELS[name]}
            model = Emulator("SO(2): 1x0", history=HISTORY, seed=seed, **options)
            began = time.perf_counter(), time.process_time()
            train(model, surfaces[:-N_TEST], args.steps, args.lr, seed, args.log)
            wall, cpu = time.perf_counter() - began[0], time.process_time() - began[1]
            scores = evaluate(model.rollout, surfaces, model.n_static, args.stride)
            n_parameters = sum(p.numel() for p in model.parameters())
            report(name, seed, scores, parameters=n_parameters, seconds=round(wall), cpu_seconds=round(cpu))
            trained.setdefault(name, model)
            if args.json:
                settings = {k: str(v) if isinstance(v, Path) else v for k, v in vars(args).items()}
                args.json.write_text(json.dumps({"settings": settings, "results": results}, indent=1) + "\n")
    if args.picture:
        last = surfaces[-1]
        frames = last.u[0, :, :HISTORY]
        with torch.no_grad():
            ends = {
                name: model.rollout(frames, last.geometry, ROLLOUT, last.static if model.n_static else None)[:, -1, 0]
                for name, model in trained.items()
            }
        fields = {
            "start": last.u[0, :, 0, 0],
            f"solution, step {HISTORY + ROLLOUT - 1}": last.u[0, :, HISTORY + ROLLOUT - 1, 0],
            **ends,
        }
        draw(args.picture, last.mesh, {name: u.numpy() for name, u in fields.items()}, signed=args.equation == "wave")


if __name__ == "__main__":
    main()
