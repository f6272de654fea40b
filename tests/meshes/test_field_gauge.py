"""Edges and frames of a mesh as a geometry sees them."""

import numpy as np
import pytest
import torch

from gaugenet.meshes import shapes
from gaugenet.meshes.fans import build_fans
from gaugenet.meshes.field_gauge import corner_directions, edge_ends, frames_to_geometry
from gaugenet.meshes.neighborhoods import Nearest
from gaugenet.meshes.precompute import compute_geometry
from gaugenet.meshes.repair import mesh_from_arrays, mesh_from_edge_lengths

HYPERBOLIC = shapes.hyperbolic_surface(3, jitter=0.2).mesh
PROJECTIVE = shapes.projective_plane(2).mesh


def random_gauge(n, seed=0):
    rng = np.random.default_rng(seed)
    return torch.from_numpy(rng.uniform(-np.pi, np.pi, n)), torch.from_numpy(rng.choice([-1.0, 1.0], n))


def circle(a, b):
    return np.abs(np.angle(np.exp(1j * (a - b)))).max()


@pytest.mark.parametrize("smooth", [True, False])
def test_directions_go_once_round_every_inner_vertex(smooth):
    for mesh in (HYPERBOLIC, PROJECTIVE, shapes.sphere(sampling="random", n=200).mesh):
        fans = build_fans(mesh)
        first, second = corner_directions(fans, smooth)
        angle = fans.corner_sign * (second - first)
        assert (angle > 0).all()
        around = np.bincount(fans.vertex, angle, fans.n_vertices)
        np.testing.assert_allclose(around, 2 * np.pi, atol=1e-12)


@pytest.mark.parametrize("mode", ["smooth", "polyhedral"])
@pytest.mark.parametrize("mesh", [HYPERBOLIC, PROJECTIVE], ids=["genus 2", "projective plane"])
def test_the_frames_of_a_geometry_without_frames_in_space_are_found_in_both_modes(mesh, mode):
    fans = build_fans(mesh)
    g = compute_geometry(mesh, Nearest(10), mode=mode, dtype=torch.float64)
    angle, sign = random_gauge(mesh.n_vertices)
    found = frames_to_geometry(mesh, fans, g.transform(angle, sign))
    assert circle(found.angle, angle.numpy()) < 1e-9
    assert (found.sign == sign.numpy()).all()
    # as with frames, which know nothing of edges
    ball = shapes.sphere(sampling="random", n=200).mesh
    h = compute_geometry(ball, Nearest(10), mode=mode, dtype=torch.float64)
    angle, sign = random_gauge(ball.n_vertices, 1)
    there = frames_to_geometry(ball, build_fans(ball), h.transform(angle, sign))
    assert circle(there.angle, angle.numpy()) < 1e-12


@pytest.mark.parametrize("mode", ["smooth", "polyhedral"])
def test_the_edges_have_the_transporters_of_the_geometry_in_any_gauge(mode):
    for mesh in (HYPERBOLIC, PROJECTIVE):
        fans = build_fans(mesh)
        g = compute_geometry(mesh, Nearest(10), mode=mode, dtype=torch.float64)
        moved = g.transform(*random_gauge(mesh.n_vertices, 2))
        ends = edge_ends(fans, moved, frames_to_geometry(mesh, fans, moved))
        there = {(p, q): x for p, q, *x in zip(*(x.tolist() for x in (g.target, g.source, g.r, g.phi, g.flip)))}
        length, tested = fans.length[ends.half_edge] * fans.unit, 0
        for i, (q, p) in enumerate(zip(ends.tail.tolist(), ends.head.tolist())):
            r, phi, flip = there.get((p, q), (np.nan, 0, 0))
            if abs(r - length[i]) < 1e-9:
                assert ends.flip[i] == flip
                assert circle(ends.phi[i], phi) < 1e-9
                tested += 1
        assert tested > 0.9 * len(length)
        # directions by Voronoi cells are those of the smooth mode, and no correction is needed there
        assert (np.abs(ends.correction).max() < 1e-9) == (mode == "smooth")


def test_of_two_edges_between_the_same_vertices_neither_is_taken_for_the_other():
    """A flat torus of two by one squares: all edges between its two vertices are double."""
    mesh = shapes.flat_torus(4, 4).mesh
    fans = build_fans(mesh)
    g = compute_geometry(mesh, Nearest(6), dtype=torch.float64)
    assert np.abs(edge_ends(fans, g, frames_to_geometry(mesh, fans, g)).correction).max() < 1e-9
    faces = [[0, 1, 2], [2, 1, 0]]
    pillow = mesh_from_edge_lengths(faces, [[3.0, 4, 5], [4, 3, 5]], twin=[4, 3, 5, 1, 0, 2])
    h = compute_geometry(pillow, Nearest(2), dtype=torch.float64)
    assert np.isfinite(edge_ends(build_fans(pillow), h, frames_to_geometry(pillow, build_fans(pillow), h)).phi).all()


def test_a_geometry_of_another_mesh_is_refused():
    with pytest.raises(ValueError, match="give the geometry that was computed from this mesh"):
        frames_to_geometry(PROJECTIVE, build_fans(PROJECTIVE), compute_geometry(HYPERBOLIC, Nearest(4)))


def test_a_geometry_without_edges_changes_nothing():
    mesh = mesh_from_arrays(np.eye(3), [[0, 1, 2]])
    g = compute_geometry(mesh, Nearest(2), dtype=torch.float64)
    empty = g.replace(
        row_ptr=torch.zeros_like(g.row_ptr),
        **{k: getattr(g, k)[:0] for k in ("source", "r", "theta", "phi", "flip", "weight")},
    )
    fans = build_fans(mesh)
    ends = edge_ends(fans, empty, frames_to_geometry(mesh, fans, empty))
    assert (ends.correction == 0).all()
