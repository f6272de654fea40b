"""STL: text and binary, told apart by length; counts that lie; files cut off."""

import numpy as np
import pytest
from surface_files import CUBE, TRIANGLES, stl, text_stl

from gaugenet.meshes.io import MeshError, load_mesh
from gaugenet.meshes.stl import parse_stl
from gaugenet.meshes.topology import euler_characteristic, n_components


def write(path, content):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


ASCII_STL = "solid grüße\n" + "".join(
    "facet normal 0 0 0\n outer loop\n"
    + "".join(f"  vertex {x} {y} {z}\n" for x, y, z in CUBE[t])
    + " endloop\nendfacet\n"
    for t in TRIANGLES
) + "endsolid\n"  # fmt: skip


@pytest.mark.parametrize(
    "content",
    [
        stl(CUBE, TRIANGLES),
        stl(CUBE, TRIANGLES, header=b"solid but binary", tail=b"\n"),
        stl(CUBE, TRIANGLES, header=b"\xff\xfe\x00"),
        ASCII_STL.encode(),
        ASCII_STL.encode("latin-1"),
    ],
)
def test_stl_is_joined_at_equal_positions(tmp_path, content):
    mesh = load_mesh(write(tmp_path / "cube.stl", content))
    assert (mesh.n_vertices, len(mesh.vertex_of_file)) == (8, 36)
    assert euler_characteristic(mesh) == 2
    np.testing.assert_array_equal(mesh.vertices[mesh.vertex_of_file], CUBE[TRIANGLES].reshape(-1, 3))
    assert n_components(load_mesh(tmp_path / "cube.stl", merge_vertices=False)) == 12


def test_text_and_binary_are_the_same_points():
    points = CUBE / 4 - 3
    for content in (
        stl(points, TRIANGLES),
        text_stl(points, TRIANGLES, newline="\r"),
        text_stl(points, TRIANGLES).upper(),
    ):
        found, faces, notes = parse_stl(content, "x.stl")
        np.testing.assert_array_equal(found[faces], points[TRIANGLES])
        assert notes == []


def test_names_may_hold_any_word():
    found, _, _ = parse_stl(text_stl(CUBE, TRIANGLES, name="facet vertex 1 2 3"), "x.stl")
    assert len(found) == 36


def test_counts_that_lie():
    whole = stl(CUBE, TRIANGLES)
    for count in (0, 13, 2**32 - 1):
        with pytest.raises(MeshError, match=f"its count says {count} triangles, and there are data for 12"):
            parse_stl(whole[:80] + count.to_bytes(4, "little") + whole[84:], "x.stl")
    found, _, notes = parse_stl(whole[:80] + (5).to_bytes(4, "little") + whole[84:], "x.stl")
    assert len(found) == 15
    assert [str(n).split(" (")[0] for n in notes] == ["350 bytes behind the last triangle left out"]


def test_text_that_is_cut_off():
    whole = text_stl(CUBE, TRIANGLES)
    with pytest.raises(MeshError, match="facet 12 has 2 vertices instead of 3"):
        parse_stl(whole[: whole.rfind(b"vertex")], "x.stl")
    _, faces, notes = parse_stl(whole[: whole.rfind(b"endsolid")], "x.stl")
    assert len(faces) == 12
    assert notes[0].kind == "solids without an end"
    with pytest.raises(MeshError, match=r"vertex 0 of this STL cannot be read: '0,0 0,0 0,0'; .*decimal marks"):
        parse_stl(whole.replace(b".", b","), "x.stl")
