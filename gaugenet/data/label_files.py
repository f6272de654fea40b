"""Labels and names of classes as people keep them: text with one integer per line, npy, arrays inside npz."""

from __future__ import annotations

import codecs
import re
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gaugenet.data.labelled import LabelKind

BESIDE: tuple[tuple[str, LabelKind], ...] = (
    (".labels.txt", "vertex"),
    (".labels.npy", "vertex"),
    (".face_labels.txt", "face"),
    (".face_labels.npy", "face"),
    (".corr.txt", "vertex"),
    (".corr.npy", "vertex"),
    (".seg", "face"),
    (".eseg", "face"),
    (".seseg", "face"),
    (".txt", "vertex"),
    (".npy", "vertex"),
)
"""Endings of label files that lie beside a mesh file, in order of preference, and what they label.

``.corr``: the vertex of a template that each vertex corresponds to. ``.seg``: one integer per triangle, as COSEG and
the Princeton segmentation benchmark have it. ``.eseg``, ``.seseg``: edges, which vote for the triangles
(`gaugenet.data.edge_labels`).
"""

INSIDE: tuple[tuple[str, LabelKind], ...] = (("label", "vertex"), ("face_label", "face"))
"""Arrays of an npz file that hold labels; in VTK files, of points or cells."""

VTK_SUFFIXES = (".vtk", ".vtp")

_CLASS_FILES = ("labels.txt", "classes.txt")


class DatasetError(ValueError):
    """A folder or file that cannot be learned from: one line that names it, the problem and the remedy."""

    def __init__(self, source: Path | str, problem: str, remedy: str) -> None:
        self.source, self.problem, self.remedy = str(source), problem, remedy
        super().__init__(" ".join(f"{source}: {problem}; {remedy}".split()))


def label_kinds(mesh_file: Path) -> dict[LabelKind, Path]:
    """What of a mesh file is labelled, and the file that holds the labels (an npz file holds its own).

    Raises:
        DatasetError: an npz file cannot be opened.
    """
    found: dict[LabelKind, Path] = {}
    for ending, kind in BESIDE:
        candidate = mesh_file.with_name(mesh_file.stem + ending)
        if kind not in found and candidate.is_file():
            found[kind] = candidate
    if mesh_file.suffix.lower() == ".npz":
        with _open_npz(mesh_file) as arrays:
            for key, kind in INSIDE:
                if key in arrays.files:
                    found[kind] = mesh_file
    if mesh_file.suffix.lower() in VTK_SUFFIXES:
        found |= {kind: mesh_file for kind in ("vertex", "face") if _vtk_labels(mesh_file, kind) is not None}
    return found


def read_labels(file: Path, kind: LabelKind) -> NDArray[np.int64]:
    """Integer labels [V_file] or [F_file] from a text, npy or npz file.

    Raises:
        DatasetError: the file cannot be read, or holds anything but one integer per vertex or face.
    """
    if file.suffix.lower() == ".npz":
        key = next(k for k, labelled in INSIDE if labelled == kind)
        with _open_npz(file) as arrays:
            try:
                values = arrays[key]
                things = arrays["v" if kind == "vertex" else "f"].shape[0]
            except Exception as error:
                raise _unreadable(file, error) from error
        if values.ndim == 1 and len(values) != things:
            noun = "vertices" if kind == "vertex" else "faces"
            raise DatasetError(
                file, f"{len(values)} labels in {key!r} for {things} {noun}", f"give one label per {kind}"
            )
    elif file.suffix.lower() == ".npy":
        try:
            values = np.load(file, allow_pickle=False)
        except Exception as error:
            raise _unreadable(file, error) from error
    elif file.suffix.lower() in VTK_SUFFIXES:
        values = _vtk_labels(file, kind)
        if values is None:
            raise DatasetError(file, f"it has no {kind} labels", "name the array label or labels")
    else:
        values = _read_text(file)
    return _as_integers(file, np.asarray(values))


def read_classes(folder: Path) -> tuple[Path, dict[int, str]] | None:
    """Names of classes by label, from labels.txt or classes.txt in a folder; None if there is neither.

    A line is ``0 head``; if no line begins with an integer, line i names class i. Other lines are comments.

    Raises:
        DatasetError: the file is empty, cannot be read, or names one label twice.
    """
    file = next((folder / name for name in _CLASS_FILES if (folder / name).is_file()), None)
    if file is None:
        return None
    lines = [line.strip() for line in read_lines(file)]
    numbered = [m for m in (re.fullmatch(r"(-?\d+)(?:[\s:,]+(.*))?", line) for line in lines) if m]
    pairs = [(int(m[1]), m[2] or m[1]) for m in numbered]
    if not pairs:
        pairs = list(enumerate(line for line in lines if line and not line.startswith("#")))
    names = dict(pairs)
    if not names:
        raise DatasetError(file, "it names no class", 'write lines such as "0 head", or remove the file')
    if len(names) < len(pairs):
        twice = next(value for value, _ in pairs if sum(v == value for v, _ in pairs) > 1)
        raise DatasetError(file, f"label {twice} is named twice", "give each label one line")
    return file, dict(sorted(names.items()))


def label_values(labels: NDArray[np.int64], ignore: Collection[int]) -> NDArray[np.int64]:
    """The different labels that occur, sorted, without those ignored."""
    values = np.unique(labels)
    return values[~np.isin(values, list(ignore))] if ignore else values


def _vtk_labels(file: Path, kind: LabelKind) -> NDArray[Any] | None:
    """The array named label, labels or face_label of the points or polygons of a VTK file; None if there is none.

    A polygon of n corners becomes n - 2 triangles, which all take its label.
    """
    from gaugenet.data.vtk import read_vtk

    data = read_vtk(file)
    arrays, names = (
        (data.point_data, ("label", "labels"))
        if kind == "vertex"
        else (data.cell_data, ("face_label", "label", "labels"))
    )
    values = next((arrays[name] for name in names if name in arrays), None)
    if values is None or kind == "vertex":
        return values
    return np.repeat(values, [max(len(p) - 2, 0) for p in data.polygons], axis=0)


def read_lines(file: Path) -> list[str]:
    """The lines of a text in UTF-8, or in UTF-16 if it says so, with the ends of lines of any system.

    Raises:
        DatasetError: it cannot be read.
    """
    try:
        content = file.read_bytes()
        is_utf16 = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        # shells and editors on Windows write UTF-16, or put a mark before UTF-8
        text = content.decode("utf-16" if is_utf16 else "utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise _unreadable(file, error) from error
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def file_and_rest(line: str, folder: Path) -> tuple[str, str] | None:
    """The name of a file in `folder` with which a line begins, and what follows it; None if there is no such file.

    Names may have spaces in them.
    """
    line = line.strip()
    ends = [(m.start(), m.end()) for m in re.finditer(r"\s+", line)] + [(len(line), len(line))]
    return next(((line[:a], line[b:]) for a, b in ends if line[:a] and _is_file(folder / line[:a])), None)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # the line is too long for a name, or has a character that no name has
        return False


def _read_text(file: Path) -> NDArray[Any]:
    lines = read_lines(file)
    while lines and not lines[-1].strip():
        lines.pop()
    try:
        return np.array(lines, np.int64) if lines else np.empty(0, np.int64)
    except (ValueError, OverflowError):
        for number, line in enumerate(lines, 1):
            if not re.fullmatch(r"\s*[+-]?\d{1,18}(\.0*)?\s*", line):
                shown = line.strip()[:40]
                raise DatasetError(
                    file, f"line {number} is {shown!r}", "write one integer per line and nothing else"
                ) from None
        return np.array(lines, np.float64)


def _as_integers(file: Path, values: NDArray[Any]) -> NDArray[np.int64]:
    if values.ndim == 2 and 1 in values.shape:
        values = values.reshape(-1)
    if values.ndim != 1:
        raise DatasetError(
            file, f"expected a list of labels, got an array of shape {list(values.shape)}", "make it flat"
        )
    if values.dtype.kind not in "iubf":
        raise DatasetError(file, f"labels are of type {values.dtype}", "store them as integers")
    integers = values.astype(np.int64) if np.isfinite(values).all() else None
    if integers is None or (integers != values).any():
        raise DatasetError(file, "some labels are not whole numbers", "store them as integers")
    return integers


def _open_npz(file: Path) -> Any:
    try:
        return np.load(file, allow_pickle=False)
    except Exception as error:  # zipfile, numpy and the system each have their own
        raise _unreadable(file, error) from error


def _unreadable(file: Path, error: Exception) -> DatasetError:
    reason = f"{type(error).__name__}: {error}".splitlines()[0][:120]
    return DatasetError(file, f"cannot be read ({reason})", "check that it is complete, or write it again")
