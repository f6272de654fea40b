"""The faults of well-known meshes, with their counts; and every real file against a count made by hand."""

from collections import Counter

import numpy as np
import pytest
from fuzz import outcome
from surface_files import ply

from gaugenet.meshes.io import SUFFIXES, load_mesh
from gaugenet.meshes.ply import parse_ply
from gaugenet.meshes.repair import mesh_from_arrays
from gaugenet.meshes.shapes import named_surface
from gaugenet.meshes.topology import n_components


@pytest.fixture(scope="module")
def ball():
    return named_surface("sphere", subdivisions=3).mesh


def kinds(mesh):
    return {repair.kind: repair.count for repair in mesh.report}


def test_isolated_vertices_as_in_stanford_bunny(ball):
    points = np.concatenate([ball.vertices, np.random.default_rng(0).normal(size=(1113, 3))])
    assert kinds(mesh_from_arrays(points, ball.faces)) == {"isolated vertices kept": 1113}


def test_non_manifold_edges_as_in_beetle(ball):
    """47 fins, each on an edge of its own."""
    edges = np.random.default_rng(0).permutation(ball.n_faces)[:200]
    free, used = [], set()
    for f in edges:
        a, b = (int(v) for v in ball.faces[f, :2])
        if not {a, b} & used and len(free) < 47:
            used |= {a, b}
            free.append((a, b))
    assert len(free) == 47
    tips = np.array([1.3 * ball.vertices[a] for a, _ in free])
    fins = [(a, b, ball.n_vertices + k) for k, (a, b) in enumerate(free)]
    mesh = mesh_from_arrays(np.concatenate([ball.vertices, tips]), np.concatenate([ball.faces, fins]))
    assert kinds(mesh)["non-manifold edges opened"] == 47
    # each fin takes copies of both ends with it; the slit in the ball needs none
    assert kinds(mesh)["vertices added where sheets touch in one vertex"] == 94
    assert n_components(mesh) == 48
    assert all(repair.remedy for repair in mesh.report)


def test_one_non_manifold_vertex_as_in_cow(ball):
    points = np.concatenate([ball.vertices, 2 * ball.vertices[0] - ball.vertices[1:]])
    mirrored = np.where(ball.faces == 0, 0, ball.faces + ball.n_vertices - 1)[:, ::-1]
    mesh = mesh_from_arrays(points, np.concatenate([ball.faces, mirrored]))
    assert kinds(mesh) == {"vertices added where sheets touch in one vertex": 1}


def test_components_and_flat_faces_as_in_ogre(ball):
    parts = [ball.vertices + 3.0 * k for k in range(44)]
    faces = [ball.faces + ball.n_vertices * k for k in range(44)]
    points = np.concatenate(parts)
    a, b, c = faces[5][7]
    points[c] = (points[a] + points[b]) / 2
    mesh = mesh_from_arrays(points, np.concatenate(faces))
    assert n_components(mesh) == 44
    assert kinds(mesh)["faces without area given a little"] >= 1


def test_non_manifold_edge_and_duplicate_face_as_in_suzanne(ball):
    a, b, c = ball.faces[0]
    extra = [(a, b, ball.n_vertices), (c, a, b)]
    mesh = mesh_from_arrays(np.concatenate([ball.vertices, [[2.0, 2, 2]]]), np.concatenate([ball.faces, extra]))
    assert kinds(mesh)["non-manifold edges opened"] == 1
    assert kinds(mesh)["duplicate faces dropped"] == 1


def test_duplicate_vertices_as_in_teapot():
    """403 seams: a long strip cut along its middle, in one position twice."""
    x = np.arange(403.0)
    rows = [np.stack([x, 0 * x + y, 0 * x], 1) for y in (0.0, 1.0, 1.0, 2.0)]
    i = np.arange(402)
    strip = np.concatenate([np.stack([i, i + 1, i + 404], 1), np.stack([i, i + 404, i + 403], 1)])
    points, faces = np.concatenate(rows), np.concatenate([strip, strip + 806])
    apart = mesh_from_arrays(points, faces)
    assert kinds(apart) == {"boundary vertices at the position of another, not joined": 806}
    assert n_components(apart) == 2
    joined = mesh_from_arrays(points, faces, merge_vertices=True)
    assert kinds(joined) == {"vertices merged with another at the same position": 403}
    assert n_components(joined) == 1
    # both of a pair keep a way to their vertex, and labels go back to both
    labels = np.arange(len(points))
    back = joined.to_file_vertices(joined.vertex_labels_from_file(labels))
    np.testing.assert_array_equal(points[back], points)


def test_triangle_strips_as_in_igea(ball):
    content = ply(ball.vertices, ball.faces, "<", element="tristrips", index="int")
    _, faces, report = parse_ply(content, "igea.ply")
    np.testing.assert_array_equal(faces, ball.faces)
    assert report[0].count == ball.n_faces


def counted_by_hand(path):
    """(isolated vertices, edges of more than two faces, faces with a repeated vertex) of an OBJ of triangles."""
    n, faces = 0, []
    for line in path.read_text("utf-8", errors="replace").splitlines():
        words = line.split("#")[0].split()
        n += words[:1] == ["v"]
        if words[:1] == ["f"]:
            faces.append(tuple(int(word.split("/")[0]) for word in words[1:]))
    if any(len(f) != 3 or min(f) < 1 for f in faces):
        return None
    isolated = n - len({v for f in faces for v in f})
    unique = {frozenset(f): f for f in reversed(faces) if len(set(f)) == 3}
    edges = Counter(frozenset(pair) for a, b, c in unique.values() for pair in ((a, b), (b, c), (c, a)))
    return isolated, sum(count > 2 for count in edges.values()), sum(len(set(f)) < 3 for f in faces)


@pytest.mark.parametrize("folder", ["meshes_clean", "robust_dev"])
def test_every_real_file_has_a_geometry_or_one_clear_error(shared_data, folder):
    if not (shared_data / folder).is_dir():
        pytest.skip(f"{folder} is not in the folder of real meshes")
    found, counted = Counter(), 0
    for path in sorted(p for p in (shared_data / folder).rglob("*") if p.is_file()):
        said = outcome(path, None)
        if path.suffix.lower() not in SUFFIXES:
            assert said.startswith("error: files of type"), path
            continue
        found[said.partition(":")[0]] += 1
        by_hand = counted_by_hand(path) if said == "mesh" and path.suffix == ".obj" else None
        if by_hand is not None:
            counted += 1
            report = kinds(load_mesh(path))
            names = ("isolated vertices kept", "non-manifold edges opened", "faces with a repeated vertex dropped")
            assert by_hand == tuple(report.get(name, 0) for name in names), path
    if folder == "meshes_clean":
        assert found == {"mesh": 18}
    else:
        assert found["mesh"] >= 130
        assert found["error"] <= 20
    assert counted > 10
