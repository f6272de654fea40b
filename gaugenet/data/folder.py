"""A person's own labelled meshes: a folder with train/ and test/."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gaugenet.data.label_files import DatasetError, label_kinds, label_values, read_classes
from gaugenet.data.labelled import IGNORED, LabelKind, LabelledMesh
from gaugenet.data.layouts import SPLITS, Item, find_layout, source_beside
from gaugenet.data.surface_files import is_surface_file, load_surface

_HOW_TO_LABEL = (
    "put NAME.labels.txt or NAME.txt (one integer per vertex) or NAME.face_labels.txt (one per triangle) beside it, "
    "or an array label or face_label into the npz"
)


class FolderDataset:
    """Labelled meshes in ``folder/train``, ``folder/test`` and, where it is there, ``folder/val``.

    A mesh is an OBJ, PLY, OFF, STL or GLB file with its labels beside it (``NAME.labels.txt`` or
    ``NAME.txt``, one integer per vertex; ``NAME.face_labels.txt``, one per triangle; or ``.npy`` for
    ``.txt``), or an npz file with arrays ``v``, ``f`` and ``label`` (per vertex) or ``face_label`` (per
    triangle), or VTK PolyData with an array ``label``. Labels are any integers; the classes are those of ``labels.txt``
    or ``classes.txt`` (lines such as ``0 head``), else those that occur. All labels are read at once and checked;
    meshes are read when they are asked for.

    Folders of published data sets are read as they come (`gaugenet.data.layouts`): MeshCNN's (labels of edges), COSEG,
    the Princeton benchmark, human segmentation, FAUST registrations and their remeshed forms, FreeSurfer subjects, and
    ``train/CLASS/`` or ``CLASS/train/`` for classes of whole surfaces. Where such a set has no split, every fifth shape
    is tested, or ``train.txt`` and ``test.txt`` name them.

    Args:
        folder: where train/ and test/ are.
        label_kind: "vertex", "face" or "surface"; None for what all meshes have (vertices, if they have both).
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
        self.label_kind: LabelKind
        layout = find_layout(self.folder)
        self._declared: tuple[Path, dict[int, str]] | None
        if layout is None:
            files = {split: self._mesh_files(split) for split in SPLITS if self._is_there(split)}
            self._declared = read_classes(self.folder)
            self.label_kind, self._items = _with_labels(self.folder, files, label_kind, self._declared)
        else:
            if not layout.items.get("train"):
                raise DatasetError(self.folder, f"no shape to train on ({layout.name})", "put more shapes into it")
            self._items, self._declared = layout.items, None
            self._declared = (self.folder, layout.classes) if layout.classes is not None else read_classes(self.folder)
            self.label_kind = layout.items["train"][0].labels.kind
            if label_kind not in (None, self.label_kind):
                remedy = f'ask for label_kind="{self.label_kind}"'
                raise DatasetError(self.folder, f"it has no {label_kind} labels ({layout.name})", remedy)
        self.layout = layout.name if layout is not None else "labels beside the meshes"
        """How the folder is laid out, in words."""
        self._classes_are_known = layout is not None and layout.classes is not None
        self.class_values: tuple[int, ...]
        self.class_names: tuple[str, ...]
        self._ignore = frozenset(ignore)
        self._find_classes()

    @property
    def n_classes(self) -> int:
        """How many classes there are."""
        return len(self.class_values)

    @property
    def splits(self) -> tuple[str, ...]:
        """Those that are there, of train, val, test."""
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
        for item in self._items.get(split, ()):
            mesh = load_surface(item.mesh_file)
            labels = self.class_indices(item.labels.read())
            self._check_length(item, len(labels), len(mesh.vertex_of_file), len(mesh.face_of_file))
            yield LabelledMesh.from_file_labels(item.name, mesh, labels, self.label_kind, item.mesh_file)

    def class_indices(self, labels: NDArray[np.int64]) -> NDArray[np.int64]:
        """Class indices 0..n_classes-1 of labels as files write them; `IGNORED` for what is no class."""
        values = np.array(self.class_values, np.int64)
        place = np.minimum(np.searchsorted(values, labels), len(values) - 1)
        known = (values[place] == labels) & ~np.isin(labels, list(self._ignore))
        return np.where(known, place, IGNORED)

    def _check_length(self, item: Item, n_labels: int, n_vertices: int, n_faces: int) -> None:
        if self.label_kind == "surface":
            return
        by_vertex = self.label_kind == "vertex"
        expected, other = (n_vertices, n_faces) if by_vertex else (n_faces, n_vertices)
        if n_labels == expected:
            return
        remedy = f"give one label per {self.label_kind}, in the file's order"
        if n_labels == other and item.labels.file != item.mesh_file:
            kind, ending = ("triangle", "face_labels") if by_vertex else ("vertex", "labels")
            remedy = f"these look like one per {kind}: if so, name the file {item.mesh_file.stem}.{ending}.txt"
        noun = "vertices" if by_vertex else "triangles"
        problem = f"{n_labels} labels for the {expected} {noun} of {item.mesh_file.name}"
        raise DatasetError(item.labels.file, problem, remedy)

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
            (f for f in (self.folder / split).iterdir() if is_surface_file(f)),
            key=lambda f: f.name,
        )
        if not files:
            raise DatasetError(
                self.folder / split, "there is no mesh in it", f"put meshes there ({' '.join(SUFFIXES)})"
            )
        return files

    def _find_classes(self) -> None:
        declared = self._declared
        found: dict[int, Path] = {}  # label, and a file where it occurs
        for items in self._items.values() if not self._classes_are_known else ():
            for item in items:
                for value in label_values(item.labels.read(), self._ignore).tolist():
                    found.setdefault(value, item.labels.file)
        found.pop(IGNORED, None)
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
    folder: Path,
    files: dict[str, list[Path]],
    wanted: LabelKind | None,
    declared: tuple[Path, dict[int, str]] | None,
) -> tuple[LabelKind, dict[str, list[Item]]]:
    """What is labelled in all the files, and each with its labels."""
    classes = list(declared[1]) if declared is not None else None
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
    kind = shared[0]
    return kind, {
        split: [
            Item(
                f.stem if names[split].count(f.stem) == 1 else f.name,
                f,
                source_beside(f, kinds[f][kind], kind, classes),
            )
            for f in items
        ]
        for split, items in files.items()
    }
