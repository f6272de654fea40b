"""The exponential map undoes the logarithmic map, in closed form, beside potpourri3d and at the boundary."""

import numpy as np
import pytest
import torch

from gaugenet.meshes import shapes
from gaugenet.meshes.exponential import exponential_map
from gaugenet.meshes.io import load_mesh
from gaugenet.meshes.neighborhoods import Nearest
from gaugenet.meshes.precompute import compute_geometry
from gaugenet.meshes.repair import mesh_from_arrays

ROUND = {
    "sphere": shapes.sphere(sampling="random", n=500),
    "cone": shapes.cone(12, jitter=0.2, developed=True),
    "flat_torus": shapes.flat_torus(16, 16, jitter=0.2),
    "klein_bottle": shapes.klein_bottle(20, 12, jitter=0.2, developed=True),
    "projective_plane": shapes.projective_plane(2),
    "flat_patch": shapes.flat_patch(10, 10, jitter=0.2),
}


def missed(mesh, handedness=None, k=40, n=20):
    """How far from the corner q of its face exp_p(log_p q) ends, in barycentric coordinates, for neighbours seen
    without a bend."""
    g = compute_geometry(mesh, Nearest(k), mode="polyhedral", handedness=handedness, dtype=torch.float64)
    out = []
    for p in np.random.default_rng(0).choice(mesh.n_vertices, n, replace=False):
        row = slice(*g.row_ptr[p : p + 2].tolist())
        q, r, theta = g.source[row].numpy(), g.r[row].numpy(), g.theta[row].numpy()
        traced = exponential_map(mesh, p, np.stack([r * np.cos(theta), r * np.sin(theta)], 1), handedness=handedness)
        at_q = np.where(mesh.faces[traced.face] == q[:, None], traced.barycentric, 0.0).sum(1)
        out.append(1.0 - at_q)
    return np.abs(np.concatenate(out))


@pytest.mark.parametrize("name", ROUND)
def test_it_undoes_the_logarithmic_map(name):
    assert missed(ROUND[name].mesh).max() < 1e-9


def test_it_undoes_it_in_every_handedness():
    mesh = ROUND["klein_bottle"].mesh
    hand = np.random.default_rng(1).choice([-1, 1], mesh.n_vertices)
    assert missed(mesh, hand).max() < 1e-9


def test_a_wrong_handedness_is_noticed():
    mesh = ROUND["sphere"].mesh
    g = compute_geometry(mesh, Nearest(10), mode="polyhedral", dtype=torch.float64)
    r, theta = g.r[:10].numpy(), g.theta[:10].numpy()
    traced = exponential_map(mesh, 0, np.stack([r * np.cos(theta), -r * np.sin(theta)], 1))
    assert np.linalg.norm(traced.ends(mesh) - mesh.vertices[g.source[:10]], axis=1).max() > 0.1


def test_real_surface(shared_data):
    mesh = load_mesh(shared_data / "meshes_clean" / "spot" / "spot_low_resolution.obj")
    error = missed(mesh, k=20, n=30)
    # shortest paths that bend at a saddle vertex leave p towards that vertex, and go straight on behind it
    assert (error < 1e-9).mean() > 0.5


def test_straight_lines_in_the_plane_and_their_end_at_its_edge():
    shape = shapes.flat_patch(9, 9, jitter=0.2, seed=2)
    mesh, centre = shape.mesh, int(np.linalg.norm(shape.mesh.vertices - [0.5, 0, 0], axis=1).argmin())
    angle = np.linspace(0, 2 * np.pi, 50, endpoint=False) + 0.01
    ahead = np.stack([np.cos(angle), np.sin(angle)], 1)
    axes = {"frame_direction": shape.frame[:, 0]}
    inside = exponential_map(mesh, centre, 0.3 * ahead, **axes)
    np.testing.assert_allclose(inside.ends(mesh)[:, :2], mesh.vertices[centre, :2] + 0.3 * ahead, atol=1e-12)
    assert not inside.at_boundary.any()
    outside = exponential_map(mesh, centre, 3.0 * ahead, **axes)
    assert outside.at_boundary.all()
    ends = outside.ends(mesh)[:, :2] - [0.5, 0]
    np.testing.assert_allclose(np.abs(ends).max(1), 0.5, atol=1e-12)
    centre_of_patch = np.array([0.5, 0])
    np.testing.assert_allclose(
        outside.length, np.linalg.norm(ends + centre_of_patch - mesh.vertices[centre, :2], axis=1)
    )
    for path in outside.paths(mesh):
        steps = np.diff(path[:, :2], axis=0)
        assert np.abs(steps[:, 0] * steps[-1, 1] - steps[:, 1] * steps[-1, 0]).max() < 1e-12


def test_off_the_surface_nothing_is_traced():
    shape = shapes.flat_patch(5, 5)
    corner = int((shape.mesh.vertices @ [1, 1, 0]).argmin())
    axes = {"frame_direction": shape.frame[:, 0]}
    traced = exponential_map(shape.mesh, corner, [[-1.0, -1.0], [0.5, 0.5], [0.5, 0.0]], **axes)
    assert traced.at_boundary.tolist() == [True, False, False]
    assert traced.length[0] == 0.0
    np.testing.assert_allclose(
        traced.ends(shape.mesh) - shape.mesh.vertices[corner], [[0, 0, 0], [0.5, 0.5, 0], [0.5, 0, 0]], atol=1e-12
    )


def test_through_a_vertex_the_angle_is_halved():
    """On a cube from a corner along an edge: behind the next corner (three right angles) the line bisects a face."""
    points = np.array([[x, y, z] for x in (0, 1) for y in (0, 1) for z in (0, 1)], float)
    quads = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    mesh = mesh_from_arrays(points, [t for a, b, c, d in quads for t in ((a, b, c), (a, c, d))])
    g = compute_geometry(mesh, Nearest(7), mode="polyhedral", dtype=torch.float64)
    e = int(((g.target == 0) & (g.source == 1)).nonzero()[0, 0])
    theta = float(g.theta[e])
    traced = exponential_map(mesh, 0, [[1.5 * np.cos(theta), 1.5 * np.sin(theta)]])
    assert traced.through_vertices.tolist() == [1]
    np.testing.assert_allclose(traced.ends(mesh)[0], [np.sqrt(0.125), np.sqrt(0.125), 1.0], atol=1e-12)


def test_beside_potpourri3d():
    pp3d = pytest.importorskip("potpourri3d", reason="potpourri3d is not installed")
    from gaugenet.meshes.vector_heat import HeatSolver

    mesh = shapes.torus(30, 14, jitter=0.2, seed=4).mesh
    x, y, _ = pp3d.MeshVectorHeatSolver(mesh.vertices, mesh.faces).get_tangent_frames()
    zero = HeatSolver(mesh, "affine-local")._zero
    tracer = pp3d.GeodesicTracer(mesh.vertices, mesh.faces)
    rng = np.random.default_rng(0)
    for p in rng.choice(mesh.n_vertices, 20, replace=False):
        theta = rng.uniform(-np.pi, np.pi)
        ours = exponential_map(mesh, p, [[np.cos(theta), np.sin(theta)]])
        theirs = tracer.trace_geodesic_from_vertex(
            int(p), np.cos(theta - zero[p]) * x[p] + np.sin(theta - zero[p]) * y[p]
        )
        assert np.linalg.norm(ours.ends(mesh)[0] - theirs[-1]) < 1e-6


def test_isolated_vertices_and_arguments():
    mesh = mesh_from_arrays([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [5, 5, 5]], [[0, 1, 2]])
    traced = exponential_map(mesh, 3, [[1.0, 0.0], [0.0, 0.0]])
    assert traced.face.tolist() == [-1, -1]
    assert traced.at_boundary.all()
    assert exponential_map(mesh, 0, np.empty((0, 2))).length.shape == (0,)
    with pytest.raises(ValueError, match="vertex from 0 to 3"):
        exponential_map(mesh, 4, [[1.0, 0.0]])
    with pytest.raises(ValueError, match="tangent vectors"):
        exponential_map(mesh, 0, [1.0, 0.0])
    with pytest.raises(ValueError, match="intrinsic"):
        exponential_map(ROUND["flat_torus"].mesh, 0, [[0.1, 0.0]]).ends(ROUND["flat_torus"].mesh)
