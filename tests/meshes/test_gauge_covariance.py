"""The whole geometry, computed in random gauges, is the geometry computed once and transformed."""

import numpy as np
import pytest
import torch

from gaugenet.meshes import shapes
from gaugenet.meshes.fans import build_fans
from gaugenet.meshes.io import load_mesh
from gaugenet.meshes.neighborhoods import Nearest
from gaugenet.meshes.precompute import compute_geometry

SURFACES = {
    "sphere": shapes.sphere(sampling="random", n=300),
    "cylinder with boundary": shapes.cylinder(16, 8, jitter=0.2),
    "Möbius": shapes.mobius_strip(24, 6, jitter=0.2),
    "flat Möbius": shapes.mobius_strip(24, 6, developed=True, jitter=0.2),
    "Klein": shapes.klein_bottle(20, 10),
    "projective plane": shapes.projective_plane(2),
    "genus 2": shapes.hyperbolic_surface(3, jitter=0.2),
}


def random_gauge(mesh, seed=0):
    """(handedness [V], half-edge [V], angle [V]): the x axis at an angle from any one of the edges of each vertex."""
    rng = np.random.default_rng(seed)
    fans = build_fans(mesh)
    degree = np.diff(fans.corner_ptr)
    half_edge = fans.corners[fans.corner_ptr[:-1] + rng.integers(0, degree)]
    return rng.choice([-1, 1], mesh.n_vertices), half_edge, rng.uniform(-np.pi, np.pi, mesh.n_vertices)


def transformation(mesh, handedness, half_edge, angle):
    """(a, s) [V] of the same gauge: the frame is reflected about its x axis, and then turned to the new x axis."""
    plain = build_fans(mesh)
    towards = handedness * plain.direction[half_edge] * plain.scale
    return torch.from_numpy(-(towards + angle)), torch.from_numpy(handedness)


def difference(a, b):
    """The largest of all fields of two geometries; lengths relative."""
    worst = 0.0
    for name in ("row_ptr", "source", "flip", "boundary", "mesh_ptr"):
        if not torch.equal(getattr(a, name), getattr(b, name)):
            return np.inf
    for name in ("r", "weight", "radius", "area"):
        x, y = getattr(a, name), getattr(b, name)
        worst = max(worst, float(((x - y).abs() / y.abs().clamp(min=1e-300)).max()))
    for name in ("theta", "phi"):
        worst = max(worst, 2 * float(torch.sin((getattr(a, name) - getattr(b, name)) / 2).abs().max()))
    if a.frame is not None:
        worst = max(worst, float((a.frame - b.frame).abs().max()))
    return worst


def check(mesh, mode, k=16):
    handedness, half_edge, angle = random_gauge(mesh)
    plain = compute_geometry(mesh, Nearest(k), mode=mode, dtype=torch.float64)
    there = compute_geometry(
        mesh, Nearest(k), mode=mode, handedness=handedness, reference=(half_edge, angle), dtype=torch.float64
    )
    a, s = transformation(mesh, handedness, half_edge, angle)
    assert difference(there, plain) > 0.5
    assert difference(there, plain.transform(a, s)) < 1e-12
    # broken on purpose: gauges that differ at one vertex by 1e-9, or know nothing of one reflection
    wrong = a.clone()
    wrong[3] += 1e-9
    assert difference(there, plain.transform(wrong, s)) > 1e-10
    blind = s.clone()
    blind[3] = -blind[3]
    assert difference(there, plain.transform(a, blind)) > 1e-3


@pytest.mark.parametrize("mode", ["smooth", "polyhedral"])
@pytest.mark.parametrize("name", SURFACES)
def test_random_rotation_and_handedness_at_every_vertex(name, mode):
    check(SURFACES[name].mesh, mode)


def test_on_a_real_mesh(shared_data):
    path = shared_data / "meshes_clean" / "spot" / "spot_low_resolution.obj"
    if not path.is_file():
        pytest.skip(f"{path.name} is not there")
    check(load_mesh(path), "smooth")
