"""All settings as a page of Markdown, from the tables themselves."""

from __future__ import annotations

import dataclasses
from typing import Any

from gaugenet.config import Config

_HEAD = """# What can be set?

`gaugenet config` prints all settings as a TOML file, which `--config FILE` reads; `--set KEY=VALUE` changes one.
This page is written by `python -m gaugenet.settings_table`, and a test compares the two.
"""


def settings_page() -> str:
    """A table of each part of the configuration: key, default, limits, meaning."""
    parts = [_HEAD]
    for part in dataclasses.fields(Config):
        table = getattr(Config(), part.name)
        parts.append(f"\n## {part.name}\n\n| key | default | allowed | meaning |\n|---|---|---|---|\n")
        for f in dataclasses.fields(table):
            default = f"`{f.default}`".lower() if isinstance(f.default, bool) else f"`{f.default}`"
            doc = str(f.metadata["doc"]).replace("|", "\\|").replace("<", "\\<")
            shown = default if f.default != "" else "empty"
            parts.append(f"| `{part.name}.{f.name}` | {shown} | {_allowed(f)} | {doc} |\n")
    return "".join(parts)


def _allowed(f: dataclasses.Field[Any]) -> str:
    limits = f.metadata
    if "choices" in limits:
        return ", ".join(limits["choices"])
    if isinstance(f.default, bool):
        return "true, false"
    words = {"least": "≥", "above": ">", "most": "≤", "below": "<"}
    said = [f"{words[k]} {'2⁶⁴ − 1' if limits[k] == 2**64 - 1 else limits[k]}" for k in words if k in limits]
    return ", ".join(said) or "text"


if __name__ == "__main__":
    print(settings_page(), end="")
