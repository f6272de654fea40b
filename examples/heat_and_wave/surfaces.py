"""Surfaces of the example, generated or the mesh files of a folder, and the solutions of an equation on them."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

import gaugenet as gn
from gaugenet.data.advection import advect
from gaugenet.data.articulated import creature_mesh
from gaugenet.data.dynamics import simulate
from gaugenet.meshes.grids import hull_faces, sphere_points
from gaugenet.meshes.io import load_mesh
from gaugenet.meshes.mesh import TriangleMesh
from gaugenet.meshes.repair import mesh_from_arrays
from gaugenet.meshes.shapes import torus

N_TEST = 2
"""The last surfaces are those of the test-mesh split."""
SAMPLES, STEPS = 5, 200
"""Solutions on each surface, and their steps."""


@dataclass(frozen=True)
class Equation:
    """What an emulator is told, and what it need not learn."""

    order: int
    """In time: see `Emulator`."""
    history: int
    """Frames that it sees."""
    static: str
    """Field type of what does not change in time, in SO(2)."""
    tau: float
    """dt / A for heat, dt² / A for waves, A the mean vertex area; the way of a mean step over √A for advection."""
    signed: bool


EQUATIONS = {
    # 1e-5 and (3e-3)² over the mean vertex area of 3.7e-3 of the sphere of the published data
    "heat": Equation(1, 5, "1x0", 0.0027, False),
    "wave": Equation(2, 5, "1x0", 0.0024, True),
    # the next frame is a function of the last one and the field: more frames would let a network continue each vertex
    # in time without knowing where anything goes
    "advection": Equation(1, 1, "2x0 + 1x1", 0.3, True),
}


@dataclass(frozen=True)
class Surface:
    """A surface, solutions on it and what does not change in time."""

    mesh: TriangleMesh
    geometry: gn.MeshGeometry
    u: Tensor
    """[samples, V, STEPS + 1, 1]"""
    static: Tensor
    """[V, 1] the logarithm of the relative area; for advection [V, 4] the size and the two components of v as well."""


def prepare(mesh: TriangleMesh, equation: str, tau: float, neighbors: int, seed: int) -> Surface:
    """Solves the equation from random initial values; of advection the field is random as well."""
    geometry = gn.compute_geometry(mesh, gn.Nearest(neighbors))
    static = [torch.log(geometry.area / geometry.area.mean())[:, None]]
    if equation == "advection":
        carried = advect(mesh, samples=SAMPLES, steps=STEPS, courant=tau, seed=seed)
        solved, v = carried.u, torch.from_numpy(carried.velocity).to(geometry.area)
        static += [v.norm(dim=1, keepdim=True), gn.tangent_coefficients(v[:, None], geometry)[0][:, 0]]
    else:
        solved = simulate(mesh, equation, samples=SAMPLES, steps=STEPS, tau=tau, seed=seed).u
    u = torch.from_numpy(solved).transpose(1, 2)[..., None].contiguous()
    return Surface(mesh, geometry, u, torch.cat(static, 1))


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
