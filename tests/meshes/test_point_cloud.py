"""Point clouds: the surface laid through them, its geometry against closed forms, and networks on it."""

import numpy as np
import pytest
import torch

import gaugenet as gn
from gaugenet.meshes import shapes
from gaugenet.meshes.mesh import MeshError
from gaugenet.meshes.neighborhoods import Nearest, Radius
from gaugenet.meshes.point_cloud import mesh_from_points, point_cloud_geometry
from gaugenet.meshes.topology import boundary_loops, euler_characteristic, is_orientable, n_components


def wrapped(angle):
    return np.abs((angle + np.pi) % (2 * np.pi) - np.pi)


@pytest.fixture(scope="module")
def ball():
    return shapes.sphere(sampling="random", n=2000)


def test_random_points_on_a_sphere_within_the_bounds_of_meshes(ball):
    mesh = mesh_from_points(ball.mesh.vertices)
    assert euler_characteristic(mesh) == 2
    assert not boundary_loops(mesh)
    h = float(np.median(mesh.edge_lengths))
    g = point_cloud_geometry(ball.mesh.vertices, Radius(3.3 * h), frame_direction=ball.frame[:, 0], dtype=torch.float64)
    p, q = g.target.numpy(), g.source.numpy()
    exact = ball.log_and_transport(p, q)
    assert np.quantile(np.abs(g.r.numpy() - exact.r) / exact.r, 0.95) < 0.3 * h**2
    assert np.quantile(wrapped(g.theta.numpy() - exact.theta), 0.95) < 0.5 * h**2
    assert np.quantile(wrapped(g.phi.numpy() - exact.phi), 0.95) < 1.0 * h**2
    assert abs(float(g.area.sum()) / (4 * np.pi) - 1) < 0.01
    assert (g.flip == 1).all()
    assert (np.einsum("ni,ni->n", g.frame[:, 2].numpy(), ball.mesh.vertices) > 0).all(), "the outside is up"


def test_topology_of_what_was_sampled():
    torus = shapes.torus(50, 20, jitter=0.2).mesh
    assert euler_characteristic(mesh_from_points(torus.vertices)) == 0
    strip = mesh_from_points(shapes.mobius_strip(60, 10, jitter=0.2).mesh.vertices)
    assert not is_orientable(strip)
    assert len(boundary_loops(strip)) == 1
    square = np.random.default_rng(0).random((600, 3)) * [1, 1, 0]
    plane = mesh_from_points(square)
    assert (euler_characteristic(plane), len(boundary_loops(plane))) == (1, 1)
    two = mesh_from_points(np.concatenate([square, square + np.array([0, 0, 0.5])]))
    assert n_components(two) == 2


def test_a_regular_grid_in_the_plane_is_exact():
    points = np.stack(np.meshgrid(np.arange(15.0), np.arange(12.0), [0.0]), -1).reshape(-1, 3)
    x = np.tile([1.0, 0, 0], (len(points), 1))
    g = point_cloud_geometry(points, Nearest(12), normals=x[:, [1, 2, 0]], frame_direction=x, dtype=torch.float64)
    d = points[g.source.numpy()] - points[g.target.numpy()]
    np.testing.assert_allclose(g.r.numpy(), np.hypot(d[:, 0], d[:, 1]), atol=1e-12)
    assert wrapped(g.theta.numpy() - np.arctan2(d[:, 1], d[:, 0])).max() < 1e-9
    assert g.structure_group == "trivial"


def test_normals_say_which_side_is_up(ball):
    inward = mesh_from_points(ball.mesh.vertices, normals=-3 * ball.mesh.vertices)
    corners = inward.vertices[inward.faces]
    assert (np.einsum("fi,fi->f", np.cross(corners[:, 0], corners[:, 1]), corners[:, 2]) < 0).all()


def test_scale_and_place_do_not_matter(ball):
    plain = mesh_from_points(ball.mesh.vertices[:500])
    for scale in (1e-9, 1e9):
        moved = mesh_from_points(ball.mesh.vertices[:500] * scale + 3 * scale)
        assert np.array_equal(moved.faces, plain.faces)
        np.testing.assert_allclose(moved.edge_lengths, plain.edge_lengths * scale, rtol=1e-9)


def test_duplicates_and_outliers_are_kept_as_empty_rows(ball):
    points = np.concatenate([ball.mesh.vertices, ball.mesh.vertices[:3], [[50.0, 50, 50]]])
    g = point_cloud_geometry(points, Nearest(8))
    assert g.n_vertices == len(points)
    assert (np.diff(g.row_ptr.numpy())[-4:] == 0).all()
    assert torch.isfinite(g.weight).all()
    said = " ".join(str(r) for r in mesh_from_points(points).report)
    assert "3 points at the position of another" in said
    assert "1 points that no triangle uses" in said


def test_what_is_no_surface_is_refused():
    for points in ([[0, 0, 0], [1, 0, 0]], np.zeros((9, 3)), np.full((9, 3), np.nan), np.zeros((4, 2)), []):
        with pytest.raises(MeshError):
            mesh_from_points(points)
    with pytest.raises(MeshError, match="no triangle"):
        mesh_from_points(np.outer(np.arange(20.0), [1, 2, 3]))
    with pytest.raises(MeshError, match="normal"):
        mesh_from_points(np.eye(3), normals=np.zeros((3, 3)))


@pytest.mark.parametrize("seed", range(12))
def test_any_points_end_in_a_geometry_or_one_clear_error(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(3, 60))
    points = rng.normal(size=(n, 3)) * rng.choice([1, 1e-3, 0, 1e3], 3)
    points = points if seed % 3 else np.round(points)
    try:
        g = point_cloud_geometry(points, Nearest(6), dtype=torch.float64)
    except MeshError:
        return
    assert g.n_vertices == n
    for name in ("r", "theta", "phi", "weight", "area"):
        assert torch.isfinite(getattr(g, name)).all()


@pytest.mark.parametrize("break_it", [False, True])
def test_a_network_on_a_cloud_is_equivariant(ball, break_it):
    g = point_cloud_geometry(ball.mesh.vertices[:800], Nearest(12), dtype=torch.float64)
    scalar, field = gn.FieldType.parse("SO(2): 2x0"), gn.FieldType.parse("SO(2): 3x0 + 3x1")
    torch.manual_seed(0)
    first, second = gn.GaugeConv(scalar, field).double(), gn.GaugeConv(field, scalar).double()
    with torch.no_grad():
        for parameter in [*first.parameters(), *second.parameters()]:
            parameter.add_(0.1 * torch.randn_like(parameter))
    x = torch.randn(g.n_vertices, 2, dtype=torch.float64)
    turned = g.transform(torch.rand(g.n_vertices, dtype=torch.float64) * 6.0)
    if break_it:
        turned = turned.replace(phi=g.phi)
    with torch.no_grad():
        before, after = second(first(x, g), g), second(first(x, turned), turned)
    error = float((before - after).abs().max() / before.abs().max())
    assert error > 1e-3 if break_it else error < 1e-12
