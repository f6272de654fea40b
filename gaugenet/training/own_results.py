"""The results of a training loop of one's own: one JSON file for each run, beside what the run was made with."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path


class OtherRunError(ValueError):
    """A file belongs to a run that was made with other settings."""


def is_done(path: Path, made_with: Mapping[str, object]) -> bool:
    """Whether `write_result` wrote this file, with these settings as far as it names them.

    Raises:
        OtherRunError: it was written by a run with other settings.
    """
    if not path.exists():
        return False
    check_made_with(path, json.loads(path.read_text()), made_with)
    return True


def write_result(path: Path, made_with: Mapping[str, object], found: Mapping[str, object]) -> None:
    """Writes the settings of a run and what it found into one JSON object, atomically."""
    part = path.with_suffix(".part")
    part.write_text(json.dumps({**made_with, **found}, indent=1))
    part.replace(path)


def check_made_with(path: Path, before: Mapping[str, object], made_with: Mapping[str, object]) -> None:
    """Compares the settings that `before`, the content of `path`, names with those of a run that wants to use it.

    Raises:
        OtherRunError: one of them differs.
    """
    for name, value in made_with.items():
        if name in before and before[name] != value:
            raise OtherRunError(
                f"{path} is of a run with {name} = {before[name]!r} and now {name} is {value!r}: give what it was made "
                "with, write to another folder, or remove the file"
            )
