"""Advection against a rotation in closed form, and what the scheme conserves."""

import numpy as np
import pytest

from gaugenet.data.advection import advect, carried_by, stream_function
from gaugenet.data.dynamics import barycentric_areas
from gaugenet.meshes import shapes
from gaugenet.meshes.repair import mesh_from_arrays

SPHERE = shapes.sphere(sampling="random", n=80, seed=3).mesh


def test_a_sphere_that_rotates_carries_a_height_along():
    """ψ = z turns the sphere about its axis, from y to x: u = x becomes x cos a - y sin a on fine meshes."""
    errors, courant = [], 0.2
    for n, steps in ((200, 20), (800, 40)):
        mesh = shapes.sphere(sampling="fibonacci", n=n).mesh
        x, y, z = mesh.vertices.T
        solved = advect(mesh, steps=steps, courant=courant, spread=0.0, psi=z, initial=x[None])
        # |v| = sin(polar angle) before it is scaled, whose mean square over the sphere is 2/3
        angle = steps * courant * np.sqrt(barycentric_areas(mesh).mean()) * np.sqrt(3 / 2)
        error = solved.u[0, -1] - (x * np.cos(angle) - y * np.sin(angle))
        errors.append(np.sqrt((error**2).mean()))
        np.testing.assert_allclose(solved.velocity, np.sqrt(3 / 2) * np.cross(mesh.vertices, [0, 0, 1]), atol=0.07)
    assert errors[0] < 0.02
    assert errors[1] < 0.4 * errors[0]


def test_the_matrix_is_skew_and_what_is_carried_is_conserved():
    matrix, velocity = carried_by(SPHERE, stream_function(SPHERE, np.random.default_rng(0)))
    dense = matrix.toarray()
    np.testing.assert_allclose(dense + dense.T, 0, atol=1e-14)
    np.testing.assert_allclose(dense.sum(1), 0, atol=1e-14)
    corners = SPHERE.vertices[SPHERE.faces]
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    np.testing.assert_allclose((velocity * normal).sum(1), 0, atol=1e-14)

    mass = barycentric_areas(SPHERE)
    solved = advect(SPHERE, samples=2, steps=40, spread=0.0)
    np.testing.assert_allclose(solved.u @ mass, (solved.u @ mass)[:, :1].repeat(41, 1), atol=1e-5)
    np.testing.assert_allclose(solved.u**2 @ mass, (solved.u**2 @ mass)[:, :1].repeat(41, 1), rtol=1e-4)
    energy = advect(SPHERE, samples=2, steps=40, spread=0.1).u ** 2 @ mass
    assert (np.diff(energy) < 0).all()


def test_steps_are_exact_in_time():
    """Two half steps are one step."""
    once = advect(SPHERE, samples=1, steps=5, courant=0.4, spread=0.04)
    twice = advect(SPHERE, samples=1, steps=10, courant=0.2, spread=0.02)
    np.testing.assert_allclose(twice.u[:, ::2], once.u, atol=1e-6)


def test_seeds_and_what_cannot_be_solved():
    first, again, other = (advect(SPHERE, samples=2, steps=1, seed=seed) for seed in (0, 0, 1))
    assert np.array_equal(first.u, again.u)
    assert not np.array_equal(first.u, other.u)
    assert not np.array_equal(first.velocity, other.velocity)
    assert np.abs(first.u[:, 0]).max(1).tolist() == [1, 1]
    for argument in ({"steps": 0}, {"courant": 0.0}, {"spread": -1.0}):
        with pytest.raises(ValueError, match="expected samples and steps"):
            advect(SPHERE, **argument)
    with pytest.raises(ValueError, match="closed two-sided surface"):
        advect(mesh_from_arrays([[0, 0, 0], [1, 0, 0], [0, 1, 0]], [[0, 1, 2]]))
    with pytest.raises(ValueError, match="nothing moves"):
        advect(SPHERE, psi=np.ones(80))
    two = mesh_from_arrays(np.concatenate([SPHERE.vertices, SPHERE.vertices + 3]), [*SPHERE.faces, *SPHERE.faces + 80])
    with pytest.raises(ValueError, match="nothing moves"):
        advect(two, psi=np.repeat([0.0, 1.0], 80))
    flat = [[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1], [0.5, 0.5, 0]]
    faces = [[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 4, 3], [4, 2, 3], [1, 2, 4]]
    with pytest.raises(ValueError, match="face 5 has no area"):
        advect(mesh_from_arrays(flat, faces))
    with pytest.raises(ValueError, match="embedded surface"):
        advect(shapes.flat_torus(5, 5).mesh)
