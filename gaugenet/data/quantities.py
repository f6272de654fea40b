"""`Quantities`: which numbers are predicted, at every vertex or of a whole surface; `SurfaceTargets`: the latter."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gaugenet.data.label_files import DatasetError, file_and_rest, read_lines
from gaugenet.field_type import FieldType, Term
from gaugenet.groups import StructureGroup
from gaugenet.meshes.geometry import MeshGeometry
from gaugenet.nn.tangent import pseudo_scalar_type, scalar_type, tangent_type

LIST = "surface_values.txt"
"""In train/ and test/: numbers of whole surfaces, a line ``FILE NUMBER ...`` for each."""


@dataclass(frozen=True)
class Quantities:
    """a scalars and b vectors at each vertex, or a scalars of each surface.

    Columns are the a scalars, the b normal parts where they are predicted, then the first and the second components of
    all vectors in the frames of the vertices.
    """

    scalars: tuple[str, ...] = ()
    """Names of the a scalars."""
    vectors: tuple[str, ...] = ()
    """Names of the b vectors."""
    normal_part: bool = True
    """Whether the normal parts of the vectors are predicted as well."""
    per_surface: bool = False
    """Whether the numbers are those of whole surfaces, which have no vectors."""

    @property
    def names(self) -> tuple[str, ...]:
        """Of the scalars, then of the vectors."""
        return (*self.scalars, *self.vectors)

    @property
    def columns(self) -> list[list[int]]:
        """The columns of each quantity, in the order of `names`."""
        a, b = len(self.scalars), len(self.vectors)
        parts = 3 if self.normal_part else 2
        return [[i] for i in range(a)] + [[a + k * b + j for k in range(parts)] for j in range(b)]

    @property
    def n_columns(self) -> int:
        """How many numbers are predicted of a vertex, or of a surface."""
        return len(self.scalars) + len(self.vectors) * (3 if self.normal_part else 2)

    def field_type(self, group: StructureGroup | str) -> FieldType:
        """The type of the columns, for any group.

        Raises:
            ValueError: nothing is predicted.
        """
        terms: list[Term] = []
        if self.scalars:
            terms += scalar_type(group, len(self.scalars)).terms
        if self.vectors and self.normal_part:
            terms += pseudo_scalar_type(group, len(self.vectors)).terms
        if self.vectors:
            terms += tangent_type(group, len(self.vectors)).terms
        if not terms:
            raise ValueError("there is nothing to predict: expected the name of at least one scalar or vector")
        return FieldType(StructureGroup.parse(group), [(t.representation, t.multiplicity) for t in terms])

    def in_space(self, columns: Tensor, geometry: MeshGeometry) -> tuple[Tensor, Tensor]:
        """Scalars [V, a] and vectors in space [V, b, 3] of predicted columns [V, n_columns].

        Raises:
            ValueError: the shape is another, or there are vectors and no frames in space.
        """
        a, b = len(self.scalars), len(self.vectors)
        if columns.ndim != 2 or columns.shape[1] != self.n_columns:
            raise ValueError(f"expected columns [V, {self.n_columns}] of {self.names}, got {list(columns.shape)}")
        if not b:
            return columns, columns.new_zeros(len(columns), 0, 3)
        if geometry.frame is None:
            raise ValueError("vectors in space have no coefficients on a surface without positions; use scalars only")
        parts = columns[:, a:].reshape(len(columns), -1, b)
        frame = geometry.frame.to(columns)
        frame = frame[:, [2, 0, 1]] if self.normal_part else frame[:, :2]
        return columns[:, :a], torch.einsum("vkb,vkc->vbc", parts, frame)

    def as_plain(self) -> dict[str, Any]:
        """For JSON; `from_plain` reads it."""
        return dataclasses.asdict(self)

    @classmethod
    def from_plain(cls, values: Mapping[str, Any]) -> Quantities:
        """What `as_plain` gave."""
        names = {key: tuple(values[key]) for key in ("scalars", "vectors")}
        return cls(**names, normal_part=bool(values["normal_part"]), per_surface=bool(values["per_surface"]))


@dataclass(frozen=True, eq=False)
class SurfaceTargets:
    """Numbers of a whole surface, such as its drag or an age."""

    values: NDArray[np.float64]
    """[a]"""
    names: tuple[str, ...]

    @property
    def quantities(self) -> Quantities:
        """What they are."""
        return Quantities(self.names, per_surface=True)

    def coefficients(self, geometry: MeshGeometry) -> Tensor:
        """[1, a] in the dtype of the geometry."""
        return torch.from_numpy(self.values)[None].to(geometry.r)

    @property
    def n_known(self) -> int:
        """1, or 0 where a value is NaN."""
        return int(not np.isnan(self.values).any())

    def unknown(self) -> SurfaceTargets:
        """The same quantities, of which nothing is known: NaN."""
        return SurfaceTargets(np.full_like(self.values, np.nan), self.names)


def read_surface_values(folder: Path) -> dict[str, SurfaceTargets] | None:
    """Numbers of the surfaces in a folder by the name of their file, from `LIST`; None where there is no such file.

    A line is ``FILE NUMBER ...``; a first line ``file NAME ...`` names the numbers, which are else y_0, ..., or y where
    there is one.

    Raises:
        DatasetError: a line is none of these, or has another number of columns.
    """
    file = folder / LIST
    if not file.is_file():
        return None
    lines = [line.strip() for line in read_lines(file) if line.strip() and line[0] != "#"]
    names: tuple[str, ...] | None = None
    if lines and lines[0].split()[0].lower() == "file":
        names = tuple(lines.pop(0).split()[1:])
    if not lines:
        raise DatasetError(file, "there is no surface in it", "write lines FILE NUMBER ...")
    found: dict[str, SurfaceTargets] = {}
    for line in lines:
        name, rest = file_and_rest(line, folder) or (line.split()[0], " ".join(line.split()[1:]))
        try:
            values = np.array([float(word) for word in rest.split()])
        except ValueError:
            raise DatasetError(file, f"the line of {name} is no list of numbers", "write FILE NUMBER ...") from None
        if names is None:
            names = ("y",) if len(values) == 1 else tuple(f"y_{i}" for i in range(len(values)))
        if len(values) != len(names) or not len(values) or not np.isfinite(values).all():
            problem = f"the line of {name} has {len(values)} numbers where {len(names)} finite ones are expected"
            raise DatasetError(file, problem, "give all surfaces the same numbers")
        if name in found:
            raise DatasetError(file, f"{name} stands there twice", "give each surface one line")
        found[name] = SurfaceTargets(values, names)
    return found
