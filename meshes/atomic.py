"""Files that appear whole or not at all."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

try:
    from fcntl import LOCK_EX, LOCK_NB, flock
except ImportError:  # not on Windows: what a killed process leaves stays there
    flock = None  # type: ignore[assignment]

_PARTIAL = ".part"


def write_atomically(path: Path, content: bytes) -> None:
    """Write beside `path`, then move: no reader, no crash and no second writer ever meets half a file.

    Raises:
        OSError: it cannot be written; what stood there before is left as it was.
    """
    while True:
        partial = path.with_name(f".{path.name[:64]}.{uuid4().hex}{_PARTIAL}")
        try:
            with open(partial, "xb") as file:
                _lock(file)
                if not partial.exists():  # removed as a leftover before it was locked
                    continue
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
                if flock is not None:
                    # while it is locked; elsewhere an open file cannot be moved
                    os.replace(partial, path)
            if flock is None:
                os.replace(partial, path)
            return
        except BaseException as error:
            partial.unlink(missing_ok=True)
            if isinstance(error, OSError) and error.errno is not None:
                # of a full disk the system names no file, otherwise the partial one
                error.filename = str(path)
            raise


def remove_partial_files(folder: Path) -> None:
    """Remove, in a folder and below it, what `write_atomically` could not finish because its process was killed.

    A file that a living process is writing is locked, and stays. What is not there or may not be read is left.
    """
    if flock is None:
        return
    found = [
        Path(place, name)
        for place, _, names in os.walk(folder)
        for name in names
        if name.startswith(".") and name.endswith(_PARTIAL)
    ]
    for partial in found:
        try:
            with open(partial, "rb") as file:
                flock(file, LOCK_EX | LOCK_NB)
                partial.unlink(missing_ok=True)
        except OSError:  # locked, or gone meanwhile
            continue


def _lock(file: BinaryIO) -> None:
    """Held until the file is closed or its process ends, whatever ends it."""
    if flock is not None:
        with suppress(OSError):  # file systems without locks: nobody can tell either that the file is not in use
            flock(file, LOCK_EX)
