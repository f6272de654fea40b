"""Logarithmic maps and transporters against closed forms."""

import numpy as np
import pytest
import torch

from gaugenet.meshes import shapes
from gaugenet.meshes.fans import build_fans, vertex_areas
from gaugenet.meshes.log_map import all_log_maps
from gaugenet.meshes.neighborhoods import Nearest, Radius
from gaugenet.meshes.precompute import compute_geometry
from gaugenet.meshes.quadrature import quadrature_weights

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


N_TARGETS = {"random sphere": 2000}
"""Random triangles differ, and the 95th percentile of few targets with them; other than 150."""

CURVED = {
    # name: (shapes at three resolutions, largest principal curvature, observed order at least)
    "sphere": ([shapes.sphere(subdivisions=k) for k in (2, 3, 4)], 1.0),
    "random sphere": ([shapes.sphere(sampling="random", n=n) for n in (600, 2400, 9600)], 1.0),
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
        some = np.isin(np.arange(g.n_vertices), np.random.default_rng(0).choice(inside, N_TARGETS.get(name, 150)))
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


def filtered(maps, targets, sources, most, include_self):
    """[(sources, indices of the edges; -1 for the target itself) of each target], from the rows of all vertices."""
    rows = []
    for p in targets:
        edges = np.arange(maps.row_ptr[p], maps.row_ptr[p + 1])
        edges = edges[sources[maps.source[edges]]]
        if most > 0:
            keep = most - 1 if include_self and sources[p] else most
            edges = edges[np.argsort(maps.r[edges], kind="stable")][:keep]
        q = maps.source[edges].astype(int)
        if include_self and sources[p]:
            q, edges = np.append(q, p), np.append(edges, -1)
        order = np.argsort(q)
        rows.append((q[order], edges[order]))
    return rows


@pytest.mark.parametrize("smooth", [True, False], ids=["smooth", "polyhedral"])
@pytest.mark.parametrize("include_self", [False, True], ids=["others", "with itself"])
@pytest.mark.parametrize(("radius", "most"), [(3.3, -1), (np.inf, 9), (4.0, 7)], ids=["radius", "nearest", "both"])
@pytest.mark.parametrize(
    "shape", [shapes.torus(24, 12, jitter=0.2), shapes.mobius_strip(30, 8, jitter=0.2)], ids=["torus", "Möbius"]
)
def test_some_targets_and_sources_are_a_part_of_all(shape, radius, most, include_self, smooth):
    fans, rng = build_fans(shape.mesh), np.random.default_rng(0)
    n = fans.n_vertices
    targets, sources = rng.permutation(n)[: n // 3], rng.random(n) < 0.4
    options = {"include_self": include_self, "smooth": smooth, "threads": 1}
    some = all_log_maps(fans, radius, most, targets=targets, sources=sources, **options)
    wide = radius if np.isfinite(radius) else 8.0
    everything = all_log_maps(fans, wide, -1, smooth=smooth, threads=1)
    assert len(some.row_ptr) == len(targets) + 1 == len(some.support) + 1
    assert np.isin(targets[sources[targets]], some.source).any() or not include_self
    for row, (p, (q, edges)) in enumerate(zip(targets, filtered(everything, targets, sources, most, include_self))):
        mine = slice(some.row_ptr[row], some.row_ptr[row + 1])
        np.testing.assert_array_equal(some.source[mine], q)
        own = edges < 0
        assert own.sum() == (include_self and sources[p])
        for name in ("r", "theta", "phi"):
            found = getattr(some, name)[mine]
            assert (found[own] == 0).all()
            if name == "r" or not smooth:
                expected = getattr(everything, name)[edges[~own]]
                assert np.abs(np.sin((found[~own] - expected) / 2)).max(initial=0) < 1e-14
        assert (some.flip[mine][own] == 1).all()
        np.testing.assert_array_equal(some.flip[mine][~own], everything.flip[edges[~own]])


def test_pairs_of_targets_are_inverse_and_others_are_what_the_row_found():
    """Smooth transport: the mean of both directions where both are rows, as among all; else within the correction."""
    fans, rng = build_fans(shapes.torus(24, 12, jitter=0.2).mesh), np.random.default_rng(1)
    n = fans.n_vertices
    targets = rng.permutation(n)[: n // 2]
    some = all_log_maps(fans, 3.3, -1, targets=targets, threads=1)
    everything = all_log_maps(fans, 3.3, -1, threads=1)
    edges = np.concatenate([np.arange(everything.row_ptr[p], everything.row_ptr[p + 1]) for p in targets])
    np.testing.assert_array_equal(some.source, everything.source[edges])
    pair = np.isin(some.source, targets)
    np.testing.assert_array_equal(some.phi[pair], everything.phi[edges][pair])
    np.testing.assert_array_equal(some.theta, everything.theta[edges])
    away = np.abs(np.sin((some.phi - everything.phi[edges])[~pair] / 2))
    assert 0 < away.max() < 0.05


def test_no_targets_no_sources_and_isolated_targets():
    shape = shapes.flat_patch(6, 6)
    fans = build_fans(shape.mesh)
    n = fans.n_vertices
    none = all_log_maps(fans, np.inf, 5, targets=np.empty(0, int))
    assert none.row_ptr.tolist() == [0]
    nobody = all_log_maps(fans, np.inf, 5, sources=np.zeros(n, bool))
    assert (nobody.row_ptr == 0).all()
    assert (nobody.support == 0).all()
    only = np.arange(n) == 3
    alone = all_log_maps(fans, np.inf, 5, sources=only, include_self=True, targets=np.array([3, 4]))
    assert alone.source.tolist() == [3, 3]
    assert alone.r[0] == 0 < alone.r[1]


def test_rows_do_not_depend_on_which_others_are_asked_for():
    fans = build_fans(shapes.torus(60, 50, jitter=0.2).mesh)
    order = np.random.default_rng(2).permutation(fans.n_vertices)
    a, b = all_log_maps(fans, np.inf, 12), all_log_maps(fans, np.inf, 12, targets=order)
    for row, p in enumerate(order):
        for name in ("source", "r", "theta", "phi", "flip"):
            mine = getattr(b, name)[b.row_ptr[row] : b.row_ptr[row + 1]]
            np.testing.assert_array_equal(mine, getattr(a, name)[a.row_ptr[p] : a.row_ptr[p + 1]])
    np.testing.assert_array_equal(b.support, a.support[order])


@pytest.mark.parametrize("threads", [1, 2])
def test_progress_ends_with_all(threads):
    fans, told = build_fans(shapes.torus(60, 50).mesh), []
    all_log_maps(fans, np.inf, 3, threads=threads, progress=lambda *now: told.append(now))
    assert [total for _, total in told] == [3000] * len(told)
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert told[-1] == (3000, 3000)
    assert len(told) > 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"targets": np.array([0, 49])}, "0 to 48"),
        ({"targets": np.array([-1])}, "0 to 48"),
        ({"targets": np.array([3, 3])}, "distinct"),
        ({"targets": np.array([0.5])}, "whole numbers"),
        ({"sources": np.ones(48, bool)}, r"shape \[49\]"),
        ({"sources": np.ones(49, int)}, "boolean"),
    ],
)
def test_bad_targets_and_sources_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        all_log_maps(build_fans(shapes.flat_patch(6, 6).mesh), np.inf, 5, **options)


def test_order_of_visiting_and_storage_change_nothing_else():
    fans, rng = build_fans(shapes.torus(60, 50, jitter=0.2).mesh), np.random.default_rng(3)
    n = fans.n_vertices
    area, targets = vertex_areas(fans), rng.permutation(n)[:2000]
    for options in ({}, {"targets": targets, "sources": rng.random(n) < 0.5, "include_self": True}):
        plain = all_log_maps(fans, 2.2, 14, **options)
        visit = rng.permutation(len(plain.support))
        for threads in (1, 2):
            other = all_log_maps(fans, 2.2, 14, **options, visit=visit, area=area, dtype=np.float32, threads=threads)
            for name in ("row_ptr", "source", "phi", "flip", "support", "one_sided"):
                np.testing.assert_array_equal(getattr(other, name), getattr(plain, name))
            for name in ("r", "theta"):
                np.testing.assert_array_equal(getattr(other, name), getattr(plain, name).astype(np.float32))
            row = np.repeat(np.arange(len(plain.support)), np.diff(plain.row_ptr))
            weight = quadrature_weights(row, plain.source, plain.r, plain.support, area)
            np.testing.assert_array_equal(other.weight, weight.astype(np.float32))
    assert plain.weight is None
