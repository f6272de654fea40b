"""Random remeshing: other vertices and triangles, the same surface, the same labels in the same places."""

import numpy as np
import pytest

from gaugenet.data.remeshing import remeshed
from gaugenet.meshes.repair import mesh_from_arrays
from gaugenet.meshes.shapes import flat_patch, sphere, torus


def euler(vertices, faces):
    edges = np.unique(np.sort(np.concatenate([faces[:, :2], faces[:, 1:], faces[:, [2, 0]]]), axis=1), axis=0)
    return len(vertices) - len(edges) + len(faces)


@pytest.mark.parametrize(("shape", "closed"), [(sphere(subdivisions=3), True), (torus(30, 14), True)])
@pytest.mark.parametrize("seed", [0, 1])
def test_topology_and_shape_stay(shape, closed, seed):
    mesh = shape.mesh
    labels = (mesh.vertices[:, 0] > 0).astype(np.int64)
    v, f, new_labels = remeshed(mesh.vertices, mesh.faces, labels, "vertex", 0.3, np.random.default_rng(seed))
    found = mesh_from_arrays(v, f)
    assert not found.report  # nothing to mend: a manifold, wound alike, without spikes
    assert (found.twin >= 0).all() == closed
    assert euler(v, f) == euler(mesh.vertices, mesh.faces)
    assert len(v) == pytest.approx(mesh.n_vertices, rel=0.02)
    old = {tuple(p) for p in mesh.vertices.tolist()}
    assert 0.15 < np.mean([tuple(p) not in old for p in v.tolist()]) < 0.35
    before, after = (a[b].astype(float) for a, b in ((mesh.vertices, mesh.faces), (v, f)))
    areas = [np.linalg.norm(np.cross(t[:, 1] - t[:, 0], t[:, 2] - t[:, 0]), axis=1).sum() / 2 for t in (before, after)]
    assert areas[1] == pytest.approx(areas[0], rel=0.02)
    # labels differ from those of the place at the seam only, by less than an edge
    wrong = new_labels != (v[:, 0] > 0)
    edge = mesh.edge_lengths.max()
    assert (np.abs(v[wrong, 0]) < edge).all()


@pytest.mark.parametrize("share", [0.0, 0.2])
def test_fewer_vertices_on_the_same_surface(share):
    mesh = sphere(subdivisions=4).mesh
    labels = (mesh.vertices[:, 0] > 0).astype(np.int64)
    v, f, new_labels = remeshed(mesh.vertices, mesh.faces, labels, "vertex", share, np.random.default_rng(0), 0.5)
    found = mesh_from_arrays(v, f)
    assert not found.report
    assert euler(v, f) == 2
    assert len(v) == pytest.approx(mesh.n_vertices / 2, rel=0.02)
    assert np.linalg.norm(v, axis=1) == pytest.approx(1, abs=0.01)
    known = np.abs(v[:, 0]) > mesh.edge_lengths.max()
    assert (new_labels == (v[:, 0] > 0))[known].all()


def test_as_many_go_as_can():
    mesh = torus(30, 14).mesh
    nothing = np.zeros(mesh.n_vertices, np.int64)
    v, f, _ = remeshed(mesh.vertices, mesh.faces, nothing, "vertex", 0.0, np.random.default_rng(0), 1.0)
    assert euler(v, f) == 0
    assert 8 < len(v) < mesh.n_vertices / 4


def test_the_boundary_keeps_its_shape():
    mesh = flat_patch().mesh
    v, f, labels = remeshed(mesh.vertices, mesh.faces, np.arange(mesh.n_faces), "face", 0.4, np.random.default_rng(0))
    assert euler(v, f) == 1
    assert len(labels) == len(f)
    corners = v[f]
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1).sum()
    old = mesh.vertices[mesh.faces]
    expected = np.linalg.norm(np.cross(old[:, 1] - old[:, 0], old[:, 2] - old[:, 0]), axis=1).sum()
    assert area == pytest.approx(expected, rel=1e-12)  # flat, and nothing folds over
