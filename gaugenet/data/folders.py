"""A person's folder as the data set it is: labels of vertices or faces, a class per surface, or numbers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from gaugenet.data.folder import FolderDataset
from gaugenet.data.label_files import VTK_SUFFIXES, DatasetError, label_kinds
from gaugenet.data.layouts import find_layout
from gaugenet.data.quantities import LIST
from gaugenet.data.regression import RegressionFolder
from gaugenet.data.surface_files import is_surface_file
from gaugenet.data.targets import BESIDE

TASKS = ("segmentation", "classification", "regression")

_WHERE = {
    "segmentation": "NAME.labels.txt (a label per vertex) or NAME.face_labels.txt (per triangle) beside each mesh",
    "classification": "train/CLASS/ folders of meshes, or train/surface_labels.txt with lines FILE CLASS",
    "regression": f"NAME.y.npy (a row of numbers per vertex) beside each mesh, or train/{LIST} with lines FILE NUMBER",
}
"""What a folder must hold for each task."""


def open_folder(
    folder: str | Path,
    task: str = "auto",
    *,
    targets: str = "",
    normal_part: bool = True,
) -> FolderDataset | RegressionFolder:
    """The data set in a folder.

    Args:
        folder: with train/ and test/, or in one of the layouts of published sets.
        task: segmentation, classification or regression; auto: as the folder says.
        targets: regression: names of arrays at vertices, joined by +; empty: all there are.
        normal_part: regression: whether the normal parts of vectors are predicted as well.

    Raises:
        DatasetError: the folder holds nothing for this task, or several tasks fit it; says what to do.
    """
    folder = Path(folder)
    if task not in ("auto", *TASKS):
        raise ValueError(f"unknown task {task!r}: expected auto, {', '.join(TASKS)}")
    if task == "auto" and targets:
        task = "regression"
    found = tasks_in(folder)
    if task == "auto":
        if len(found) > 1:
            problem = f"there are {' and '.join(f'{one} ({found[one]})' for one in found)} in it"
            raise DatasetError(folder, problem, f"say which is meant: --task {' or --task '.join(found)}")
        task = next(iter(found), "segmentation")
        if not found and _has_surfaces(folder):
            remedy = "; or ".join(f"{one}: {where}" for one, where in _WHERE.items())
            raise DatasetError(folder, "nothing in it says what is to be learned", f"put there {remedy}")
    elif found and task not in found:
        problem = f"it holds {' and '.join(f'{one} ({found[one]})' for one in found)}, not {task}"
        raise DatasetError(folder, problem, f"leave out --task, or put there {_WHERE[task]}")
    if task == "regression":
        names = [name.strip() for name in targets.split("+") if name.strip()] or None
        return RegressionFolder(folder, names=names, normal_part=normal_part)
    return FolderDataset(folder)


def tasks_in(folder: Path) -> dict[str, str]:
    """The tasks whose files are in a folder, each with what was found; judged by the first surface of train/.

    Raises:
        DatasetError: the folder has the layout of a published set, but something is missing in it.
    """
    found: dict[str, str] = {}
    if not folder.is_dir():
        return found
    layout = find_layout(folder)
    if layout is not None:
        first = next(iter(next(iter(layout.items.values()))))
        found["classification" if first.labels.kind == "surface" else "segmentation"] = layout.name
    if (folder / "train" / LIST).is_file():
        found["regression"] = f"train/{LIST}"
    first_file = next(_surfaces(folder), None)
    if first_file is None:
        return found
    numbers = _numbers_of(first_file)
    kinds = label_kinds(first_file)
    if kinds and first_file.suffix.lower() in VTK_SUFFIXES:
        numbers = ""  # of many arrays in such a file the labels are what is learned, unless others are named
    if kinds and layout is None:
        found["segmentation"] = "labels of " + " and ".join({"vertex": "vertices", "face": "faces"}[k] for k in kinds)
    if numbers and "regression" not in found:
        found["regression"] = numbers
    return found


def _numbers_of(mesh_file: Path) -> str:
    """Where the numbers at the vertices of a surface stand; "" if there are none."""
    for ending in BESIDE:
        if mesh_file.with_name(mesh_file.stem + ending).is_file():
            return mesh_file.stem + ending
    if mesh_file.suffix.lower() == ".npz":
        with np.load(mesh_file, allow_pickle=False) as arrays:
            return f"y in {mesh_file.name}" if "y" in arrays.files else ""
    if mesh_file.suffix.lower() in VTK_SUFFIXES:
        from gaugenet.data.vtk import read_vtk

        names = [name for name in read_vtk(mesh_file).point_data if name not in ("label", "labels")]
        return f"{', '.join(names)} in {mesh_file.name}" if names else ""
    return ""


def _has_surfaces(folder: Path) -> bool:
    return next(_surfaces(folder), None) is not None


def _surfaces(folder: Path) -> Iterator[Path]:
    place = folder / "train"
    files = sorted(place.iterdir(), key=lambda f: f.name) if place.is_dir() else []
    yield from (f for f in files if f.is_file() and is_surface_file(f))
