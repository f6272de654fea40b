"""Exact distances where straight lines do not suffice, and independence of how the faces happen to be wound."""

import dataclasses

import numpy as np
import pytest
import torch

from gaugenet.meshes import shapes
from gaugenet.meshes.mesh import TriangleMesh
from gaugenet.meshes.neighborhoods import Nearest, Radius
from gaugenet.meshes.precompute import compute_geometry
from gaugenet.meshes.repair import mesh_from_arrays, mesh_from_edge_lengths


def distances(mesh: TriangleMesh, radius: float = 1e3) -> np.ndarray:
    """[V, V], inf where the geometry has no edge."""
    g = compute_geometry(mesh, Radius(radius), mode="polyhedral", dtype=torch.float64)
    table = np.full((g.n_vertices, g.n_vertices), np.inf)
    np.fill_diagonal(table, 0)
    table[g.target, g.source.long()] = g.r
    return table


def rewound(mesh: TriangleMesh, flipped: np.ndarray) -> TriangleMesh:
    """The same surface with some faces wound the other way (corners 0 and 2 exchanged)."""
    old = np.arange(3 * mesh.n_faces).reshape(-1, 3)
    # half-edge k of the new face is the old half-edge between the same corners
    source = np.where(flipped[:, None], old[:, [1, 0, 2]], old).ravel()
    place = np.empty_like(source)
    place[source] = np.arange(len(source))
    twin = mesh.twin[source]
    other = np.where(twin >= 0, flipped[np.maximum(twin, 0) // 3], False)
    mine = np.repeat(flipped, 3)
    return dataclasses.replace(
        mesh,
        faces=np.where(flipped[:, None], mesh.faces[:, [2, 1, 0]], mesh.faces),
        edge_lengths=mesh.edge_lengths.ravel()[source].reshape(-1, 3),
        twin=np.where(twin >= 0, place[np.maximum(twin, 0)], -1),
        twin_flipped=np.where(twin >= 0, mesh.twin_flipped[source] ^ mine ^ other, False),
    )


def test_shortest_paths_bend_at_reentrant_corners():
    patch = shapes.flat_patch(8, 8, length=2.0, width=2.0).mesh
    centre = patch.vertices[patch.faces].mean(1)
    faces = patch.faces[~((centre[:, 0] > 1) & (centre[:, 1] > 0))]
    used = np.unique(faces)
    mesh = mesh_from_arrays(patch.vertices[used], np.searchsorted(used, faces))
    x = mesh.vertices[:, :2] - (1.0, 0.0)
    # across the notch (first quadrant) the path bends at the origin; elsewhere it is straight
    angle = np.mod(np.arctan2(x[:, 1], x[:, 0]) - np.pi / 2, 2 * np.pi) % (2 * np.pi)
    angle[np.abs(angle - 2 * np.pi) < 1e-9] = 0
    size = np.linalg.norm(x, axis=1)
    between = np.abs(angle[:, None] - angle)
    straight = np.linalg.norm(x[:, None] - x, axis=2)
    bent = size[:, None] + size
    exact = np.where((between > np.pi) & (size[:, None] * size > 0), bent, straight)
    assert ((between > np.pi + 1e-9) & (size[:, None] * size > 0)).sum() > 100
    np.testing.assert_allclose(distances(mesh), exact, atol=1e-13)


@pytest.mark.parametrize("total", [2.6 * np.pi, 1.3 * np.pi])
def test_distances_around_a_cone_point(total):
    """Fans of total angle above 2π (pseudo-source) and below; closed form by developing the shorter way round."""
    spokes, rings = 12, 5
    faces, place = [], [(0.0, 0.0)]
    for k in range(1, rings + 1):
        place += [(k, (j + 0.5 * (k % 2)) * total / spokes) for j in range(spokes)]
    at = lambda k, j: 0 if k == 0 else 1 + (k - 1) * spokes + j % spokes  # noqa: E731
    for k in range(1, rings + 1):
        for j in range(spokes):
            if k == 1:
                faces.append((0, at(1, j), at(1, j + 1)))
            elif k % 2 == 0:
                faces += [(at(k - 1, j), at(k, j), at(k, j + 1)), (at(k - 1, j), at(k, j + 1), at(k - 1, j + 1))]
            else:
                faces += [(at(k - 1, j), at(k, j), at(k - 1, j + 1)), (at(k, j), at(k, j + 1), at(k - 1, j + 1))]
    faces = np.array(faces)
    r, w = np.array(place).T

    def exact(p, q):
        d = np.abs(w[p] - w[q])
        d = np.minimum(d, total - d)
        chord = np.sqrt(np.maximum((r[p] - r[q]) ** 2 + 4 * r[p] * r[q] * np.sin(d / 2) ** 2, 0))
        return np.where(d >= np.pi, r[p] + r[q], chord)

    mesh = mesh_from_edge_lengths(faces, exact(faces, np.roll(faces, -1, axis=1)))
    found = distances(mesh)
    p, q = np.indices(found.shape)
    # a path may leave through the ragged rim nowhere: the rim is concave, so stay inside the last full circle
    inner = (r[p] + r[q] <= rings * np.cos(total / spokes / 2)) & (p != q)
    assert inner.sum() > 300
    np.testing.assert_allclose(found[inner], exact(p, q)[inner], rtol=1e-12)


def test_no_vertex_is_lost_behind_one_that_is_barely_a_saddle():
    patch = shapes.flat_patch(12, 12)
    flat = compute_geometry(patch.mesh, Radius(0.35))
    for noise in (1e-3, 1e-5, 1e-6, 1e-7):
        bumpy = patch.mesh.vertices + [0, 0, 1] * np.random.default_rng(0).normal(scale=noise, size=(169, 1))
        found = compute_geometry(mesh_from_arrays(bumpy, patch.mesh.faces), Radius(0.35))
        assert torch.equal(found.row_ptr, flat.row_ptr)


def test_winding_of_the_faces_does_not_matter():
    for shape in (shapes.torus(12, 8, jitter=0.2), shapes.mobius_strip(16, 4, jitter=0.2)):
        flipped = np.random.default_rng(0).random(shape.mesh.n_faces) < 0.5
        a = compute_geometry(shape.mesh, Nearest(12), dtype=torch.float64)
        b = compute_geometry(rewound(shape.mesh, flipped), Nearest(12), dtype=torch.float64)
        assert torch.equal(a.source, b.source)
        torch.testing.assert_close(a.r, b.r, rtol=1e-13, atol=0)
        # other default frames, so compare what no gauge changes: the sum of the angles round a pair
        back = {(int(p), int(q)): e for e, (p, q) in enumerate(zip(b.target, b.source))}
        e = torch.tensor([back[int(p), int(q)] for p, q in zip(a.target, a.source)])
        assert torch.equal(e, torch.arange(len(e)))
        angle, sign = gauge_between(a, b)
        moved = a.transform(angle, sign)
        close(moved.theta, b.theta)
        close(moved.phi, b.phi)
        assert torch.equal(moved.flip, b.flip)


def gauge_between(a, b):
    """Read off two edges of every vertex that are not in line (all others then test it)."""
    first = a.row_ptr[:-1].long()
    across = torch.sin(a.theta - a.theta[first[a.target]]).abs()
    second = torch.stack([rows.argmax() + start for rows, start in zip(across.split(degrees(a)), first)])
    turn = lambda g: torch.sin(g.theta[second] - g.theta[first])  # noqa: E731
    sign = torch.sign(turn(a) * turn(b))
    return b.theta[first] - sign * a.theta[first], sign


def degrees(g):
    return (g.row_ptr[1:] - g.row_ptr[:-1]).tolist()


def close(a, b, tolerance=1e-11):
    assert torch.sin((a - b) / 2).abs().max() < tolerance


def test_one_vertex_surfaces_have_no_neighbours():
    square = [[1.0, 1.0, 2**0.5], [2**0.5, 1.0, 1.0]]
    torus = mesh_from_edge_lengths(
        np.zeros((2, 3), int), square, twin=[4, 5, 3, 2, 0, 1], twin_flipped=np.zeros(6, bool), n_vertices=1
    )
    g = compute_geometry(torus, Radius(30.0))
    assert (g.n_vertices, g.n_edges) == (1, 0)
    assert not g.boundary.any()


def test_two_vertices_joined_by_many_paths_keep_the_shortest():
    # a flat 1 × 2 torus with vertices at (0, 0) and (0, 1): two squares, each seen from either side
    side, diagonal = 1.0, 2**0.5
    faces = [[0, 0, 1], [0, 1, 1], [1, 1, 0], [1, 0, 0]]
    lengths = [[side, side, diagonal], [diagonal, side, side]] * 2
    twin = np.array([10, 5, 3, 2, 6, 1, 4, 11, 9, 8, 0, 7])
    mesh = mesh_from_edge_lengths(faces, lengths, twin=twin, twin_flipped=np.zeros(12, bool), n_vertices=2)
    g = compute_geometry(mesh, Radius(20.0), dtype=torch.float64)
    assert g.source.tolist() == [1, 0]
    torch.testing.assert_close(g.r, torch.ones(2, dtype=torch.float64))


def test_distances_do_not_depend_on_the_scale():
    mesh = shapes.torus(20, 8, jitter=0.2).mesh
    base = compute_geometry(mesh, Nearest(16), dtype=torch.float64)
    for scale in (1e-12, 1e9):
        other = compute_geometry(mesh_from_arrays(mesh.vertices * scale, mesh.faces), Nearest(16), dtype=torch.float64)
        assert torch.equal(base.source, other.source)
        torch.testing.assert_close(base.r * scale, other.r, rtol=1e-12, atol=0)
        torch.testing.assert_close(base.weight, other.weight, rtol=1e-9, atol=0)


@pytest.mark.parametrize("length", [10.0, 1e8])
def test_a_spike_costs_no_more_the_longer_it_is(length):
    """Windows that wind round the spike once for each of its widths would take hours."""
    grid = shapes.flat_patch(6, 6).mesh
    points = grid.vertices.copy()
    top = int(np.argmin(np.linalg.norm(points[:, :2] - points[:, :2].mean(0), axis=1)))
    points[top, 2] += length
    corner = points[grid.faces]
    # past the loader, which refuses spikes as sharp as this
    mesh = dataclasses.replace(
        grid, vertices=points, edge_lengths=np.linalg.norm(np.roll(corner, -1, axis=1) - corner, axis=2)
    )
    geometry = compute_geometry(mesh, Nearest(mesh.n_vertices - 1), dtype=torch.float64, mode="polyhedral")
    p, q, r = geometry.target.numpy(), geometry.source.numpy(), geometry.r.numpy()
    beside = np.isin(q, mesh.faces[(mesh.faces == top).any(1)]) & (p == top)
    straight = np.linalg.norm(points[p] - points[q], axis=1)
    np.testing.assert_allclose(r[beside], straight[beside], rtol=1e-12)
    assert (r >= straight * (1 - 1e-12)).all()
