"""Which paths run through a face: against straight lines in the plane, and against how a field matches along edges."""

import numpy as np
import pytest
import torch

from gaugenet.meshes import shapes
from gaugenet.meshes.frame_fields import smoothest_frame_field
from gaugenet.meshes.neighborhoods import Nearest
from gaugenet.meshes.precompute import compute_geometry
from gaugenet.meshes.repair import mesh_from_arrays
from gaugenet.meshes.singular_paths import paths_through_faces
from gaugenet.meshes.structure import reduce_structure_group


def crosses(start, end, corners):
    """bool [E]: segments [E, 2] against one triangle [3, 2], by Cyrus and Beck's clipping; its inside only."""
    d, low, high = end - start, np.zeros(len(start)), np.ones(len(start))
    for k in range(3):
        edge = corners[(k + 1) % 3] - corners[k]
        inwards = np.array([-edge[1], edge[0]])
        at, slope = (start - corners[k]) @ inwards, d @ inwards
        with np.errstate(divide="ignore", invalid="ignore"):
            t = -at / slope
        low = np.where(slope > 0, np.maximum(low, t), low)
        high = np.where(slope < 0, np.minimum(high, t), high)
        high = np.where((slope == 0) & (at < 0), -1, high)
    return high - low


@pytest.mark.parametrize("mode", ["smooth", "polyhedral"])
def test_paths_in_the_plane_are_segments(mode):
    shape = shapes.flat_patch(14, 14, jitter=0.2)
    mesh = shape.mesh
    rng = np.random.default_rng(0)
    g = compute_geometry(mesh, Nearest(30), mode=mode, dtype=torch.float64)
    # in any gauge
    g = g.transform(
        torch.from_numpy(rng.uniform(-3, 3, mesh.n_vertices)), torch.from_numpy(rng.choice([-1.0, 1], mesh.n_vertices))
    )
    xy = mesh.vertices[:, :2]
    for f in rng.choice(mesh.n_faces, 20, replace=False):
        chosen = np.zeros(mesh.n_faces, bool)
        chosen[f] = True
        found = paths_through_faces(mesh, g, chosen)
        inside = crosses(xy[g.target.numpy()], xy[g.source.long().numpy()], xy[mesh.faces[f]])
        clear = np.abs(inside) > 1e-6
        # paths that only end at one of its corners may be seen as reaching it or not: that rule is another
        away = ~np.isin(g.target.numpy(), mesh.faces[f]) & ~np.isin(g.source.numpy(), mesh.faces[f])
        assert (found == (inside > 0))[clear & away].all()
        assert (found & away).any() or not ((inside > 1e-6) & away).any()


def test_paths_bend_where_shortest_paths_do():
    """In an L, a path between vertices that do not see each other runs over the inner corner, by two segments."""
    n = 6
    x, y = (c.ravel() for c in np.meshgrid(np.arange(2 * n + 1), np.arange(2 * n + 1), indexing="ij"))
    keep = (x <= n) | (y <= n)
    number = np.where(keep, np.cumsum(keep) - 1, -1).reshape(2 * n + 1, -1)
    a, b, c, d = (s.ravel() for s in (number[:-1, :-1], number[1:, :-1], number[1:, 1:], number[:-1, 1:]))
    faces = np.stack([a, b, c, a, c, d], 1)[(a >= 0) & (b >= 0) & (c >= 0) & (d >= 0)].reshape(-1, 3)
    rng = np.random.default_rng(0)
    xy = np.stack([x, y], 1)[keep].astype(float)
    rim = np.bincount(faces.ravel()) < 6
    xy[~rim] += rng.uniform(-0.2, 0.2, (np.count_nonzero(~rim), 2))
    mesh = mesh_from_arrays(np.pad(xy, ((0, 0), (0, 1))), faces)
    corner = int(number[n, n])
    g = compute_geometry(mesh, Nearest(60), dtype=torch.float64)
    p, q, r = g.target.numpy(), g.source.numpy().astype(int), g.r.numpy()
    hidden = r > np.linalg.norm(xy[p] - xy[q], axis=1) + 1e-9
    over = np.linalg.norm(xy[p] - xy[corner], axis=1) + np.linalg.norm(xy[q] - xy[corner], axis=1)
    np.testing.assert_allclose(r[hidden], over[hidden], rtol=1e-12)
    assert hidden.sum() > 100
    for f in rng.choice(np.flatnonzero((np.abs(xy[mesh.faces].mean(1) - n) < 3).all(1)), 20, replace=False):
        chosen = np.zeros(mesh.n_faces, bool)
        chosen[f] = True
        found = paths_through_faces(mesh, g, chosen)
        first, second = (crosses(xy[v], xy[np.full_like(p, corner)], xy[mesh.faces[f]]) for v in (p, q))
        inside = np.where(hidden, np.maximum(first, second), crosses(xy[p], xy[q], xy[mesh.faces[f]]))
        away = ~(np.isin(p, mesh.faces[f]) | np.isin(q, mesh.faces[f]) | (mesh.faces[f] == corner).any())
        clear = (np.abs(inside) > 1e-6) & away
        assert (found == (inside > 0))[clear].all()


@pytest.mark.parametrize("n", [2, 4])
@pytest.mark.parametrize("make", [shapes.sphere, shapes.projective_plane])
def test_what_is_left_does_not_depend_on_the_side_on_which_a_path_passes(make, n):
    """Round faces of the mesh with unmasked edges the connection in G turns by nothing; at singular faces it does."""
    mesh = make(subdivisions=3).mesh
    g = compute_geometry(mesh, Nearest(18), dtype=torch.float64)
    field = smoothest_frame_field(mesh, n, geometry=g)
    wrong = {}
    for mask in (False, True):
        reduced, _ = reduce_structure_group(g, field, reflections=True, mask_singular=mask)
        kept = (reduced.weight > 0).numpy()
        p, q = reduced.target.numpy()[kept], reduced.source.numpy()[kept]
        values = zip(reduced.phi.numpy()[kept], reduced.flip.numpy()[kept])
        edge = dict(zip(zip(p.tolist(), q.tolist()), values))
        count = 0
        for a, b, c in mesh.faces.tolist():
            if (a, b) in edge and (b, c) in edge and (c, a) in edge:
                (x, s), (y, t), (z, _) = edge[a, b], edge[b, c], edge[c, a]
                count += abs(np.sin((x + s * y + s * t * z) / 2)) > 1e-9
        wrong[mask] = count
    assert wrong[True] == 0
    assert wrong[False] > 0


def test_rule_of_paths_masks_more_than_the_ends():
    mesh = shapes.sphere(subdivisions=3).mesh
    g = compute_geometry(mesh, Nearest(30), dtype=torch.float64)
    field = smoothest_frame_field(mesh, 4, geometry=g)
    singular = np.zeros(mesh.n_faces, bool)
    singular[field.singular_faces] = True
    reduced, found = reduce_structure_group(g, field, mask_singular=True)
    gone = (reduced.weight == 0).numpy()
    near = field.near_singularity
    ends = near[g.target.numpy()] | near[g.source.numpy()]
    through = paths_through_faces(mesh, g, singular)
    assert (through & ~ends).sum() > 0
    assert gone[through | ends].all()
    assert found.masked_edges == gone.sum()
    # both directions of an edge are masked, or neither
    key = g.target.numpy() * g.n_vertices + g.source.numpy()
    back = g.source.long().numpy() * g.n_vertices + g.target.numpy()
    place = dict(zip(key.tolist(), gone.tolist()))
    assert all(place.get(b, m) == m for b, m in zip(back.tolist(), gone.tolist()))
