"""Logarithmic maps and transporters against closed forms."""

import numpy as np
import pytest
import torch

from gaugenet.meshes import shapes
from gaugenet.meshes.fans import build_fans
from gaugenet.meshes.log_map import all_log_maps
from gaugenet.meshes.neighborhoods import Nearest, Radius
from gaugenet.meshes.precompute import compute_geometry

# rounding only: the surfaces are flat, and the mesh is isometric to the closed form
EXACT = 1e-12
RINGS = Radius(3.3, unit="edge")


@pytest.mark.parametrize("neighborhood", [RINGS, Nearest(24)], ids=["radius", "nearest"])
@pytest.mark.parametrize("mode", ["smooth", "polyhedral"])
@pytest.mark.parametrize(
    "shape",
    [
        shapes.flat_patch(20, 20, jitter=0.2),
        shapes.flat_patch(10, 40, jitter=0.2),
        shapes.flat_patch(16, 16),
        shapes.cylinder(24, 8, developed=True, jitter=0.2),
        shapes.flat_torus(16, 16, jitter=0.2),
        shapes.mobius_strip(30, 6, developed=True, jitter=0.2),
        shapes.klein_bottle(30, 12, developed=True, jitter=0.2),
    ],
    ids=["patch", "stretched patch", "regular patch", "cylinder", "flat torus", "Möbius", "Klein"],
)
def test_flat_surfaces_are_exact(shape, mode, neighborhood, closed_form_errors):
    errors = closed_form_errors(compute_geometry(shape.mesh, neighborhood, mode=mode, dtype=torch.float64), shape)
    assert errors.flips == 0
    assert max(errors.r.max(), errors.theta.max(), errors.phi.max()) < EXACT


def test_the_comparison_notices_what_is_wrong(closed_form_errors):
    """It chooses the best gauge at every vertex first, which must not hide anything."""
    shape = shapes.klein_bottle(30, 12, developed=True, jitter=0.2)
    g = compute_geometry(shape.mesh, RINGS, dtype=torch.float64)
    assert closed_form_errors(g.replace(phi=-g.phi), shape).phi.max() > 0.1
    assert closed_form_errors(g.replace(theta=g.theta + 1e-6 * (g.r > g.r.median())), shape).theta.max() > 1e-7
    assert closed_form_errors(g.replace(r=g.r * (1 + 1e-9)), shape).r.max() > 1e-10
    assert closed_form_errors(g.replace(flip=torch.ones_like(g.flip)), shape).flips > 0


@pytest.mark.parametrize("mode", ["smooth", "polyhedral"])
def test_cone_away_from_its_apex(mode, closed_form_errors):
    shape = shapes.cone(24, jitter=0.2, developed=True)
    away = shape.closed_form.slant > 0.4
    g = compute_geometry(shape.mesh, RINGS, mode=mode, dtype=torch.float64)
    # the rim is a polygon inside the circle: concave nowhere, so nothing bends there
    errors = closed_form_errors(g, shape, keep=away, limit=0.5)
    assert max(errors.r.max(), errors.theta.max(), errors.phi.max()) < EXACT


def test_cone_round_its_apex(closed_form_errors):
    """Polyhedral: the transporter is that of the shortest path, on its side of the apex; from the apex too."""
    shape = shapes.cone(16, jitter=0.2, developed=True)
    g = compute_geometry(shape.mesh, Radius(0.4), mode="polyhedral", dtype=torch.float64)
    near = shape.closed_form.slant < 0.5
    errors = closed_form_errors(g, shape, keep=near, limit=0.99)
    assert max(errors.r.max(), errors.theta.max(), errors.phi.max()) < EXACT
    # beyond the cut locus the two ways round are equally long, and r is exact all the same
    p, q = g.target.numpy(), g.source.numpy().astype(int)
    inside = (shape.closed_form.slant[p] + shape.closed_form.slant[q]) < 0.9
    exact = shape.log_and_transport(p, q).r
    np.testing.assert_allclose(g.r.numpy()[inside], exact[inside], rtol=EXACT)


CURVED = {
    # name: (shapes at three resolutions, largest principal curvature, observed order at least)
    "sphere": ([shapes.sphere(subdivisions=k) for k in (2, 3, 4)], 1.0),
    "torus": ([shapes.torus(n, round(0.4 * n)) for n in (30, 60, 120)], 2.5),
    "cylinder": ([shapes.cylinder(n, n // 3, jitter=0.2) for n in (30, 60, 120)], 1.0),
}


@pytest.mark.parametrize("name", list(CURVED))
def test_curved_surfaces_converge(name, closed_form_errors):
    """At the 95th percentile: r ≤ 0.3 (κh)², θ ≤ 0.5 (κh)², g ≤ (κh)² up to three rings; second order throughout."""
    surfaces, curvature = CURVED[name]
    found = []
    for shape in surfaces:
        h = np.median(shape.mesh.edge_lengths)
        # within three of the edges whose length is h, and not over the rim, which is not part of the closed form
        g = compute_geometry(shape.mesh, Radius(3.0 * h), frame_direction=shape.frame[:, 0], dtype=torch.float64)
        inside = np.flatnonzero(~near_boundary(g))
        some = np.isin(np.arange(g.n_vertices), np.random.default_rng(0).choice(inside, 150))
        errors = closed_form_errors(g, shape, same_gauge=True, keep=some)
        level = [np.quantile(x, 0.95) for x in (errors.r, errors.theta, errors.phi)]
        found.append(level)
        assert errors.flips == 0
        for value, bound in zip(level, (0.3, 0.5, 1.0)):
            assert value <= bound * (curvature * h) ** 2
    order = np.log2(np.array(found[:-1]) / found[1:])
    assert order.min() > 1.8
    assert np.log2(np.array(found[0]) / found[-1]).min() / 2 > 1.9


def near_boundary(g):
    rim = torch.zeros(g.n_vertices, dtype=torch.bool)
    rim[g.target[g.boundary[g.source.long()]]] = True
    return (rim | g.boundary).numpy()


def test_anisotropic_meshes_find_all_parents():
    for n, m in ((8, 80), (5, 100)):
        fans = build_fans(shapes.flat_patch(n, m, jitter=0.2).mesh)
        assert all_log_maps(fans, np.inf, 24).one_sided == 0


def test_threads_do_not_change_a_bit():
    fans = build_fans(shapes.torus(60, 50, jitter=0.2).mesh)
    one, two = (all_log_maps(fans, np.inf, 16, threads=n) for n in (1, 2))
    for a, b in zip(one, two):
        np.testing.assert_array_equal(a, b)
