"""A person's own labelled meshes: a folder with train/ and test/."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gaugenet.data.label_files import DatasetError, label_kinds, label_values, read_classes, read_labels
from gaugenet.data.labelled import IGNORED, LabelKind, LabelledMesh

_SPLITS = ("train", "val", "test")
_HOW_TO_LABEL = (
    "put NAME.labels.txt or NAME.txt (one integer per vertex) or NAME.face_labels.txt (one per triangle) beside it, "
    "or an array label or face_label into the npz"
)


@dataclass(frozen=True)
class _Item:
    name: str
    mesh_file: Path
    label_file: Path


class FolderDataset:
    """Labelled meshes in ``folder/train``, ``folder/test`` and, where it is there, ``folder/val``.

    A mesh is an OBJ, PLY, OFF, STL or GLB file with its labels beside it (``NAME.labels.txt`` or
    ``NAME.txt``, one integer per vertex; ``NAME.face_labels.txt``, one per triangle; or ``.npy`` for
    ``.txt``), or an npz file with arrays ``v``, ``f`` and ``label`` (per vertex) or ``face_label`` (per
    triangle). Labels are any integers; the classes are those of ``labels.txt`` or ``classes.txt`` (lines such
    as ``0 head``), else those that occur. All labels are read at once and checked; meshes are read when they
    are asked for.

    Args:
        folder: where train/ and test/ are.
        label_kind: "vertex" or "face"; None for what all meshes have (vertices, if they have both).
        ignore: labels that count as no label. Negative labels that labels.txt does not name are ignored too.

    Raises:
        DatasetError: names the file or folder, what is wrong, and what to do.
    """

    def __init__(
        self, folder: str | Path, *, label_kind: LabelKind | None = None, ignore: Collection[int] = ()
    ) -> None:
        self.folder = Path(folder)
        self.name = self.folder.resolve().name
        if not self.folder.is_dir():
            problem = "this is a file" if self.folder.exists() else "there is no such folder"
            raise DatasetError(self.folder, problem, "give the folder that holds train/ and test/")
        files = {split: self._mesh_files(split) for split in _SPLITS if self._is_there(split)}
        self.label_kind: LabelKind
        self.label_kind, self._items = _with_labels(self.folder, files, label_kind)
        self.class_values: tuple[int, ...]
        self.class_names: tuple[str, ...]
        self._ignore = frozenset(ignore)
        self._find_classes()

    @property
    def n_classes(self) -> int:
        return len(self.class_values)

    @property
    def splits(self) -> tuple[str, ...]:
        return tuple(self._items)

    def size(self, split: str) -> int:
        """Number of meshes in a split; 0 for a split that is not there."""
        return len(self._items.get(split, ()))

    def __repr__(self) -> str:
        sizes = ", ".join(f"{self.size(s)} {s}" for s in self.splits)
        return f"FolderDataset({self.name!r}: {sizes}; {self.n_classes} classes per {self.label_kind})"

    def meshes(self, split: str) -> Iterator[LabelledMesh]:
        """Reads the meshes of a split one after another, in the order of their names.

        Raises:
            MeshError: a file is no surface.
            DatasetError: there are not as many labels as vertices (or triangles).
        """
        from gaugenet.meshes.io import load_mesh

        for item in self._items.get(split, ()):
            mesh = load_mesh(item.mesh_file)
            labels = self.class_indices(read_labels(item.label_file, self.label_kind))
            self._check_length(item, len(labels), len(mesh.vertex_of_file), len(mesh.face_of_file))
            yield LabelledMesh.from_file_labels(item.name, mesh, labels, self.label_kind, item.mesh_file)

    def class_indices(self, labels: NDArray[np.int64]) -> NDArray[np.int64]:
        """Class indices 0..n_classes-1 of labels as files write them; `IGNORED` for what is no class."""
        values = np.array(self.class_values, np.int64)
        place = np.minimum(np.searchsorted(values, labels), len(values) - 1)
        known = (values[place] == labels) & ~np.isin(labels, list(self._ignore))
        return np.where(known, place, IGNORED)

    def _check_length(self, item: _Item, n_labels: int, n_vertices: int, n_faces: int) -> None:
        by_vertex = self.label_kind == "vertex"
        expected, other = (n_vertices, n_faces) if by_vertex else (n_faces, n_vertices)
        if n_labels == expected:
            return
        remedy = f"give one label per {self.label_kind}, in the file's order"
        if n_labels == other and item.label_file != item.mesh_file:
            kind, ending = ("triangle", "face_labels") if by_vertex else ("vertex", "labels")
            remedy = f"these look like one per {kind}: if so, name the file {item.mesh_file.stem}.{ending}.txt"
        noun = "vertices" if by_vertex else "triangles"
        problem = f"{n_labels} labels for the {expected} {noun} of {item.mesh_file.name}"
        raise DatasetError(item.label_file, problem, remedy)

    def _is_there(self, split: str) -> bool:
        if (self.folder / split).is_dir():
            return True
        if split != "val":
            raise DatasetError(
                self.folder, f"there is no folder {split}/ in it", "put the meshes into train/ and test/"
            )
        return False

    def _mesh_files(self, split: str) -> list[Path]:
        from gaugenet.meshes.io import SUFFIXES

        files = sorted(
            (f for f in (self.folder / split).iterdir() if f.suffix.lower() in SUFFIXES and f.name[0] != "."),
            key=lambda f: f.name,
        )
        if not files:
            raise DatasetError(
                self.folder / split, "there is no mesh in it", f"put meshes there ({' '.join(SUFFIXES)})"
            )
        return files

    def _find_classes(self) -> None:
        declared = read_classes(self.folder)
        found: dict[int, Path] = {}  # label, and a file where it occurs
        for items in self._items.values():
            for item in items:
                for value in label_values(read_labels(item.label_file, self.label_kind), self._ignore).tolist():
                    found.setdefault(value, item.label_file)
        if declared is None:
            names = {value: str(value) for value in sorted(found)}
        else:
            file, names = declared
            unknown = [value for value in sorted(found) if value not in names and value >= 0]
            if unknown:
                problem = f"label {unknown[0]}, which occurs in {found[unknown[0]].name}, is not named"
                raise DatasetError(file, problem, f'add the line "{unknown[0]} NAME", or correct the labels')
        if not names:
            raise DatasetError(self.folder, "no label occurs in it", "label the meshes, or ignore fewer labels")
        self.class_values, self.class_names = tuple(names), tuple(names.values())


def _with_labels(
    folder: Path, files: dict[str, list[Path]], wanted: LabelKind | None
) -> tuple[LabelKind, dict[str, list[_Item]]]:
    """What is labelled in all the files, and each with its label file."""
    kinds = {file: label_kinds(file) for split in files.values() for file in split}
    for file, found in kinds.items():
        if not found or (wanted is not None and wanted not in found):
            problem = f"it has no {wanted} labels" if wanted else "it has no labels"
            raise DatasetError(file, problem, _HOW_TO_LABEL)
    shared: list[LabelKind] = [k for k in ("vertex", "face") if all(k in found for found in kinds.values())]
    if wanted is not None:
        shared = [wanted]
    if not shared:
        by_vertex, by_face = (next(f for f, found in kinds.items() if k in found) for k in ("vertex", "face"))
        raise DatasetError(
            folder,
            f"{by_vertex.relative_to(folder)} is labelled by vertex, {by_face.relative_to(folder)} by face",
            "label the same in all files",
        )
    names = {split: [f.stem for f in items] for split, items in files.items()}
    return shared[0], {
        split: [_Item(f.stem if names[split].count(f.stem) == 1 else f.name, f, kinds[f][shared[0]]) for f in items]
        for split, items in files.items()
    }
