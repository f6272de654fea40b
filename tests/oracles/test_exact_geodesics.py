"""Distances against libigl's exact geodesics (Mitchell, Mount and Papadimitriou), in a process of its own.

libigl ends the process on meshes it does not like, so it never runs in the process of the tests.
"""

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
    targets = np.random.default_rng(0).choice(mesh.n_vertices, min(20, mesh.n_vertices), replace=False)
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


@pytest.mark.parametrize(
    "shape",
    [shapes.torus(24, 10, jitter=0.2), shapes.sphere(sampling="random", n=400), shapes.cylinder(20, 10, jitter=0.2)],
    ids=["torus", "random sphere", "cylinder with boundary"],
)
def test_named_surfaces(shape, tmp_path):
    assert_exact(shape.mesh, tmp_path)


@pytest.mark.parametrize("name", ["spot/spot_low_resolution.obj", "penguin/penguin.obj", "goathead/goathead.obj"])
def test_real_surfaces(name, shared_data, tmp_path):
    path = shared_data / "meshes_clean" / name
    if not path.exists():
        pytest.skip(f"{name} is not in shared/data/meshes_clean")
    assert_exact(load_mesh(path), tmp_path)
