"""``gaugenet inspect``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.markup import escape
from rich.table import Table

from gaugenet.cli.console import console
from gaugenet.meshes.io import SUFFIXES, load_mesh
from gaugenet.meshes.mesh import MeshError
from gaugenet.report import MeshReport, inspect_mesh


def run_inspect(paths: Sequence[Path], merge_vertices: bool | None = None, as_json: bool = False) -> None:
    """Print the report of each mesh, or a row for each mesh in a folder; with `as_json` one JSON list of all.

    Raises:
        MeshError: a file is refused. The others are reported first.
    """
    results: list[dict[str, Any]] = []
    refused: list[MeshError] = []
    for path in paths:
        if path.is_dir():
            files = sorted(p for p in path.rglob("*") if p.is_file() and p.suffix.lower() in SUFFIXES)
            if not files:
                refused.append(MeshError("there are no meshes in this folder", f"give {' '.join(SUFFIXES)}", path))
        else:
            files = [path]
        reports: list[tuple[Path, MeshReport | MeshError]] = []
        for file in files:
            try:
                reports.append((file, inspect_mesh(load_mesh(file, merge_vertices=merge_vertices))))
            except MeshError as error:
                refused.append(error)
                reports.append((file, error))
        if as_json:
            results += [_entry(file, report) for file, report in reports]
        elif path.is_dir():
            _print_table(path, reports)
        else:
            for file, report in reports:
                _print_report(file, report)
    if as_json:
        print(json.dumps(results, indent=1, ensure_ascii=False))
    if len(refused) == 1:
        raise refused[0]
    if refused:
        raise MeshError(f"{len(refused)} files cannot be used, the first is {refused[0].source}", refused[0].problem)


def _entry(file: Path, report: MeshReport | MeshError) -> dict[str, Any]:
    if isinstance(report, MeshError):
        return {"file": str(file), "error": report.problem, "remedy": report.remedy}
    return {"file": str(file), **report.as_dict()}


def _print_report(file: Path, report: MeshReport | MeshError) -> None:
    if isinstance(report, MeshError):
        # the error itself is said at the end, as for every command
        return
    console.print(f"[bold]{escape(str(file))}[/]")
    for name, value in report.rows():
        console.print(f"[cyan]{name:<26}[/] {escape(value)}")
    for repair in report.repairs:
        console.print(f"[cyan]{'repaired on reading':<26}[/] {escape(repair)}")
    for problem, fix in report.problems:
        console.print(f"[yellow]![/] {escape(problem)}\n  → {escape(fix)}")
    if not report.problems:
        console.print("[green]nothing to mend[/]")


def _print_table(folder: Path, reports: list[tuple[Path, MeshReport | MeshError]]) -> None:
    table = Table("mesh", "vertices", "faces", "parts", "holes", "χ", "group", "to mend", box=None, pad_edge=False)
    # the part of a path that tells files apart is its end
    table.columns[0].overflow = "fold"
    for column in table.columns[1:6]:
        column.justify = "right"
    for file, report in reports:
        name = escape(str(file.relative_to(folder)))
        if isinstance(report, MeshError):
            table.add_row(name, *[""] * 6, f"[red]refused:[/] {escape(report.problem)}")
            continue
        numbers = (report.n_vertices, report.n_faces, report.n_components, len(report.loops), report.euler)
        said = [problem for problem, _ in report.problems]
        more = f" (+{len(said) - 1} more)" if len(said) > 1 else ""
        table.add_row(
            name,
            *(f"{n:,}" for n in numbers),
            report.structure_group,
            f"[yellow]{escape(said[0])}[/]{more}" if said else "[green]nothing[/]",
        )
    console.print(f"[bold]{escape(str(folder))}[/]")
    console.print(table, soft_wrap=False)
