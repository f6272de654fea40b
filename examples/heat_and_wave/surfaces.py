"""Surfaces of the example: generated, irregular, of some hundred vertices; or the mesh files of a folder."""

from pathlib import Path

import numpy as np

from gaugenet.data.articulated import creature_mesh
from gaugenet.meshes.grids import hull_faces, sphere_points
from gaugenet.meshes.io import load_mesh
from gaugenet.meshes.mesh import TriangleMesh
from gaugenet.meshes.repair import mesh_from_arrays
from gaugenet.meshes.shapes import torus

N_TEST = 2
"""The last surfaces are those of the test-mesh split."""


def generated_surfaces(n_vertices: int = 500) -> list[TriangleMesh]:
    """Five to train on (sphere, torus, two pebbles, a creature) and two unseen (a vase with a waist, a creature)."""
    ring = round((n_vertices / 2) ** 0.5)
    return [
        pebble("sphere", n_vertices, 0.0, seed=0),
        torus(2 * ring, ring, jitter=0.2, seed=1).mesh,
        pebble("pebble", n_vertices, 0.5, seed=2),
        pebble("boulder", n_vertices, 0.8, seed=3),
        creature("creature", n_vertices, 0),
        vase(n_vertices, seed=4),
        creature("unseen creature", n_vertices, 1),
    ]


def surfaces_of_folder(folder: Path) -> list[TriangleMesh]:
    """All mesh files of a folder, by name; the last two are the unseen ones."""
    files = sorted(f for f in folder.iterdir() if f.suffix.lower() in (".obj", ".ply", ".off", ".stl"))
    if len(files) <= N_TEST:
        raise SystemExit(f"{folder}: expected more than {N_TEST} mesh files, found {len(files)}")
    return [load_mesh(file) for file in files]


def sphere_grid(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Points on the sphere, moved at random by a part of their distance, and the faces of their hull."""
    rng = np.random.default_rng(seed)
    points = sphere_points(n, "fibonacci", 0) + 0.3 * (4 * np.pi / n) ** 0.5 * rng.uniform(-1, 1, (n, 3))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    return points, hull_faces(points)


def pebble(name: str, n: int, height: float, seed: int) -> TriangleMesh:
    """A sphere with six random waves along its radius."""
    points, faces = sphere_grid(n, seed)
    rng = np.random.default_rng(seed)
    wave = rng.normal(size=(6, 3)) * 2.5
    radius = 1 + height / 6 * np.sin(points @ wave.T + rng.uniform(0, 6, 6)).sum(1)
    return mesh_from_arrays(points * radius[:, None], faces, name=name)


def vase(n: int, seed: int) -> TriangleMesh:
    points, faces = sphere_grid(n, seed)
    z = points[:, 2]
    points = np.column_stack([points[:, :2] * (0.75 + 0.35 * np.cos(4.5 * z))[:, None], 1.4 * z])
    return mesh_from_arrays(points, faces, name="vase")


def creature(name: str, n: int, index: int) -> TriangleMesh:
    vertices, faces, _ = creature_mesh(0, "train", index, n_vertices=n)
    return mesh_from_arrays(vertices, faces, name=name)
