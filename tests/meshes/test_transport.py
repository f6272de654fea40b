import numpy as np
import pytest
import torch

from gaugenet.meshes import shapes
from gaugenet.meshes.neighborhoods import Nearest, Radius
from gaugenet.meshes.precompute import compute_geometry
from gaugenet.meshes.transport import compose, inverse, wrap


def matrix(element):
    a, s = element
    return np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]]) @ np.diag([1.0, s])


@pytest.mark.parametrize("s1", [1, -1])
@pytest.mark.parametrize("s2", [1, -1])
def test_composition_and_inverse_are_those_of_the_matrices(s1, s2):
    g, h = (0.7, s1), (-2.1, s2)
    np.testing.assert_allclose(matrix(compose(g, h)), matrix(g) @ matrix(h), atol=1e-15)
    np.testing.assert_allclose(matrix(inverse(g)), np.linalg.inv(matrix(g)), atol=1e-15)


def test_wrap_keeps_the_angle_in_its_interval():
    angle = np.linspace(-20, 20, 1001)
    assert (np.abs(wrap(angle)) <= np.pi).all()
    np.testing.assert_allclose(np.exp(1j * wrap(angle)), np.exp(1j * angle), atol=1e-14)


def reversed_edges(g):
    """(edges, their reverses) of all pairs that are edges both ways."""
    n = g.n_vertices
    forward, backward = g.target * n + g.source.long(), g.source.long() * n + g.target
    at = torch.searchsorted(forward, backward).clamp(max=len(forward) - 1)
    both = forward[at] == backward
    return torch.nonzero(both)[:, 0], at[both]


@pytest.mark.parametrize("mode", ["smooth", "polyhedral"])
def test_the_transporter_back_is_the_inverse(mode):
    for shape in (shapes.torus(20, 8, jitter=0.2), shapes.mobius_strip(30, 5, jitter=0.2)):
        g = compute_geometry(shape.mesh, Nearest(14), mode=mode, dtype=torch.float64)
        there, back = reversed_edges(g)
        assert len(there) > 0.8 * g.n_edges
        angle, flip = compose((g.phi[there], g.flip[there]), (g.phi[back], g.flip[back]))
        assert (flip == 1).all()
        assert torch.sin(angle / 2).abs().max() < 1e-14


def round_the_core(shape, g):
    """(transporter once round the circle v = 0, direction of that circle where it starts)."""
    uv = shape.closed_form.uv
    core = np.flatnonzero(np.abs(uv[:, 1]) < 1e-12)
    core = core[np.argsort(uv[core, 0])]
    assert len(core) == 24
    edge = {(int(p), int(q)): e for e, (p, q) in enumerate(zip(g.target, g.source))}
    loop = (0.0, 1)
    for p, q in zip(core, np.roll(core, -1)):
        e = edge[p, q]
        loop = compose(loop, (float(g.phi[e]), int(g.flip[e])))
    return loop, float(g.theta[edge[core[0], core[1]]])


@pytest.mark.parametrize("mode", ["smooth", "polyhedral"])
def test_core_circle_of_the_flat_moebius_strip_reverses_the_normal_and_keeps_the_tangent(mode):
    """A reflection, in any gauge: (2 t, -1) keeps the direction t. Round a cylinder it is the identity."""
    rng = np.random.default_rng(0)
    for make, flip in ((shapes.mobius_strip, -1), (shapes.cylinder, 1)):
        shape = make(24, 6, developed=True)
        g = compute_geometry(shape.mesh, Radius(0.5), mode=mode, dtype=torch.float64)
        n = g.n_vertices
        moved = g.transform(torch.from_numpy(rng.uniform(-3, 3, n)), torch.from_numpy(rng.choice([-1, 1], n)))
        for gauge in (g, moved):
            loop, tangent = round_the_core(shape, gauge)
            assert loop[1] == flip
            turn = 2 * tangent if flip < 0 else 0.0
            assert wrap(loop[0] - turn) == pytest.approx(0, abs=1e-12)
        # the twin that knows of no flips finds no reflection, and the tangent does not come back
        blind, tangent = round_the_core(shape, moved.replace(flip=torch.ones_like(moved.flip)))
        assert blind[1] == 1
        assert abs(wrap(blind[0])) > 1e-3


def test_polyhedral_transport_on_the_flat_icosahedron_is_in_c6_away_from_the_cone_points():
    mesh = shapes.icosahedron(3).mesh
    cone = np.bincount(mesh.faces.ravel()) == 5
    ok = {}
    for mode in ("polyhedral", "smooth"):
        g = compute_geometry(mesh, Radius(3.3, unit="edge"), mode=mode, dtype=torch.float64)
        plain = ~(cone[g.target] | cone[g.source.long()])
        turns = g.phi[plain] / (np.pi / 3)
        ok[mode] = (turns - turns.round()).abs().max() * np.pi / 3
    assert cone.sum() == 12
    assert ok["polyhedral"] < 1e-12
    assert ok["smooth"] > 0.1


def test_straddle_correction_is_what_makes_transport_converge(closed_form_errors):
    """Without it the error stays a fixed part of the curvature enclosed, at every resolution."""
    worst = {}
    for mode in ("smooth", "polyhedral"):
        for level in (2, 3, 4):
            shape = shapes.sphere(subdivisions=level)
            g = compute_geometry(shape.mesh, Radius(3.3, unit="edge"), mode=mode, dtype=torch.float64)
            worst[mode, level] = np.quantile(closed_form_errors(g, shape).phi, 0.95)
    order = {mode: np.log2(worst[mode, 2] / worst[mode, 4]) / 2 for mode in ("smooth", "polyhedral")}
    assert worst["smooth", 4] < worst["polyhedral", 4] / 10
    assert order["smooth"] > order["polyhedral"] + 0.4
