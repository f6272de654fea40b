"""Advection on surfaces: a scalar that a tangent field carries along, and that spreads a little.

With φ_p the hat function of a vertex, M the barycentric areas, C the cotangent matrix and v constant in every face,

    M du/dt = -(S + κ C) u,   S_pq = ∫ φ_p ⟨v, ∇φ_q⟩,   u[t + 1] = exp(-dt M⁻¹ (S + κ C)) u[t]

is Galerkin's method of lowest order for du/dt = -⟨v, ∇u⟩ + κ Δu, exact in time. The field is v = n × ∇ψ with ψ linear
in every face: it has no divergence, S is skew-symmetric, and so ∫ u stays as it is and ∫ u² falls by the spreading
alone. Which way u goes next depends on the direction of v: no network can know it from scalars of u and v alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gaugenet.data.dynamics import barycentric_areas
from gaugenet.data.features.laplacian import cotan_laplacian
from gaugenet.meshes.mesh import TriangleMesh
from gaugenet.meshes.topology import is_orientable

Floats = NDArray[np.float64]

SHARE_OF_BUMPS = 1 / 20
"""Of all vertices, how many have a bump at the start, every other one of them negative."""
_WIDTH = 2.0
"""Of a bump: heat has flowed for this time, in mean vertex areas."""


@dataclass(frozen=True, eq=False)
class Advection:
    """Solutions on one surface, from several random initial values, and the field that carries them."""

    mesh: TriangleMesh
    u: NDArray[np.float32]
    """[samples, steps + 1, V]"""
    velocity: Floats
    """[V, 3] the mean of v over the faces at each vertex, in space, with a root mean square of about 1."""


def stream_function(mesh: TriangleMesh, rng: np.random.Generator, waves: int = 4) -> Floats:
    """[V] a sum of random plane waves, of wave numbers 1 to 3 per root mean square distance from the middle.

    Raises:
        ValueError: the surface has no vertices in space.
    """
    if mesh.vertices is None:
        raise ValueError(f"{mesh.name}: expected vertices in space, got edge lengths only; give an embedded surface")
    x = mesh.vertices - mesh.vertices.mean(0)
    number, direction = rng.uniform(1, 3, waves), rng.standard_normal((waves, 3))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    phase = number * (x @ direction.T) / np.sqrt(x.var(0).sum()) + rng.uniform(0, 2 * np.pi, waves)
    return np.asarray((np.sin(phase) / number).sum(1), np.float64)


def carried_by(mesh: TriangleMesh, psi: Floats) -> tuple[Any, Floats]:
    """S, scipy CSR array [V, V], and v [F, 3] of a stream function [V]; the root mean square of v is 1.

    Raises:
        ValueError: the surface has a boundary, one side only or a face without area, or ψ is constant.
    """
    from scipy.sparse import coo_array

    if mesh.vertices is None or (mesh.twin < 0).any() or not is_orientable(mesh):
        raise ValueError(f"{mesh.name}: expected a closed two-sided surface in space, where no stream line ends")
    corners = mesh.vertices[mesh.faces]
    # the edge opposite to each corner, along the boundary of its face
    opposite = np.stack([corners[:, (k + 2) % 3] - corners[:, (k + 1) % 3] for k in range(3)], 1)
    normal = np.cross(opposite[:, 0], opposite[:, 1])
    double = np.linalg.norm(normal, axis=1)
    if not (double > 0).all():
        raise ValueError(f"{mesh.name}: face {int(np.argmin(double > 0))} has no area; remove such faces before")
    normal = normal / double[:, None]
    # ∇φ = n × e / 2A, and n × ∇φ = -e / 2A
    velocity = -np.einsum("fk,fkc->fc", psi[mesh.faces], opposite) / double[:, None]
    mean_square = float((velocity**2).sum(1) @ double / double.sum())
    # also where it is another constant on every component
    if np.sqrt(mean_square * double.mean()) <= 1e-12 * np.abs(psi).max():
        raise ValueError(f"{mesh.name}: the stream function is constant, so nothing moves")
    velocity /= np.sqrt(mean_square)
    gradient = np.cross(normal[:, None], opposite) / double[:, None, None]
    rate = np.einsum("fc,fkc->fk", velocity, gradient) * (double / 6)[:, None]
    rows = np.repeat(mesh.faces, 3, axis=1)
    columns = np.tile(mesh.faces, (1, 3))
    values = np.tile(rate, (1, 3))
    shape = (mesh.n_vertices, mesh.n_vertices)
    return coo_array((values.ravel(), (rows.ravel(), columns.ravel())), shape=shape).tocsr(), velocity


def advect(
    mesh: TriangleMesh,
    *,
    samples: int = 5,
    steps: int = 200,
    courant: float = 0.3,
    spread: float = 0.02,
    seed: int = 0,
    psi: Floats | None = None,
    initial: Floats | None = None,
) -> Advection:
    """Solve the equation from random bumps, in float64, exactly in time.

    Args:
        mesh: a closed two-sided surface in space, each of whose vertices has a face and each face an area.
        samples: how many initial values.
        steps: how many time steps from each.
        courant: way of a mean step, dt √(mean |v|²), over the root of the mean vertex area.
        spread: dt κ over the mean vertex area.
        seed: of the stream function and the initial values.
        psi: [V] a stream function instead of a random one.
        initial: [samples, V] initial values instead of random ones.

    Raises:
        ValueError: the surface is another one, or an argument is out of its range.
    """
    from scipy.sparse import diags_array
    from scipy.sparse.linalg import expm_multiply, splu

    if samples < 1 or steps < 1 or not courant > 0 or not spread >= 0:
        raise ValueError(
            f"expected samples and steps of at least 1, courant > 0 and spread ≥ 0; got {samples}, {steps}, {courant} "
            f"and {spread}"
        )
    rng = np.random.default_rng(seed)
    matrix, velocity = carried_by(mesh, stream_function(mesh, rng) if psi is None else psi)
    mass = barycentric_areas(mesh)
    if not (mass > 0).all():
        raise ValueError(
            f"{mesh.name}: vertex {int(np.argmin(mass > 0))} has no area; remove vertices without faces before"
        )
    area, stiffness = mass.mean(), cotan_laplacian(mesh).stiffness
    if initial is None:
        spikes = np.zeros((mesh.n_vertices, samples))
        for i in range(samples):
            chosen = rng.permutation(mesh.n_vertices)[: max(1, int(mesh.n_vertices * SHARE_OF_BUMPS))]
            spikes[chosen, i] = np.where(np.arange(len(chosen)) % 2, -1.0, 1.0)
        bumps = splu((diags_array(mass) + _WIDTH * area * stiffness).tocsc()).solve(mass[:, None] * spikes)
        initial = (bumps / np.abs(bumps).max(0)).T
    rate = (diags_array(1 / mass) @ (courant * np.sqrt(area) * matrix + spread * area * stiffness)).tocsr()
    u = expm_multiply(-rate, np.ascontiguousarray(initial.T), start=0, stop=steps, num=steps + 1, endpoint=True)
    return Advection(mesh, np.ascontiguousarray(u.transpose(2, 0, 1), np.float32), _at_vertices(mesh, velocity))


def _at_vertices(mesh: TriangleMesh, of_faces: Floats) -> Floats:
    """[V, 3] means of vectors [F, 3] over the faces at each vertex, by area."""
    assert mesh.vertices is not None
    a, b, c = mesh.vertices[mesh.faces].transpose(1, 0, 2)
    area = np.linalg.norm(np.cross(b - a, c - a), axis=1)
    total = np.zeros((mesh.n_vertices, 3))
    np.add.at(total, mesh.faces.ravel(), np.repeat(area[:, None] * of_faces, 3, axis=0))
    return np.asarray(total / np.bincount(mesh.faces.ravel(), np.repeat(area, 3), mesh.n_vertices)[:, None])
