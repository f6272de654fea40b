"""Heat and waves against the closed form of their schemes: eigenvectors of a dense matrix."""

import numpy as np
import pytest

from gaugenet.data.dynamics import barycentric_areas, scaled_laplacian, simulate, spikes
from gaugenet.meshes import shapes
from gaugenet.meshes.repair import mesh_from_arrays

SPHERE = shapes.sphere(sampling="random", n=60, seed=3).mesh


def by_corners(mesh):
    """Dense A M^(-1/2) C M^(-1/2) by cotangents of corners in space."""
    n = mesh.n_vertices
    stiffness, mass = np.zeros((n, n)), np.zeros(n)
    for face in mesh.faces:
        for k in range(3):
            p, q, o = (mesh.vertices[face[(k + i) % 3]] for i in range(3))
            cross = np.linalg.norm(np.cross(p - o, q - o))
            a, b = face[k], face[(k + 1) % 3]
            weight = 0.5 * np.dot(p - o, q - o) / cross
            stiffness[[a, b], [b, a]] -= weight
            stiffness[[a, b], [a, b]] += weight
            mass[face[k]] += cross / 6
    half = np.sqrt(mass.mean() / mass)
    return half[:, None] * stiffness * half, mass


def test_the_matrix_is_that_of_the_cotangents():
    dense, mass = by_corners(SPHERE)
    np.testing.assert_allclose(barycentric_areas(SPHERE), mass, rtol=1e-10)
    found = scaled_laplacian(SPHERE).toarray()
    # the library lengthens edges a little where triangles are thin: less than 1e-3 here
    np.testing.assert_allclose(found, dense, rtol=0, atol=1e-3 * np.abs(dense).max())
    np.testing.assert_allclose(found @ np.sqrt(mass), 0, atol=1e-10)


@pytest.mark.parametrize("equation", ["heat", "wave"])
def test_eigenvectors_follow_the_closed_form(equation):
    """Heat: (1 - τλ)^t. Waves at rest at the start: cos((t + 1/2) ω) / cos(ω / 2) with 2 sin(ω / 2) = √(τλ)."""
    values, vectors = np.linalg.eigh(scaled_laplacian(SPHERE).toarray())
    tau, chosen = 0.01, [0, 1, 20, 59]
    solved = simulate(SPHERE, equation, steps=40, tau=tau, initial=vectors[:, chosen].T)
    t = np.arange(41)
    for u, k in zip(solved.u, chosen):
        if equation == "heat":
            factor = (1 - tau * values[k]) ** t
        else:
            omega = 2 * np.arcsin(0.5 * np.sqrt(tau * max(values[k], 0.0)))
            factor = np.cos((t + 0.5) * omega) / np.cos(0.5 * omega)
        np.testing.assert_allclose(u, factor[:, None] * vectors[:, k], rtol=0, atol=2e-6)


def test_heat_is_conserved_and_settles():
    mesh = shapes.sphere(sampling="fibonacci", n=60).mesh
    solved = simulate(mesh, "heat", samples=2, steps=400, tau=0.05)
    root = np.sqrt(barycentric_areas(mesh))
    total = solved.u @ root
    np.testing.assert_allclose(total, total[:, :1].repeat(401, 1), rtol=1e-5)
    rest = total[:, :1] * root / (root @ root)
    assert np.abs(solved.u[:, -1] - rest).max() < 0.2 * np.abs(solved.u[:, 0] - rest).max()


def test_initial_values_are_seeded_spikes():
    first = simulate(SPHERE, "wave", samples=2, steps=1, seed=1).u[:, 0]
    assert np.array_equal(first, simulate(SPHERE, "wave", samples=2, steps=3, seed=1).u[:, 0])
    assert not np.array_equal(first[0], first[1])
    rng = np.random.default_rng(0)
    assert np.sort(spikes(400, "wave", rng))[[0, 4, 5, 394, 395]].tolist() == [-1, -1, 0, 0, 1]
    assert spikes(400, "heat", rng).sum() == 80


def test_what_cannot_be_solved_is_refused():
    with pytest.raises(ValueError, match="explicit scheme needs tau below"):
        simulate(SPHERE, "heat", tau=1.0)
    with pytest.raises(ValueError, match="unknown equation"):
        simulate(SPHERE, "burgers")
    with pytest.raises(ValueError, match="at least 1"):
        simulate(SPHERE, "heat", steps=0)
    alone = mesh_from_arrays([[0, 0, 0], [1, 0, 0], [0, 1, 0], [5, 5, 5]], [[0, 1, 2]])
    with pytest.raises(ValueError, match="vertex 3 has no area"):
        simulate(alone, "heat")
