"""To PyTorch Geometric's attributes and back, with a stand-in for `Data`; with the real one where it is installed."""

from types import SimpleNamespace

import pytest
import torch

from gaugenet.data.pyg import from_pyg, to_pyg
from gaugenet.meshes import shapes
from gaugenet.meshes.geometry import MeshGeometry, batch_geometries
from gaugenet.meshes.neighborhoods import Nearest
from gaugenet.meshes.precompute import compute_geometry

FIELDS = ("row_ptr", "source", "r", "theta", "phi", "flip", "weight", "radius", "area", "boundary", "mesh_ptr", "frame")


@pytest.fixture(scope="module")
def sphere():
    mesh = shapes.sphere(subdivisions=1).mesh
    return mesh, compute_geometry(mesh, Nearest(6), dtype=torch.float64)


def same(a, b):
    for name in FIELDS:
        assert torch.equal(getattr(a, name), getattr(b, name)), name
    assert a.rotation_order == b.rotation_order


def test_attributes_are_those_that_pytorch_geometric_documents(sphere):
    mesh, g = sphere
    x, y = torch.rand(mesh.n_vertices, 3), torch.arange(mesh.n_vertices)
    data = to_pyg(g, mesh, x=x, y=y, make=SimpleNamespace)
    assert data.num_nodes == mesh.n_vertices
    assert data.edge_index.shape == (2, g.n_edges)
    assert data.edge_index.dtype == torch.int64
    assert torch.equal(data.pos, torch.tensor(mesh.vertices))
    assert torch.equal(data.face.T, torch.tensor(mesh.faces))
    assert (data.x is x, data.y is y) == (True, True)
    # an edge runs from source to target: its length in the row of the target is no shorter than the chord
    source, target = data.edge_index
    chord = (data.pos[source] - data.pos[target]).norm(dim=1)
    assert (data.edge_attr[:, 0] >= chord - 1e-9).all()


def test_there_and_back(sphere):
    mesh, g = sphere
    data = to_pyg(g, mesh, make=SimpleNamespace)
    same(from_pyg(data), g)
    order = torch.randperm(g.n_edges, generator=torch.Generator().manual_seed(0))
    shuffled = SimpleNamespace(**vars(data))
    shuffled.edge_index, shuffled.edge_attr = data.edge_index[:, order], data.edge_attr[order]
    shuffled.weight = data.weight[order]
    same(from_pyg(shuffled), g)


def test_unions(sphere):
    g = batch_geometries([sphere[1], sphere[1]])
    data = to_pyg(g, make=SimpleNamespace)
    assert torch.bincount(data.batch).tolist() == [42, 42]
    same(from_pyg(data), g)


def test_what_is_missing_is_filled_in(sphere):
    g = sphere[1]
    bare = SimpleNamespace(
        num_nodes=g.n_vertices,
        edge_index=torch.stack([g.source.long(), g.target]),
        edge_attr=torch.stack([g.r, g.theta, g.phi, g.flip.double()], 1),
    )
    found = from_pyg(bare)
    assert isinstance(found, MeshGeometry)
    assert torch.allclose(found.weight, torch.full_like(g.weight, 1 / 6))
    assert (found.radius[found.target] > found.r).all()
    assert found.frame is None


def test_refusals(sphere):
    g = sphere[1]
    data = to_pyg(g, make=SimpleNamespace)
    with pytest.raises(ValueError, match=r"edge_attr \[E, 4\] = \(r, theta, phi, flip\), got \[2, 252\] and None"):
        from_pyg(SimpleNamespace(num_nodes=42, edge_index=data.edge_index, edge_attr=None))
    loops = SimpleNamespace(num_nodes=42, edge_index=torch.zeros(2, 3, dtype=torch.long), edge_attr=torch.ones(3, 4))
    with pytest.raises(ValueError, match="remove the self-loops"):
        from_pyg(loops)
    data.num_nodes = 7
    with pytest.raises(ValueError, match="edge_index runs from 0 to 41 on 7 nodes"):
        from_pyg(data)


def test_the_real_data(sphere):
    pytest.importorskip("torch_geometric", reason="torch_geometric is not installed")
    mesh, g = sphere
    data = to_pyg(g, mesh)
    assert (data.num_nodes, data.num_edges) == (mesh.n_vertices, g.n_edges)
    same(from_pyg(data), g)
