"""`TriangleMesh`: a validated surface, and what was done to the file to make it one."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from os import PathLike
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray


class MeshError(ValueError):
    """A file or a pair of arrays that is no surface: one line that names the source, the problem and the remedy."""

    def __init__(self, problem: str, remedy: str, source: str | PathLike[str] = ""):
        self.problem, self.remedy, self.source = problem, remedy, str(source)
        text = f"{self.source}: {problem}; {remedy}" if self.source else f"{problem}; {remedy}"
        super().__init__(" ".join(text.split()))


@dataclass(frozen=True)
class Repair:
    """One thing that was changed, or noticed and kept, on the way from a file to a mesh."""

    kind: str
    """Short name, e.g. ``"duplicate faces dropped"``."""
    count: int
    """How many of them."""
    remedy: str = ""
    """What a person may do about it in the file itself; empty where nothing need be done."""

    def __str__(self) -> str:
        return f"{self.count} {self.kind}" + (f" ({self.remedy})" if self.remedy else "")


@dataclass(frozen=True, eq=False)
class TriangleMesh:
    """A triangulated surface: gluing, edge lengths, and (where it is embedded) vertex positions.

    Half-edge ``3 f + k`` runs from corner ``k`` to corner ``(k + 1) % 3`` of face ``f``. The surface is what
    the half-edges are glued to, never what vertex pairs suggest, so one-vertex tori and immersed surfaces are
    exact. Every edge has at most two faces and the faces at every vertex form one fan (`gaugenet.meshes.repair` splits
    what does not).

    Arrays are numpy and cannot be written to: lengths, gluing and positions belong together, so another surface is
    another mesh (`gaugenet.meshes.repair.mesh_from_arrays`). The arrays that were given stay as they are.
    """

    faces: NDArray[np.int64]
    """[F, 3] vertex indices."""
    edge_lengths: NDArray[np.float64]
    """[F, 3] length of half-edge ``3 f + k``, in the unit of the file."""
    twin: NDArray[np.int64]
    """[3 F] the half-edge on the other side, or -1 on the boundary."""
    twin_flipped: NDArray[np.bool_]
    """[3 F] True where the two faces wind differently across the edge (tail glued to tail). All False on a
    surface that could be oriented; some True exactly on non-orientable components."""
    n_vertices: int
    """V, those that no face uses included."""
    vertices: NDArray[np.float64] | None = None
    """[V, 3] positions in the unit of the file; None for an intrinsic surface."""
    file_vertex: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    """[V] the file's vertex that mesh vertex v came from (copies of a split vertex share it)."""
    vertex_of_file: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    """[V_file] a mesh vertex that stands for each of the file's vertices."""
    file_face: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    """[F] the file's triangle that mesh face f came from."""
    face_of_file: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    """[F_file] the mesh face that stands for each of the file's triangles; -1 where it was dropped and has no twin."""
    report: tuple[Repair, ...] = ()
    """What was changed, or noticed and kept, on the way from the file."""
    name: str = ""
    """Stands in errors: the path of the file, where there is one."""

    def __post_init__(self) -> None:
        _lock(self)

    def __setstate__(self, state: dict[str, Any]) -> None:
        # pickled arrays come back as arrays that can be written to
        self.__dict__.update(state)
        _lock(self)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r}, {self.n_vertices:,} vertices, {self.n_faces:,} faces)"

    @property
    def n_faces(self) -> int:
        """F."""
        return len(self.faces)

    def vertex_labels_from_file(self, labels: ArrayLike) -> NDArray[Any]:
        """[V, ...] for mesh vertices, from [V_file, ...] for the file's; copies of a split vertex share a
        label.

        Raises:
            ValueError: there is not one label per vertex of the file.
        """
        return self._checked(labels, len(self.vertex_of_file), "vertices of the file")[self.file_vertex]

    def face_labels_from_file(self, labels: ArrayLike) -> NDArray[Any]:
        """[F, ...] for mesh faces, from [F_file, ...] for the file's triangles.

        Raises:
            ValueError: there is not one label per triangle of the file.
        """
        return self._checked(labels, len(self.face_of_file), "triangles of the file")[self.file_face]

    def to_file_vertices(self, values: ArrayLike) -> NDArray[Any]:
        """[V_file, ...] in the order of the file, from [V, ...] on the mesh.

        Raises:
            ValueError: there is not one value per mesh vertex.
        """
        return self._checked(values, self.n_vertices, "vertices of the mesh")[self.vertex_of_file]

    def to_file_faces(self, values: ArrayLike, fill: Any) -> NDArray[Any]:
        """[F_file, ...] in the order of the file, from [F, ...] on the mesh; `fill` for triangles that were
        dropped.

        Raises:
            ValueError: there is not one value per mesh face.
        """
        checked = self._checked(values, self.n_faces, "faces of the mesh")
        out: NDArray[Any] = checked[self.face_of_file]
        out[self.face_of_file < 0] = fill
        return out

    def _checked(self, values: ArrayLike, expected: int, what: str) -> NDArray[Any]:
        array = np.asarray(values)
        if array.ndim == 0 or len(array) != expected:
            came = "a single number" if array.ndim == 0 else str(len(array))
            raise ValueError(
                f"{self.name or 'this mesh'}: expected {expected} values, one for each of the {what}, "
                f"got {came}; give them in that order"
            )
        return array


def _lock(mesh: TriangleMesh) -> None:
    for f in fields(mesh):
        array = getattr(mesh, f.name)
        if isinstance(array, np.ndarray) and array.flags.writeable:
            locked = array.view()
            locked.flags.writeable = False
            object.__setattr__(mesh, f.name, locked)
