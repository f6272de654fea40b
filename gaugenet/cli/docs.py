"""``gaugenet docs``."""

from __future__ import annotations

from pathlib import Path

from gaugenet.cli.console import say
from gaugenet.meshes.atomic import write_atomically
from gaugenet.reference import entries
from gaugenet.reference_pages import markdown, page


def run_docs(out: Path) -> None:
    """Write the API reference as reference.md and reference.html.

    Raises:
        OSError: the folder cannot be written to.
    """
    out.mkdir(parents=True, exist_ok=True)
    for name, text in {"reference.md": markdown(), "reference.html": page()}.items():
        write_atomically(out / name, text.encode())
        say("written", out / name)
    say("names", len(entries()))
