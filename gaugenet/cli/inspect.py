"""``gaugenet inspect``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.markup import escape

from gaugenet.cli.console import console
from gaugenet.meshes.io import load_mesh
from gaugenet.report import inspect_mesh


def run_inspect(paths: Sequence[Path]) -> None:
    """Print the report of each mesh."""
    for path in paths:
        report = inspect_mesh(load_mesh(path))
        console.print(f"[bold]{escape(str(path))}[/]")
        for name, value in report.rows():
            console.print(f"[cyan]{name:<26}[/] {escape(value)}")
        for repair in report.repairs:
            console.print(f"[cyan]{'repaired on reading':<26}[/] {escape(repair)}")
        for problem, fix in report.problems:
            console.print(f"[yellow]![/] {escape(problem)}\n  → {escape(fix)}")
        if not report.problems:
            console.print("[green]nothing to mend[/]")
