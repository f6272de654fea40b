"""Differential operators against closed forms: exact on the plane, convergent on the sphere."""

import numpy as np
import pytest
import torch

from gaugenet.equivariance import audit, gauge_transform, random_gauge
from gaugenet.field_type import FieldType
from gaugenet.meshes import shapes
from gaugenet.meshes.neighborhoods import Nearest
from gaugenet.meshes.precompute import compute_geometry
from gaugenet.nn.differential import ConnectionLaplacian, Curl, Divergence, Gradient
from gaugenet.nn.tangent import pseudo_scalar_type, scalar_type, tangent_type


def in_frames(vectors, geometry):
    """Tangent coefficients [V, 2] of vectors in space [V, 3]."""
    return (geometry.frame[:, :2] @ vectors[:, :, None])[:, :, 0]


def flat():
    """The patch with a different random frame at every vertex, and its points."""
    mesh = shapes.flat_patch(9, 8, jitter=0.2).mesh
    geometry = compute_geometry(mesh, Nearest(12), dtype=torch.float64)
    angle, flip = random_gauge("O(2)", geometry, torch.Generator().manual_seed(0))
    return gauge_transform(geometry, "O(2)", angle, flip), torch.from_numpy(np.array(mesh.vertices))


@pytest.mark.parametrize("degree", [1, 2])
def test_linear_fields_on_the_plane(degree):
    geometry, points = flat()
    a = torch.tensor([0.7, -1.3, 0.0], dtype=torch.float64)
    matrix = torch.tensor([[0.5, -0.8, 0.0], [1.1, 0.3, 0.0], [0.0, 0.0, 0.0]], dtype=torch.float64)
    handedness = geometry.frame[:, 2, 2:3]
    scalar = (points @ a)[:, None]
    gradient = in_frames(a.expand_as(points), geometry)
    vector = in_frames(points @ matrix.T, geometry)
    turned = in_frames(torch.tensor([1.3, 0.7, 0.0], dtype=torch.float64).expand_as(points), geometry)
    cases = [
        (Gradient("O(2)", degree=degree), scalar, gradient),
        (Gradient("O(2)", rotated=True, degree=degree), scalar * handedness, turned),
        (Divergence("O(2)", degree=degree), vector, torch.full_like(scalar, 0.8)),
        (Curl("O(2)", degree=degree), vector, 1.9 * handedness),
    ]
    for layer, x, expected in cases:
        torch.testing.assert_close(layer(x, geometry), expected, rtol=0, atol=1e-10)
    # the twin: transport left out
    lost = geometry.replace(phi=torch.zeros_like(geometry.phi))
    assert (cases[2][0](vector, lost) - cases[2][2]).abs().max() > 0.1


def test_laplacian_of_quadratic_fields_on_the_plane():
    geometry, points = flat()
    x, y, _ = points.unbind(1)
    scalar = (x * x + 3 * y * y - x * y)[:, None]
    found = ConnectionLaplacian(scalar_type("O(2)"))(scalar, geometry)
    torch.testing.assert_close(found, torch.full_like(found, 8.0), rtol=0, atol=1e-8)
    vector = in_frames(torch.stack([x * y, y * y, 0 * x], 1), geometry)
    expected = in_frames(torch.tensor([0.0, 2.0, 0.0], dtype=torch.float64).expand_as(points), geometry)
    found = ConnectionLaplacian(tangent_type("O(2)"))(vector, geometry)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-8)


def round_sphere(shape, geometry):
    """The same neighbourhoods, with log maps and transporters in closed form and the frames that belong to them."""
    exact = shape.log_and_transport(geometry.target.numpy(), geometry.source.numpy())
    r, theta, phi, _ = (torch.from_numpy(np.asarray(value)) for value in exact)
    return geometry.replace(r=r, theta=theta, phi=phi, frame=torch.from_numpy(np.array(shape.frame)))


def sphere_errors(subdivisions, closed_form):
    """Relative rms errors on the unit sphere, of f = z + x y and its fields."""
    shape = shapes.sphere(subdivisions=subdivisions)
    geometry = compute_geometry(shape.mesh, Nearest(14), dtype=torch.float64)
    if closed_form:
        geometry = round_sphere(shape, geometry)
    points = torch.from_numpy(np.array(shape.mesh.vertices))
    x, y, z = points.unbind(1)
    f = (z + x * y)[:, None]
    grad_space = torch.stack([y, x, torch.ones_like(x)], 1)
    gradient = in_frames(grad_space, geometry)
    # spherical harmonics of degree 1 and 2: eigenvalues -2 and -6; on gradients the connection Laplacian has
    # Δ∇f = ∇Δf + K ∇f, so -1 and -5
    laplacian = (-2 * z - 6 * x * y)[:, None]
    ones = torch.zeros_like(points)
    ones[:, 2] = 1
    quadratic = torch.stack([y, x, torch.zeros_like(x)], 1)
    rough = in_frames(-1 * ones - 5 * quadratic, geometry)
    pairs = [
        (Gradient("SO(2)")(f, geometry), gradient),
        (Gradient("SO(2)", degree=1)(f, geometry), gradient),
        (Divergence("SO(2)")(gradient, geometry), laplacian),
        (Curl("SO(2)")(Gradient("SO(2)", rotated=True)(f, geometry), geometry), laplacian),
        (ConnectionLaplacian(scalar_type("SO(2)"))(f, geometry), laplacian),
        (ConnectionLaplacian(tangent_type("SO(2)"))(gradient, geometry), rough),
    ]
    return torch.stack([(found - exact).norm() / exact.norm() for found, exact in pairs])


@pytest.mark.parametrize("closed_form", [True, False])
def test_convergence_on_the_sphere(closed_form):
    """Errors fall with the square of the edge length."""
    coarse, fine = sphere_errors(3, closed_form), sphere_errors(4, closed_form)
    if not closed_form:
        # frames of a mesh are tangent to it and not to the sphere: components of the closed form are off by h², which
        # says nothing about second derivatives
        coarse, fine = coarse[:-1], fine[:-1]
    assert (fine < coarse / 2.5).all(), (coarse, fine)
    assert (fine < 0.02).all(), fine
    assert fine[0] < 5e-3


GROUPS = ["trivial", "reflection", "C2", "C6", "D2", "D4", "SO(2)", "O(2)"]


@pytest.mark.parametrize("group", GROUPS)
def test_operators_are_equivariant(group, random_geometry, cross_level):
    scalar, pseudo, tangent = (t(group, 2) for t in (scalar_type, pseudo_scalar_type, tangent_type))
    layers = [
        (Gradient(group, 2), scalar, tangent),
        (Gradient(group, 2, rotated=True), pseudo, tangent),
        (Divergence(group, 2), tangent, scalar),
        (Curl(group, 2, degree=1), tangent, pseudo),
        (ConnectionLaplacian(tangent), tangent, tangent),
    ]
    for geometry in (random_geometry(group, degree=9), cross_level(group)):
        for layer, in_type, out_type in layers:
            report = audit(layer, in_type, out_type, geometry, trials=1)
            assert report.passed, str(report)
    if group in ("reflection", "D4", "O(2)"):
        # the twin: a rotated gradient of scalars knows left from right
        layer = Gradient(group, 2, rotated=True)
        layer.in_type = scalar
        assert not audit(layer, scalar, tangent, random_geometry(group, degree=9)).passed


def test_errors_say_what_was_expected(random_geometry):
    with pytest.raises(ValueError, match="must be 1 or 2"):
        Gradient("SO(2)", degree=3)
    with pytest.raises(ValueError, match=r"expected features \[24, 1\]"):
        Gradient("SO(2)")(torch.zeros(24, 2, dtype=torch.float64), random_geometry())
    with pytest.raises(ValueError, match="does not admit"):
        ConnectionLaplacian(FieldType.parse("SO(2): 1x0"))(torch.zeros(24, 1).double(), random_geometry("O(2)"))
