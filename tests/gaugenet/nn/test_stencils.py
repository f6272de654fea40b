"""Derivatives by least squares: exact on polynomials."""

import pytest
import torch

from gaugenet.meshes import shapes
from gaugenet.meshes.neighborhoods import Nearest
from gaugenet.meshes.precompute import compute_geometry
from gaugenet.nn.stencils import stencil_edges


def polynomial(degree, xy, seed=0):
    """A random polynomial at xy [V, 2], and its derivatives (x, y, Laplacian, xx - yy, 2 xy)."""
    c = torch.randn(6, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    x, y = xy.unbind(1)
    if degree == 1:
        c[3:] = 0
    value = c[0] + c[1] * x + c[2] * y + c[3] * x * x + c[4] * x * y + c[5] * y * y
    one = torch.ones_like(x)
    xx, xy_, yy = 2 * c[3] * one, c[4] * one, 2 * c[5] * one
    first = (c[1] + xx * x + c[4] * y, c[2] + c[4] * x + yy * y)
    return value, torch.stack([*first, xx + yy, xx - yy, 2 * xy_], 1)


def applied(edges, values):
    out = torch.zeros(edges.n_target, edges.scalars.shape[1], dtype=values.dtype)
    target = torch.repeat_interleave(torch.arange(edges.n_target), edges.row_ptr.diff().long())
    return out.index_add(0, target, edges.scalars * values[edges.source.long(), None])


def on_the_plane(random_geometry):
    """The flat patch in one frame everywhere, so that log_p q = q - p."""
    shape = shapes.flat_patch(9, 8, jitter=0.2)
    geometry = compute_geometry(shape.mesh, Nearest(12), dtype=torch.float64)
    xy = torch.from_numpy(shape.mesh.vertices[:, :2].copy())
    v = xy[geometry.source.long()] - xy[geometry.target]
    # to the axes of the plane: log_p q is known here
    return geometry.replace(theta=torch.atan2(v[:, 1], v[:, 0])), xy


@pytest.mark.parametrize("degree", [1, 2])
def test_polynomials_have_their_derivatives(degree, random_geometry):
    geometry, xy = on_the_plane(random_geometry)
    value, derivatives = polynomial(degree, xy)
    found = applied(stencil_edges(geometry, degree), value)
    torch.testing.assert_close(found, derivatives, rtol=0, atol=1e-10)
    # the twin: one degree more is not exact
    more, expected = polynomial(2, xy) if degree == 1 else (xy[:, 0] ** 3, None)
    off = applied(stencil_edges(geometry, degree), more)
    exact = expected[:, 0] if expected is not None else 3 * xy[:, 0] ** 2
    assert (off[:, 0] - exact).abs().max() > 1e-4


@pytest.mark.parametrize("degree", [1, 2])
def test_between_levels_the_value_is_fitted_too(degree):
    """Sources and targets anywhere in the plane."""
    generator = torch.Generator().manual_seed(0)
    sources = torch.rand(40, 2, dtype=torch.float64, generator=generator)
    targets = torch.rand(7, 2, dtype=torch.float64, generator=generator)
    v = (sources[None] - targets[:, None]).reshape(-1, 2)
    geometry = MESH.replace(
        row_ptr=40 * torch.arange(8, dtype=torch.int32),
        source=torch.arange(40, dtype=torch.int32).repeat(7),
        r=v.norm(dim=1),
        theta=torch.atan2(v[:, 1], v[:, 0]),
        phi=torch.zeros(280, dtype=torch.float64),
        flip=torch.ones(280, dtype=torch.int8),
        weight=torch.full((280,), 1 / 40, dtype=torch.float64),
        radius=torch.full((7,), 1.5, dtype=torch.float64),
        area=torch.ones(7, dtype=torch.float64),
        boundary=torch.zeros(7, dtype=torch.bool),
        mesh_ptr=torch.tensor([0, 7]),
        source_ptr=torch.tensor([0, 40]),
        frame=None,
        visit_order=None,
    )
    value, _ = polynomial(degree, sources)
    _, expected = polynomial(degree, targets)
    found = applied(stencil_edges(geometry, degree), value)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-10)


MESH = compute_geometry(shapes.flat_patch(4, 4).mesh, Nearest(5), dtype=torch.float64)


def test_what_neighbours_do_not_determine_is_not_amplified(random_geometry):
    """All neighbours on one line: nothing is known across it."""
    geometry = random_geometry()
    line = geometry.replace(theta=torch.pi * (geometry.theta < 3).double())
    scalars = stencil_edges(line, 2).scalars
    assert scalars.isfinite().all()
    assert scalars[:, 1].abs().max() < 1e-9
    with pytest.raises(ValueError, match="must be 1 or 2"):
        stencil_edges(geometry, 3)
    assert stencil_edges(random_geometry(degree=0), 2).scalars.abs().max() == 0
