"""The command line: ``gaugenet inspect | precompute | train | predict``.

Exit codes: 0 done, 2 the user can mend it (one line on stderr says how), 130 interrupted, 1 a fault of ours
(traceback).
"""

from __future__ import annotations

import errno
import logging
import os
import sys
from collections.abc import Sequence


class InterruptedRunError(Exception):
    """A person stopped the command; the message says what was kept and how to go on."""


def main() -> None:
    """Entry point of the ``gaugenet`` script."""
    # Threads of OpenMP that wait by spinning make a step up to forty times slower where other programs use the same
    # cores. This is read when torch is loaded, which is why nothing above loads it.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code."""
    import typer

    from gaugenet.cli.app import app

    # what the library logs of its cache the commands say themselves, once
    logging.getLogger("gaugenet").addHandler(logging.NullHandler())
    # the option means the same wherever it stands, so it is taken out before the parser sees the command
    debug = "--debug" in arguments
    try:
        code = app(args=[a for a in arguments if a != "--debug"], prog_name="gaugenet", standalone_mode=False)
        # typer turns an interruption into this code and says nothing
        return _fail("interrupted", 130) if code == 130 else int(code or 0)
    except typer.Exit as stop:
        return stop.exit_code
    except InterruptedRunError as stop:
        return _fail(str(stop), 130)
    except (KeyboardInterrupt, typer.Abort):
        return _fail("interrupted", 130)
    except BrokenPipeError:
        # the reader of a pipe went away (gaugenet inspect x | head); nothing is left to say
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (ValueError, OSError, ArithmeticError, ImportError) as error:
        # a package that the user can install is said by us; a module that is not found is a fault of ours
        if debug or isinstance(error, ModuleNotFoundError):
            raise
        return _fail(_message(error))
    except Exception as error:
        if not debug and _is_lack_of_memory(error):
            return _fail("there is not enough memory: lower train.batch_size, or set model.checkpointing=true")
        # typer carries its own copy of click, or not, depending on its version: no common class to catch
        if debug or not hasattr(error, "format_message"):
            raise
        said = error.format_message().rstrip(".")
        # without a command typer has printed the help already and has nothing to add
        return _fail(f"{said}; gaugenet --help lists commands and options") if said else 2


def _message(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror and error.filename:
        advice = {FileNotFoundError: "check the path", PermissionError: "choose a place you may write to"}
        what = (
            "make room there" if error.errno == errno.ENOSPC else advice.get(type(error), "check the path and the disk")
        )
        return f"{error.filename}: {error.strerror}; {what}"
    return str(error) or type(error).__name__


def _is_lack_of_memory(error: Exception) -> bool:
    # torch has a class of its own for graphics cards only
    return isinstance(error, MemoryError) or any(
        text in f"{type(error).__name__}: {error}" for text in ("OutOfMemoryError", "can't allocate memory")
    )


def _fail(message: str, code: int = 2) -> int:
    sys.stdout.flush()
    print(f"gaugenet: error: {' '.join(message.split())}", file=sys.stderr)
    return code
