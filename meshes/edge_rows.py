"""Rows of edges that come chunk by chunk in the order of visiting, put together in the order asked for.

The final arrays are the largest that there are, so nothing of their size exists twice except one of them at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from gaugenet.meshes.compiled import compiled
from gaugenet.meshes.fans import Ints

_SPARE = 1.05
_ROWS_PER_TASK = 16384

Run = Callable[[Callable[[int], Any], Iterable[int]], Iterable[Any]]
"""The results of a function for each of some numbers, in order; in several threads if it likes."""


class EdgeRows:
    """Compressed sparse rows that grow; row i is the i-th visited."""

    def __init__(self, n_rows: int, most: int, dtypes: Mapping[str, DTypeLike]) -> None:
        """
        Args:
            n_rows: how many there will be.
            most: edges of a row at most; -1 where that is not known.
            dtypes: of each field of an edge.
        """
        self.row_ptr: Ints = np.zeros(n_rows + 1, np.int64)
        self.n_rows = 0
        self._total, self._most, self._capacity = n_rows, most, 0
        self._fields: dict[str, NDArray[Any]] = {name: np.empty(0, dtype) for name, dtype in dtypes.items()}

    def append(self, degree: Ints, fields: Mapping[str, NDArray[Any]]) -> None:
        """The next rows.

        Raises:
            ValueError: there are more edges than int32 counts.
        """
        first, last = self.n_rows, self.n_rows + len(degree)
        begin = int(self.row_ptr[first])
        self.row_ptr[first + 1 : last + 1] = begin + np.cumsum(degree)
        self.n_rows, end = last, int(self.row_ptr[last])
        if end > np.iinfo(np.int32).max:
            raise ValueError("all neighbourhoods together hold more than 2³¹ - 1 edges; use smaller ones")
        if end > self._capacity:
            # pages that are never written to cost nothing
            self._capacity = max(end, int(_SPARE * end * self._total / last))
            if self._most > 0:
                self._capacity = min(self._capacity, end + (self._total - last) * self._most)
            for name, old in self._fields.items():
                self._fields[name] = np.empty(self._capacity, old.dtype)
                self._fields[name][:begin] = old[:begin]
        for name, values in fields.items():
            self._fields[name][begin:end] = values

    def field(self, name: str) -> NDArray[Any]:
        """[E] in the order of visiting."""
        return self._fields[name][: self.row_ptr[-1]]

    def in_order(self, visited: Ints | None, run: Run) -> tuple[Ints, dict[str, NDArray[Any]]]:
        """(row_ptr, fields) with visited[i] the place of the i-th row; None where it is i. Nothing is left here.

        Args:
            run: does the work.
        """
        source_ptr, n = self.row_ptr, len(self.row_ptr) - 1
        if visited is None:
            row_ptr, start = source_ptr, source_ptr[:-1]
        else:
            degree, start = np.empty(n, np.int64), np.empty(n, np.int64)
            degree[visited], start[visited] = np.diff(source_ptr), source_ptr[:-1]
            row_ptr = np.concatenate([np.zeros(1, np.int64), np.cumsum(degree)])
        fields = {}
        for name in list(self._fields):
            old = self._fields.pop(name)
            new = np.empty(row_ptr[-1], old.dtype)
            for _ in run(_mover(old, start, row_ptr, new), row_tasks(n)):
                pass
            fields[name] = new
        return row_ptr, fields


def row_tasks(n_rows: int) -> range:
    """Where ranges of rows start that are worth a thread's attention."""
    return range(0, n_rows, _ROWS_PER_TASK)


def row_task(first: int, n_rows: int) -> tuple[int, int]:
    """(first, last) row of the range that starts there."""
    return first, min(first + _ROWS_PER_TASK, n_rows)


def _mover(old: NDArray[Any], start: Ints, row_ptr: Ints, new: NDArray[Any]) -> Callable[[int], None]:
    return lambda first: _move(old, start, row_ptr, new, *row_task(first, len(start)))


@compiled
def _move(old, start, row_ptr, new, first, last):  # type: ignore[no-untyped-def]
    for row in range(first, last):
        at = start[row]
        for e in range(row_ptr[row], row_ptr[row + 1]):
            new[e] = old[at]
            at += 1
