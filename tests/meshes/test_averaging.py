import numpy as np
import torch

from gaugenet.meshes import log_map, shapes
from gaugenet.meshes.averaging import roughness
from gaugenet.meshes.fans import build_fans
from gaugenet.meshes.neighborhoods import Nearest
from gaugenet.meshes.precompute import compute_geometry
from gaugenet.meshes.repair import mesh_from_arrays
from gaugenet.meshes.shapes import Shape


def noisy(level=3, noise=0.1):
    shape = shapes.sphere(subdivisions=level)
    h = np.median(shape.mesh.edge_lengths)
    radius = 1 + noise * h * np.random.default_rng(0).normal(size=shape.mesh.n_vertices)
    mesh = mesh_from_arrays(shape.mesh.vertices * radius[:, None], shape.mesh.faces)
    return Shape(mesh, shape.closed_form, shape.frame)


def test_roughness_tells_noise_from_curvature():
    for smooth in (shapes.sphere(), shapes.sphere(sampling="random"), shapes.torus(60, 24, jitter=0.2)):
        rough = roughness(build_fans(smooth.mesh))
        assert np.quantile(rough, 0.9) == 0
    assert np.quantile(roughness(build_fans(noisy().mesh)), 0.1) == 1
    assert roughness(build_fans(shapes.flat_torus(10, 10, jitter=0.2).mesh)).max() == 0


def test_noise_is_averaged_out(closed_form_errors, monkeypatch):
    shape = noisy()
    found = {}
    for name, rough in (("averaged", roughness), ("one pair of paths", lambda fans: np.zeros(fans.n_vertices))):
        monkeypatch.setattr(log_map, "roughness", rough)
        errors = closed_form_errors(compute_geometry(shape.mesh, Nearest(24), dtype=torch.float64), shape)
        assert errors.flips == 0
        found[name] = errors
    assert np.quantile(found["averaged"].phi, 0.95) < 0.65 * np.quantile(found["one pair of paths"].phi, 0.95)
    assert np.quantile(found["averaged"].theta, 0.95) < 0.85 * np.quantile(found["one pair of paths"].theta, 0.95)
    np.testing.assert_array_equal(found["averaged"].r, found["one pair of paths"].r)


def test_averages_are_exact_where_transport_is_flat(closed_form_errors, monkeypatch):
    """Averages over every path, also those that run into the boundary or over a seam with a flip."""
    monkeypatch.setattr(log_map, "roughness", lambda fans: np.ones(fans.n_vertices))
    for shape in (
        shapes.flat_patch(12, 12, jitter=0.2),
        shapes.mobius_strip(30, 6, developed=True, jitter=0.2),
        shapes.klein_bottle(30, 12, developed=True, jitter=0.2),
    ):
        errors = closed_form_errors(compute_geometry(shape.mesh, Nearest(20), dtype=torch.float64), shape)
        assert errors.flips == 0
        assert max(errors.r.max(), errors.theta.max(), errors.phi.max()) < 1e-12


def test_averages_turn_with_the_gauge():
    """With a random handedness at every vertex, on a rough surface: covariant to rounding."""
    mesh = noisy(2).mesh
    hand = np.random.default_rng(1).choice([-1, 1], mesh.n_vertices)
    plain, mirrored = (compute_geometry(mesh, Nearest(16), handedness=h, dtype=torch.float64) for h in (None, hand))
    expected = plain.transform(torch.zeros(mesh.n_vertices, dtype=torch.float64), torch.from_numpy(hand))
    for name in ("theta", "phi"):
        off = torch.sin((getattr(expected, name) - getattr(mirrored, name)) / 2)
        assert off.abs().max() < 1e-12
    assert (expected.flip == mirrored.flip).all()
    assert (expected.flip != plain.flip).any()


def test_both_edges_of_the_boundary_count():
    """The mirror image of a rough surface with a boundary has the mirrored geometry, boundary included."""
    flat = shapes.flat_patch(10, 10, jitter=0.2).mesh
    points = flat.vertices + np.random.default_rng(0).normal(scale=0.02, size=flat.vertices.shape) * [0, 0, 1]
    points[:, 2] += 0.3 * points[:, 0]
    up = np.tile([0.0, 0.0, 1.0], (len(points), 1))
    plain, mirrored = (
        compute_geometry(
            mesh_from_arrays(points * side, flat.faces[:, corners]),
            Nearest(16),
            dtype=torch.float64,
            frame_direction=up,
        )
        for side, corners in (([1, 1, 1], [0, 1, 2]), ([-1, 1, 1], [1, 0, 2]))
    )
    assert roughness(build_fans(mesh_from_arrays(points, flat.faces))).max() > 0.5
    assert torch.equal(plain.source, mirrored.source)
    for name in ("theta", "phi"):
        assert torch.sin((getattr(plain, name) + getattr(mirrored, name)) / 2).abs().max() < 1e-12
