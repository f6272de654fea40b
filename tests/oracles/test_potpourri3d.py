"""Logarithmic maps and transport beside potpourri3d (geometry-central), both judged by closed forms of the sphere."""

import numpy as np
import pytest
import torch

from gaugenet.meshes import shapes
from gaugenet.meshes.neighborhoods import Radius
from gaugenet.meshes.precompute import compute_geometry

pp3d = pytest.importorskip("potpourri3d", reason="potpourri3d is not installed")


def wrapped(angle):
    return np.abs((angle + np.pi) % (2 * np.pi) - np.pi)


def in_their_frames(shape, p, solver_frames):
    """Angle from the closed form's x axis to theirs, at vertices p."""
    x = solver_frames[p]
    return np.arctan2(np.einsum("ni,ni->n", x, shape.frame[p, 1]), np.einsum("ni,ni->n", x, shape.frame[p, 0]))


@pytest.fixture(scope="module", params=["icosphere", "random"])
def errors(request):
    """{who: (r relative, theta, phi)} at the 95th percentile, of the same pairs, two to three rings away."""
    shape = shapes.sphere(sampling=request.param, subdivisions=4, n=2000)
    mesh = shape.mesh
    g = compute_geometry(mesh, Radius(3.3, unit="edge"), frame_direction=shape.frame[:, 0], dtype=torch.float64)
    targets = np.random.default_rng(0).choice(mesh.n_vertices, 40, replace=False)
    far = (g.r > 2 * float(mesh.edge_lengths.mean())) & torch.isin(g.target, torch.from_numpy(targets))
    p, q = g.target[far].numpy(), g.source[far].numpy().astype(int)
    exact = shape.log_and_transport(p, q)

    def score(r, theta, phi):
        values = np.abs(r - exact.r) / exact.r, wrapped(theta - exact.theta), wrapped(phi - exact.phi)
        return np.array([np.quantile(x, 0.95) for x in values])

    solver = pp3d.MeshVectorHeatSolver(mesh.vertices, mesh.faces)
    x, _, _ = (np.asarray(axis) for axis in solver.get_tangent_frames())
    log, arrived = np.empty((len(p), 2)), np.empty(len(p))
    for v in np.unique(p):
        rows = p == v
        log[rows] = solver.compute_log_map(int(v), strategy="AffineLocal")[q[rows]]
        moved = solver.transport_tangent_vector(int(v), [1.0, 0.0])[q[rows]]
        arrived[rows] = np.arctan2(moved[:, 1], moved[:, 0])
    at_p, at_q = in_their_frames(shape, p, x), in_their_frames(shape, q, x)
    theirs = score(np.linalg.norm(log, axis=1), np.arctan2(log[:, 1], log[:, 0]) + at_p, at_p - (arrived + at_q))
    return {"ours": score(g.r[far].numpy(), g.theta[far].numpy(), g.phi[far].numpy()), "theirs": theirs}


def test_radii_are_better_and_angles_as_good(errors):
    r, theta, phi = errors["ours"] / errors["theirs"]
    assert r < 0.8
    assert theta < 1.6
    assert phi < 1.6


def test_the_comparison_is_a_comparison(errors):
    """Their values are right too, to the accuracy that is known of them: the frames were matched as they should be."""
    assert (errors["theirs"] < [0.01, 0.02, 0.02]).all()
    assert (errors["theirs"] > 1e-6).all()
