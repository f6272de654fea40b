import dataclasses

import numpy as np
import pytest
import torch

from gaugenet.meshes import shapes
from gaugenet.meshes.neighborhoods import ABSURD_NEIGHBORS, Nearest, Radius, search_limits
from gaugenet.meshes.precompute import compute_geometry
from gaugenet.meshes.repair import mesh_from_arrays


def rows(g):
    return [row.tolist() for row in g.source.split((g.row_ptr[1:] - g.row_ptr[:-1]).tolist())]


def assert_sound(g):
    for name in ("r", "theta", "phi", "weight", "radius", "area"):
        assert torch.isfinite(getattr(g, name)).all(), name
    degree = g.row_ptr[1:] - g.row_ptr[:-1]
    total = torch.zeros(g.n_vertices, dtype=g.dtype).index_add_(0, g.target, g.weight)
    torch.testing.assert_close(total[degree > 0], torch.ones_like(total[degree > 0]))
    assert (g.target != g.source).all()
    for row in rows(g):
        assert row == sorted(set(row))


@pytest.fixture(scope="module")
def several_pieces():
    """A cylinder with boundary, a tetrahedron, a single triangle and two isolated vertices."""
    tube = shapes.cylinder(12, 6, jitter=0.2).mesh
    tetrahedron = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1.0]]) + 10
    triangle = np.array([[0, 0, 0], [1, 0, 0], [0, 1.0, 0]]) - 10
    n = tube.n_vertices
    faces = [tube.faces, np.array([[0, 2, 1], [0, 1, 3], [1, 2, 3], [0, 3, 2]]) + n, np.array([[0, 1, 2]]) + n + 4]
    points = np.concatenate([tube.vertices, tetrahedron, triangle, [[5.0, 5, 5], [6, 6, 6]]])
    return mesh_from_arrays(points, np.concatenate(faces), merge_vertices=False)


@pytest.mark.parametrize("k", [1, 6, 24])
def test_nearest_takes_what_each_component_has(several_pieces, k):
    g = compute_geometry(several_pieces, Nearest(k), dtype=torch.float64)
    assert_sound(g)
    sizes = [len(row) for row in rows(g)]
    n = several_pieces.n_vertices - 9
    assert sizes == [min(k, n - 1)] * n + [min(k, 3)] * 4 + [min(k, 2)] * 3 + [0] * 2
    assert (g.radius[-2:] == 0).all()


def test_nearest_are_the_nearest():
    mesh = shapes.torus(14, 8, jitter=0.2).mesh
    everything = compute_geometry(mesh, Radius(100.0), dtype=torch.float64)
    assert everything.n_edges == 112 * 111
    for k in (1, 7, 40):
        g = compute_geometry(mesh, Nearest(k), dtype=torch.float64)
        start = 0
        for p, row in enumerate(everything.r.split([111] * 112)):
            nearest = row.sort().values
            mine = g.r[g.row_ptr[p] : g.row_ptr[p + 1]].sort().values
            torch.testing.assert_close(mine, nearest[:k], rtol=1e-12, atol=0)
            expected = max((nearest[k - 1] + nearest[k]) / 2, (1 + 0.5 / k) * nearest[k - 1])
            assert float(g.radius[p]) == pytest.approx(float(expected), rel=1e-12)
            start += k


def test_ties_go_to_the_lower_index():
    shape = shapes.flat_torus(8, 8)
    g = compute_geometry(shape.mesh, Nearest(2), dtype=torch.float64)
    everything = compute_geometry(shape.mesh, Radius(0.13), dtype=torch.float64)
    for two, four in zip(rows(g), rows(everything)):
        assert len(four) == 4
        assert two == four[:2]
    # tied with the next vertex, and still the window does not vanish at the last kept one
    assert (g.weight > 0.4).all()


def test_radius_in_either_unit():
    mesh = shapes.torus(20, 8, jitter=0.2).mesh
    mean = float(mesh.edge_lengths.mean())
    a = compute_geometry(mesh, Radius(2.5, unit="edge"))
    b = compute_geometry(mesh, Radius(2.5 * mean))
    assert torch.equal(a.source, b.source)
    torch.testing.assert_close(a.radius, torch.full((160,), 2.5 * mean))
    assert (a.r <= a.radius[a.target] * (1 + 1e-6)).all()
    assert search_limits(Radius(3.0), 1.5) == (2.0, -1)
    assert search_limits(Nearest(5), 1.5) == (np.inf, 5)


def test_capped_radius_is_the_shorter_of_both():
    mesh = shapes.torus(20, 8, jitter=0.2).mesh
    radius = float(mesh.edge_lengths.mean()) * 1.7
    free, nearest = compute_geometry(mesh, Radius(radius)), compute_geometry(mesh, Nearest(10))
    capped = compute_geometry(mesh, Radius(radius, max_neighbors=10))
    some = False
    for p, (inside, best, kept) in enumerate(zip(rows(free), rows(nearest), rows(capped))):
        assert kept == (inside if len(inside) <= 10 else best)
        some |= len(inside) <= 10
        assert capped.radius[p] <= free.radius[p]
    assert some
    assert len({len(row) for row in rows(capped)}) > 1


def test_absurd_radius_is_refused_with_the_number():
    mesh = shapes.flat_patch(70, 70).mesh
    assert mesh.n_vertices > ABSURD_NEIGHBORS
    with pytest.raises(ValueError, match=r"vertex 0 at least 5040 neighbours.*Nearest"):
        compute_geometry(mesh, Radius(10.0))
    assert compute_geometry(mesh, Radius(10.0, max_neighbors=5)).n_edges == 5 * mesh.n_vertices


def test_absurd_number_of_nearest_is_refused_where_the_mesh_has_so_many():
    mesh = shapes.flat_patch(70, 70).mesh
    for neighborhood in (Nearest(10**6), Radius(10.0, max_neighbors=ABSURD_NEIGHBORS + 1)):
        with pytest.raises(ValueError, match=r"more than the 4,096 .*smaller k or max_neighbors"):
            compute_geometry(mesh, neighborhood)
    small = shapes.flat_patch(5, 5).mesh
    assert compute_geometry(small, Nearest(10**6)).n_edges == 36 * 35


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Radius(0.0), "positive and finite"),
        (lambda: Radius(float("nan")), "positive and finite"),
        (lambda: Radius(1.0, unit="metre"), '"mesh" or "edge"'),
        (lambda: Radius(1.0, max_neighbors=0), "at least 1"),
        (lambda: Nearest(0), "at least 1"),
        (lambda: Nearest(2.5), "whole number"),
        (lambda: Radius(1.0, max_neighbors=True), "whole number"),
    ],
)
def test_bad_neighborhoods_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_edge_ratio_of_a_thousand():
    """Per-vertex search: a fine patch inside coarse triangles costs no more than it holds."""
    x = np.concatenate([[0.0], np.geomspace(1e-3, 1, 24)])
    xx, yy = np.meshgrid(np.concatenate([-x[:0:-1], x]), x, indexing="ij")
    n, m = xx.shape
    at = np.arange(n * m).reshape(n, m)
    a, b, c, d = (block.ravel() for block in (at[:-1, :-1], at[1:, :-1], at[1:, 1:], at[:-1, 1:]))
    faces = np.concatenate([np.stack([a, b, c], 1), np.stack([a, c, d], 1)])
    mesh = mesh_from_arrays(np.column_stack([xx.ravel(), yy.ravel(), 0 * xx.ravel()]), faces)
    g = compute_geometry(mesh, Nearest(16), dtype=torch.float64)
    assert_sound(g)
    assert (g.row_ptr.diff() == 16).all()
    p, q = g.target, g.source.long()
    straight = torch.tensor(mesh.vertices)
    torch.testing.assert_close(g.r, (straight[p] - straight[q]).norm(dim=1), rtol=1e-12, atol=0)


def test_surface_of_isolated_vertices_only():
    mesh = dataclasses.replace(
        shapes.flat_patch(1, 1).mesh,
        faces=np.empty((0, 3), np.int64),
        edge_lengths=np.empty((0, 3)),
        twin=np.empty(0, np.int64),
        twin_flipped=np.empty(0, bool),
    )
    g = compute_geometry(mesh)
    assert (g.n_vertices, g.n_edges) == (4, 0)
    assert torch.isfinite(g.frame).all()
