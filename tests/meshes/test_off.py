"""OFF: text with headers of all kinds, and binary of both byte orders."""

import numpy as np
import pytest
from surface_files import CUBE, QUADS, TRIANGLES, binary_off, off

from gaugenet.meshes.io import MeshError, load_mesh
from gaugenet.meshes.off import parse_off
from gaugenet.meshes.topology import euler_characteristic


def write(path, content):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize(
    "content",
    [
        off(CUBE, TRIANGLES),
        off(CUBE, QUADS),
        off(CUBE, [*QUADS[:3].tolist(), *TRIANGLES[6:].tolist()]),
        off(CUBE, TRIANGLES, "OFF "),
        off(CUBE, TRIANGLES, "# comment\n\nOFF # another\n\n# and another\n"),
        off(np.column_stack([CUBE, CUBE * 255]), TRIANGLES, "COFF\n"),
    ],
)
def test_off_text(tmp_path, content):
    mesh = load_mesh(write(tmp_path / "cube.off", content))
    np.testing.assert_array_equal(mesh.vertices, CUBE)
    assert euler_characteristic(mesh) == 2


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("coloured", [False, True])
def test_off_binary(tmp_path, order, coloured):
    content = binary_off(CUBE, QUADS, order, coloured)
    mesh = load_mesh(write(tmp_path / "cube.off", content))
    np.testing.assert_array_equal(mesh.vertices, CUBE)
    assert euler_characteristic(mesh) == 2


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_off_of_every_editor(newline, encoding):
    content = off(CUBE, QUADS, "OFF" + newline, newline).decode().encode(encoding)
    points, faces, _ = parse_off(content, "x.off")
    np.testing.assert_array_equal(points, CUBE)
    assert len(faces) == 12


def test_negative_and_huge_counts():
    for counts in ("-8 12 0", "8 -12 0", "8 1000000000000 0"):
        with pytest.raises(MeshError, match=r"a count is negative|promises"):
            parse_off(off(CUBE, TRIANGLES).replace(b"8 12 0", counts.encode()), "x.off")
