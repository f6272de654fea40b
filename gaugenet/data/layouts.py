"""Folders in the layouts in which published data sets come: what is a surface, where its labels are, who is tested.

Each function looks at a folder and returns a `Layout`, or None if the folder is none of its kind.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gaugenet.data import freesurfer
from gaugenet.data.edge_labels import edge_label_values, edge_scores, face_votes
from gaugenet.data.label_files import DatasetError, file_and_rest, read_classes, read_labels, read_lines
from gaugenet.data.labelled import IGNORED, LabelKind
from gaugenet.data.surface_files import is_surface_file, load_surface

Ints = NDArray[np.int64]

SPLITS = ("train", "val", "test")


@dataclass(frozen=True)
class LabelSource:
    """Where the labels of one surface come from."""

    file: Path
    """What an error about them names."""
    kind: LabelKind
    read: Callable[[], Ints]
    """Gives the labels as the file writes them, in its order of vertices or triangles."""


@dataclass(frozen=True)
class Item:
    """One surface of a data set."""

    name: str
    mesh_file: Path
    labels: LabelSource


@dataclass(frozen=True)
class Layout:
    """What a folder holds."""

    name: str
    """Of the layout, as `FolderDataset` prints it."""
    items: dict[str, list[Item]]
    classes: dict[int, str] | None = None
    """Names of classes by label, where the layout says them; None for those that occur."""


def find_layout(folder: Path) -> Layout | None:
    """The published layout that a folder has; None for train/ and test/ with labels beside the meshes, or neither.

    Raises:
        DatasetError: the folder has such a layout, but something is missing in it.
    """
    for layout in (_meshcnn, _surface_classes, _registrations, _vts, _coseg, _princeton, _human, _freesurfer):
        if (found := layout(folder)) is not None:
            return found
    return None


def source_beside(mesh_file: Path, file: Path, kind: LabelKind, classes: Sequence[int] | None = None) -> LabelSource:
    """Labels in a file of their own, read by its ending; edges vote for the triangles of the mesh."""
    if file.suffix.lower() in (".eseg", ".seseg"):
        return LabelSource(file, "face", partial(_edge_votes, mesh_file, file, classes))
    return LabelSource(file, kind, partial(read_labels, file, kind))


def _edge_votes(mesh_file: Path, file: Path, classes: Sequence[int] | None) -> Ints:
    if file.suffix.lower() == ".eseg":
        classes = edge_label_values(file).tolist()
    elif classes is None:
        raise DatasetError(file, "its columns have no names", "list the classes in classes.txt, one line per column")
    winner = face_votes(mesh_file, file, edge_scores(file, classes))
    return np.where(winner >= 0, np.asarray(classes)[winner], IGNORED)


def _meshcnn(folder: Path) -> Layout | None:
    """MeshCNN (COSEG, human segmentation): train/ and test/ of OBJ files, seg/NAME.eseg, sseg/NAME.seseg."""
    if not any((folder / sub).is_dir() for sub in ("seg", "sseg")) or not (folder / "train").is_dir():
        return None
    declared = read_classes(folder)
    classes = list(declared[1]) if declared else None
    items: dict[str, list[Item]] = {}
    for split in SPLITS:
        for mesh in _surfaces(folder / split):
            places = [folder / "seg" / f"{mesh.stem}{e}" for e in (".eseg", ".seg")]
            places.append(folder / "sseg" / f"{mesh.stem}.seseg")
            file = _first(places, mesh)
            items.setdefault(split, []).append(Item(mesh.stem, mesh, source_beside(mesh, file, "face", classes)))
    return Layout("MeshCNN", items, declared[1] if declared else None)


def _surface_classes(folder: Path) -> Layout | None:
    """One class per surface: train/CLASS/*.obj, or CLASS/train/*.obj as MeshCNN's SHREC, or labels in a list.

    The list is train/surface_labels.txt (and test/...): lines ``FILE CLASS``.
    """
    found: list[tuple[str, Path, str]] = []
    for split in SPLITS:
        if (folder / split / "surface_labels.txt").is_file():
            found += [(split, mesh, label) for mesh, label in _listed(folder / split / "surface_labels.txt")]
        elif (folder / split).is_dir():
            found += [(split, m, sub.name) for sub in _folders(folder / split) for m in _surfaces(sub)]
    if not found:
        split_of = [(s, sub) for sub in _folders(folder) for s in SPLITS if (sub / s).is_dir()]
        found = [(s, mesh, sub.name) for s, sub in split_of for mesh in _surfaces(sub / s)]
    if not found or any(_surfaces(folder / s) for s in SPLITS if not (folder / s / "surface_labels.txt").is_file()):
        return None
    names = sorted({label for _, _, label in found})
    items: dict[str, list[Item]] = {}
    for split, mesh, label in found:
        read = partial(np.full, 1, names.index(label))
        items.setdefault(split, []).append(Item(f"{label}_{mesh.stem}", mesh, LabelSource(mesh, "surface", read)))
    return Layout("a class per surface", items, dict(enumerate(names)))


def _registrations(folder: Path) -> Layout | None:
    """FAUST: tr_reg_000.ply ... of one topology, here or in training/registrations; the class is the vertex.

    Subjects 8 and 9 (numbers 80 to 99) are tested, as in the literature (Monti et al. 2017, MoNet, and later).
    """
    for place in (folder, folder / "registrations", folder / "training" / "registrations"):
        meshes = [m for m in _surfaces(place) if re.fullmatch(r"tr_reg_\d+", m.stem)] if place.is_dir() else []
        if meshes:
            n = len(load_surface(meshes[0]).vertex_of_file)
            items = [Item(m.stem, m, LabelSource(m, "vertex", partial(np.arange, n))) for m in meshes]
            tested = [int(m.stem[7:]) >= 80 for m in meshes]
            if not any(tested) or all(tested):
                return Layout("registrations", _divided(folder, items), {i: str(i) for i in range(n)})
            split = {
                "train": [i for i, t in zip(items, tested) if not t],
                "test": [i for i, t in zip(items, tested) if t],
            }
            return Layout("registrations", split, {i: str(i) for i in range(n)})
    return None


def _vts(folder: Path) -> Layout | None:
    """Remeshed FAUST, SCAPE (Ren et al. 2018; Donati et al. 2020): shapes (or off_2), and NAME.vts in corres.

    Line i of a .vts file is the vertex (from 1) of this shape that corresponds to point i of the template.
    """
    shapes = _sub(folder, "shapes", "off_2", "off")
    corres = _sub(folder, "corres", "correspondences")
    if shapes is None or corres is None:
        return None
    items = []
    n = 0
    for mesh in _surfaces(shapes):
        file = _first([corres / f"{mesh.stem}.vts"], mesh)
        n = n or len(read_labels(file, "vertex"))
        items.append(Item(mesh.stem, mesh, LabelSource(file, "vertex", partial(_points_of_template, mesh, file, n))))
    return Layout("correspondences", _divided(folder, items), {i: str(i) for i in range(n)})


def _points_of_template(mesh_file: Path, file: Path, n: int) -> Ints:
    vertex = read_labels(file, "vertex") - 1
    n_vertices = len(load_surface(mesh_file).vertex_of_file)
    if len(vertex) != n:
        raise DatasetError(file, f"{len(vertex)} lines, others have {n}", "give one line per point of the template")
    if vertex.min() < 0 or vertex.max() >= n_vertices:
        problem = f"it names vertices {vertex.min() + 1} to {vertex.max() + 1} of {n_vertices}"
        raise DatasetError(file, problem, "count the vertices of the mesh from 1")
    labels = np.full(n_vertices, IGNORED)
    labels[vertex[::-1]] = np.arange(n)[::-1]  # where several points share a vertex the first one stays
    return labels


def _coseg(folder: Path) -> Layout | None:
    """COSEG (Wang et al. 2012): shapes/1.off and gt/1.seg, one integer per triangle."""
    if not (folder / "shapes").is_dir() or not (folder / "gt").is_dir():
        return None
    meshes = _surfaces(folder / "shapes")
    files = [_first([folder / "gt" / f"{m.stem}.seg"], m) for m in meshes]
    return Layout(
        "COSEG", _divided(folder, [Item(m.stem, m, source_beside(m, f, "face")) for m, f in zip(meshes, files)])
    )


def _princeton(folder: Path) -> Layout | None:
    """Princeton segmentation benchmark (Chen et al. 2009): data/off/1.off, data/seg/Benchmark/1/1_0.seg.

    A segment is a number for each triangle; of the people who cut a shape the first is taken.
    """
    data = folder / "data" if (folder / "data").is_dir() else folder
    segments = data / "seg" / "Benchmark"
    if not (data / "off").is_dir() or not segments.is_dir():
        return None
    items = []
    for mesh in _surfaces(data / "off"):
        people = sorted((segments / mesh.stem).glob(f"{mesh.stem}_*.seg"), key=_natural)
        file = _first(people or [segments / mesh.stem / f"{mesh.stem}_0.seg"], mesh)
        items.append(Item(mesh.stem, mesh, source_beside(mesh, file, "face")))
    return Layout("Princeton benchmark", _divided(folder, items))


_HUMAN = (
    ("adobe", "adobe", "{stem}"),
    ("faust", "faust", "faust_corrected"),
    ("scape", "scape", "scape_corrected"),
    ("shrec", "shrec", "shrec_{number}_full"),
)
"""Folder of meshes, folder of labels and name of the label file."""


def _human(folder: Path) -> Layout | None:
    """Human segmentation (Maron et al. 2017): meshes/train/SET/*.off, segs/train/SET/*.txt, a line per triangle."""
    if not (folder / "meshes" / "train").is_dir() or not (folder / "segs").is_dir():
        return None
    items: dict[str, list[Item]] = {}
    for split in SPLITS:
        meshes, segs = folder / "meshes" / split, folder / "segs" / split
        rows = [(meshes / a, segs / b, c) for a, b, c in _HUMAN]
        poses = _folders(meshes / "MIT_animation") if (meshes / "MIT_animation").is_dir() else []
        rows += [(p / "meshes", segs / "mit", f"mit_{p.name.removeprefix('meshes_')}_corrected") for p in poses]
        for place, labels, pattern in rows:
            for mesh in _surfaces(place) if place.is_dir() else []:
                number = re.match(r"\d*", mesh.stem)
                name = pattern.format(stem=mesh.stem, number=number[0] if number else "")
                file = labels / f"{name}.txt"
                if pattern.startswith("shrec") and not file.is_file():
                    continue  # two shapes of the set come without labels
                source = source_beside(mesh, _first([file], mesh), "face")
                prefix = place.parent.name.removeprefix("meshes_") if place.name == "meshes" else place.name
                items.setdefault(split, []).append(Item(f"{prefix}_{mesh.stem}", mesh, source))
    return Layout("human segmentation", items)


def _freesurfer(folder: Path) -> Layout | None:
    """FreeSurfer subjects: SUBJECT/surf/lh.white, SUBJECT/label/lh.aparc.annot, here or in train/ and test/."""
    in_splits = {s: _folders(folder / s) for s in SPLITS if (folder / s).is_dir()}
    subjects = in_splits or {"": _folders(folder)}
    items: dict[str, list[Item]] = {}
    classes: dict[int, str] = {}
    for split, places in subjects.items():
        for subject in places:
            for side in ("lh", "rh"):
                surface = _any([subject / "surf" / f"{side}.{kind}" for kind in ("white", "pial", "orig")])
                if surface is None:
                    continue
                annotation = _first([subject / "label" / f"{side}.aparc.annot"], surface)
                read = partial(_annotated, annotation)
                classes = classes or freesurfer.read_annotation(annotation)[1]
                source = LabelSource(annotation, "vertex", read)
                items.setdefault(split, []).append(Item(f"{subject.name}_{side}", surface, source))
    if not items:
        return None
    return Layout("FreeSurfer", items if in_splits else _divided(folder, items[""]), classes)


def _annotated(file: Path) -> Ints:
    return freesurfer.read_annotation(file)[0]


def _divided(folder: Path, items: list[Item]) -> dict[str, list[Item]]:
    """By train.txt, test.txt (val.txt) with a name per line where they are there; else every fifth is tested."""
    lists = {s: folder / f"{s}.txt" for s in SPLITS if (folder / f"{s}.txt").is_file()}
    if not lists:
        tested = [i % 5 == 4 for i in range(len(items))]
        if len(items) < 5:
            tested = [i == len(items) - 1 and i > 0 for i in range(len(items))]
        split = {"train": [i for i, t in zip(items, tested) if not t], "test": [i for i, t in zip(items, tested) if t]}
        return {name: some for name, some in split.items() if some}
    by_name = {i.name: i for i in items} | {i.mesh_file.name: i for i in items}
    divided: dict[str, list[Item]] = {}
    for name, file in lists.items():
        for line in filter(None, map(str.strip, read_lines(file))):
            # names may have spaces in them; several names without are understood as well
            several = line not in by_name and all(word in by_name for word in line.split())
            for shape in line.split() if several else [line]:
                if shape not in by_name:
                    raise DatasetError(file, f"there is no shape {shape!r}", "write one name of a mesh per line")
                divided.setdefault(name, []).append(by_name[shape])
    return divided


def _listed(file: Path) -> list[tuple[Path, str]]:
    rows = []
    for number, line in enumerate(read_lines(file), 1):
        if not line.strip():
            continue
        found = file_and_rest(line, file.parent)
        if found is None or not found[1]:
            problem = f"line {number} is {line.strip()[:60]!r}" + (
                ", and there is no such file" if found is None and len(line.split()) > 1 else ""
            )
            raise DatasetError(file, problem, "write FILE CLASS, the file beside this list")
        rows.append((file.parent / found[0], found[1]))
    return rows


def _natural(file: Path) -> tuple[object, ...]:
    return tuple(int(part) if part.isdigit() else part for part in re.split(r"(\d+)", file.name))


def _surfaces(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted((f for f in folder.iterdir() if f.is_file() and is_surface_file(f)), key=_natural)


def _folders(folder: Path) -> list[Path]:
    return sorted((f for f in folder.iterdir() if f.is_dir() and not f.name.startswith(".")), key=lambda f: f.name)


def _sub(folder: Path, *names: str) -> Path | None:
    return _any([folder / name for name in names])


def _any(places: Iterable[Path]) -> Path | None:
    return next((p for p in places if p.exists()), None)


def _first(places: Sequence[Path], mesh: Path) -> Path:
    found = _any(places)
    if found is None:
        names = " or ".join(str(p.relative_to(p.parents[1])) for p in places)
        raise DatasetError(mesh, f"it has no labels: there is no {names}", "put the labels there, or take it away")
    return found
