"""A surface-free geometry: random edges whose transporters lie in a given group."""

from collections.abc import Callable

import pytest
import torch

from gaugenet.groups import StructureGroup
from gaugenet.meshes.geometry import MeshGeometry


def make_random_geometry(
    group: str = "SO(2)", n: int = 24, degree: int = 6, seed: int = 0, dtype: torch.dtype = torch.float64
) -> MeshGeometry:
    """Gauge equivariance asks nothing of a surface: any angles and any transporters in the group will do."""
    g = torch.Generator().manual_seed(seed)
    structure = StructureGroup.parse(group)
    e = n * degree
    phi, flip = structure.sample(e, g, dtype)
    r = torch.rand(e, generator=g, dtype=dtype)
    weight = torch.rand(n, degree, generator=g, dtype=dtype)
    return MeshGeometry(
        row_ptr=degree * torch.arange(n + 1, dtype=torch.int32),
        source=torch.randint(0, n, (e,), generator=g, dtype=torch.int32),
        r=r,
        theta=torch.rand(e, generator=g, dtype=dtype) * 6.28,
        phi=phi,
        flip=flip.to(torch.int8),
        weight=(weight / weight.sum(1, keepdim=True)).flatten(),
        radius=torch.ones(n, dtype=dtype),
        area=torch.rand(n, generator=g, dtype=dtype),
        boundary=torch.zeros(n, dtype=torch.bool),
        mesh_ptr=torch.tensor([0, n]),
        rotation_order=structure.rotation_order,
    )


def make_cross_level(
    group: str = "SO(2)", n_targets: int = 15, n_sources: int = 24, seed: int = 0, dtype: torch.dtype = torch.float64
) -> MeshGeometry:
    """Edges from other vertices than the targets; the first edge of every other row has r = 0, and no theta."""
    geometry = make_random_geometry(group, n_targets, seed=seed, dtype=dtype)
    g = torch.Generator().manual_seed(seed + 1)
    r, theta = geometry.r.clone(), geometry.theta.clone()
    r[::12], theta[::12] = 0.0, 0.0
    return geometry.replace(
        source=torch.randint(0, n_sources, (geometry.n_edges,), generator=g, dtype=torch.int32),
        r=r,
        theta=theta,
        source_ptr=torch.tensor([0, n_sources]),
    )


@pytest.fixture
def cross_level() -> Callable[..., MeshGeometry]:
    return make_cross_level


@pytest.fixture
def random_geometry() -> Callable[..., MeshGeometry]:
    return make_random_geometry
