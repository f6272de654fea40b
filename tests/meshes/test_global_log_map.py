"""Logarithmic maps over whole surfaces."""

import numpy as np
import pytest

from gaugenet.meshes import shapes
from gaugenet.meshes.exponential import exponential_map
from gaugenet.meshes.global_log_map import log_map_from
from gaugenet.meshes.repair import mesh_from_arrays


def wrapped(angle):
    return np.abs((angle + np.pi) % (2 * np.pi) - np.pi)


def test_whole_plane_is_exact():
    shape = shapes.flat_patch(12, 12, jitter=0.2)
    for mode in ("polyhedral", "smooth"):
        r, theta = log_map_from(shape.mesh, 70, mode=mode, frame_direction=shape.frame[:, 0])
        exact = shape.log_and_transport(np.full(len(r), 70), np.arange(len(r)))
        np.testing.assert_allclose(r, exact.r, atol=1e-12)
        assert wrapped(theta - exact.theta)[r > 0].max() < 1e-9


def test_exponential_map_undoes_it_on_a_torus_whichever_way_round():
    mesh = shapes.flat_torus(14, 10, jitter=0.2).mesh
    hand = np.random.default_rng(0).choice([-1, 1], mesh.n_vertices)
    r, theta = log_map_from(mesh, 5, handedness=hand)
    traced = exponential_map(mesh, 5, np.stack([r * np.cos(theta), r * np.sin(theta)], 1), handedness=hand)
    at_q = np.where(mesh.faces[traced.face] == np.arange(mesh.n_vertices)[:, None], traced.barycentric, 0).sum(1)
    assert np.abs(1 - at_q).max() < 1e-9


@pytest.mark.parametrize("method", ["unfolding", "vector-heat", "affine-local", "affine-adaptive"])
def test_methods_agree_on_half_a_sphere(method):
    if method != "unfolding":
        pytest.importorskip("potpourri3d", reason="potpourri3d is not installed")
    shape = shapes.sphere(subdivisions=3)
    hand = np.random.default_rng(0).choice([-1, 1], shape.mesh.n_vertices)
    r, theta = log_map_from(
        shape.mesh, 3, method=method, mode="smooth", handedness=hand, frame_direction=shape.frame[:, 0]
    )
    exact = shape.log_and_transport(np.full(len(r), 3), np.arange(len(r)))
    near = (exact.r < 1.5) & (exact.r > 0.5)
    assert np.median(np.abs(r - exact.r)[near]) < 0.12
    assert np.median(wrapped(theta - hand[3] * exact.theta)[near]) < 0.02


def test_other_components_are_infinitely_far():
    mesh = mesh_from_arrays(np.random.default_rng(0).normal(size=(7, 3)), [[0, 1, 2], [3, 4, 5]])
    for method in ("unfolding", "vector-heat"):
        if method != "unfolding":
            pytest.importorskip("potpourri3d", reason="potpourri3d is not installed")
        r, theta = log_map_from(mesh, 0, method=method)
        assert np.isfinite(r).tolist() == [True] * 3 + [False] * 4
        assert np.isfinite(theta).all()
        assert np.isfinite(log_map_from(mesh, 6, method=method)[0]).sum() == 1
    with pytest.raises(ValueError, match="vertex from 0 to 6"):
        log_map_from(mesh, -1)
    with pytest.raises(ValueError, match="method is one of"):
        log_map_from(mesh, 0, method="exact")
