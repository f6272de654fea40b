"""Flips change the triangles and nothing of the surface."""

import numpy as np
import pytest
import torch

from gaugenet.meshes.delaunay import intrinsic_delaunay, not_delaunay
from gaugenet.meshes.fans import build_fans, corner_angles
from gaugenet.meshes.neighborhoods import Nearest
from gaugenet.meshes.precompute import compute_geometry
from gaugenet.meshes.repair import mesh_from_arrays, mesh_from_edge_lengths
from gaugenet.meshes.shapes import named_surface
from gaugenet.meshes.topology import boundary_vertices, euler_characteristic, is_orientable, n_edges


def stretched(name, **options):
    """A named surface, squeezed to long thin faces, with vertices shaken so that nothing is regular."""
    mesh = named_surface(name, **options).mesh
    rng = np.random.default_rng(3)
    points = mesh.vertices * [1.0, 3.0, 0.4] + rng.normal(0, 0.02, mesh.vertices.shape)
    return mesh_from_arrays(points, mesh.faces, name=name)


def sheared_torus(n=9, m=7, shear=2.4):
    """A flat torus from edge lengths: a lattice whose triangles are far from Delaunay."""
    i, j = np.meshgrid(np.arange(n), np.arange(m), indexing="ij")

    def vertex(a, b):
        return (a % n) * m + b % m

    lower = np.stack([vertex(i, j), vertex(i + 1, j), vertex(i + 1, j + 1)], -1).reshape(-1, 3)
    upper = np.stack([vertex(i, j), vertex(i + 1, j + 1), vertex(i, j + 1)], -1).reshape(-1, 3)
    x, y = np.array([1.0, 0.0]), np.array([shear, 0.9])
    a, b, c = np.linalg.norm(x), np.linalg.norm(y), np.linalg.norm(x + y)
    lengths = np.concatenate([np.tile([a, b, c], (n * m, 1)), np.tile([c, a, b], (n * m, 1))])
    return mesh_from_edge_lengths(np.concatenate([lower, upper]), lengths, name="sheared torus")


SURFACES = {
    "sphere": lambda: stretched("sphere", subdivisions=3),
    "torus": lambda: stretched("torus"),
    "mobius_strip": lambda: stretched("mobius_strip"),
    "klein_bottle": lambda: stretched("klein_bottle"),
    "sheared torus": sheared_torus,
}


@pytest.fixture(params=SURFACES)
def mesh(request):
    return SURFACES[request.param]()


def distances(mesh):
    """r [V, V], NaN where no neighbour, of exact distances on the polyhedron."""
    geometry = compute_geometry(mesh, Nearest(10), mode="polyhedral", dtype=torch.float64, threads=1)
    r = np.full((mesh.n_vertices, mesh.n_vertices), np.nan)
    r[geometry.target, geometry.source] = geometry.r
    return r


def test_distances_do_not_change(mesh):
    flipped = intrinsic_delaunay(mesh)
    assert not_delaunay(mesh) > 0
    before, after = distances(mesh), distances(flipped)
    both = np.isfinite(before) & np.isfinite(after)
    assert both.sum() > 0.98 * np.isfinite(before).sum()
    np.testing.assert_allclose(after[both], before[both], rtol=1e-12)


def test_every_edge_is_delaunay_by_its_cotangents(mesh):
    flipped = intrinsic_delaunay(mesh)
    assert not_delaunay(flipped) == 0
    # cot α + cot β ≥ 0, from Heron's area: not the formula that decides the flips
    a, b, c = flipped.edge_lengths.T
    s = (a + b + c) / 2
    area = np.sqrt(s * (s - a) * (s - b) * (s - c))
    cot = np.stack([b * b + c * c - a * a, c * c + a * a - b * b, a * a + b * b - c * c], 1) / (4 * area[:, None])
    h = np.flatnonzero(flipped.twin >= 0)
    assert (cot.ravel()[h] + cot.ravel()[flipped.twin[h]]).min() > -1e-8


def test_curvature_area_and_topology_do_not_change(mesh):
    flipped = intrinsic_delaunay(mesh)
    old, new = build_fans(mesh), build_fans(flipped)
    np.testing.assert_allclose(new.total_angle, old.total_angle, atol=1e-12)
    np.testing.assert_array_equal(boundary_vertices(flipped), boundary_vertices(mesh))
    assert euler_characteristic(flipped) == euler_characteristic(mesh)
    assert (n_edges(flipped), flipped.n_faces) == (n_edges(mesh), mesh.n_faces)
    assert is_orientable(flipped) == is_orientable(mesh)

    def area(surface):
        a, b, c = surface.edge_lengths.T
        s = (a + b + c) / 2
        return np.sqrt(s * (s - a) * (s - b) * (s - c)).sum()

    assert area(flipped) == pytest.approx(area(mesh), rel=1e-12)


def test_gluing_is_sound(mesh):
    flipped = intrinsic_delaunay(mesh)
    h = np.flatnonzero(flipped.twin >= 0)
    t = flipped.twin[h]
    np.testing.assert_array_equal(flipped.twin[t], h)
    np.testing.assert_array_equal(flipped.edge_lengths.ravel()[t], flipped.edge_lengths.ravel()[h])
    np.testing.assert_array_equal(flipped.twin_flipped[t], flipped.twin_flipped[h])
    tail, head = flipped.faces.ravel(), np.roll(flipped.faces, -1, 1).ravel()
    odd = flipped.twin_flipped[h]
    np.testing.assert_array_equal(tail[h], np.where(odd, tail[t], head[t]))
    np.testing.assert_array_equal(head[h], np.where(odd, head[t], tail[t]))
    # what was boundary is boundary, at its old length
    assert sorted(flipped.edge_lengths.ravel()[flipped.twin < 0]) == sorted(mesh.edge_lengths.ravel()[mesh.twin < 0])


def test_labels_and_report(mesh):
    before = mesh.faces.copy()
    flipped = intrinsic_delaunay(mesh)
    np.testing.assert_array_equal(mesh.faces, before)
    assert flipped.vertices is mesh.vertices
    own = np.arange(mesh.n_vertices)
    np.testing.assert_array_equal(flipped.to_file_vertices(flipped.vertex_labels_from_file(own)), own)
    faces = np.arange(mesh.n_faces)
    np.testing.assert_array_equal(flipped.to_file_faces(flipped.face_labels_from_file(faces), fill=-1), faces)
    assert flipped.report[-1].kind == "edges flipped to the intrinsic Delaunay triangulation"
    assert flipped.report[-1].count >= not_delaunay(mesh) // 2
    assert intrinsic_delaunay(flipped) is flipped


def test_the_same_angles_as_by_the_definition(mesh):
    """The count of bad edges agrees with opposite angles, measured elsewhere."""
    opposite = np.roll(corner_angles(mesh.edge_lengths), 1, 1).ravel()
    h = np.flatnonzero(mesh.twin > np.arange(len(mesh.twin)))
    assert not_delaunay(mesh) == np.count_nonzero(opposite[h] + opposite[mesh.twin[h]] > np.pi + 1e-10)


@pytest.mark.parametrize("shear", [3.3, 7.8, -12.4])
def test_torus_of_one_vertex(shear):
    """Two faces, three edges, one vertex: every flip meets its own neighbours. The result is the lattice's reduced
    basis (Lagrange and Gauss), made here by hand."""
    x, y = np.array([1.0, 0.0]), np.array([shear, 0.9])
    a, b, c = np.linalg.norm(x), np.linalg.norm(y), np.linalg.norm(x + y)
    mesh = mesh_from_edge_lengths([[0, 0, 0], [0, 0, 0]], [[a, b, c], [a, b, c]], twin=[3, 4, 5, 0, 1, 2])
    found = intrinsic_delaunay(mesh)
    u, v = x, y
    while True:
        v = v - np.rint(u @ v / (u @ u)) * u
        if u @ u <= v @ v:
            break
        u, v = v, u
    third = min(np.linalg.norm(u + v), np.linalg.norm(u - v))
    expected = np.sort([np.linalg.norm(u), np.linalg.norm(v), third])
    np.testing.assert_allclose(np.sort(found.edge_lengths, 1), [expected, expected], rtol=1e-12)
    assert build_fans(found).total_angle == pytest.approx(2 * np.pi)


def test_plane_points_become_the_planar_delaunay_triangulation():
    """In the plane the intrinsic triangulation is the usual one: compared with that of scipy (Qhull)."""
    from scipy.spatial import Delaunay

    rng = np.random.default_rng(0)
    points = rng.uniform(-1, 1, (200, 2))
    expected = Delaunay(points).simplices
    # any other triangulation of the hull: flips at random that keep quadrilaterals convex
    faces = [list(f) for f in expected.tolist()]
    for _ in range(300):
        edges = {}
        for number, f in enumerate(faces):
            for k in range(3):
                edges.setdefault(frozenset((f[k], f[(k + 1) % 3])), []).append(number)
        inner = [e for e, pair in edges.items() if len(pair) == 2]
        a, b = inner[rng.integers(len(inner))]
        f, g = edges[frozenset((a, b))]
        c, d = next(v for v in faces[f] if v not in (a, b)), next(v for v in faces[g] if v not in (a, b))

        def side(u, v, w):
            (x, y), (p, q) = points[v] - points[u], points[w] - points[u]
            return x * q - y * p

        if side(c, d, a) * side(c, d, b) < -1e-4 and side(a, b, c) * side(a, b, d) < -1e-4:
            faces[f], faces[g] = [c, d, a], [d, c, b]
    mesh = mesh_from_arrays(np.column_stack([points, 0 * points[:, 0]]), faces)
    assert not_delaunay(mesh) > 20
    found = intrinsic_delaunay(mesh)
    assert {frozenset(f) for f in found.faces.tolist()} == {frozenset(f) for f in expected.tolist()}


def test_needles_end():
    """Nearly flat faces: flips end, lengths stay proper, what cannot be flipped is told."""
    rng = np.random.default_rng(1)
    sphere = named_surface("sphere", subdivisions=3).mesh
    points = sphere.vertices * [1, 1, 1e-7] + rng.normal(0, 1e-12, sphere.vertices.shape)
    found = intrinsic_delaunay(mesh_from_arrays(points, sphere.faces))
    a, b, c = np.sort(found.edge_lengths, 1).T
    assert (a - (c - b) > 0).all()
    kinds = {repair.kind: repair.count for repair in found.report}
    assert kinds.get("edges left that are not Delaunay", 0) == not_delaunay(found)


def test_real_surface(shared_data):
    from gaugenet.meshes.io import load_mesh

    path = shared_data / "meshes_clean" / "wingnut" / "wingnut.obj"
    if not path.is_file():
        pytest.skip("meshes_clean is not in the folder of real meshes")
    mesh = load_mesh(path)
    flipped = intrinsic_delaunay(mesh)
    assert not_delaunay(mesh) > 1000
    assert not_delaunay(flipped) == 0
    np.testing.assert_allclose(build_fans(flipped).total_angle, build_fans(mesh).total_angle, atol=1e-10)
