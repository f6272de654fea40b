"""The embedded data set: generated creatures with part labels, varying in pose, proportions and meshing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from gaugenet.data.creature import PART_NAMES, Creature, random_creature
from gaugenet.data.labelled import LabelKind, LabelledMesh

_MAX_TRIES = 200
_SMOOTHING_STEPS = (8, 3)
_SPLIT_KEYS = {"train": 0, "test": 1, "val": 2}


@dataclass(frozen=True)
class ArticulatedDataset:
    """Seeded four-legged creatures of genus 0 with twelve parts; left and right limbs are different parts.

    A creature of split s with number i depends on (seed, s, i) only, so a longer set begins with the shorter
    one. The two sides of a creature are mirror images up to pose: only the orientation of the surface tells
    them apart.
    """

    n_train: int = 48
    n_test: int = 16
    n_val: int = 0
    seed: int = 0
    n_vertices: int = 1200
    """Mean number of vertices; a creature has 0.8 to 1.25 times as many."""
    name: str = "articulated"
    label_kind: LabelKind = field(default="vertex", init=False)
    class_names: tuple[str, ...] = field(default=PART_NAMES, init=False)
    class_values: tuple[int, ...] = field(default=tuple(range(len(PART_NAMES))), init=False)

    def __post_init__(self) -> None:
        if min(self.n_train, self.n_test, self.n_val) < 0:
            raise ValueError(
                "a data set has no negative number of shapes: got "
                f"n_train={self.n_train}, n_test={self.n_test}, n_val={self.n_val}"
            )
        if self.n_vertices < 600:
            raise ValueError(f"the limbs vanish below 600 vertices: got n_vertices={self.n_vertices}; use 900 or more")

    @property
    def n_classes(self) -> int:
        return len(self.class_names)

    @property
    def splits(self) -> tuple[str, ...]:
        return tuple(split for split in ("train", "val", "test") if self.size(split))

    def size(self, split: str) -> int:
        """Number of shapes in a split; 0 for a split that is not there."""
        return {"train": self.n_train, "val": self.n_val, "test": self.n_test}.get(split, 0)

    def meshes(self, split: str) -> Iterator[LabelledMesh]:
        """Generates the shapes of a split, one after another."""
        from gaugenet.meshes.repair import mesh_from_arrays

        for i in range(self.size(split)):
            vertices, faces, labels = creature_mesh(self.seed, split, i, n_vertices=self.n_vertices)
            name = f"creature_{i:03d}"
            yield LabelledMesh.from_file_labels(name, mesh_from_arrays(vertices, faces, name=name), labels, "vertex")


def creature_mesh(
    seed: int, split: str, index: int, *, n_vertices: int = 1200
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    """One watertight, outward oriented creature: vertices [V, 3], faces [F, 3], part of each vertex [V].

    Draws creatures until one does not touch itself, that is, until its surface is a topological sphere.

    Raises:
        ValueError: `split` is none of train, val, test.
    """
    if split not in _SPLIT_KEYS:
        raise ValueError(f"expected the split train, val or test, got {split!r}")
    rng = np.random.default_rng([seed, _SPLIT_KEYS[split], index])
    for _ in range(_MAX_TRIES):
        creature = random_creature(rng)
        turn = _random_rotation(rng)
        wanted = n_vertices * rng.uniform(0.8, 1.25)
        phase = rng.random(3)
        surface = _mesh_creature(creature, turn, wanted, phase)
        if surface is not None:
            return surface
    raise RuntimeError(f"no creature without self-contact in {_MAX_TRIES} draws (seed {seed}, {split} {index})")


def _mesh_creature(
    creature: Creature, turn: NDArray[np.float64], wanted: float, phase: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]] | None:
    coarse = 1.6 * float(np.sqrt(7.0 / wanted))
    points, shape, _ = _grid(creature, turn, coarse, phase)
    crossings = _count_crossings(creature.distance(points @ turn.T).reshape(shape))
    spacing = coarse * float(np.sqrt(max(crossings, 1) / wanted))
    vertices, faces = _largest_component(*_extract(creature, turn, spacing, phase))
    if not _is_sphere(len(vertices), faces):
        return None
    relaxed = _relax(creature, vertices, faces)
    if relaxed is None:
        return None
    vertices = relaxed
    labels = creature.nearest_part(vertices)
    if np.bincount(labels, minlength=len(PART_NAMES)).min() < 6:  # a limb hidden inside the body teaches nothing
        return None
    return vertices @ turn, faces, labels


def _random_rotation(rng: np.random.Generator) -> NDArray[np.float64]:
    q, r = np.linalg.qr(rng.standard_normal((3, 3)))
    q = q * np.sign(np.diag(r))
    q[0] *= np.sign(np.linalg.det(q))
    return np.asarray(q)


def _grid(
    creature: Creature, turn: NDArray[np.float64], spacing: float, phase: NDArray[np.float64]
) -> tuple[NDArray[np.float64], tuple[int, int, int], NDArray[np.float64]]:
    """Points around it, in coordinates along the columns of ``turn``; their grid's shape, corner."""
    ends = np.concatenate([creature.start, creature.end]) @ turn
    reach = np.concatenate([creature.start_radius, creature.end_radius])[:, None] + 2 * creature.blend
    low = (ends - reach).min(0) - spacing * (0.5 + phase)
    nx, ny, nz = (int(n) + 2 for n in np.ceil(((ends + reach).max(0) - low) / spacing))
    axes = [low[k] + spacing * np.arange(n) for k, n in enumerate((nx, ny, nz))]
    return np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 3), (nx, ny, nz), low


def _count_crossings(volume: NDArray[np.float64]) -> int:
    """Number of grid edges that the level set crosses: marching cubes puts one vertex on each."""
    inside = volume < 0
    return sum(int(np.count_nonzero(np.diff(inside, axis=k))) for k in range(3))


def _extract(
    creature: Creature, turn: NDArray[np.float64], spacing: float, phase: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """The level set d = 0 on a grid along the columns of ``turn``, in the creature's own coordinates."""
    from skimage.measure import marching_cubes

    points, shape, low = _grid(creature, turn, spacing, phase)
    volume = creature.distance(points @ turn.T).reshape(shape)
    try:
        vertices, faces, _, _ = marching_cubes(  # type: ignore[no-untyped-call]
            volume.astype(np.float32), 0.0
        )
    except (ValueError, RuntimeError):  # no level set on so coarse a grid
        return np.empty((0, 3)), np.empty((0, 3), np.int64)
    vertices = (low + spacing * vertices.astype(np.float64)) @ turn.T
    faces = faces.astype(np.int64)
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    if np.einsum("fi,fi->", a, np.cross(b, c)) < 0:
        faces = faces[:, ::-1].copy()
    return vertices, faces


def _largest_component(
    vertices: NDArray[np.float64], faces: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    n = len(vertices)
    if n == 0:
        return vertices, faces
    tail, head = faces.ravel(), np.roll(faces, -1, 1).ravel()
    _, component = connected_components(coo_array((np.ones(len(tail)), (tail, head)), shape=(n, n)), directed=False)
    keep = component == np.bincount(component).argmax()
    renumber = np.cumsum(keep) - 1
    return vertices[keep], renumber[faces[keep[faces[:, 0]]]]


def _is_sphere(n_vertices: int, faces: NDArray[np.int64]) -> bool:
    """True for a closed surface with V - E + F = 2 in which every edge has two faces that wind alike."""
    if len(faces) == 0:
        return False
    tail, head = faces.ravel(), np.roll(faces, -1, 1).ravel()
    edge = tail * n_vertices + head
    back = head * n_vertices + tail
    closed = len(np.unique(edge)) == len(edge) and np.array_equal(np.sort(edge), np.sort(back))
    return closed and n_vertices - len(edge) // 2 + len(faces) == 2


def _relax(creature: Creature, vertices: NDArray[np.float64], faces: NDArray[np.int64]) -> NDArray[np.float64] | None:
    """Evens out the triangles: vertices slide towards the mean of their neighbours, then onto the level set.

    Many steps fold a few triangles at sharp tips; then fewer are taken. None if even those fold one.
    """
    tail, head = faces.ravel(), np.roll(faces, -1, 1).ravel()  # every edge once in either direction
    n = len(vertices)
    degree = np.bincount(tail, minlength=n).astype(np.float64)
    for steps in _SMOOTHING_STEPS:
        moved = vertices
        for _ in range(steps):
            mean = np.stack([np.bincount(tail, moved[head, k], n) for k in range(3)], 1) / degree[:, None]
            _, normal = creature.distance_and_normal(moved)
            move = mean - moved
            moved = moved + 0.6 * (move - (move * normal).sum(1, keepdims=True) * normal)
            d, normal = creature.distance_and_normal(moved)
            moved = moved - d[:, None] * normal
        if not _is_folded(creature, moved, faces):
            return moved
    return None


def _is_folded(creature: Creature, vertices: NDArray[np.float64], faces: NDArray[np.int64]) -> bool:
    """True if a triangle faces away from the level set, as may happen in a crease sharper than the grid."""
    _, normal = creature.distance_and_normal(vertices)
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    facing = np.einsum("fi,fi->f", np.cross(b - a, c - a), normal[faces].sum(1))
    return bool((facing <= 0).any())
