"""Bumpy spheres with three classes by height, and a run on them that takes a second."""

import numpy as np
import pytest
import torch

from gaugenet.config import Config, DataConfig, ModelConfig, TrainConfig
from gaugenet.data.dataset import prepare_mesh
from gaugenet.meshes.neighborhoods import Nearest
from gaugenet.meshes.repair import mesh_from_arrays
from gaugenet.training import SurfaceData


def make_surface(seed, kind="vertex"):
    """A bumpy sphere with three classes by height; a tenth of its elements have no label."""
    from scipy.spatial import ConvexHull

    rng = np.random.default_rng(seed)
    points = rng.standard_normal((90 + 10 * seed, 3))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    faces = ConvexHull(points).simplices.astype(np.int64)
    points = points * (1 + 0.3 * points[:, :1]) * [1, 0.7, 1.3]
    mesh = mesh_from_arrays(points, faces, name=f"bump {seed}")
    height = mesh.vertices[:, 2] if kind == "vertex" else mesh.vertices[mesh.faces].mean(1)[:, 2]
    labels = np.digitize(height, [-0.4, 0.4])
    labels[rng.random(len(labels)) < 0.1] = -100
    return prepare_mesh(mesh, Nearest(10), features="xyz", labels=labels, label_kind=kind, name=f"bump {seed}")


@pytest.fixture(scope="session")
def surface():
    """`make_surface`"""
    return make_surface


@pytest.fixture(scope="session")
def data():
    return SurfaceData(
        [make_surface(i) for i in range(4)], [make_surface(7), make_surface(8)], ("a", "b", "c"), (0, 1, 2)
    )


@pytest.fixture(scope="session")
def config():
    return Config(
        data=DataConfig(features="xyz", neighbors=10),
        model=ModelConfig(width=4, blocks=1, dropout=0.3),
        train=TrainConfig(epochs=4, batch_size=2, lr=0.02, test_every=2, weight_decay=0.01, threads=1),
    )


@pytest.fixture(autouse=True, scope="module")
def _threads():
    """The configuration sets the number of threads of the process; other tests keep theirs."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)
