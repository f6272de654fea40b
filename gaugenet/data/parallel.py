"""Many pieces of work on all cores: this process and, where they are worth their start, helper processes."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from queue import SimpleQueue
from typing import Any, Generic, NamedTuple, TypeVar

Item = TypeVar("Item")
There = TypeVar("There")
Here = TypeVar("Here")

HELPER_SECONDS = 2.0
"""Processor time that a helper needs to start, nearly all of it for imports."""

_WORTH = 2 * HELPER_SECONDS
"""Seconds of work left from which helpers are started."""


def available_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Done(NamedTuple, Generic[Item, Here, There]):
    """What became of one item: a result, or an error."""

    place: int
    """The item's, in the order in which they were produced."""
    item: Item
    here: Here | None = None
    """What it gave in this process."""
    there: There | None = None
    """What it gave in a helper."""
    error: Exception | None = None


class HelperError(RuntimeError):
    """A helper ended while it worked, or met an error that is no fault of its item."""


def shared_work(
    here: Callable[[Item, int], Here],
    there: Callable[[Item, int], There],
    items: Iterable[Item],
    total: int,
    workers: int,
) -> Iterator[Done[Item, Here, There]]:
    """Every item with its result, as they are done; an error stops none of the others.

    Work is measured in processor time as it goes: helpers start when what is left takes longer than their start, so few
    and small items cost no more than without. Threads would not do: sparse algebra holds the interpreter's lock.
    Helpers are started anew and not forked, since threads of OpenMP do not outlive a fork.

    Args:
        here: does an item in this process, given the number of threads it may use.
        there: the same for a helper. Function, items and results are pickled; tensors are no good there.
        items: produced in this process, one at a time.
        total: how many.
        workers: processes to work at once, this one included; 1 for no helpers.

    Raises:
        Exception: whatever producing the items raises.
    """
    source = enumerate(items)
    seconds: list[float] = []
    for i, item in source:
        began = time.process_time()
        done = _do(here, i, item, workers)
        seconds.append(time.process_time() - began)
        yield done
        # the first waits for compilers and imports
        left = (total - i - 1) * sum(seconds[1:]) / max(len(seconds) - 1, 1)
        if workers > 1 and left > _WORTH:
            break
    else:
        return
    yield from _with_helpers(here, there, source, total - i - 1, min(workers - 1, int(left / HELPER_SECONDS)))


def _do(function: Callable[[Item, int], Here], index: int, item: Item, threads: int) -> Done[Item, Here, Any]:
    try:
        return Done(index, item, here=function(item, threads))
    except Exception as error:
        return Done(index, item, error=error)


def _with_helpers(
    here: Callable[[Item, int], Here],
    there: Callable[[Item, int], There],
    source: Iterator[tuple[int, Item]],
    left: int,
    helpers: int,
) -> Iterator[Done[Item, Here, There]]:
    taking = threading.Lock()
    results: SimpleQueue[Done[Item, Here, There] | BaseException] = SimpleQueue()
    pool = [Helper(there) for _ in range(min(helpers, left - 1))]

    def take() -> tuple[int, Item] | None:
        with taking:
            return next(source, None)

    def drive(helper: Helper) -> None:
        try:
            while helper.ready() and (taken := take()) is not None:
                index, item = taken
                result, error = helper.do(item)
                results.put(Done(index, item, there=result, error=error))
        except BaseException as error:  # of the items' producer: for the caller to see
            results.put(error)

    drivers = [threading.Thread(target=drive, args=(helper,), daemon=True) for helper in pool]
    try:
        for driver in drivers:
            driver.start()
        while left:
            while left and not results.empty():
                yield _raised(results.get())
                left -= 1
            if left and (taken := take()) is not None:
                yield _do(here, *taken, 1)
                left -= 1
            elif left and not any(driver.is_alive() for driver in drivers) and results.empty():
                return  # fewer items came than were announced
            elif left:
                time.sleep(0.01)
    finally:
        for helper in pool:
            helper.stop()


def _raised(result: Any) -> Any:
    if isinstance(result, BaseException):
        raise result
    return result


class Helper:
    """A process that does items one after another, and is replaced if it ends by itself."""

    def __init__(self, function: Callable[[Any, int], Any]) -> None:
        self._function = function
        self._process: BaseProcess | None = None
        self._connection: Connection | None = None
        self._stopped = False

    def ready(self) -> bool:
        """Start it unless it runs, and wait until it answers; False if it cannot be had."""
        if self._stopped or self._connection is not None:
            return not self._stopped
        context = multiprocessing.get_context("spawn")
        self._connection, other = context.Pipe()
        self._process = context.Process(target=_serve, args=(other, self._function), daemon=True)
        try:
            self._process.start()
            other.close()
            return bool(self._connection.recv()) and not self._stopped
        except (EOFError, OSError, RuntimeError):
            # no memory, or a script that starts work again when it is imported: this process goes on without it
            self.stop()
            return False

    def do(self, item: Any) -> tuple[Any, Exception | None]:
        """(result, error), one of them None."""
        assert self._connection is not None
        try:
            self._connection.send(item)
            good, result, message = self._connection.recv()
        except (EOFError, OSError):
            self._connection = None
            return None, HelperError("the process that worked on it ended (is there memory enough?); use fewer workers")
        if good:
            return result, None
        return None, ValueError(message) if result else HelperError(message)

    def stop(self) -> None:
        self._stopped = True
        if self._process is not None and self._process.pid is not None:
            self._process.terminate()
            self._process.join()


def _serve(connection: Connection, function: Callable[[Any, int], Any]) -> None:
    """Runs in a helper, until nobody is at the other end: also when that process was killed."""
    # an interruption at the terminal reaches all processes; the one that was started ends its helpers
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    import torch

    torch.set_num_threads(1)
    connection.send(True)
    while True:
        try:
            item = connection.recv()
        except (EOFError, OSError):
            return
        try:
            answer: tuple[bool, Any, str] = True, function(item, 1), ""
        except (ValueError, OSError, ArithmeticError) as error:
            # as text: errors of many classes cannot be unpickled
            answer = False, True, str(error)
        except Exception as error:
            answer = False, False, f"{type(error).__name__}: {error}"
        try:
            connection.send(answer)
        except (BrokenPipeError, OSError):
            return
