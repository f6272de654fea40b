"""Distances against libigl's exact geodesics (Mitchell, Mount and Papadimitriou), in a process of its own.

libigl ends the process on meshes it does not like, so it never runs in the process of the tests.
"""

import dataclasses
import json
import subprocess
import sys

import numpy as np
import pytest
import torch

from gaugenet.meshes import shapes
from gaugenet.meshes.io import load_mesh
from gaugenet.meshes.neighborhoods import Nearest
from gaugenet.meshes.precompute import compute_geometry
from gaugenet.meshes.repair import mesh_from_arrays

pytest.importorskip("igl", reason="libigl is not installed")

_ORACLE = """
import json, sys
import igl
import numpy as np
data = np.load(sys.argv[1])
vertices, faces = np.ascontiguousarray(data["v"]), np.ascontiguousarray(data["f"])
none, all_vertices = np.empty(0, faces.dtype), np.arange(len(vertices), dtype=faces.dtype)
rows = [
    np.asarray(igl.exact_geodesic(vertices, faces, np.array([p], faces.dtype), none, all_vertices, none)).ravel()
    for p in data["p"]
]
np.save(sys.argv[2], np.array(rows))
"""


def exact_distances(mesh, targets, folder):
    """[len(targets), V] distances; skips where libigl gives up."""
    np.savez(folder / "in.npz", v=mesh.vertices, f=mesh.faces, p=targets)
    command = [sys.executable, "-c", _ORACLE, folder / "in.npz", folder / "out.npy"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    if done.returncode != 0:
        pytest.skip(f"libigl ended with {done.returncode}: {json.dumps(done.stderr[-300:])}")
    return np.load(folder / "out.npy")


def assert_exact(mesh, folder, k=60):
    count = max(4, min(20, 10_000 // mesh.n_vertices))
    targets = np.random.default_rng(0).choice(mesh.n_vertices, min(count, mesh.n_vertices), replace=False)
    exact = exact_distances(mesh, targets, folder)
    g = compute_geometry(mesh, Nearest(k), dtype=torch.float64)
    worst = 0.0
    for p, row in zip(targets, exact):
        edges = slice(int(g.row_ptr[p]), int(g.row_ptr[p + 1]))
        mine, theirs = g.r[edges].numpy(), row[g.source[edges].numpy()]
        worst = max(worst, float((np.abs(mine - theirs) / theirs).max()))
        # and none of the nearest was missed
        others = np.delete(np.arange(mesh.n_vertices), np.concatenate([[p], g.source[edges].numpy()]))
        assert row[others].min(initial=np.inf) >= mine.max() * (1 - 1e-9)
    assert worst < 1e-12, worst


def spiky():
    """A sphere with every vertex moved in or out: saddles and cone points of any angle."""
    mesh = shapes.sphere(sampling="fibonacci", n=500).mesh
    scale = 1 + 0.2 * np.random.default_rng(0).standard_normal((mesh.n_vertices, 1))
    return mesh_from_arrays(scale * mesh.vertices, mesh.faces, name="spiky sphere")


def pierced():
    """A rough torus without a part of its faces: geodesics bend at holes."""
    mesh = shapes.torus(40, 20, jitter=0.24).mesh
    kept = np.random.default_rng(0).random(mesh.n_faces) > 0.04
    return mesh_from_arrays(mesh.vertices, mesh.faces[kept], name="pierced torus")


@pytest.mark.parametrize(
    "mesh",
    [
        shapes.torus(24, 10, jitter=0.2).mesh,
        shapes.sphere(sampling="random", n=400).mesh,
        shapes.cylinder(20, 10, jitter=0.2).mesh,
        shapes.icosahedron(3).mesh,
        shapes.flat_patch(4, 40, jitter=0.24).mesh,
        spiky(),
        pierced(),
    ],
    ids=lambda m: m.name,
)
def test_generated_surfaces(mesh, tmp_path):
    assert_exact(mesh, tmp_path)


REAL = [
    "spot/spot_low_resolution.obj",
    "penguin/penguin.obj",
    "goathead/goathead.obj",
    "cat/cat-low-resolution.obj",
    "hand/hand_lowres.obj",
    "fish/fish_low_resolution.obj",
    "wingnut/wingnut.obj",
]


@pytest.mark.parametrize("name", REAL)
def test_real_surfaces(name, shared_data, tmp_path):
    path = shared_data / "meshes_clean" / name
    if not path.exists():
        pytest.skip(f"{name} is not in shared/data/meshes_clean")
    assert_exact(load_mesh(path), tmp_path)


def test_the_oracle_notices_a_wrong_radius(tmp_path):
    mesh = shapes.icosahedron(2).mesh
    longer = dataclasses.replace(mesh, edge_lengths=mesh.edge_lengths * (1 + 1e-10))
    with pytest.raises(AssertionError):
        assert_exact(longer, tmp_path)
