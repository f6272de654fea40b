import numpy as np
import pytest
import torch

from gaugenet.meshes import shapes
from gaugenet.meshes.averaging import roughness
from gaugenet.meshes.fans import build_fans
from gaugenet.meshes.field_export import field_arrows
from gaugenet.meshes.field_gauge import edge_ends
from gaugenet.meshes.frame_field import face_indices
from gaugenet.meshes.frame_fields import _connection_laplacian, _diagonal, _solver, smoothest_frame_field
from gaugenet.meshes.given_fields import direction_field, principal_curvature_field
from gaugenet.meshes.io import load_mesh
from gaugenet.meshes.neighborhoods import Nearest
from gaugenet.meshes.precompute import compute_geometry
from gaugenet.meshes.repair import mesh_from_arrays, mesh_from_edge_lengths
from gaugenet.meshes.topology import euler_characteristic

CLOSED_SURFACES = {
    "sphere": 2, "icosahedron": 2, "torus": 0, "flat_torus": 0, "klein_bottle": 0, "projective_plane": 1,
    "hyperbolic_surface": -2,
}  # fmt: skip
CLOSED = {
    "sphere": (shapes.sphere(subdivisions=2), 2),
    "random sphere": (shapes.sphere(sampling="random", n=300), 2),
    "torus": (shapes.torus(24, 12, jitter=0.2), 0),
    "Klein": (shapes.klein_bottle(24, 12), 0),
    "projective plane": (shapes.projective_plane(2), 1),
}


def between(a, b, n=1):
    """Largest angle between the arms of two fields of n arms."""
    return float(np.abs(np.angle(np.exp(1j * n * (np.asarray(a) - np.asarray(b))))).max() / n)


def random_gauge(geometry, seed=0, flips=True):
    rng = np.random.default_rng(seed)
    angle = rng.uniform(-np.pi, np.pi, geometry.n_vertices)
    flip = rng.choice([-1.0, 1.0], geometry.n_vertices) if flips else np.ones(geometry.n_vertices)
    return angle, flip, geometry.transform(torch.from_numpy(angle), torch.from_numpy(flip))


@pytest.mark.parametrize("n", [1, 2, 4, 6])
@pytest.mark.parametrize("name", CLOSED)
def test_indices_sum_to_the_euler_characteristic(name, n):
    shape, chi = CLOSED[name]
    assert euler_characteristic(shape.mesh) == chi
    field = smoothest_frame_field(shape.mesh, n)
    assert field.n == n
    assert np.isclose(field.face_index.sum(), chi, atol=1e-12)
    assert np.allclose(field.face_index * n, np.rint(field.face_index * n))
    # the smoothest field has no more singularities than the round surfaces force on it
    if chi > 0:
        assert len(field.singular_faces) == n * chi
    assert set(shape.mesh.faces[field.singular_faces].ravel()) == set(np.flatnonzero(field.near_singularity))


@pytest.mark.parametrize("n", [1, 2, 4, 6])
@pytest.mark.parametrize("name", CLOSED_SURFACES)
def test_indices_on_every_named_closed_surface(name, n):
    """Σ index = χ, in units of 1/n: n χ of them, signs counted."""
    mesh = shapes.named_surface(name).mesh
    assert (mesh.twin >= 0).all()
    field = smoothest_frame_field(mesh, n)
    assert round(n * field.face_index.sum(), 9) == n * CLOSED_SURFACES[name]
    g = compute_geometry(mesh, Nearest(6), dtype=torch.float64)
    here, there = (smoothest_frame_field(mesh, n, geometry=x) for x in (g, random_gauge(g)[2]))
    assert round(n * here.face_index.sum(), 9) == n * CLOSED_SURFACES[name]
    assert (there.face_index == here.face_index).all()


def test_one_sided_and_two_sided_solvers_agree():
    mesh = CLOSED["random sphere"][0].mesh
    fans = build_fans(mesh)
    matrix = (_connection_laplacian(fans, edge_ends(fans), 4) + 0.1 * _diagonal(np.ones(2 * mesh.n_vertices))).tocsc()
    right = np.random.default_rng(0).standard_normal(2 * mesh.n_vertices)
    found = [_solver(matrix, one_sided)(right) for one_sided in (False, True)]
    np.testing.assert_allclose(found[0], found[1], atol=1e-10)
    np.testing.assert_allclose(matrix @ found[0], right, atol=1e-10)


@pytest.mark.parametrize("n", [1, 2, 4])
def test_a_field_aligned_to_the_boundary(n):
    """On a flat strip and cylinder the normals of both rims agree but for their sign; a free field knows no rim."""
    cylinder = shapes.cylinder(24, 8, jitter=0.2)
    up = np.broadcast_to([0, 0, 1.0], (cylinder.mesh.n_vertices, 3))
    g = compute_geometry(cylinder.mesh, Nearest(8), frame_direction=up, dtype=torch.float64)
    field = smoothest_frame_field(cylinder.mesh, n, geometry=g, aligned=True)
    rim = g.boundary.numpy()
    inwards = np.where(cylinder.mesh.vertices[:, 2] > 0, np.pi, 0)
    assert between(field.angle[rim], inwards[rim], n) < 0.02
    if n % 2 == 0:
        assert between(field.angle, 0, n) < 0.1
    strip = shapes.mobius_strip(24, 6, developed=True, jitter=0.2)
    g = compute_geometry(strip.mesh, Nearest(8), dtype=torch.float64)
    assert along_edges(g, smoothest_frame_field(strip.mesh, 2, geometry=g, aligned=True).angle, 2) < 1e-9
    closed = CLOSED["torus"][0].mesh
    assert (smoothest_frame_field(closed, n, aligned=True).angle == smoothest_frame_field(closed, n).angle).all()


def test_no_singularity_on_a_jittered_torus():
    field = smoothest_frame_field(CLOSED["torus"][0].mesh, 1)
    assert len(field.singular_faces) == 0


def test_any_field_has_indices_that_sum_to_chi():
    shape, chi = CLOSED["random sphere"]
    rng = np.random.default_rng(3)
    field = direction_field(shape.mesh, rng.standard_normal((shape.mesh.n_vertices, 3)), 4)
    assert len(field.singular_faces) > 20
    assert np.isclose(field.face_index.sum(), chi)


def test_handedness_that_is_ignored_breaks_the_sum():
    shape, chi = CLOSED["projective plane"]
    field, fans = smoothest_frame_field(shape.mesh, 1), build_fans(shape.mesh)
    assert (face_indices(fans, edge_ends(fans), field.angle, 1) == field.face_index).all()
    blind = fans._replace(corner_sign=np.ones_like(fans.corner_sign))
    broken = face_indices(blind, edge_ends(blind), field.angle, 1)
    assert abs(broken.sum() - chi) > 0.5


def test_gravity_on_the_sphere_is_singular_at_the_poles():
    mesh = CLOSED["random sphere"][0].mesh
    field = direction_field(mesh, (0, 0, -1.0))
    assert field.face_index[field.singular_faces].tolist() == [1.0, 1.0]
    height = mesh.vertices[mesh.faces[field.singular_faces], 2].mean(1)
    assert sorted(np.sign(height).tolist()) == [-1, 1]
    assert np.abs(height).min() > 0.95
    g = compute_geometry(mesh, Nearest(8), dtype=torch.float64)
    points, vectors = field_arrows(mesh, g, field, 0.5)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 0.5)
    assert (points == mesh.vertices).all()
    normal = g.frame[:, 2].numpy()
    assert np.abs((normal * vectors).sum(1)).max() < 1e-12
    down = np.array([0, 0, -1.0]) - normal * -normal[:, 2:]
    assert np.allclose(vectors, 0.5 * down / np.linalg.norm(down, axis=1, keepdims=True), atol=1e-9)


@pytest.mark.parametrize(
    ("shape", "arms"),
    [
        (shapes.flat_torus(12, 12, jitter=0.2), 1),
        (shapes.cylinder(20, 8, developed=True, jitter=0.2), 2),
        (shapes.mobius_strip(24, 6, developed=True, jitter=0.2), 1),
        (shapes.klein_bottle(24, 10, developed=True, jitter=0.2), 2),
    ],
    ids=["flat torus", "cylinder", "Möbius", "Klein"],
)
def test_the_field_is_parallel_on_flat_surfaces(shape, arms):
    mesh = shape.mesh
    g = compute_geometry(mesh, Nearest(16), dtype=torch.float64)
    field = smoothest_frame_field(mesh, arms, geometry=g)
    assert len(field.singular_faces) == 0
    assert along_edges(g, field.angle, arms) < 1e-12
    moved = field.angle.copy()
    moved[7] += 0.1
    assert along_edges(g, moved, arms) > 0.09


def along_edges(g, angle, n):
    """Largest angle between the field at p and the fields of its neighbours, carried to p."""
    p, q = g.target.numpy(), g.source.numpy()
    return between(g.phi.numpy() + g.flip.numpy() * angle[q], angle[p], n)


@pytest.mark.parametrize("name", ["sphere", "torus", "Klein", "projective plane"])
def test_a_field_in_the_frames_of_a_geometry(name):
    mesh = CLOSED[name][0].mesh
    g = compute_geometry(mesh, Nearest(16), dtype=torch.float64)
    angle, flip, other = random_gauge(g)
    plain = smoothest_frame_field(mesh, 4)
    here, there = (smoothest_frame_field(mesh, 4, geometry=x) for x in (g, other))
    # where a geometry averages over more paths than the edge its transporters are others, and so is the field
    if not roughness(build_fans(mesh)).any():
        assert between(plain.angle, here.angle, 4) < 1e-10
    else:
        assert name == "Klein"
    assert between(there.angle, angle + flip * here.angle, 4) < 1e-10
    assert (there.face_index == here.face_index).all()
    assert between(there.angle, here.angle, 4) > 0.1


def test_components_boundaries_and_isolated_vertices():
    sphere, patch = shapes.sphere(subdivisions=1).mesh, shapes.flat_patch(6, 6, jitter=0.2).mesh
    vertices = np.concatenate([sphere.vertices, patch.vertices + 5, [[9.0, 9, 9]]])
    both = mesh_from_arrays(vertices, np.concatenate([sphere.faces, patch.faces + sphere.n_vertices]))
    field = smoothest_frame_field(both, 4)
    assert np.isfinite(field.angle).all()
    assert field.angle[-1] == 0
    assert np.isclose(field.face_index[: sphere.n_faces].sum(), 2)
    assert (field.face_index[sphere.n_faces :] == 0).all()
    g = compute_geometry(both, Nearest(8), dtype=torch.float64)
    on_patch = g.target.numpy() >= sphere.n_vertices
    difference = g.phi.numpy() + field.angle[g.source.numpy()] - field.angle[g.target.numpy()]
    assert between(difference[on_patch], 0, 4) < 1e-9


def test_a_torus_of_one_vertex():
    twin = np.array([3, 4, 5, 0, 1, 2])
    sides = np.array([[1.0, 1.0, np.sqrt(2)], [1.0, 1.0, np.sqrt(2)]])
    mesh = mesh_from_edge_lengths(np.zeros((2, 3), int), sides, twin=twin, twin_flipped=np.zeros(6, bool), n_vertices=1)
    field = smoothest_frame_field(mesh, 1)
    assert (field.face_index == 0).all()


def test_principal_directions_of_a_cylinder_and_a_torus():
    cylinder = shapes.cylinder(40, 8, jitter=0.1)
    up = np.broadcast_to([0, 0, 1.0], (cylinder.mesh.n_vertices, 3))
    g = compute_geometry(cylinder.mesh, Nearest(16), frame_direction=up, dtype=torch.float64)
    inside = ~g.boundary.numpy()
    assert between(principal_curvature_field(cylinder.mesh, g).angle[inside], 0, 4) < 0.05
    outwards = (g.frame[:, 2, :2].numpy() * cylinder.mesh.vertices[:, :2]).sum(1) > 0
    line = principal_curvature_field(cylinder.mesh, g, 2).angle
    # seen from outside the circles bend away (curvature -1), so the straight lines are the larger
    assert between(line[inside], np.where(outwards, 0, np.pi / 2)[inside], 2) < 0.05
    torus = shapes.torus(48, 20)
    g = compute_geometry(torus.mesh, Nearest(16), frame_direction=torus.frame[:, 0], dtype=torch.float64)
    assert between(principal_curvature_field(torus.mesh, g).angle, 0, 4) < 0.1


def test_a_real_mesh(shared_data):
    path = shared_data / "meshes_clean" / "spot" / "spot_low_resolution.obj"
    if not path.is_file():
        pytest.skip(f"{path.name} is not there")
    mesh = load_mesh(path)
    chi = euler_characteristic(mesh)
    for n in (1, 2, 4, 6):
        field = smoothest_frame_field(mesh, n)
        assert np.isclose(field.face_index.sum(), chi)
        assert len(field.singular_faces) < 0.1 * mesh.n_faces


def test_errors_say_what_to_do():
    flat, round_ = shapes.flat_torus(6, 6).mesh, shapes.sphere(subdivisions=1).mesh
    g = compute_geometry(round_, Nearest(6))
    with pytest.raises(ValueError, match="at least 1 arm"):
        smoothest_frame_field(flat, 0)
    with pytest.raises(ValueError, match="vertices and the mesh"):
        smoothest_frame_field(flat, 1, geometry=g)
    with pytest.raises(ValueError, match="intrinsic; use smoothest_frame_field"):
        direction_field(flat, (0, 0, 1))
    with pytest.raises(ValueError, match="2 or 4"):
        principal_curvature_field(round_, g, 3)
    with pytest.raises(ValueError, match="compute both from this mesh"):
        field_arrows(round_, compute_geometry(flat, Nearest(6)), smoothest_frame_field(round_, 1))
