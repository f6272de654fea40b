import numpy as np
import pytest
import torch

from gaugenet.meshes import shapes
from gaugenet.meshes.neighborhoods import Nearest, Radius
from gaugenet.meshes.precompute import compute_geometry
from gaugenet.meshes.quadrature import quadrature_weights


def test_formula():
    target, source = np.array([0, 0, 1]), np.array([1, 2, 2])
    r, radius, area = np.array([0.5, 1.0, 1.5]), np.array([2.0, 3.0, 0.0]), np.array([7.0, 2.0, 4.0])
    first, second = 2 * (1 - 1 / 16) ** 2, 4 * (1 - 1 / 4) ** 2
    found = quadrature_weights(target, source, r, radius, area)
    np.testing.assert_allclose(found, [first / (first + second), second / (first + second), 1.0], rtol=1e-15)


@pytest.mark.parametrize("area", [0.0, 1.0])
def test_rows_without_area_or_all_on_the_rim_get_equal_weights(area):
    found = quadrature_weights(np.zeros(4, int), np.arange(4), np.full(4, 2.0), np.full(4, 2.0), np.full(4, area))
    np.testing.assert_array_equal(found, 0.25)


def test_moments_over_a_disc():
    """Window (1 - ρ²)² on the disc: mean of u is 0, mean of u uᵀ is R²/8 · 1 (∫ρ³w / ∫ρw = 1/4, half for each axis).

    The target itself, where u = 0, is no neighbour: it takes part in the mean with its own area.
    """
    shape = shapes.flat_torus(30, 30, jitter=0.2)
    for neighborhood, tolerance in ((Radius(0.2), 0.02), (Nearest(100), 0.03)):
        g = compute_geometry(shape.mesh, neighborhood, dtype=torch.float64)
        own = g.area / torch.zeros_like(g.area).index_add_(
            0, g.target, g.area[g.source.long()] * (1 - (g.r / g.radius[g.target]) ** 2) ** 2
        )
        u = (g.r / g.radius[g.target])[:, None] * torch.stack([g.theta.cos(), g.theta.sin()], 1)
        products = torch.cat([u, u[:, :1] * u, u[:, 1:] ** 2], 1) * g.weight[:, None]
        mean = torch.zeros(g.n_vertices, 5, dtype=g.dtype).index_add_(0, g.target, products) / (1 + own[:, None])
        exact = torch.tensor([0, 0, 1 / 8, 0, 1 / 8], dtype=g.dtype)
        assert (mean - exact).abs().mean() < tolerance / 4
        assert (mean.mean(0) - exact).abs().max() < tolerance / 8
