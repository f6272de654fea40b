"""Heat and waves on surfaces: trajectories to train an emulator on.

With C the cotangent matrix (rows sum to zero, non-negative diagonal), M the barycentric areas of the vertices, A their
mean and L = A M^(-1/2) C M^(-1/2), which has no unit:

    heat:  u[t + 1] = u[t] - τ L u[t]
    wave:  u[t + 1] = 2 u[t] - u[t - 1] - τ L u[t],   u[-1] = u[0]

These are the explicit schemes and the symmetric normalisation of the data of Park, Wong, Walters 2023 (Modeling
Dynamics over Meshes with Gauge Equivariant Nonlinear Message Passing); τ is their dt / A, or dt² / A for waves.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from gaugenet.data.features.laplacian import cotan_laplacian
from gaugenet.meshes.mesh import TriangleMesh

Equation = Literal["heat", "wave"]
SHARE_OF_SPIKES: dict[str, float] = {"heat": 1 / 5, "wave": 1 / 40}
"""Of all vertices, how many have a spike at the start: of height 1; of waves every other one is -1."""


@dataclass(frozen=True, eq=False)
class Trajectories:
    """Solutions of one equation on one surface, from several random initial values."""

    mesh: TriangleMesh
    equation: Equation
    tau: float
    u: NDArray[np.float32]
    """[samples, steps + 1, V]"""


def scaled_laplacian(mesh: TriangleMesh) -> Any:
    """L = A M^(-1/2) C M^(-1/2), scipy CSR array [V, V], without unit; symmetric, positive semi-definite.

    Its null space is spanned by √M, not by the constants: where vertex areas differ, heat settles at √M.

    Raises:
        ValueError: some vertex has no face, and so no area.
    """
    from scipy.sparse import diags_array

    mass = barycentric_areas(mesh)
    if not (mass > 0).all():
        raise ValueError(
            f"{mesh.name}: vertex {int(np.argmin(mass > 0))} has no area; remove vertices without faces before"
        )
    half = diags_array(np.sqrt(mass.mean() / mass))
    return (half @ cotan_laplacian(mesh).stiffness @ half).tocsr()


def barycentric_areas(mesh: TriangleMesh) -> NDArray[np.float64]:
    """[V] a third of the area of the faces at each vertex, by Heron's formula in a form without cancellation."""
    high, mid, low = -np.sort(-mesh.edge_lengths, axis=1).T
    sixteen = (high + (mid + low)) * (low - (high - mid)) * (low + (high - mid)) * (high + (mid - low))
    area = 0.25 * np.sqrt(np.maximum(sixteen, 0.0))
    return np.bincount(mesh.faces.ravel(), np.repeat(area / 3, 3), minlength=mesh.n_vertices).astype(np.float64)


def spikes(n_vertices: int, equation: Equation, rng: np.random.Generator) -> NDArray[np.float64]:
    """[V] initial values: 1 at a random share of the vertices (for waves 1 and -1 in turn), 0 elsewhere."""
    u = np.zeros(n_vertices)
    chosen = rng.permutation(n_vertices)[: max(1, int(n_vertices * SHARE_OF_SPIKES[equation]))]
    u[chosen] = 1.0
    if equation == "wave":
        u[chosen[1::2]] = -1.0
    return u


def simulate(
    mesh: TriangleMesh,
    equation: Equation,
    *,
    samples: int = 5,
    steps: int = 200,
    tau: float = 0.008,
    seed: int = 0,
    initial: NDArray[np.float64] | None = None,
) -> Trajectories:
    """Solve the equation from random initial values (`spikes`), in float64.

    Args:
        mesh: a surface, each of whose vertices has a face.
        samples: how many initial values.
        steps: how many time steps from each.
        tau: diffusion number dt / A, or dt² / A for waves (squared speed 1).
        seed: of the initial values.
        initial: [samples, V] initial values instead of random ones.

    Raises:
        ValueError: the equation is not known, an argument is out of its range, or the explicit scheme is unstable:
            τ times the largest eigenvalue of L must stay below 2 (heat) or 4 (wave).
    """
    from scipy.sparse.linalg import eigsh

    if equation not in get_args(Equation):
        raise ValueError(f"unknown equation {equation!r}: expected one of {', '.join(get_args(Equation))}")
    if samples < 1 or steps < 1 or not tau > 0:
        raise ValueError(f"expected samples and steps of at least 1 and tau > 0, got {samples}, {steps} and {tau}")
    laplacian = scaled_laplacian(mesh)
    start = np.random.default_rng(0).standard_normal(mesh.n_vertices)
    largest = float(eigsh(laplacian, k=1, which="LM", v0=start, tol=1e-3, return_eigenvectors=False)[0])
    bound = (2.0 if equation == "heat" else 4.0) / (1.01 * largest)
    if tau >= bound:
        raise ValueError(f"{mesh.name}: the explicit scheme needs tau below {bound:.2g} on this mesh, got {tau}")
    if initial is None:
        rng = np.random.default_rng(seed)
        initial = np.stack([spikes(mesh.n_vertices, equation, rng) for _ in range(samples)])
    u = np.empty((steps + 1, mesh.n_vertices, len(initial)))
    u[0] = initial.T
    for t in range(steps):
        u[t + 1] = u[t] - tau * (laplacian @ u[t])
        if equation == "wave":
            u[t + 1] += u[t] - u[max(t - 1, 0)]
    return Trajectories(mesh, equation, tau, np.ascontiguousarray(u.transpose(2, 0, 1), np.float32))
