"""Other meshings of a surface: the surface stays, labels and predictions find their way."""

import numpy as np
import pytest
from scipy.spatial import cKDTree

from gaugenet.data.labelled import IGNORED
from gaugenet.data.meshings import CHANGES, changed, isotropic
from gaugenet.data.remeshing import EditableSurface
from gaugenet.meshes.glued_shapes import mobius_strip
from gaugenet.meshes.repair import mesh_from_arrays
from gaugenet.meshes.shapes import flat_patch, sphere, torus

SPHERE = sphere(sampling="random", n=200, seed=0).mesh
OTHER = [name for name in CHANGES if name != "rotated"]
NUMBER = {"isotropic": 1.0, "finer": 4.0, "coarser": 0.5, "irregular": 1.1}


def euler(vertices, faces):
    edges = np.unique(np.sort(np.concatenate([faces[:, :2], faces[:, 1:], faces[:, [2, 0]]]), axis=1), axis=0)
    return len(vertices) - len(edges) + len(faces)


def shapes(vertices, faces):
    """[F] area over that of the equilateral triangle of the same mean square of the sides, at most 1."""
    p = vertices[faces]
    square = ((p - np.roll(p, 1, axis=1)) ** 2).sum((1, 2))
    return 2 * np.sqrt(3) * np.linalg.norm(np.cross(p[:, 1] - p[:, 0], p[:, 2] - p[:, 0]), axis=1) / square


@pytest.mark.parametrize("change", OTHER)
@pytest.mark.parametrize("mesh", [SPHERE, torus(20, 10).mesh], ids=["sphere", "torus"])
def test_topology_and_place_stay(mesh, change):
    labels = (mesh.vertices[:, 0] > 0).astype(np.int64)
    new = changed(mesh.vertices, mesh.faces, labels, "vertex", change, np.random.default_rng(0))
    found = mesh_from_arrays(new.vertices, new.faces, merge_vertices=False)
    assert not found.report  # a manifold, wound alike, without spikes
    assert euler(new.vertices, new.faces) == euler(mesh.vertices, mesh.faces)
    assert len(new.vertices) == pytest.approx(NUMBER[change] * mesh.n_vertices, rel=0.1)
    # as far from the smooth surface as the chords of the mesh before are, or of the coarser one
    edge = mesh.edge_lengths.max() * (2 if change == "coarser" else 1)
    off = np.linalg.norm(new.vertices, axis=1) - 1
    if mesh is not SPHERE:
        off = np.hypot(np.linalg.norm(new.vertices[:, :2], axis=1) - 1, new.vertices[:, 2]) - 0.4
    assert np.abs(off).max() < edge**2
    # a label may differ from that of the place near the seam only
    known = new.labels != IGNORED
    wrong = known & (new.labels != (new.vertices[:, 0] > 0))
    assert (np.abs(new.vertices[wrong, 0]) < edge).all()
    assert known.mean() > 0.9
    # and a prediction that is right everywhere comes back right, but near the seam
    assert new.weights.min() >= 0
    assert new.weights.sum(1) == pytest.approx(1)
    back = (((new.vertices[:, 0] > 0)[new.near] * new.weights).sum(1) > 0.5).astype(np.int64)
    assert (np.abs(mesh.vertices[back != labels, 0]) < 2 * edge).all()


def test_between_two_parts_there_is_no_label():
    mesh = flat_patch(4, 4).mesh
    labels = np.arange(mesh.n_vertices)
    new = changed(mesh.vertices, mesh.faces, labels, "vertex", "finer", np.random.default_rng(0))
    assert (new.labels[: mesh.n_vertices] == labels).all()
    assert (new.labels[mesh.n_vertices :] == IGNORED).all()
    assert (new.near[labels, new.weights.argmax(1)] == labels).all()
    assert new.weights.max(1) == pytest.approx(1)
    alike = changed(mesh.vertices, mesh.faces, 0 * labels, "vertex", "finer", np.random.default_rng(0))
    assert (alike.labels == 0).all()


@pytest.mark.parametrize("kind", ["vertex", "face"])
@pytest.mark.parametrize("change", OTHER)
def test_labels_stay_on_their_side_of_a_thin_sheet(change, kind):
    mesh = sphere(sampling="random", n=500, seed=1).mesh
    points = mesh.vertices * [1, 1, 0.02]  # an edge is three to four times as long as the sheet is thick
    place = points if kind == "vertex" else points[mesh.faces].mean(1)
    labels = (place[:, 2] > 0).astype(np.int64)
    new = changed(points, mesh.faces, labels, kind, change, np.random.default_rng(0))
    there = new.vertices if kind == "vertex" else new.vertices[new.faces].mean(1)
    inside = np.hypot(there[:, 0], there[:, 1]) < 0.7
    assert inside.sum() > 50
    assert (new.labels == (there[:, 2] > 0))[inside].all()
    inside = np.hypot(place[:, 0], place[:, 1]) < 0.7
    back = ((new.labels[new.near] == 1) * new.weights).sum(1)
    assert (np.abs(back - labels) < 1e-9)[inside].all()


def test_a_surface_with_one_side_is_meshed_anew():
    strip = mobius_strip(24, 4).mesh
    labels = np.arange(strip.n_vertices) % 2
    for change in ("isotropic", "coarser"):
        new = changed(strip.vertices, strip.faces, labels, "vertex", change, np.random.default_rng(0))
        distance = cKDTree(strip.vertices).query(new.vertices)[0]
        assert distance.max() < strip.edge_lengths.max()
        found = (new.vertices[new.near] * new.weights[:, :, None]).sum(1)
        back = np.linalg.norm(found - strip.vertices, axis=1)
        assert (back <= cKDTree(new.vertices).query(strip.vertices)[0] + 1e-12).all()


def test_faces_keep_their_labels():
    mesh = SPHERE
    labels = np.arange(mesh.n_faces)
    new = changed(mesh.vertices, mesh.faces, labels, "face", "finer", np.random.default_rng(0))
    # of four quarters the one in the middle has the centroid of the face
    assert (new.labels.reshape(-1, 4)[:, 3] == labels).all()
    assert (new.near[:, 0] == 4 * labels + 3).all()
    assert (new.weights == 1).all()


def test_a_rotation_keeps_lengths_and_hands():
    v = SPHERE.vertices * [1, 2, 3]
    new = changed(v, SPHERE.faces, np.arange(len(v)), "vertex", "rotated", np.random.default_rng(0))
    assert not np.allclose(new.vertices, v, atol=0.1)
    turn = np.linalg.lstsq(v, new.vertices, rcond=None)[0]
    assert turn @ turn.T == pytest.approx(np.eye(3), abs=1e-12)
    assert np.linalg.det(turn) == pytest.approx(1)
    assert (new.labels == new.near[:, 0]).all()


def test_isotropic_triangles_are_better_than_those_before():
    v, f = isotropic(SPHERE.vertices, SPHERE.faces, SPHERE.n_vertices, np.random.default_rng(0))
    assert np.median(shapes(v, f)) > 0.93 > np.median(shapes(SPHERE.vertices, SPHERE.faces)) + 0.05
    degree = np.bincount(f.ravel())
    assert ((degree >= 5) & (degree <= 7)).mean() > 0.85


def test_a_boundary_stays():
    mesh = flat_patch(8, 8, jitter=0.2).mesh
    v, f = isotropic(mesh.vertices, mesh.faces, mesh.n_vertices, np.random.default_rng(0))
    p = v[f]
    area = np.cross(p[:, 1] - p[:, 0], p[:, 2] - p[:, 0])[:, 2] / 2
    assert (area > 0).all()
    assert area.sum() == pytest.approx(1, abs=1e-12)
    assert euler(v, f) == 1


def test_a_flip_turns_one_edge_and_no_face():
    points, faces = SPHERE.vertices, SPHERE.faces
    surface = EditableSurface(points, faces, np.zeros(len(points), np.int64), "vertex")
    before = surface.edges()
    flipped = next(edge for edge in before.tolist() if surface.flip(*edge))
    after = {*map(tuple, surface.edges().tolist())}
    before = {*map(tuple, before.tolist())}
    assert before - after == {tuple(flipped)}
    assert len(after - before) == 1
    assert not mesh_from_arrays(points, surface.arrays()[1], merge_vertices=False).report


def test_an_unknown_change_is_named():
    with pytest.raises(ValueError, match="expected one of rotated, isotropic"):
        changed(SPHERE.vertices, SPHERE.faces, np.zeros(200, np.int64), "vertex", "melted", np.random.default_rng(0))
