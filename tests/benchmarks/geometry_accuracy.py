"""Accuracy of logarithmic maps and transporters on surfaces with closed forms, ours beside other methods.

    python tests/benchmarks/geometry_accuracy.py [--json FILE] [--table FILE] [--surfaces NAME ...]

For a sample of target vertices and all their neighbours within 3 h, h the median edge length: the median, the 95th
percentile and the maximum of |r - r_exact| / r_exact, |θ - θ_exact| and |g - g_exact| (radians), the same pairs for
all:

    smooth, polyhedral      the two modes of `gaugenet.compute_geometry`
    VectorHeat, AffineLocal, AffineAdaptive    logarithmic maps of potpourri3d, with its transport_tangent_vector
    projection              r = chord, θ = direction of q projected on the tangent plane of p, g = the rotation that
                            takes the normal at q to that at p (de Haan et al. 2021, Gauge Equivariant Mesh CNNs)

No method is charged for its choice of frames. Its frame at a vertex is turned to that of the closed form by the one
angle that fits the directions of the edges there best, in the sense of a mean on the circle.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from gaugenet.meshes import shapes
from gaugenet.meshes.closed_forms import PolarMap
from gaugenet.meshes.fans import CornerFans, build_fans
from gaugenet.meshes.frames import extrinsic_frames
from gaugenet.meshes.mesh import TriangleMesh
from gaugenet.meshes.neighborhoods import Radius
from gaugenet.meshes.precompute import compute_geometry
from gaugenet.meshes.repair import mesh_from_arrays
from gaugenet.meshes.shapes import Shape

RINGS = 3.0
STRATEGIES = ("VectorHeat", "AffineLocal", "AffineAdaptive")
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class Surface(NamedTuple):
    shape: Shape
    curvature: float
    """Largest principal curvature."""
    targets: NDArray[np.bool_] | None = None
    """[V] which vertices may be targets; None for all from which no neighbourhood meets the boundary."""


def _moved(shape: Shape, vertices: Floats) -> Shape:
    """The same faces, closed form and frames over other positions."""
    mesh = mesh_from_arrays(vertices, shape.mesh.faces, name=shape.mesh.name, merge_vertices=False)
    return Shape(mesh, shape.closed_form, shape.frame)


def noisy_sphere(subdivisions: int = 4, noise: float = 0.1, seed: int = 0) -> Surface:
    """An icosphere whose vertices were moved along their normals by normal deviates of `noise` edge lengths."""
    shape = shapes.sphere(subdivisions=subdivisions)
    h = float(np.median(shape.mesh.edge_lengths))
    radius = 1 + noise * h * np.random.default_rng(seed).normal(size=shape.mesh.n_vertices)
    assert shape.mesh.vertices is not None
    return Surface(_moved(shape, shape.mesh.vertices * radius[:, None]), 1.0)


def stretched_sphere(n: int = 64, ratio: float = 8.0, jitter: float = 0.2, seed: int = 0) -> Surface:
    """The zone of the unit sphere between the latitudes ±45°, cells `ratio` times as long as high."""
    m = round(n * ratio / 4)
    flat = shapes.cylinder(n, m, radius=1.0, height=np.pi / 2, jitter=jitter, seed=seed)
    assert flat.mesh.vertices is not None
    x, y, latitude = flat.mesh.vertices.T
    points = np.stack([x * np.cos(latitude), y * np.cos(latitude), np.sin(latitude)], 1)
    frame = shapes.tangent_frames(points)
    return Surface(_moved(Shape(flat.mesh, shapes.SphereForm(frame), frame), points), 1.0)


def cone_near_apex(n: int = 24) -> Surface:
    shape = shapes.cone(n, jitter=0.2)
    slant = shape.closed_form.slant  # type: ignore[union-attr]
    return Surface(shape, 3.0**0.5 / 0.1, (slant > 0) & (slant < 0.3))


SURFACES: dict[str, Callable[[], Surface]] = {
    "sphere, icosphere": lambda: Surface(shapes.sphere(subdivisions=4), 1.0),
    "sphere, random points": lambda: Surface(shapes.sphere(sampling="random", n=2500), 1.0),
    "torus 1/0.4, regular": lambda: Surface(shapes.torus(90, 36), 2.5),
    "torus 1/0.4, jittered": lambda: Surface(shapes.torus(90, 36, jitter=0.2), 2.5),
    "cylinder, jittered": lambda: Surface(shapes.cylinder(72, 24, jitter=0.2), 1.0),
    "cone near its apex": cone_near_apex,
    "sphere, noise 0.1 h": noisy_sphere,
    "sphere, 8:1": stretched_sphere,
    "torus 1/0.4, 8:1": lambda: Surface(shapes.torus(40, 128, jitter=0.2), 2.5),
    "hyperbolic, genus 2": lambda: Surface(shapes.hyperbolic_surface(), 1.0),
}


class Pairs(NamedTuple):
    target: Ints
    source: Ints
    exact: PolarMap


def sample(surface: Surface, n_targets: int, seed: int = 0) -> Pairs:
    """Pairs within `RINGS` median edges, and within the injectivity radius; no boundary vertex is in any of them."""
    mesh, form = surface.shape.mesh, surface.shape
    limit = RINGS * float(np.median(mesh.edge_lengths))
    g = compute_geometry(mesh, Radius(1.1 * limit), dtype=torch.float64)
    p, q = g.target.numpy(), g.source.numpy().astype(np.int64)
    rim = g.boundary.numpy().copy()
    rim[p[rim[q]]] = True
    allowed = np.flatnonzero(~rim if surface.targets is None else surface.targets & ~rim)
    chosen = np.random.default_rng(seed).choice(allowed, min(n_targets, len(allowed)), replace=False)
    take = np.isin(p, chosen)
    p, q = p[take], q[take]
    near = form.log_and_transport(p, q).r < np.minimum(limit, 0.99 * form.closed_form.injectivity_radius[p])  # type: ignore[union-attr]
    p, q = p[near], q[near]
    return Pairs(p, q, form.log_and_transport(p, q))


def _turned_to(angle: Any) -> Any:
    return (angle + np.pi) % (2 * np.pi) - np.pi


def edge_fit(shape: Shape, tail: Ints, head: Ints, direction: Floats) -> Floats:
    """[V] the angle that turns directions [E] of the edges at their tails to the closed form's, on the average."""
    known = np.flatnonzero(tail != head)
    exact = shape.log_and_transport(tail[known], head[known]).theta
    total = np.zeros(shape.mesh.n_vertices, complex)
    np.add.at(total, tail[known], np.exp(1j * (exact - direction[known])))
    return np.angle(total)


def fan_edges(fans: CornerFans) -> tuple[Ints, Ints, Floats]:
    """(tail, head, scaled direction) of every half-edge."""
    tail = fans.vertex
    head = tail.reshape(-1, 3)[:, [1, 2, 0]].ravel()
    return tail, head, fans.direction * fans.scale[tail]


Values = tuple[Floats, Floats, Floats]


def ours(surface: Surface, pairs: Pairs, mode: str) -> Values:
    mesh, n = surface.shape.mesh, surface.shape.mesh.n_vertices
    limit = 1.2 * RINGS * float(np.median(mesh.edge_lengths))
    g = compute_geometry(mesh, Radius(limit), mode=mode, dtype=torch.float64)  # type: ignore[arg-type]
    key = g.target.numpy() * n + g.source.numpy()
    at = np.searchsorted(key, pairs.target * n + pairs.source)
    assert (key[at] == pairs.target * n + pairs.source).all()
    fit = edge_fit(surface.shape, *fan_edges(build_fans(mesh)))
    theta = g.theta.numpy()[at] + fit[pairs.target]
    return g.r.numpy()[at], theta, g.phi.numpy()[at] + fit[pairs.target] - fit[pairs.source]


def their_gauge(mesh: TriangleMesh, fans: CornerFans, solver: Any) -> Floats:
    """[V] angle from our frame of the fan to theirs: both scale the same angles and differ in where they begin.

    Their x axis is the direction of Σ_e R_n(-ψ_e) e over outgoing half-edges, e projected on the plane of their normal
    n and ψ_e its angle in their frame; with our angles in place of theirs the sum comes out turned by the difference.
    """
    assert mesh.vertices is not None
    x, y, normal = (np.asarray(axis) for axis in solver.get_tangent_frames())
    tail, head, psi = fan_edges(fans)
    edge = mesh.vertices[head] - mesh.vertices[tail]
    n = normal[tail]
    edge -= (edge * n).sum(1, keepdims=True) * n
    back = np.cos(psi)[:, None] * edge - np.sin(psi)[:, None] * np.cross(n, edge)
    total = np.zeros_like(x)
    np.add.at(total, tail, back)
    return np.asarray(np.arctan2((total * y).sum(1), (total * x).sum(1)))


def theirs(surface: Surface, pairs: Pairs) -> dict[str, Values]:
    """Of every strategy of potpourri3d."""
    import potpourri3d

    mesh, fans = surface.shape.mesh, build_fans(surface.shape.mesh)
    solver = potpourri3d.MeshVectorHeatSolver(mesh.vertices, mesh.faces)
    # what turns coefficients in their frames to the closed form's
    fit = edge_fit(surface.shape, *fan_edges(fans)) - their_gauge(mesh, fans, solver)
    n = len(pairs.target)
    arrived, logs = np.empty(n), {name: np.empty((n, 2)) for name in STRATEGIES}
    for v in np.unique(pairs.target):
        rows = pairs.target == v
        moved = solver.transport_tangent_vector(int(v), [1.0, 0.0])[pairs.source[rows]]
        arrived[rows] = np.arctan2(moved[:, 1], moved[:, 0])
        for name, log in logs.items():
            log[rows] = solver.compute_log_map(int(v), strategy=name)[pairs.source[rows]]
    phi = fit[pairs.target] - fit[pairs.source] - arrived
    return {
        name: (np.hypot(*log.T), np.arctan2(log[:, 1], log[:, 0]) + fit[pairs.target], phi)
        for name, log in logs.items()
    }


def projection(surface: Surface, pairs: Pairs) -> Values:
    """Chords, projected directions, and the smallest rotation between the normals."""
    mesh, fans = surface.shape.mesh, build_fans(surface.shape.mesh)
    vertices = mesh.vertices
    assert vertices is not None
    x, y, normal = extrinsic_frames(vertices, fans).transpose(1, 0, 2)

    def seen(p: Ints, q: Ints) -> Floats:
        chord = vertices[q] - vertices[p]
        return np.asarray(np.arctan2((chord * y[p]).sum(1), (chord * x[p]).sum(1)))

    tail, head, _ = fan_edges(fans)
    fit = edge_fit(surface.shape, tail, head, seen(tail, head))
    p, q = pairs.target, pairs.source
    # R v = v - (n_q + n_p) (n_p + n_q)·v / (1 + n_p·n_q) + 2 n_p (n_q·v) takes n_q to n_p; here v = x_q ⟂ n_q
    both = normal[p] + normal[q]
    cosine = (normal[p] * normal[q]).sum(1, keepdims=True)
    moved = x[q] - both * (normal[p] * x[q]).sum(1, keepdims=True) / (1 + cosine)
    phi = np.arctan2((moved * y[p]).sum(1), (moved * x[p]).sum(1))
    return np.linalg.norm(vertices[q] - vertices[p], axis=1), seen(p, q) + fit[p], phi + fit[p] - fit[q]


def errors(values: Values, exact: PolarMap) -> dict[str, list[float]]:
    """{r, θ, g: [median, 95th percentile, maximum]}"""
    r, theta, phi = values
    found = {
        "r": np.abs(r - exact.r) / exact.r,
        "theta": np.abs(_turned_to(theta - exact.theta)),
        "g": np.abs(_turned_to(phi - exact.phi)),
    }
    return {name: [float(np.quantile(e, level)) for level in (0.5, 0.95, 1.0)] for name, e in found.items()}


def measure(surface: Surface, n_targets: int) -> dict[str, Any]:
    pairs = sample(surface, n_targets)
    h = float(np.median(surface.shape.mesh.edge_lengths))
    methods: dict[str, Values] = {mode: ours(surface, pairs, mode) for mode in ("smooth", "polyhedral")}
    if surface.shape.mesh.vertices is not None:
        methods |= theirs(surface, pairs) | {"projection": projection(surface, pairs)}
    return {
        "vertices": surface.shape.mesh.n_vertices,
        "pairs": len(pairs.target),
        "h": h,
        "kappa_h_squared": (surface.curvature * h) ** 2,
        "errors": {name: errors(values, pairs.exact) for name, values in methods.items()},
    }


def table(results: dict[str, Any]) -> str:
    """Markdown: a table for each surface; median / 95th percentile / maximum, the smallest percentile in bold."""
    lines = []
    for name, found in results.items():
        size = f"V = {found['vertices']:,}, {found['pairs']:,} pairs, h = {found['h']:.4f}"
        lines += [f"**{name}** ({size}, (κh)² = {found['kappa_h_squared']:.2e})", ""]
        lines += ["| method | r | θ | g |", "|---|---|---|---|"]
        best = {key: min(e[key][1] for e in found["errors"].values()) for key in ("r", "theta", "g")}
        for method, e in found["errors"].items():
            cells = []
            for key in ("r", "theta", "g"):
                text = [f"{value:.1e}" for value in e[key]]
                if e[key][1] == best[key]:
                    text[1] = f"**{text[1]}**"
                cells.append(" / ".join(text))
            lines.append(f"| {method} | {' | '.join(cells)} |")
        lines.append("")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--json", type=Path)
    parser.add_argument("--table", type=Path)
    parser.add_argument("--targets", type=int, default=60, help="target vertices per surface")
    parser.add_argument("--surfaces", nargs="*", choices=list(SURFACES), default=list(SURFACES))
    options = parser.parse_args()
    results = {}
    for name in options.surfaces:
        began = time.perf_counter()
        results[name] = measure(SURFACES[name](), options.targets)
        print(table({name: results[name]}) + f"\n{time.perf_counter() - began:.1f} s\n", flush=True)
    if options.json:
        options.json.write_text(json.dumps(results, indent=1) + "\n")
    if options.table:
        options.table.write_text(table(results))


if __name__ == "__main__":
    main()
