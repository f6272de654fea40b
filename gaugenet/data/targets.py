"""`VertexTargets`: numbers to be predicted at every vertex, vectors among them, and their coefficients in frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gaugenet.data.freesurfer import is_surface, read_morphometry
from gaugenet.data.label_files import VTK_SUFFIXES, DatasetError, read_lines
from gaugenet.data.quantities import Quantities
from gaugenet.data.surface_files import load_surface
from gaugenet.data.vtk import read_vtk
from gaugenet.field_type import FieldType
from gaugenet.groups import StructureGroup
from gaugenet.meshes.geometry import MeshGeometry
from gaugenet.meshes.mesh import TriangleMesh

Floats = NDArray[np.float64]

BESIDE = (".y.npy", ".y.txt", ".values.npy", ".values.txt")
"""Endings of files with targets that lie beside a mesh file: [V] or [V, n] numbers in the file's order."""


@dataclass(frozen=True, eq=False)
class VertexTargets:
    """a scalars and b vectors at each vertex.

    A vector w in space has coefficients (w . e1, w . e2) in the frame e1, e2 of its vertex and a normal part w . n:
    `coefficients` and `vectors_in_space` are inverse to each other. Under a gauge transformation the coefficients turn
    like a field of frequency 1; the normal n = e1 x e2 changes its sign with the handedness of the frame, so that the
    normal part is a field of type ``0-`` where the group has reflections (`field_type`).
    """

    scalars: Floats
    """[V, a]"""
    vectors: Floats
    """[V, b, 3] in the unit and the coordinates of the file."""
    scalar_names: tuple[str, ...] = field(default=())
    """a names; scalar_0, ... where none are given."""
    vector_names: tuple[str, ...] = field(default=())
    """b names; vector_0, ... where none are given."""
    normal_part: bool = True
    """Whether normal parts are to be predicted as well; without, vectors are projected to the surface."""

    def __post_init__(self) -> None:
        n, a = self.scalars.shape
        if self.vectors.ndim != 3 or self.vectors.shape[0] != n or self.vectors.shape[2] != 3:
            raise ValueError(
                f"expected scalars [V, a] and vectors [V, b, 3] of the same vertices, got {list(self.scalars.shape)} "
                f"and {list(self.vectors.shape)}"
            )
        if not self.scalar_names and a:
            object.__setattr__(self, "scalar_names", tuple(f"scalar_{i}" for i in range(a)))
        if not self.vector_names and self.vectors.shape[1]:
            object.__setattr__(self, "vector_names", tuple(f"vector_{i}" for i in range(self.vectors.shape[1])))

    @property
    def n_vertices(self) -> int:
        """V."""
        return len(self.scalars)

    @property
    def quantities(self) -> Quantities:
        """What they are."""
        return Quantities(self.scalar_names, self.vector_names, self.normal_part)

    @property
    def n_known(self) -> int:
        """Vertices of which nothing is NaN."""
        return int((~(np.isnan(self.scalars).any(1) | np.isnan(self.vectors).any((1, 2)))).sum())

    def unknown(self) -> VertexTargets:
        """The same quantities, of which nothing is known: NaN."""
        return replace(self, scalars=np.full_like(self.scalars, np.nan), vectors=np.full_like(self.vectors, np.nan))

    def field_type(self, group: StructureGroup | str) -> FieldType:
        """The type of `coefficients`, e.g. ``SO(2): 2x0 + 1x0 + 1x1`` for two scalars and a vector.

        Raises:
            ValueError: there is no target, or the group is none that vectors turn with (frequency 1 in its irreps).
        """
        group = StructureGroup.parse(group)
        a, b = self.scalars.shape[1], self.vectors.shape[1]
        even = "trivial" if group.name == "reflection" else "0"
        odd = {"reflection": "sign"}.get(group.name, "0-" if group.has_reflections else "0")
        terms: list[tuple[str, int]] = [(even, a)] if a else []
        if b and self.normal_part:
            terms.append((odd, b))
        if b:
            if not group.is_continuous and group.rotation_order < 3:
                raise ValueError(
                    f"the tangent vectors {', '.join(self.vector_names)} are no irrep of {group.name}; "
                    "use SO(2), O(2), C<N> or D<N> with N of at least 3"
                )
            terms.append(("1", b))
        return FieldType(group, terms)

    def coefficients(self, geometry: MeshGeometry) -> Tensor:
        """[V, a + b + 2 b] in the dtype of the geometry: scalars, normal parts, then all first and all second
        components, in the columns of `field_type`.

        Raises:
            ValueError: there are vectors, and the geometry has no frames in space or another number of vertices.
        """
        if geometry.n_vertices != self.n_vertices:
            raise ValueError(f"expected a geometry of {self.n_vertices} vertices, got {geometry.n_vertices}")
        scalars = torch.from_numpy(self.scalars)
        if self.vectors.shape[1] == 0:
            return scalars.to(geometry.r)
        if geometry.frame is None:
            raise ValueError("vectors in space have no coefficients on a surface without positions; use scalars only")
        parts = torch.einsum("vkc,vbc->vkb", geometry.frame.double().cpu(), torch.from_numpy(self.vectors))
        normal = [parts[:, 2]] if self.normal_part else []
        return torch.cat([scalars, *normal, parts[:, 0], parts[:, 1]], 1).to(geometry.r)

    def vectors_in_space(self, coefficients: Tensor, geometry: MeshGeometry) -> Tensor:
        """[V, b, 3] the vectors of predicted coefficients, in the columns of `field_type`.

        Raises:
            ValueError: the shape is not that of `coefficients`, or there are no frames in space.
        """
        if geometry.frame is None or coefficients.shape != (geometry.n_vertices, self.quantities.n_columns):
            raise ValueError(
                f"expected coefficients [{geometry.n_vertices}, {self.quantities.n_columns}] and frames in space, got "
                f"{list(coefficients.shape)}"
            )
        return self.quantities.in_space(coefficients, geometry)[1]


def read_targets(
    mesh_file: Path,
    mesh: TriangleMesh | None = None,
    *,
    scalars: Sequence[str] | None = None,
    vectors: Sequence[str] | None = None,
    names: Sequence[str] | None = None,
    normal_part: bool = True,
) -> VertexTargets:
    """Targets of a mesh: arrays of an npz file, point data of a VTK file, FreeSurfer's maps, or a file beside it.

    An npz or VTK file has named arrays, [V] or [V, n] a scalar or n of them, [V, 3] a vector; by default the array
    ``y`` of an npz file, and all point data but ``label`` of a VTK file. Beside ``NAME.obj`` lie ``NAME.y.npy``
    or ``NAME.y.txt``; beside ``lh.white`` the maps that `scalars` names (``thickness`` for ``lh.thickness``).

    Args:
        mesh_file: the file of the surface.
        mesh: read from it; None to read it.
        scalars, vectors: names of the arrays; three columns are one vector unless their name is among the scalars.
        names: of more arrays, vectors where they have three columns.
        normal_part: see `VertexTargets.normal_part`.

    Raises:
        DatasetError: there is no such array, or it has not one row per vertex of the file, or is not finite.
    """
    mesh = load_surface(mesh_file) if mesh is None else mesh
    given = [*(names or ()), *(scalars or ()), *(vectors or ())]
    wanted = None if scalars is None and vectors is None and names is None else list(dict.fromkeys(given))
    arrays = _arrays(mesh_file, wanted)
    as_scalars = set(scalars or ())
    found: dict[str, list[tuple[str, Floats]]] = {"scalar": [], "vector": []}
    for name, (source, values) in arrays.items():
        n = len(mesh.vertex_of_file)
        if values.ndim not in (1, 2) or len(values) != n:
            problem = f"{name!r} has the shape {list(values.shape)} on {n} vertices"
            raise DatasetError(source, problem, "give one row per vertex, in the order of the file")
        if not np.isfinite(values).all():
            raise DatasetError(source, f"some of {name!r} is not finite", "fill in or leave out what is missing")
        on_mesh = np.asarray(mesh.vertex_labels_from_file(values), np.float64)
        if on_mesh.ndim == 2 and on_mesh.shape[1] == 3 and name not in as_scalars:
            found["vector"].append((name, on_mesh))
        elif name in (vectors or ()):
            problem = f"{name!r} has the shape {list(values.shape)}"
            raise DatasetError(source, problem, "a vector has three columns, its coordinates in space")
        else:
            columns = on_mesh.reshape(len(on_mesh), -1)
            of_columns = [name] if columns.shape[1] == 1 else [f"{name}_{i}" for i in range(columns.shape[1])]
            found["scalar"] += list(zip(of_columns, columns.T))
    n = mesh.n_vertices
    return VertexTargets(
        np.stack([v for _, v in found["scalar"]], 1) if found["scalar"] else np.empty((n, 0)),
        np.stack([v for _, v in found["vector"]], 1) if found["vector"] else np.empty((n, 0, 3)),
        tuple(name for name, _ in found["scalar"]),
        tuple(name for name, _ in found["vector"]),
        normal_part,
    )


def _arrays(mesh_file: Path, wanted: Sequence[str] | None) -> dict[str, tuple[Path, Floats]]:
    suffix = mesh_file.suffix.lower()
    if is_surface(mesh_file):
        side = mesh_file.name.partition(".")[0]
        files = {name: mesh_file.with_name(f"{side}.{name}") for name in wanted or ("thickness",)}
        return {name: (file, read_morphometry(file)) for name, file in files.items()}
    there: dict[str, tuple[Path, Floats]] = {}
    if suffix in VTK_SUFFIXES:
        data = read_vtk(mesh_file).point_data
        there = {k: (mesh_file, _floats(mesh_file, k, v)) for k, v in data.items() if k not in ("label", "labels")}
    elif suffix == ".npz":
        with np.load(mesh_file, allow_pickle=False) as arrays:
            keys = wanted if wanted is not None else ["y"]
            there = {key: (mesh_file, _floats(mesh_file, key, arrays[key])) for key in keys if key in arrays.files}
    if not there:
        file = next((f for f in (mesh_file.with_name(mesh_file.stem + e) for e in BESIDE) if f.is_file()), None)
        if file is not None:
            there = {"y": (file, _numbers(file))}
    missing = [name for name in wanted or () if name not in there]
    if missing or not there:
        problem = f"there is no array {missing[0]!r}" if missing else "there is nothing to predict"
        known = f"there are {', '.join(there)}" if there else f"put {mesh_file.stem}.y.npy beside it"
        raise DatasetError(mesh_file, problem, f"{known}, or an array y into an npz")
    return {name: there[name] for name in wanted} if wanted else there


def _numbers(file: Path) -> Floats:
    try:
        if file.suffix.lower() == ".npy":
            values = np.load(file, allow_pickle=False)
        else:
            values = np.loadtxt(read_lines(file), dtype=np.float64)
    except (OSError, ValueError) as error:
        if isinstance(error, DatasetError):
            raise
        reason = str(error).splitlines()[0][:120]
        raise DatasetError(file, f"cannot be read ({reason})", "write one line of numbers per vertex") from error
    return _floats(file, "y", values)


def _floats(file: Path, name: str, values: NDArray[Any]) -> Floats:
    if values.dtype.kind not in "biuf":
        raise DatasetError(file, f"{name!r} is of type {values.dtype}", "store real numbers")
    return np.asarray(values, np.float64)
