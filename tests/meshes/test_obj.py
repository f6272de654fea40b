"""OBJ: vertices of the mesh are the `v` lines of the file."""

import numpy as np
import pytest
from surface_files import CUBE, QUADS, obj

from gaugenet.meshes.io import MeshError, load_mesh
from gaugenet.meshes.obj import parse_obj
from gaugenet.meshes.topology import euler_characteristic

CUBE_OBJ = """# a cube with a texture seam, normals, quads, triangles and negative indices
mtllib nothing.mtl
v 0 0 0 # behind a vertex
v 0 0 1 1.0
\tv 0 1 0 0.5 0.5 0.5
v 0\t1 1
v 1.0e0 0 0
v 1 0 1
v 1 1 0
v 1 1 \\
1
v 7 7 7
vt 0 0
vt 1 0
vt 1 1
vn 0 0 1
o thing
usemtl red
f 1/1/1 2/2/1 4/3/1 3/1/1
f 5/3 7/2 8/1 6/1
g other
s off
f 1//1 5//1 6//1 2//1
f -7 -6 -2 -3
f 1 3 7
f 1 7 5 # half a side

f 2 6 8 4
l 1 2
p 3
"""


def write(path, content):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_obj_keeps_the_vertices_of_the_file(tmp_path):
    mesh = load_mesh(write(tmp_path / "cube.obj", CUBE_OBJ))
    np.testing.assert_array_equal(mesh.vertices, [*CUBE, [7, 7, 7]])
    np.testing.assert_array_equal(mesh.file_vertex, np.arange(9))
    assert euler_characteristic(mesh) == 2
    assert mesh.n_faces == 12
    assert {str(r).split(" (")[0] for r in mesh.report} == {"5 polygons cut into triangles", "1 isolated vertices kept"}


def test_obj_negative_index_counts_back_from_its_line(tmp_path):
    text = "v 0 0 0\nv 1 0 0\nv 0 1 0\nf -3 -2 -1\nv 0 0 5\nv 1 0 5\nv 0 1 5\nf -3 -2 -1\n"
    mesh = load_mesh(write(tmp_path / "two.obj", text))
    np.testing.assert_array_equal(mesh.faces, [[0, 1, 2], [3, 4, 5]])


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_marks_of_editors_lose_no_vertex(tmp_path, encoding):
    """A mark in front of the first `v` once hid that line, and all numbers were off by one."""
    mesh = load_mesh(write(tmp_path / "cube.obj", obj(CUBE, QUADS).decode().encode(encoding)))
    np.testing.assert_array_equal(mesh.vertices, CUBE)
    assert euler_characteristic(mesh) == 2


def test_decimal_commas_are_refused_with_the_remedy(tmp_path):
    with pytest.raises(MeshError, match=r"line 1 cannot be read: 'v 0,5 0 0'; .* points as decimal marks"):
        load_mesh(write(tmp_path / "comma.obj", "v 0,5 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n"))


def test_an_index_of_any_size_names_its_line():
    with pytest.raises(MeshError, match="line 4 uses vertex"):
        parse_obj("v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 " + "9" * 40, "x.obj")


def test_odd_separators_are_no_line_ends():
    """Form feeds and the like inside a comment do not start a new line."""
    points, faces, _ = parse_obj("# a\x0cv 9 9 9\x0b\x1c\nv 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3", "x.obj")
    assert (len(points), len(faces)) == (3, 1)
