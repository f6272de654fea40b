"""Folders of surfaces with numbers to be predicted, at their vertices or of each: `RegressionFolder`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from gaugenet.data.label_files import DatasetError
from gaugenet.data.labelled import IGNORED, LabelKind, LabelledMesh
from gaugenet.data.quantities import LIST, Quantities, SurfaceTargets, read_surface_values
from gaugenet.data.surface_files import is_surface_file, load_surface
from gaugenet.data.targets import VertexTargets, read_targets

_SPLITS = ("train", "val", "test")


class RegressionFolder:
    """Surfaces in ``folder/train``, ``folder/test`` and, where it is there, ``folder/val``, with numbers to predict.

    Numbers at vertices: each surface is a mesh file with ``NAME.y.npy`` (or .txt) beside it, an npz file with an array
    ``y`` (or as named), or VTK PolyData with point data; see `gaugenet.data.targets.read_targets`. Numbers of whole
    surfaces: ``train/surface_values.txt`` (and test/...) with a line ``FILE NUMBER ...`` for each file beside it, after
    a line ``file NAME ...`` where the numbers have names. It is a data set without classes whose surfaces carry
    `LabelledMesh.targets`.

    Args:
        folder: where train/ and test/ are.
        scalars, vectors, names: arrays at vertices, as of `read_targets`; all None for what is there.
        normal_part: whether the normal parts of vectors are predicted as well.

    Raises:
        DatasetError: names the file or folder, what is wrong, and what to do.
    """

    class_names: tuple[str, ...] = ()
    class_values: tuple[int, ...] = ()
    n_classes = 0

    def __init__(
        self,
        folder: str | Path,
        *,
        scalars: Sequence[str] | None = None,
        vectors: Sequence[str] | None = None,
        names: Sequence[str] | None = None,
        normal_part: bool = True,
    ) -> None:
        self.folder = Path(folder)
        self.name = self.folder.resolve().name
        self._names = {"scalars": scalars, "vectors": vectors, "names": names}
        self._normal_part = normal_part
        self._of_surfaces: dict[str, dict[str, SurfaceTargets]] = {}
        self._files: dict[str, list[Path]] = {}
        for split in _SPLITS:
            place = self.folder / split
            if not place.is_dir():
                continue
            values = read_surface_values(place)
            if values is not None:
                self._of_surfaces[split] = values
            self._files[split] = _surfaces(place, values)
        for split in ("train", "test"):
            if not self._files.get(split):
                raise DatasetError(self.folder, f"there is no surface in {split}/", "put surfaces with targets there")
        without = [split for split in self._files if split not in self._of_surfaces]
        if self._of_surfaces and without:
            problem = f"there is a {LIST} in {', '.join(self._of_surfaces)}, but none in {', '.join(without)}"
            raise DatasetError(self.folder, problem, "list the surfaces of all splits")
        self.label_kind: LabelKind = "surface" if self._of_surfaces else "vertex"
        first = next(iter(self.meshes("train"))).targets
        assert first is not None
        self.quantities: Quantities = first.quantities
        """What is predicted."""

    @property
    def target_names(self) -> tuple[str, ...]:
        """Of the scalars, then of the vectors."""
        return self.quantities.names

    @property
    def splits(self) -> tuple[str, ...]:
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
        expected: Quantities | None = getattr(self, "quantities", None)
        for file in self._files.get(split, ()):
            mesh = load_surface(file)
            if self._of_surfaces:
                targets: SurfaceTargets | VertexTargets = self._of_surfaces[split][file.name]
                n_labels, n_of_file = 1, 1
            else:
                targets = read_targets(file, mesh, **self._names, normal_part=self._normal_part)
                n_labels, n_of_file = mesh.n_vertices, len(mesh.vertex_of_file)
            found = targets.quantities
            if expected is not None and found != expected:
                problem = f"it has {', '.join(found.names)} where others have {', '.join(expected.names)}"
                raise DatasetError(file, problem, "give all surfaces the same targets, or name those to predict")
            yield LabelledMesh(
                file.stem,
                mesh,
                np.full(n_labels, IGNORED),
                np.full(n_of_file, IGNORED),
                self.label_kind,
                file,
                targets,
            )


def _surfaces(place: Path, values: Mapping[str, SurfaceTargets] | None) -> list[Path]:
    """The surfaces of a split, all of which are listed where there are numbers of whole surfaces."""
    files = sorted((f for f in place.iterdir() if is_surface_file(f)), key=lambda f: f.name)
    if values is None:
        return files
    names = {f.name for f in files}
    if lost := [name for name in values if name not in names]:
        raise DatasetError(place / LIST, f"there is no surface {lost[0]!r} beside it", "write the names of files there")
    if lost := [f.name for f in files if f.name not in values]:
        raise DatasetError(place / LIST, f"{lost[0]} is not listed", "give it a line, or take the file away")
    return files
