"""Files that appear whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path
from uuid import uuid4


def write_atomically(path: Path, content: bytes) -> None:
    """Write beside `path`, then move: no reader, no crash and no second writer ever meets half a file.

    Raises:
        OSError: it cannot be written; what stood there before is left as it was.
    """
    partial = path.with_name(f".{path.name[:64]}.{uuid4().hex}.part")
    try:
        with open(partial, "xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
