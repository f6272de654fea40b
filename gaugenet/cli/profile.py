"""``gaugenet profile``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from gaugenet.cli.console import console, say
from gaugenet.meshes.geometry import MeshGeometry
from gaugenet.meshes.neighborhoods import Nearest
from gaugenet.profiling.export import write_proton, write_traces
from gaugenet.profiling.machine import describe_machine, machine_line, measure_peaks
from gaugenet.profiling.problem import OperatorProblem
from gaugenet.profiling.report import compare, profile_problem, report

DTYPES = {"float32": torch.float32, "float64": torch.float64, "bfloat16": torch.bfloat16, "float16": torch.float16}

_WIDTH = 240
"""Characters of the widest table, with room to spare."""


@dataclass(frozen=True)
class ProfileOptions:
    """The options of the command; `gaugenet profile --help` says what they mean."""

    mesh: Path | None = None
    model: Path | None = None
    group: str = "SO(2)"
    width: int = 16
    frequency: int = 2
    radial: int = 3
    neighbors: int = 16
    vertices: int = 2000
    dtype: str = "float32"
    device: str = "auto"
    threads: int = 0
    repeats: int = 15
    json_file: Path | None = None
    compare_with: Path | None = None
    trace: Path | None = None
    picture: Path | None = None
    proton: Path | None = None
    cards: str = "recorded"


def run_profile(options: ProfileOptions) -> None:
    """Check, time, print; exit code 1 where an implementation is wrong."""
    if options.dtype not in DTYPES:
        raise ValueError(f"--dtype: expected one of {', '.join(DTYPES)}, got {options.dtype!r}")
    for name in ("width", "radial", "neighbors", "repeats"):
        if getattr(options, name) < 1:
            raise ValueError(f"--{name} must be at least 1, not {getattr(options, name)}")
    if options.cards not in ("recorded", "exact"):
        raise ValueError(f"--cards: expected recorded or exact, got {options.cards!r}")
    if options.cards == "exact" and find_spec("triton") is None:
        raise ValueError("--cards exact compiles kernels and needs Triton: pip install triton")
    earlier = _earlier(options.compare_with)
    if options.threads:
        torch.set_num_threads(options.threads)
    device, dtype = _device(options.device), DTYPES[options.dtype]
    machine = describe_machine(device)
    say("machine", machine_line(machine))
    problems = _problems(options, device, dtype)
    peaks = measure_peaks(device, dtype)
    roofs = f"copy {peaks.bytes_per_second / 1e9:.3g} GB/s, product {peaks.flops_per_second / 1e12:.3g} TFLOP/s"
    say("roofs", f"{roofs} in {options.dtype}, measured now")
    done = []
    for problem in problems:
        single = len(problems) == 1
        if single:
            _print_problem(problem)
        figures = profile_problem(
            problem,
            peaks,
            repeats=options.repeats,
            seconds=4.0 if single else 1.0,
            compile_cards=options.cards == "exact",
        )
        if single or not figures["passed"]:
            _print_gate(figures)
        else:
            _print_layer(figures)
        if single and figures["passed"]:
            _print_passes(figures)
        done.append(figures)
    if not all(figures["passed"] for figures in done):
        done = [{**figures, "passes": []} for figures in done]
    whole = report(machine, peaks, done)
    if options.json_file is not None:
        options.json_file.write_text(json.dumps(whole, indent=1) + "\n")
        say("json", options.json_file)
    if not whole["passed"]:
        wrong = sorted({c["implementation"] for p in done for c in p["gate"] if not c["passed"]})
        say("FAIL", f"{', '.join(wrong)} disagree with the float64 reference: nothing is timed")
        raise typer.Exit(1)
    if len(done) > 1:
        _print_layers(done)
    _print_cards(done)
    if earlier is not None:
        _print_comparison(earlier, whole)
    if options.trace is not None:
        for name, file in write_traces(options.trace, problems[0]):
            say("trace", f"{file}{' (chosen)' if name == done[0]['chosen'] else ''}")
    if options.picture is not None:
        _draw(options.picture, whole)
    if options.proton is not None:
        try:
            say("proton", write_proton(options.proton, problems[0]))
        except RuntimeError as error:
            say("proton", error)
    for line in whole["missing"]:
        say("not measured", line)


def _earlier(path: Path | None) -> dict[str, Any] | None:
    if path is None:
        return None
    try:
        found = json.loads(path.read_text())
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: no JSON ({error}); give a file that gaugenet profile --json wrote") from error
    if not isinstance(found, dict):
        raise ValueError(f"{path}: no report; give a file that gaugenet profile --json wrote")
    compare(found, {"machine": {}, "problems": []}) if "machine" in found else compare({}, {})
    return found


def _device(name: str) -> torch.device:
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if name not in ("cpu", "cuda"):
        raise ValueError(f"--device: expected auto, cpu or cuda, got {name!r}")
    if name == "cuda" and not torch.cuda.is_available():
        raise ValueError("--device cuda: torch finds no GPU here; use --device cpu")
    return torch.device(name)


def _problems(options: ProfileOptions, device: torch.device, dtype: torch.dtype) -> list[OperatorProblem]:
    from gaugenet.profiling.layers import problem_of, problems_of

    real = torch.float64 if dtype == torch.float64 else torch.float32
    if options.model is not None:
        from gaugenet.checkpoint import Checkpoint
        from gaugenet.cli.surfaces import neighborhood_of
        from gaugenet.training import WEIGHTS, build_model

        file = options.model / WEIGHTS if options.model.is_dir() else options.model
        checkpoint = Checkpoint.load(file)
        model = build_model(checkpoint.config, checkpoint.n_features, checkpoint.task)
        checkpoint.restore(model, file)
        geometry, name = _geometry(options, checkpoint.config.model.group, neighborhood_of(checkpoint.config.data))
        say("model", f"{file} on {name}")
        return problems_of(model.to(device), geometry.to(device, real), dtype)
    from gaugenet.groups import StructureGroup
    from gaugenet.models.segmentation import hidden_type
    from gaugenet.nn.convolution import GaugeConv

    field = hidden_type(StructureGroup.parse(options.group), options.width, options.frequency, "gated")
    geometry, name = _geometry(options, options.group, Nearest(options.neighbors))
    layer = GaugeConv(field, field, n_radial=options.radial, generator=torch.Generator().manual_seed(0))
    return [problem_of(layer.to(device), geometry.to(device, real), name, dtype)]


def _geometry(options: ProfileOptions, group: str, neighborhood: Any) -> tuple[MeshGeometry, str]:
    """Of the mesh given; else of a creature for a model, and for a layer of a surface that the group admits."""
    from gaugenet.groups import StructureGroup
    from gaugenet.meshes.precompute import compute_geometry

    if options.mesh is not None:
        from gaugenet.meshes.io import load_mesh

        return compute_geometry(load_mesh(options.mesh), neighborhood), options.mesh.name
    if StructureGroup.parse(group).contains(StructureGroup.parse("SO(2)")):
        if options.model is not None:
            from gaugenet.data.articulated import ArticulatedDataset

            data = ArticulatedDataset(n_train=1, n_test=0, n_vertices=max(options.vertices, 600))
            creature = next(data.meshes("train"))
            return compute_geometry(creature.mesh, neighborhood), creature.name
        from gaugenet.meshes.shapes import sphere

        if options.vertices < 20:
            raise ValueError(f"--vertices must be at least 20, not {options.vertices}")
        shape = sphere(sampling="fibonacci", n=options.vertices)
        return compute_geometry(shape.mesh, neighborhood), f"sphere of {options.vertices} vertices"
    from gaugenet.meshes.shapes import flat_patch

    side = max(round(options.vertices**0.5), 5)
    plane = flat_patch(side - 1, side - 1).mesh
    along = np.tile([1.0, 0.0, 0.0], (plane.n_vertices, 1))
    geometry = compute_geometry(plane, neighborhood, frame_direction=along)
    return geometry, f"flat patch of {plane.n_vertices} vertices in parallel frames"


def _print_problem(problem: OperatorProblem) -> None:
    about = problem.describe()
    fields = about["in_type"] if about["in_type"] == about["out_type"] else f"{about['in_type']} → {about['out_type']}"
    say("problem", about["name"])
    say("", f"V {about['n_target']:,} · E {about['n_edges']:,} · {about['degree']:.1f} edges per vertex")
    say("", f"{fields} · C {about['c_in']} → {about['c_out']} · B {about['n_scalars']} · {about['dtype']}")


def _print_gate(figures: dict[str, Any]) -> None:
    for check in figures["gate"]:
        errors = " · ".join(
            f"{label} {'NaN' if check[name] is None else format(check[name], '.1e')}"
            for label, name in (("forward", "forward"), ("grad x", "grad_x"), ("grad W", "grad_weight"))
        )
        text = check["error"] or errors
        allowed = f"(at most {check['tolerance']:.0e}, {check['tolerance_weight']:.0e})"
        say("pass" if check["passed"] else "FAIL", f"{check['implementation']}: {text} {allowed}")
    for name, reason in figures["not_run"].items():
        say("not here", f"{name}: {reason}")


def _print_layer(figures: dict[str, Any]) -> None:
    """One line of a network: its size and that its gate was passed."""
    worst = max(max(c["forward"], c["grad_x"], c["grad_weight"]) for c in figures["gate"])
    size = f"E {figures['n_edges']:,} · C {figures['c_in']} → {figures['c_out']} · B {figures['n_scalars']}"
    names = ", ".join(c["implementation"] for c in figures["gate"])
    say("pass", f"{figures['name']}: {size} · {names}: largest error {worst:.1e}")


def _table(*headings: str, left: int = 2) -> Table:
    table = Table(box=None, pad_edge=False)
    for i, heading in enumerate(headings):
        table.add_column(heading, justify="left" if i < left else "right", no_wrap=True)
    return table


def _print_table(table: Table) -> None:
    # a figure cut short is worth nothing: lines may be longer than the terminal, or what a pipe is taken for, is wide
    Console(width=max(console.width, _WIDTH), highlight=False).print(table)


def _number(value: float | None, digits: int = 3) -> str:
    if value is None:
        return "–"
    return f"{value:,.0f}" if abs(value) >= 10**digits else f"{value:.{digits}g}"


def _print_passes(figures: dict[str, Any]) -> None:
    say("dispatch", f"{figures['chosen']} ({figures['why']})")
    clock = {"process": "processor time", "wall": "wall time", "device": "device time"}[figures["clock"]]
    say("times", f"median (p20–p80), {clock}; %: of the roofs above, by the bytes and flops that the operator needs")
    table = _table(
        *("pass", "by", "ms", "p20–p80", "GB/s", "%", "GFLOP/s", "%", "bound", "roof ms"),
        *("× reference", "× edge first", "peak MiB"),
    )
    for row in figures["passes"]:
        table.add_row(
            row["pass"],
            row["implementation"],
            _number(row["ms"]),
            f"{_number(row['p20'])}–{_number(row['p80'])}",
            _number(row["gb_per_s"]),
            _number(row["percent_of_bandwidth"], 2),
            _number(1e3 * row["tflop_per_s"]),
            _number(row["percent_of_flops"], 2),
            row["bound"],
            _number(row["roof_ms"]),
            _number(row["times_faster_than_reference"]),
            _number(row["times_faster_than_edge_first"]),
            _number(row["peak_mib"]),
        )
    _print_table(table)


def _print_layers(done: Sequence[dict[str, Any]]) -> None:
    say("layers", "ms of what dispatch chooses: median (p20–p80); how many times faster than edge first; % of the roof")
    table = _table("layer", "by", "B", "C", "forward", "×", "%", "backward", "×", "%", "weight gradient", "×", "%")
    for figures in done:
        cells = [figures["name"], figures["chosen"], str(figures["n_scalars"])]
        cells.append(f"{figures['c_in']}→{figures['c_out']}")
        for row in figures["passes"]:
            if row["implementation"] == figures["chosen"]:
                cells.append(f"{_number(row['ms'])} ({_number(row['p20'])}–{_number(row['p80'])})")
                cells.append(_number(row["times_faster_than_edge_first"]))
                cells.append(_number(row["percent_of_roof"], 2))
        table.add_row(*map(escape, cells))
    _print_table(table)


def _print_cards(done: Sequence[dict[str, Any]]) -> None:
    cards = done[0]["cards"]
    if not cards:
        say("cards", "no static card is recorded for a launch like this one")
        return
    near = "" if all(c["exact"] for c in cards) else "; ~: of the nearest recorded launch (--cards exact: of this one)"
    say("cards", f"what the compilers made of the Triton kernel that aggregates, offline{near}")
    names = ("registers", "spills", "shared", "occupancy", "tensor", "loads", "loads_128", "atomics")
    table = _table("", "pass", "kernel", "target", "triton", "block", "warps", *names, left=5)
    for card in cards:
        block = f"{card['block_m']}×{card['block_c']}×{card['block_b']}"
        values = ["–" if card.get(name) is None else str(card[name]) for name in names]
        mark = "" if card["exact"] else "~"
        head = (mark, card["pass"], card["kernel"], card["target"], card["triton"], block, str(card["warps"]))
        table.add_row(*head, *values)
    _print_table(table)


def _print_comparison(earlier: dict[str, Any], whole: dict[str, Any]) -> None:
    lines, notes = compare(earlier, whole)
    for note in notes:
        say("differs", note)
    table = _table("problem", "pass", "by", "old ms", "new ms", "× faster", left=3)
    for line in lines:
        head = (line["problem"], line["pass"], line["implementation"])
        table.add_row(
            *map(escape, head), _number(line["old_ms"]), _number(line["new_ms"]), _number(line["times_faster"])
        )
    if lines:
        _print_table(table)
    else:
        say("compare", "the two reports have no timing in common")


def _draw(path: Path, whole: dict[str, Any]) -> None:
    from gaugenet.profiling.roofline import draw_roofline

    try:
        draw_roofline(path, whole)
        say("picture", path)
    except ImportError as error:
        say("picture", error)
