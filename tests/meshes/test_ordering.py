import dataclasses

import numpy as np
import pytest
import torch

from gaugenet.meshes import shapes
from gaugenet.meshes.geometry import batch_geometries
from gaugenet.meshes.neighborhoods import Nearest
from gaugenet.meshes.ordering import hilbert_index, visit_order
from gaugenet.meshes.precompute import compute_geometry
from gaugenet.meshes.repair import mesh_from_arrays


def shuffled(mesh, seed=0):
    rng = np.random.default_rng(seed)
    old = rng.permutation(mesh.n_vertices)
    faces = np.argsort(old)[mesh.faces][rng.permutation(mesh.n_faces)]
    return mesh_from_arrays(mesh.vertices[old], faces, merge_vertices=False)


def intrinsic(mesh):
    return dataclasses.replace(mesh, vertices=None)


def reuse(geometry, order):
    """Vertices that a block of 64 rows reads, over how often it reads: 1 where nothing is read twice."""
    row_ptr, source = geometry.row_ptr.numpy(), geometry.source.numpy()
    unique = referenced = 0
    for block in np.split(np.asarray(order), range(64, len(order), 64)):
        read = np.concatenate([source[row_ptr[p] : row_ptr[p + 1]] for p in block])
        unique, referenced = unique + len(np.unique(read)), referenced + len(read)
    return unique / referenced


@pytest.mark.parametrize("d", [2, 3])
def test_hilbert_curve_goes_through_every_cell_one_step_at_a_time(d):
    bits = 3
    cells = np.stack(np.meshgrid(*[np.arange(2**bits)] * d, indexing="ij"), -1).reshape(-1, d)
    index = hilbert_index(cells, bits)
    assert sorted(index) == list(range(2 ** (bits * d)))
    steps = np.abs(np.diff(cells[np.argsort(index)], axis=0))
    assert (steps.sum(1) == 1).all()


@pytest.mark.parametrize("change", [lambda mesh: mesh, intrinsic], ids=["in space", "intrinsic"])
def test_visited_together_are_neighbours(change):
    mesh = change(shuffled(shapes.torus(80, 40, jitter=0.2).mesh))
    order = visit_order(mesh)
    assert order.dtype == np.int32
    assert sorted(order) == list(range(mesh.n_vertices))
    np.testing.assert_array_equal(order, visit_order(mesh))
    for k, factor in ((6, 0.6), (24, 0.4)):
        geometry = compute_geometry(mesh, Nearest(k))
        assert reuse(geometry, order) < factor * reuse(geometry, np.arange(mesh.n_vertices))


def test_unit_and_place_do_not_matter_and_points_may_coincide():
    mesh = shapes.sphere(subdivisions=3).mesh
    for unit in (2.0**-40, 2.0**40):
        scaled = dataclasses.replace(mesh, vertices=mesh.vertices * unit, edge_lengths=mesh.edge_lengths * unit)
        np.testing.assert_array_equal(visit_order(scaled), visit_order(mesh))
    one_place = dataclasses.replace(mesh, vertices=np.ones_like(mesh.vertices))
    assert visit_order(one_place).tolist() == list(range(mesh.n_vertices))


def test_geometry_carries_the_order():
    a, b = shapes.torus(12, 8).mesh, shapes.mobius_strip(12, 4).mesh
    g, h = compute_geometry(a, Nearest(6)), compute_geometry(b, Nearest(6))
    np.testing.assert_array_equal(g.visit_order, visit_order(a))
    moved = g.transform(torch.ones(g.n_vertices)).to(dtype=torch.float64)
    assert torch.equal(moved.visit_order, g.visit_order)
    assert moved.visit_order.dtype == torch.int32
    union = batch_geometries([g, h]).visit_order
    assert union.dtype == torch.int32
    assert union.tolist() == g.visit_order.tolist() + [g.n_vertices + v for v in h.visit_order.tolist()]
    assert batch_geometries([g, h.replace(visit_order=None)]).visit_order is None
    with pytest.raises(ValueError, match="visit_order"):
        g.replace(visit_order=g.visit_order[1:])
