"""Folders of surfaces with numbers to be predicted at their vertices: `RegressionFolder`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from gaugenet.data.label_files import DatasetError
from gaugenet.data.labelled import IGNORED, LabelKind, LabelledMesh
from gaugenet.data.surface_files import is_surface_file, load_surface
from gaugenet.data.targets import read_targets

_SPLITS = ("train", "val", "test")


class RegressionFolder:
    """Surfaces in ``folder/train``, ``folder/test`` and, where it is there, ``folder/val``, with targets per vertex.

    Each is a mesh file with ``NAME.y.npy`` (or .txt) beside it, an npz file with an array ``y`` (or as named), or VTK
    PolyData with point data; see `gaugenet.data.targets.read_targets`. It is a data set without classes whose
    surfaces carry `LabelledMesh.targets`.

    Args:
        folder: where train/ and test/ are.
        scalars, vectors: names of arrays; None for what is there. Three columns are one vector.
        normal_part: whether the normal parts of vectors are predicted as well.

    Raises:
        DatasetError: names the file or folder, what is wrong, and what to do.
    """

    label_kind: LabelKind = "vertex"
    class_names: tuple[str, ...] = ()
    class_values: tuple[int, ...] = ()
    n_classes = 0

    def __init__(
        self,
        folder: str | Path,
        *,
        scalars: Sequence[str] | None = None,
        vectors: Sequence[str] | None = None,
        normal_part: bool = True,
    ) -> None:
        self.folder = Path(folder)
        self.name = self.folder.resolve().name
        self._names = {"scalars": scalars, "vectors": vectors}
        self._normal_part = normal_part
        self._files = {
            split: sorted((f for f in (self.folder / split).iterdir() if is_surface_file(f)), key=lambda f: f.name)
            for split in _SPLITS
            if (self.folder / split).is_dir()
        }
        for split in ("train", "test"):
            if not self._files.get(split):
                raise DatasetError(self.folder, f"there is no surface in {split}/", "put surfaces with targets there")
        first = next(iter(self.meshes("train"))).targets
        assert first is not None
        self.target_names = (*first.scalar_names, *first.vector_names)
        """Of the scalars, then of the vectors."""

    @property
    def splits(self) -> tuple[str, ...]:
        """Those that are there, of train, val, test."""
        """Those that are there, of train, val, test."""
        return tuple(self._files)

    def size(self, split: str) -> int:
        """Number of surfaces in a split; 0 for a split that is not there."""
        return len(self._files.get(split, ()))

    def meshes(self, split: str) -> Iterator[LabelledMesh]:
        """Reads the surfaces of a split one after another, in the order of their names.

        Raises:
            MeshError: a file is no surface.
            DatasetError: its targets do not fit it, or are others than those of the first surface.
        """
        names: tuple[str, ...] | None = getattr(self, "target_names", None)
        for file in self._files.get(split, ()):
            mesh = load_surface(file)
            targets = read_targets(file, mesh, **self._names, normal_part=self._normal_part)
            found = (*targets.scalar_names, *targets.vector_names)
            if names is not None and found != names:
                problem = f"it has {', '.join(found)} where others have {', '.join(names)}"
                raise DatasetError(file, problem, "give all surfaces the same targets, or name those to predict")
            unlabelled = np.full(mesh.n_vertices, IGNORED)
            yield LabelledMesh(
                file.stem, mesh, unlabelled, np.full(len(mesh.vertex_of_file), IGNORED), "vertex", file, targets
            )
