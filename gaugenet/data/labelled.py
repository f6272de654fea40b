"""`LabelledMesh`: a surface with a class at every vertex or face, or as a whole; from the file's labels and back."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from gaugenet.meshes.mesh import TriangleMesh

if TYPE_CHECKING:
    from gaugenet.data.quantities import SurfaceTargets
    from gaugenet.data.targets import VertexTargets

LabelKind = Literal["vertex", "face", "surface"]
"""What has a label: every vertex, every face, or the surface as a whole."""

IGNORED = -100
"""Label of what counts neither in the loss nor in the accuracy (torch's default ``ignore_index``)."""


@dataclass(frozen=True, eq=False)
class LabelledMesh:
    """A mesh and the class index of each of its vertices or faces, or of itself (`IGNORED` where it has none)."""

    name: str
    mesh: TriangleMesh
    labels: NDArray[np.int64]
    """[V] or [F] of the mesh, or [1]."""
    file_labels: NDArray[np.int64]
    """[V_file] or [F_file], the same for the file's own vertices or triangles; or [1]."""
    label_kind: LabelKind
    path: Path | None = None
    targets: VertexTargets | SurfaceTargets | None = None
    """Numbers to be predicted instead of classes (`gaugenet.data.regression`)."""

    @classmethod
    def from_file_labels(
        cls,
        name: str,
        mesh: TriangleMesh,
        file_labels: NDArray[Any],
        label_kind: LabelKind,
        path: Path | None = None,
    ) -> LabelledMesh:
        """Labels of the file's own vertices (or triangles), carried to those of the mesh.

        Raises:
            ValueError: there are not as many labels as the file has vertices (or triangles).
        """
        if label_kind == "surface":
            if file_labels.shape != (1,):
                raise ValueError(f"{path or name}: expected one label of the whole surface, got {len(file_labels)}")
            return cls(name, mesh, file_labels.astype(np.int64), file_labels.astype(np.int64), label_kind, path)
        of_vertices = label_kind == "vertex"
        expected = len(mesh.vertex_of_file) if of_vertices else len(mesh.face_of_file)
        if file_labels.shape != (expected,):
            raise ValueError(
                f"{path or name}: {len(file_labels)} labels for {expected} "
                f"{'vertices' if of_vertices else 'faces'}; give one label per {label_kind} of the file, "
                "in the file's order"
            )
        file_labels = file_labels.astype(np.int64)
        carry = mesh.vertex_labels_from_file if of_vertices else mesh.face_labels_from_file
        return cls(name, mesh, carry(file_labels), file_labels, label_kind, path)


def values_on_file(mesh: TriangleMesh, values: NDArray[Any], kind: LabelKind) -> NDArray[Any]:
    """Values [V, ...] or [F, ...] of the mesh, for the file's own vertices or triangles, in the file's order.

    A triangle that was dropped takes the value of the kept one next to it in the file's order, so that no
    triangle goes without.

    Raises:
        ValueError: there are not as many values as the mesh has vertices (or faces).
    """
    if kind == "surface":
        return values
    if kind == "vertex":
        return mesh.to_file_vertices(values)
    if len(values) != mesh.n_faces:
        raise ValueError(f"{mesh.name or 'the mesh'}: expected {mesh.n_faces} values, one per face; got {len(values)}")
    of_file = mesh.face_of_file
    kept = np.flatnonzero(of_file >= 0)
    if len(kept) == 0:
        raise ValueError(f"{mesh.name or 'the mesh'}: no triangle of the file was kept, so none has a value")
    place = np.arange(len(of_file))
    right = np.minimum(np.searchsorted(kept, place), len(kept) - 1)
    left = np.maximum(right - 1, 0)
    nearer = np.where(np.abs(kept[left] - place) < np.abs(kept[right] - place), left, right)
    return values[of_file[kept[nearer]]]
