import numpy as np
import pytest

from gaugenet.meshes import shapes
from gaugenet.meshes.edge_directions import edge_turns
from gaugenet.meshes.fans import build_fans, packed


def edges_and_turns(shape, handedness=None):
    """(tail, head, scaled direction, turn) of every half-edge at an interior vertex."""
    fans = build_fans(shape.mesh, handedness)
    turn, _ = edge_turns(*packed(fans), fans.corners)
    tail = fans.vertex
    head = tail.reshape(-1, 3)[:, [1, 2, 0]].ravel()
    return tail, head, fans.direction * fans.scale[tail], turn


def misfit(shape, tail, head, direction):
    """Errors of directions after the rotation of each fan that fits best."""
    off = shape.log_and_transport(tail, head).theta - direction
    mean = np.zeros(shape.mesh.n_vertices, complex)
    np.add.at(mean, tail, np.exp(1j * off))
    return np.abs(np.angle(np.exp(1j * off) / mean[tail]))


def test_directions_on_a_sphere_are_those_of_its_great_circles():
    for n, least in ((500, 20), (2000, 60)):
        shape = shapes.sphere(sampling="random", n=n)
        tail, head, scaled, turn = edges_and_turns(shape)
        plain, better = (np.quantile(misfit(shape, tail, head, d), 0.9) for d in (scaled, scaled + turn))
        assert better < plain / least


@pytest.mark.parametrize("shape", [shapes.torus(60, 24, jitter=0.2), shapes.projective_plane(3)], ids=["torus", "RP2"])
def test_frames_stay_where_they_are(shape):
    """The turns at a vertex sum to 0; from both sides of an edge they are the same; a reflected gauge reverses them."""
    fans = build_fans(shape.mesh)
    turn, other = edge_turns(*packed(fans), fans.corners)
    both = np.bincount(fans.vertex, turn + other, fans.n_vertices)
    assert np.abs(both).max() < 1e-14
    assert np.abs(turn).max() > 1e-4
    hand = np.random.default_rng(0).choice([-1, 1], fans.n_vertices)
    mirrored, mirrored_other = edge_turns(*packed(build_fans(shape.mesh, hand)), fans.corners)
    np.testing.assert_allclose(mirrored, hand[fans.vertex] * turn, atol=1e-15)
    np.testing.assert_allclose(mirrored_other, hand[fans.vertex] * other, atol=1e-15)


def test_flat_surfaces_and_boundaries_do_not_turn():
    for shape in (shapes.flat_torus(8, 8, jitter=0.2), shapes.flat_patch(8, 8, jitter=0.2)):
        assert np.abs(edges_and_turns(shape)[3]).max() < 1e-13
    shape = shapes.cylinder(20, 6, jitter=0.2)
    tail, _, _, turn = edges_and_turns(shape)
    assert np.abs(turn[build_fans(shape.mesh).boundary[tail]]).max() == 0


def test_meshes_that_are_not_delaunay_are_turned_with_care():
    shape = shapes.torus(20, 64, jitter=0.2)
    *_, turn = edges_and_turns(shape)
    assert np.isfinite(turn).all()
    assert 0 < np.abs(turn).max() < 0.5
