"""Every repair, every refusal, and labels that find their way back."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gaugenet.meshes.mesh import MeshError
from gaugenet.meshes.repair import MOLLIFY_SLACK, mesh_from_arrays, mesh_from_edge_lengths
from gaugenet.meshes.shapes import named_surface
from gaugenet.meshes.topology import boundary_loops, euler_characteristic, n_components

TETRAHEDRON = np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]])
SIDES = np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]])


def kinds(mesh):
    return {repair.kind: repair.count for repair in mesh.report}


def slack(mesh):
    a, b, c = np.sort(mesh.edge_lengths, axis=1).T
    return a + b - c


def test_clean_mesh_is_left_alone():
    mesh = mesh_from_arrays(TETRAHEDRON, SIDES, name="tetrahedron")
    assert mesh.report == ()
    np.testing.assert_array_equal(mesh.faces, SIDES)
    np.testing.assert_array_equal(mesh.vertices, TETRAHEDRON)
    expected = np.linalg.norm(TETRAHEDRON[np.roll(SIDES, -1, 1)] - TETRAHEDRON[SIDES], axis=2)
    np.testing.assert_allclose(mesh.edge_lengths, expected, rtol=1e-15)
    for identity, n in ((mesh.file_vertex, 4), (mesh.vertex_of_file, 4), (mesh.file_face, 4), (mesh.face_of_file, 4)):
        np.testing.assert_array_equal(identity, np.arange(n))


def test_inputs_are_not_edited_and_not_shared():
    vertices, faces = TETRAHEDRON.copy(), SIDES.copy()
    mesh = mesh_from_arrays(vertices, faces)
    vertices[:] = -1
    faces[:] = 0
    np.testing.assert_array_equal(mesh.vertices, TETRAHEDRON)
    np.testing.assert_array_equal(mesh.faces, SIDES)


@pytest.mark.parametrize("dtype", [np.int32, np.uint32, np.uint8, np.int64])
def test_any_integer_dtype(dtype):
    np.testing.assert_array_equal(mesh_from_arrays(TETRAHEDRON.tolist(), SIDES.astype(dtype)).faces, SIDES)


@pytest.mark.parametrize("scale", [1e-200, 1e-12, 1e-3, 1.0, 1e12, 1e200])
@pytest.mark.parametrize("name", ["sphere", "mobius_strip"])
def test_unit_of_the_file_does_not_matter(scale, name):
    one = named_surface(name).mesh
    mesh = mesh_from_arrays(one.vertices * scale, one.faces)
    np.testing.assert_allclose(mesh.edge_lengths / scale, one.edge_lengths, rtol=1e-14)
    np.testing.assert_array_equal(mesh.twin, one.twin)
    assert kinds(mesh) == kinds(one)


def test_far_from_the_origin():
    one = named_surface("sphere").mesh
    mesh = mesh_from_arrays(one.vertices + 1e6, one.faces)
    np.testing.assert_allclose(mesh.edge_lengths, one.edge_lengths, atol=5e-10)
    assert mesh.report == ()


def test_faces_with_a_repeated_vertex_are_dropped():
    mesh = mesh_from_arrays(TETRAHEDRON, np.insert(SIDES, 1, [2, 2, 3], axis=0))
    assert kinds(mesh) == {"faces with a repeated vertex dropped": 1}
    np.testing.assert_array_equal(mesh.face_of_file, [0, -1, 1, 2, 3])
    np.testing.assert_array_equal(mesh.file_face, [0, 2, 3, 4])
    np.testing.assert_array_equal(mesh.to_file_faces([5, 6, 7, 8], fill=-9), [5, -9, 6, 7, 8])


def test_duplicate_faces_share_the_kept_one():
    mesh = mesh_from_arrays(TETRAHEDRON, np.concatenate([SIDES, [[2, 1, 0], [3, 0, 1]]]))
    assert kinds(mesh) == {"duplicate faces dropped": 2}
    np.testing.assert_array_equal(mesh.face_of_file, [0, 1, 2, 3, 0, 1])
    assert euler_characteristic(mesh) == 2


def test_non_manifold_edge_is_opened_and_its_vertices_copied():
    """Three triangles on one edge become three sheets."""
    vertices = np.array([[0.0, 0, 0], [0, 0, 1], [1, 0, 0], [-1, 1, 0], [-1, -1, 0]])
    mesh = mesh_from_arrays(vertices, [[0, 1, 2], [0, 1, 3], [0, 1, 4]])
    assert kinds(mesh) == {
        "non-manifold edges opened": 1,
        "vertices added where sheets touch in one vertex": 4,
    }
    assert n_components(mesh) == 3
    assert len(boundary_loops(mesh)) == 3
    np.testing.assert_array_equal(mesh.vertices, vertices[mesh.file_vertex])
    np.testing.assert_array_equal(mesh.file_vertex[mesh.vertex_of_file], np.arange(5))
    labels = np.array(["a", "b", "c", "d", "e"])
    carried = mesh.vertex_labels_from_file(labels)
    assert sorted(carried) == sorted("abcde" + "aabb")
    np.testing.assert_array_equal(mesh.to_file_vertices(carried), labels)


def test_sheets_touching_in_a_vertex_are_split():
    """Two tetrahedra on one point: two spheres, nothing lost."""
    vertices = np.concatenate([TETRAHEDRON, -TETRAHEDRON[1:]])
    faces = np.concatenate([SIDES, np.where(SIDES == 0, 0, SIDES + 3)])
    mesh = mesh_from_arrays(vertices, faces)
    assert mesh.n_vertices == 8
    assert euler_characteristic(mesh) == 4
    np.testing.assert_array_equal(mesh.file_vertex, [0, 1, 2, 3, 4, 5, 6, 0])


def test_winding_is_made_one_and_the_greater_part_wins():
    faces = SIDES.copy()
    faces[2] = faces[2, ::-1]
    mesh = mesh_from_arrays(TETRAHEDRON, faces)
    assert kinds(mesh) == {"faces turned over so that each component winds one way": 1}
    assert not mesh.twin_flipped.any()
    a, b, c = np.moveaxis(mesh.vertices[mesh.faces], 1, 0)
    assert np.einsum("fi,fi->", np.cross(a, b), c) / 6 == pytest.approx(1 / 6)


def test_one_sided_surface_is_told():
    assert "faces on a one-sided (non-orientable) component" in kinds(named_surface("klein_bottle").mesh)


def test_isolated_vertices_are_kept():
    mesh = mesh_from_arrays(np.insert(TETRAHEDRON, 0, 7, axis=0), SIDES + 1)
    assert kinds(mesh) == {"isolated vertices kept": 1}
    assert mesh.n_vertices == 5


def test_unused_vertex_at_nan_is_kept_and_made_finite():
    mesh = mesh_from_arrays(np.concatenate([TETRAHEDRON, [[np.nan, 0, np.inf]]]), SIDES)
    assert kinds(mesh) == {
        "unused vertices without finite coordinates moved to the centre": 1,
        "isolated vertices kept": 1,
    }
    np.testing.assert_allclose(mesh.vertices[4], 0.5)


def test_immersed_vertices_stay_apart_and_soup_is_joined():
    bottle = named_surface("klein_bottle").mesh
    assert len(np.unique(np.round(bottle.vertices, 9), axis=0)) < bottle.n_vertices
    soup = mesh_from_arrays(TETRAHEDRON[SIDES].reshape(-1, 3), np.arange(12).reshape(4, 3))
    assert kinds(soup) == {"vertices merged with another at the same position": 8}
    assert euler_characteristic(soup) == 2
    np.testing.assert_array_equal(soup.vertices[soup.vertex_of_file], TETRAHEDRON[SIDES].reshape(-1, 3))
    np.testing.assert_array_equal(soup.to_file_vertices(soup.vertices), TETRAHEDRON[SIDES].reshape(-1, 3))
    apart = mesh_from_arrays(TETRAHEDRON[SIDES].reshape(-1, 3), np.arange(12).reshape(4, 3), merge_vertices=False)
    assert n_components(apart) == 4
    assert kinds(apart) == {"boundary vertices at the position of another, not joined": 12}


def test_merging_on_request_treats_minus_zero_as_zero():
    vertices = np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, -0.0, 0], [1, -0.0, 0], [0, -1, 0], [5, 5, 5]])
    faces = [[0, 1, 2], [4, 3, 5], [1, 6, 2]]
    assert n_components(mesh_from_arrays(vertices, faces)) == 2
    mesh = mesh_from_arrays(vertices, faces, merge_vertices=True)
    assert n_components(mesh) == 1
    np.testing.assert_array_equal(mesh.vertex_of_file, [0, 1, 2, 0, 1, 3, 4])


@pytest.mark.parametrize("scale", [1e-12, 1.0, 1e12])
def test_a_seam_torn_by_rounding_is_told(scale):
    points = np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [1e-8, 0, 0], [1, 1e-8, 0], [0, -1, 0]])
    kind = "boundary vertices within 1e-6 edge lengths of another, not joined"
    assert kinds(mesh_from_arrays(points * scale, [[0, 1, 2], [4, 3, 5]])) == {kind: 4}
    # a short edge is no seam
    assert kind not in kinds(mesh_from_arrays(points * scale, [[0, 1, 2], [0, 3, 5], [1, 4, 0]]))


def test_a_spike_is_refused_and_a_long_tip_is_not():
    """A tip 10⁷ times as long as wide: geodesics would wind round it a million times."""
    long = TETRAHEDRON * [1, 1, 1e4]
    assert mesh_from_arrays(long, SIDES).report == ()
    with pytest.raises(MeshError, match="vertex 3 is the tip of a spike"):
        mesh_from_arrays(TETRAHEDRON * [1, 1, 1e7], SIDES)


def test_faces_without_area_get_some_and_others_keep_theirs():
    """A square whose lower side has a needle of three collinear points, far from a triangle of its own."""
    vertices = np.array([[0.0, 0, 0], [1, 0, 0], [0.5, 0, 0], [0.5, 1, 0], [9, 9, 0], [9, 8, 0], [8, 9, 0]])
    mesh = mesh_from_arrays(vertices, [[0, 1, 2], [1, 0, 3], [4, 6, 5]])
    assert kinds(mesh)["faces without area given a little"] == 1
    assert slack(mesh)[0] == pytest.approx(MOLLIFY_SLACK, rel=1)
    np.testing.assert_array_equal(np.sort(mesh.edge_lengths[2]), [1, 1, np.sqrt(2)])
    glued = np.flatnonzero(mesh.twin >= 0)
    lengths = mesh.edge_lengths.ravel()
    np.testing.assert_array_equal(lengths[glued], lengths[mesh.twin[glued]])


def test_thin_faces_are_not_called_flat():
    mesh = mesh_from_arrays([[0.0, 0, 0], [1, 0, 0], [0.5, 1e-4, 0]], [[0, 1, 2]])
    assert mesh.report == ()


@given(st.integers(0, 2**32 - 1))
def test_any_triangle_soup_becomes_a_surface(seed):
    """Random indices on a coarse lattice: every fault at once, and the invariants still hold."""
    rng = np.random.default_rng(seed)
    vertices = rng.integers(0, 3, (12, 3)).astype(float)
    faces = rng.integers(0, 12, (rng.integers(1, 40), 3))
    merge = bool(rng.integers(2))
    name_of = np.unique(vertices, axis=0, return_inverse=True)[1].ravel() if merge else np.arange(12)
    corners = name_of[faces]
    if not any(len(set(face)) == 3 for face in corners.tolist()):
        with pytest.raises(MeshError, match="no face has three different vertices"):
            mesh_from_arrays(vertices, faces, merge_vertices=merge)
        return
    if (vertices[faces] == vertices[faces[:, :1]]).all():
        return
    mesh = mesh_from_arrays(vertices, faces, merge_vertices=merge)
    assert (slack(mesh) > 0).all()
    h = np.flatnonzero(mesh.twin >= 0)
    np.testing.assert_array_equal(mesh.twin[mesh.twin[h]], h)
    np.testing.assert_array_equal(mesh.edge_lengths.ravel()[h], mesh.edge_lengths.ravel()[mesh.twin[h]])
    np.testing.assert_array_equal(mesh.vertices[mesh.vertex_of_file], vertices)
    kept = mesh.face_of_file >= 0
    corners = np.sort(mesh.file_vertex[mesh.faces][mesh.face_of_file[kept]], axis=1)
    np.testing.assert_array_equal(corners, np.sort(mesh.file_vertex[mesh.vertex_of_file[faces[kept]]], axis=1))
    assert all(len(set(loop)) == len(loop) for loop in boundary_loops(mesh))


@pytest.mark.parametrize(
    ("vertices", "faces", "message"),
    [
        (TETRAHEDRON, [], "4 vertices and no faces (a point cloud or lines)"),
        ([], [], "nothing in it"),
        (TETRAHEDRON, [[0, 1, 4]], "face 0 uses vertex 4, but the vertices are numbered 0 to 3"),
        (TETRAHEDRON, [[0, 1, 2], [0, -1, 2]], "face 1 uses vertex -1"),
        (TETRAHEDRON, [[0, 1, 2, 3]], "expected faces of shape [F, 3], got [1, 4]"),
        (TETRAHEDRON, [[0, 1, 2], [0, 1]], "faces differ in length"),
        (TETRAHEDRON, [[0.0, 1.0, 2.0]], "whole numbers"),
        (TETRAHEDRON[:, :2], SIDES, "expected vertices of shape [V, 3], got [4, 2]"),
        ([["a", "b", "c"]] * 4, SIDES, "not numbers"),
        (np.where(TETRAHEDRON == 1, np.nan, TETRAHEDRON), SIDES, "vertex 1 is at (nan, 0, 0) (3 such vertices)"),
        (np.where(TETRAHEDRON == 1, np.inf, TETRAHEDRON), SIDES, "vertex 1 is at (inf, 0, 0)"),
        (TETRAHEDRON, [[0, 0, 1], [2, 2, 2]], "no face has three different vertices"),
        (TETRAHEDRON * 0 + 3, SIDES, "every edge has length 0"),
    ],
)
def test_refusals_name_source_problem_and_remedy(vertices, faces, message):
    with pytest.raises(MeshError) as caught:
        mesh_from_arrays(vertices, faces, name="thing")
    text = str(caught.value)
    assert text.startswith("thing: ")
    assert message in text
    assert "; " in text
    assert "\n" not in text


def test_labels_of_the_wrong_length_are_refused_with_both_numbers():
    mesh = mesh_from_arrays(TETRAHEDRON, np.concatenate([SIDES, SIDES[:1]]), name="thing")
    with pytest.raises(ValueError, match=r"thing: expected 4 values.*vertices of the file, got 7"):
        mesh.vertex_labels_from_file(np.zeros(7))
    with pytest.raises(ValueError, match=r"expected 5 values.*triangles of the file, got 4"):
        mesh.face_labels_from_file(np.zeros(4))
    with pytest.raises(ValueError, match=r"expected 4 values.*faces of the mesh, got 5"):
        mesh.to_file_faces(np.zeros(5), fill=0)
    with pytest.raises(ValueError, match=r"expected 4 values.*vertices of the mesh, got a single number"):
        mesh.to_file_vertices(3)
    np.testing.assert_array_equal(mesh.face_labels_from_file([1, 2, 3, 4, 1]), [1, 2, 3, 4])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"edge_lengths": np.ones((1, 3))}, "one shape"),
        ({"edge_lengths": [[1, 1, 2.5], [2.5, 1, 1]]}, "face 0 are 1, 1, 2.5 long and make no triangle"),
        ({"edge_lengths": [[1, 1, np.nan], [np.nan, 1, 1]]}, "make no triangle"),
        ({"edge_lengths": [[1, 1, 1.5], [1.4, 1, 1]]}, "half-edges 2 and 3 are glued but 1.5 and 1.4 long"),
        ({"faces": [[0, 1, 2], [2, 1, 5]], "n_vertices": 4}, "face 1 uses vertex 5"),
        ({"twin": [-1, -1, 3, 2, -1]}, "expected a twin of shape [6]"),
        ({"twin": [-1, -1, 3, -1, -1, -1]}, "half-edge 2 has twin 3, which does not point back"),
        ({"twin": [-1, -1, 4, -1, 2, -1]}, "half-edges 2 and 4 are glued but have different vertices"),
        ({"twin": [-1, -1, 3, 2, -1, -1], "twin_flipped": [0, 0, 1, 0, 0, 0]}, "the same on both sides"),
        ({"faces": [[0, 1, 2], [0, 3, 4]]}, "1 vertices have more than one fan of faces, the first is 0"),
        ({"faces": [[0, 1, 1], [0, 2, 3]]}, "a face has a repeated vertex"),
    ],
)
def test_intrinsic_surfaces_are_not_repaired(change, message):
    given = {"faces": [[0, 1, 2], [0, 2, 3]], "edge_lengths": [[1, 1, 1.5], [1.5, 1, 1]]}
    mesh_from_edge_lengths(**given)
    with pytest.raises(MeshError) as caught:
        mesh_from_edge_lengths(**{**given, **change}, name="thing")
    assert message in str(caught.value)


def test_intrinsic_edge_with_three_faces_is_refused():
    with pytest.raises(MeshError, match="1 edges have more than two faces, the first between vertices 0 and 1"):
        mesh_from_edge_lengths([[0, 1, 2], [0, 1, 3], [0, 1, 4]], np.ones((3, 3)))


def test_intrinsic_winding_is_made_one():
    mesh = mesh_from_edge_lengths([[0, 1, 2], [0, 1, 3]], [[3, 4, 5], [3, 6, 7]])
    assert not mesh.twin_flipped.any()
    np.testing.assert_array_equal(mesh.faces, [[0, 1, 2], [0, 3, 1]])
    np.testing.assert_array_equal(mesh.edge_lengths, [[3, 4, 5], [7, 6, 3]])
