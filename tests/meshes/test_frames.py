import dataclasses

import numpy as np
import pytest
import torch

from gaugenet.meshes import shapes
from gaugenet.meshes.fans import build_fans
from gaugenet.meshes.frames import direction_angles, extrinsic_frames, turned
from gaugenet.meshes.neighborhoods import Nearest
from gaugenet.meshes.precompute import compute_geometry


def assert_orthonormal(frames):
    np.testing.assert_allclose(frames @ frames.transpose(0, 2, 1), np.broadcast_to(np.eye(3), frames.shape), atol=1e-12)
    np.testing.assert_allclose(np.linalg.det(frames), 1.0, atol=1e-12)


@pytest.mark.parametrize(
    "shape", [shapes.torus(20, 10, jitter=0.2), shapes.mobius_strip(20, 4), shapes.klein_bottle(20, 8)], ids=str
)
def test_frames_are_right_handed_whatever_the_handedness(shape):
    hand = np.random.default_rng(0).choice([-1, 1], shape.mesh.n_vertices)
    plain = extrinsic_frames(shape.mesh.vertices, build_fans(shape.mesh))
    frames = extrinsic_frames(shape.mesh.vertices, build_fans(shape.mesh, hand))
    assert_orthonormal(plain)
    assert_orthonormal(frames)
    # handedness -1 is the reflection about the x axis: x stays, y and n change sign
    np.testing.assert_allclose(frames[:, 0], plain[:, 0], atol=1e-9)
    np.testing.assert_allclose(frames[:, 1:], hand[:, None, None] * plain[:, 1:], atol=1e-9)


def test_on_a_plane_theta_is_the_angle_in_space():
    g = compute_geometry(shapes.flat_patch(12, 12, jitter=0.2).mesh, Nearest(20), dtype=torch.float64)
    x = torch.tensor(shapes.flat_patch(12, 12, jitter=0.2).mesh.vertices)
    d = x[g.source.long()] - x[g.target]
    along = torch.einsum("eij,ej->ei", g.frame[g.target], d)
    torch.testing.assert_close(along[:, 0], g.r * g.theta.cos(), atol=1e-13, rtol=0)
    torch.testing.assert_close(along[:, 1], g.r * g.theta.sin(), atol=1e-13, rtol=0)


def test_on_a_curved_surface_it_is_nearly_so_and_normals_are_close():
    shape = shapes.torus(60, 24, jitter=0.1)
    g = compute_geometry(shape.mesh, Nearest(8), dtype=torch.float64)
    x = torch.tensor(shape.mesh.vertices)
    d = torch.einsum("eij,ej->ei", g.frame[g.target], x[g.source.long()] - x[g.target])
    miss = torch.sin(torch.atan2(d[:, 1], d[:, 0]) - g.theta).abs()
    assert miss.quantile(0.95) < 0.05
    normal = torch.from_numpy(shape.frame[:, 2])
    assert (g.frame[:, 2] * normal).sum(1).abs().min() > 0.99


def test_degenerate_stars_get_some_frame():
    mesh = shapes.flat_patch(3, 3).mesh
    squashed = mesh.vertices * [1.0, 0.0, 0.0]
    frames = extrinsic_frames(squashed, build_fans(mesh))
    assert_orthonormal(frames)
    assert_orthonormal(extrinsic_frames(np.zeros_like(squashed), build_fans(mesh)))
    lonely = dataclasses.replace(mesh, n_vertices=17, vertices=np.vstack([mesh.vertices, [9.0, 9, 9]]))
    assert_orthonormal(compute_geometry(lonely, dtype=torch.float64).frame.numpy())


def test_directions_in_a_frame():
    frames = np.eye(3)[None].repeat(4, 0)
    vectors = np.array([[2.0, 0, 1], [0, 3, 1], [-1, 0, 0], [0, 0, 5]])
    np.testing.assert_allclose(direction_angles(frames, vectors), [0, np.pi / 2, np.pi, 0], atol=1e-15)
    with pytest.raises(ValueError, match=r"expected \[4, 3\]"):
        direction_angles(frames, vectors[:3])


def test_turning_frames_turns_coefficients():
    frames = extrinsic_frames(*(lambda m: (m.vertices, build_fans(m)))(shapes.sphere(subdivisions=1).mesh))
    angle = np.linspace(-3, 3, len(frames))
    vector = np.random.default_rng(0).normal(size=(len(frames), 3))
    before = np.einsum("vij,vj->vi", frames, vector)
    after = np.einsum("vij,vj->vi", turned(frames, angle), vector)
    rotated = (before[:, 0] + 1j * before[:, 1]) * np.exp(1j * angle)
    np.testing.assert_allclose(after[:, 0] + 1j * after[:, 1], rotated, atol=1e-14)
    np.testing.assert_allclose(after[:, 2], before[:, 2])
