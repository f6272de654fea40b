"""PLY: text and binary of both byte orders, lists of any length, triangle strips, lies of the header."""

import numpy as np
import pytest
from surface_files import CUBE, QUADS, TRIANGLES, ply

from gaugenet.meshes.io import MeshError, load_mesh
from gaugenet.meshes.ply import parse_ply
from gaugenet.meshes.topology import euler_characteristic


def write(path, content):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize("faces", [TRIANGLES, QUADS, [*QUADS[:3].tolist(), *TRIANGLES[6:].tolist()]])
@pytest.mark.parametrize("order", ["", "<", ">"])
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_ply_of_every_kind(tmp_path, faces, order, newline):
    mesh = load_mesh(write(tmp_path / "cube.PLY", ply(CUBE, faces, order, newline)))
    np.testing.assert_array_equal(mesh.vertices, CUBE)
    assert euler_characteristic(mesh) == 2
    assert mesh.n_faces == 12


def test_ply_with_texture_coordinates_keeps_its_vertices(tmp_path):
    """One vertex at two places of a texture must stay one vertex."""
    rows = [f"0.5 3 {a} {b} {c} 6 0 0 1 {k} 0.{k} 1" for k, (a, b, c) in enumerate(TRIANGLES)]
    content = ply(CUBE, [], "", extra="property list uchar float texcoord").replace(
        b"element face 0", b"element face 12"
    )
    mesh = load_mesh(write(tmp_path / "cube.ply", content + "\n".join(rows).encode()))
    np.testing.assert_array_equal(mesh.vertices, CUBE)
    np.testing.assert_array_equal(mesh.faces, TRIANGLES)


def test_ply_triangle_strips_are_unrolled(tmp_path):
    content = (
        ply(CUBE, [], "").replace(b"element face 0", b"element tristrips 1").replace(b"property float quality\n", b"")
    )
    mesh = load_mesh(write(tmp_path / "strip.ply", content + b"8 0 1 2 3 -1 4 5 6"))
    np.testing.assert_array_equal(mesh.faces, [[0, 1, 2], [2, 1, 3], [4, 5, 6]])


@pytest.mark.parametrize("order", ["<", ">"])
def test_binary_strips_with_stitches(order):
    """Corners repeated to join strips give faces without three vertices, which are dropped later and told."""
    content = ply(CUBE, [[0, 1, 2, 3, 3, 5, 5, 4, 6, 7], [0, 2, 4, 6]], order, element="tristrips", index="int")
    points, faces, report = parse_ply(content, "x.ply")
    np.testing.assert_array_equal(points, CUBE)
    assert len(faces) == 8 + 2
    np.testing.assert_array_equal(faces[:2], [[0, 1, 2], [2, 1, 3]])
    assert [str(r) for r in report] == ["2 triangle strips unrolled"]


@pytest.mark.parametrize("index", ["float", "double"])
def test_indices_written_as_floats(index):
    np.testing.assert_array_equal(parse_ply(ply(CUBE, TRIANGLES, "<", index=index), "x.ply")[1], TRIANGLES)
    content = ply(CUBE, [], "", index=index).replace(b"element face 0", b"element face 1") + b"0.5 3 0 1.5 2\n"
    with pytest.raises(MeshError, match="a vertex index is not a whole number"):
        parse_ply(content, "x.ply")


def test_a_negative_list_length_ends():
    """A count of 10¹² faces, each of length −1, once took for ever."""
    content = ply(CUBE, [], "").replace(b"element face 0", b"element face 1000000000000")
    with pytest.raises(MeshError, match="face elements end early or cannot be read"):
        parse_ply(content + b"-1 " * 50, "x.ply")
    signed = ply(CUBE, [[0, 1, 2]], "<").replace(b"list uchar", b"list char")
    assert len(parse_ply(signed, "x.ply")[1]) == 1
    body = signed.replace(b"\x03\x00\x00\x00\x00\x01", b"\xfd\x00\x00\x00\x00\x01")
    with pytest.raises(MeshError, match="end early or cannot be read"):
        parse_ply(body, "x.ply")


@pytest.mark.parametrize("order", ["", "<"])
def test_counts_that_lie_take_no_memory(order):
    for element in (b"element vertex 8", b"element face 12"):
        lie = ply(CUBE, TRIANGLES, order).replace(element, element.rsplit(b" ", 1)[0] + b" 4000000000000")
        with pytest.raises(MeshError, match="end early or cannot be read"):
            parse_ply(lie, "x.ply")


def test_a_byte_order_mark_before_a_binary_file():
    np.testing.assert_array_equal(parse_ply(b"\xef\xbb\xbf" + ply(CUBE, QUADS), "x.ply")[0], CUBE)
