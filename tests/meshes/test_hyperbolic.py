"""The hyperbolic plane and its quotient of genus 2, against integration, words of the group and the mesh itself."""

import dataclasses
import itertools

import numpy as np
import pytest
import torch

from gaugenet.meshes import shapes
from gaugenet.meshes.closed_forms import wrapped
from gaugenet.meshes.hyperbolic import (
    SYSTOLE,
    HyperbolicForm,
    Isometries,
    deck_group,
    hyperbolic_distance,
    octagon_corners,
    octagon_mesh,
    side_pairings,
)
from gaugenet.meshes.neighborhoods import Radius
from gaugenet.meshes.precompute import compute_geometry
from gaugenet.meshes.topology import euler_characteristic, is_orientable


def matrices(g):
    return np.array([[g.a, g.b], [g.b.conj(), g.a.conj()]]).transpose(2, 0, 1)


def random_points(n, seed=0):
    rng = np.random.default_rng(seed)
    return 0.8 * np.sqrt(rng.random(n)) * np.exp(2j * np.pi * rng.random(n))


def test_distances_are_those_of_the_hyperboloid():
    z, w = random_points(200), random_points(200, 1)
    lift = [np.stack([2 * x.real, 2 * x.imag, 1 + abs(x) ** 2]) / (1 - abs(x) ** 2) for x in (z, w)]
    product = -lift[0][0] * lift[1][0] - lift[0][1] * lift[1][1] + lift[0][2] * lift[1][2]
    np.testing.assert_allclose(hyperbolic_distance(z, w), np.arccosh(product), rtol=1e-9)


def test_side_pairings_take_a_side_to_the_opposite_one_and_obey_the_relation_of_genus_2():
    g, corners = side_pairings(), octagon_corners()
    for k in range(8):
        one = Isometries(g.a[k], g.b[k])
        # side k lies between corners k - 1 and k; its opposite is passed the other way
        np.testing.assert_allclose(one(corners[(k + 4) % 8]), corners[k - 1], atol=1e-14)
        np.testing.assert_allclose(one(corners[(k + 3) % 8]), corners[k], atol=1e-14)
    word = np.eye(2)
    for k in (0, 5, 2, 7, 4, 1, 6, 3):
        word = word @ matrices(g)[k]
    np.testing.assert_allclose(word * np.sign(word[0, 0].real), np.eye(2), atol=1e-10)
    np.testing.assert_allclose(SYSTOLE, 2 * np.arccosh(1 + np.sqrt(2)), rtol=1e-15)


def test_the_deck_group_is_closed_and_holds_all_short_words():
    found = deck_group(7.0)
    places = found(np.zeros(1, complex))
    assert abs(places[0]) == 0
    # tiles have area 4π, so a disc of radius 7 holds about (cosh 7 - 1) / 2 centres
    assert len(places) == pytest.approx((np.cosh(7.0) - 1) / 2, rel=0.15)
    steps = matrices(side_pairings())
    for word in itertools.product(range(8), repeat=3):
        a, b = (steps[word[0]] @ steps[word[1]] @ steps[word[2]])[0]
        place = b / a.conj()
        if 2 * np.arccosh(abs(a)) < 7.0 - 1e-9:
            assert np.abs(places - place).min() < 1e-9
    distance = hyperbolic_distance(places[:, None], places) + 10 * np.eye(len(places))
    assert distance.min() == pytest.approx(SYSTOLE, rel=1e-6)


def form_and_pairs(seed=0, n=300):
    form = HyperbolicForm(octagon_mesh(4, 0.2, 1).z)
    p, q = np.random.default_rng(seed).integers(0, len(form.z), (2, n))
    return form, p[p != q], q[p != q]


def test_the_nearest_image_is_the_nearest_of_all_words():
    form, p, q = form_and_pairs()
    found = form.log_and_transport(p, q).r
    assert found.max() < np.arccosh((1 + np.sqrt(2)) ** 2)
    wide = deck_group(9.5)
    best = hyperbolic_distance(form.z[p][:, None], wide(form.z[q][:, None])).min(1)
    np.testing.assert_allclose(found, best, rtol=1e-12)
    assert (found < hyperbolic_distance(form.z[p], form.z[q]) - 0.1).sum() > 20


def geodesic_and_frame(p, theta, r, steps=2000):
    """Where the geodesic ends, and the vector 1 of the frame at p carried along it: integrated (midpoint rule).

    In the disc with metric (2 / (1 - |z|²))² |dz|², the geodesic in direction exp(i t) at z moves as
    z' = exp(i t) (1 - |z|²) / 2, and it turns by t' = -Im(conj(z) exp(i t)), as does every vector carried along it.
    """
    z, t, h = p.copy(), theta.copy(), r / steps

    def slope(z, t):
        return np.exp(1j * t) * (1 - abs(z) ** 2) / 2, -(z.conj() * np.exp(1j * t)).imag

    for _ in range(steps):
        dz, dt = slope(z, t)
        dz, dt = slope(z + h / 2 * dz, t + h / 2 * dt)
        z, t = z + h * dz, t + h * dt
    return z, t - theta


def test_log_maps_and_transport_by_integration():
    form, p, q = form_and_pairs(n=120)
    exact = form.log_and_transport(p, q)
    end, turned = geodesic_and_frame(form.z[p], exact.theta, exact.r)
    images = form.group(form.z[q][:, None])
    reached = np.abs(images - end[:, None]).argmin(1)
    np.testing.assert_allclose(images[np.arange(len(p)), reached], end, atol=2e-6)
    derivative = (form.group.b[reached].conj() * form.z[q] + form.group.a[reached].conj()) ** -2.0
    # the frame of q there is turned by g; 1 at p became exp(i turned)
    np.testing.assert_allclose(wrapped(np.angle(derivative) - turned - exact.phi), 0, atol=2e-5)
    assert (exact.flip == 1).all()


def test_holonomy_of_a_triangle_is_minus_its_area():
    form, p, _ = form_and_pairs(n=40)
    rng = np.random.default_rng(3)
    near = [np.flatnonzero(form.log_and_transport(np.full(len(form.z), v), np.arange(len(form.z))).r < 0.7) for v in p]
    a, b, c = np.array([(v, *rng.choice(n[n != v], 2, replace=False)) for v, n in zip(p, near)]).T
    ab, bc, ca = (form.log_and_transport(*x) for x in ((a, b), (b, c), (c, a)))
    turned = wrapped(ab.phi + bc.phi + ca.phi)
    s = (ab.r + bc.r + ca.r) / 2
    # Heron's formula of the hyperbolic plane (l'Huilier)
    product = np.tanh(s / 2) * np.tanh((s - ab.r) / 2) * np.tanh((s - bc.r) / 2) * np.tanh((s - ca.r) / 2)
    np.testing.assert_allclose(np.abs(turned), 4 * np.arctan(np.sqrt(np.abs(product))), atol=1e-7)


@pytest.mark.parametrize("level", range(5))
def test_the_mesh_is_closed_orientable_and_of_genus_2(level):
    mesh = shapes.hyperbolic_surface(level, jitter=0.2, seed=level).mesh
    assert mesh.n_vertices == 4 ** (level + 1) - 2
    assert mesh.n_faces == 8 * 4**level
    assert euler_characteristic(mesh) == -2
    assert is_orientable(mesh)
    assert (mesh.twin >= 0).all()


def test_edges_are_geodesics_of_the_closed_form():
    shape = shapes.hyperbolic_surface(4, jitter=0.2)
    faces = shape.mesh.faces
    exact = shape.log_and_transport(faces.ravel(), np.roll(faces, -1, axis=1).ravel())
    np.testing.assert_allclose(shape.mesh.edge_lengths.ravel(), exact.r, rtol=1e-11)
    assert shape.closed_form.injectivity_radius.min() > SYSTOLE / 2 * (1 - 1e-9)


def test_computed_geometry_converges_to_the_closed_form(closed_form_errors):
    """κ = 1: at the 95th percentile r ≤ 0.3 h², θ ≤ 0.5 h², g ≤ h², with h the median edge; second order."""
    found = []
    for level in (3, 4, 5):
        shape = shapes.hyperbolic_surface(level)
        h = float(np.median(shape.mesh.edge_lengths))
        # for neighbours this near, fewer images of the source can be the nearest
        near = HyperbolicForm(shape.closed_form.z, deck_group(2 * np.arccosh((1 + np.sqrt(2)) ** 2) + 4 * h))
        shape = dataclasses.replace(shape, closed_form=near)
        g = compute_geometry(shape.mesh, Radius(3 * h), dtype=torch.float64)
        errors = closed_form_errors(g, shape, keep=np.random.default_rng(0).random(g.n_vertices) < 200 / g.n_vertices)
        assert errors.flips == 0
        found.append([np.quantile(x, 0.95) for x in (errors.r, errors.theta, errors.phi)])
        for value, bound in zip(found[-1], (0.3, 0.5, 1.0)):
            assert value <= bound * h**2
    assert np.log2(np.array(found[0]) / found[-1]).min() / 2 > 1.9
