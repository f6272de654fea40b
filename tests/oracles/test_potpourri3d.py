"""Logarithmic maps and transport beside potpourri3d (geometry-central), both judged by closed forms of the sphere."""

import numpy as np
import pytest
import torch

from gaugenet.meshes import shapes
from gaugenet.meshes.neighborhoods import Radius
from gaugenet.meshes.precompute import compute_geometry
from gaugenet.meshes.repair import mesh_from_arrays

pp3d = pytest.importorskip("potpourri3d", reason="potpourri3d is not installed")


def wrapped(angle):
    return np.abs((angle + np.pi) % (2 * np.pi) - np.pi)


def in_their_frames(shape, p, solver_frames):
    """Angle from the closed form's x axis to theirs, at vertices p."""
    x = solver_frames[p]
    return np.arctan2(np.einsum("ni,ni->n", x, shape.frame[p, 1]), np.einsum("ni,ni->n", x, shape.frame[p, 0]))


def surface(kind):
    """A unit sphere with its closed form; "noisy": an icosphere, vertices moved radially by 0.1 edge lengths."""
    if kind != "noisy":
        return shapes.sphere(sampling=kind, subdivisions=4, n=2000)
    shape = shapes.sphere(subdivisions=4)
    mesh = shape.mesh
    size = 0.1 * np.median(mesh.edge_lengths)
    radius = 1.0 + size * np.random.default_rng(7).standard_normal(mesh.n_vertices)
    moved = mesh_from_arrays(mesh.vertices * radius[:, None], mesh.faces, merge_vertices=False)
    return shapes.Shape(moved, shape.closed_form, shape.frame)


@pytest.fixture(scope="module", params=["icosphere", "random", "noisy"])
def errors(request):
    """{who: (r relative, theta, phi)} at the 95th percentile, of the same pairs, two to three rings away."""
    shape = surface(request.param)
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
    return {
        "kind": request.param,
        "ours": score(g.r[far].numpy(), g.theta[far].numpy(), g.phi[far].numpy()),
        "theirs": theirs,
    }


MOST = {
    # r, θ, φ: our error over theirs at most. With noise both are far from the sphere, and two to three rings away equal
    # within a seventh: 0.95-1.01, 1.06-1.13 and 1.06-1.11 over four draws of the noise (nearer by ours are smaller).
    "icosphere": (0.5, 0.75, 0.25),
    "random": (0.8, 0.55, 0.25),
    "noisy": (1.1, 1.2, 1.2),
}


def test_errors_beside_those_of_the_affine_heat_method(errors):
    ratio = errors["ours"] / errors["theirs"]
    assert (ratio < MOST[errors["kind"]]).all(), ratio


def test_the_comparison_is_a_comparison(errors):
    """Their values are right too, to the accuracy that is known of them: the frames were matched as they should be."""
    most = [0.01, 0.02, 0.02] if errors["kind"] != "noisy" else [0.1, 0.2, 0.2]
    assert (errors["theirs"] < most).all()
    assert (errors["theirs"] > 1e-6).all()
