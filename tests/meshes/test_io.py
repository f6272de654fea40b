"""Files in every format keep their vertices; wrong files end in one line."""

import json
import struct

import numpy as np
import pytest

from gaugenet.meshes.io import SUFFIXES, MeshError, load_mesh, save_ply
from gaugenet.meshes.shapes import named_surface
from gaugenet.meshes.topology import euler_characteristic, n_components

CUBE = np.array([[x, y, z] for x in (0, 1) for y in (0, 1) for z in (0, 1)], float)
QUADS = np.array([[0, 1, 3, 2], [4, 6, 7, 5], [0, 4, 5, 1], [2, 3, 7, 6], [0, 2, 6, 4], [1, 5, 7, 3]])
TRIANGLES = QUADS[:, [0, 1, 2, 0, 2, 3]].reshape(-1, 3)

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


def off(vertices, faces, header="OFF\n"):
    rows = [f"{len(vertices)} {len(faces)} 0"] + [" ".join(map(str, v)) for v in vertices]
    return header + "\n".join(rows + [f"{len(f)} {' '.join(map(str, f))}" for f in faces]) + "\n"


def stl(vertices, faces, header=b"", tail=b""):
    record = np.zeros(len(faces), [("normal", "<f4", 3), ("corner", "<f4", (3, 3)), ("more", "<u2")])
    record["corner"] = vertices[faces]
    return header.ljust(80) + struct.pack("<I", len(faces)) + record.tobytes() + tail


def ply(faces, order="<", newline="\n", extra=""):
    """A PLY of the cube; `order` "" is text."""
    kind = {"": "ascii", "<": "binary_little_endian", ">": "binary_big_endian"}[order]
    header = [
        "ply", f"format {kind} 1.0", "comment grüße", "element vertex 8", "property uchar red", "property float x",
        "property float y", "property double z", f"element face {len(faces)}", "property float quality",
        "property list uchar uint vertex_indices", *([extra] if extra else []), "end_header",
    ]  # fmt: skip
    head = (newline.join(header) + newline).encode("latin-1")
    if order == "":
        rows = [f"7 {x} {y} {z}" for x, y, z in CUBE] + [f"0.5 {len(f)} {' '.join(map(str, f))}" for f in faces]
        return head + newline.join(rows).encode()
    body = b"".join(struct.pack(f"{order}Bffd", 7, *v) for v in CUBE)
    return head + body + b"".join(struct.pack(f"{order}fB{len(f)}I", 0.5, len(f), *f) for f in faces)


def glb(offset):
    """Two squares of a folded sheet with vertices of their own, the second moved by its node and mirrored."""
    points = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]], "<f4")
    index = np.array([0, 1, 2, 0, 2, 3], "<u2")
    binary = points.tobytes() + index.tobytes()
    scene = {
        "asset": {"version": "2.0"},
        "scene": 0,
        "scenes": [{"nodes": [0, 1]}],
        "nodes": [{"mesh": 0}, {"mesh": 0, "translation": offset, "scale": [1, -1, 1]}],
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0}, "indices": 1}]}],
        "accessors": [
            {"bufferView": 0, "componentType": 5126, "count": 4, "type": "VEC3", "min": [0, 0, 0], "max": [1, 1, 0]},
            {"bufferView": 1, "componentType": 5123, "count": 6, "type": "SCALAR"},
        ],
        "bufferViews": [
            {"buffer": 0, "byteOffset": 0, "byteLength": 48},
            {"buffer": 0, "byteOffset": 48, "byteLength": 12},
        ],
        "buffers": [{"byteLength": len(binary)}],
    }
    text = json.dumps(scene).encode()
    text += b" " * (-len(text) % 4)
    chunks = struct.pack("<II", len(text), 0x4E4F534A) + text + struct.pack("<II", len(binary), 0x004E4942) + binary
    return struct.pack("<III", 0x46546C67, 2, 12 + len(chunks)) + chunks


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


@pytest.mark.parametrize("faces", [TRIANGLES, QUADS, [*QUADS[:3].tolist(), *TRIANGLES[6:].tolist()]])
@pytest.mark.parametrize("order", ["", "<", ">"])
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_ply_of_every_kind(tmp_path, faces, order, newline):
    mesh = load_mesh(write(tmp_path / "cube.PLY", ply(faces, order, newline)))
    np.testing.assert_array_equal(mesh.vertices, CUBE)
    assert euler_characteristic(mesh) == 2
    assert mesh.n_faces == 12


def test_ply_with_texture_coordinates_keeps_its_vertices(tmp_path):
    """One vertex at two places of a texture must stay one vertex."""
    rows = [f"0.5 3 {a} {b} {c} 6 0 0 1 {k} 0.{k} 1" for k, (a, b, c) in enumerate(TRIANGLES)]
    content = ply([], "", extra="property list uchar float texcoord").replace(b"element face 0", b"element face 12")
    mesh = load_mesh(write(tmp_path / "cube.ply", content + b"\n" + "\n".join(rows).encode()))
    np.testing.assert_array_equal(mesh.vertices, CUBE)
    np.testing.assert_array_equal(mesh.faces, TRIANGLES)


def test_ply_triangle_strips_are_unrolled(tmp_path):
    content = ply([], "").replace(b"element face 0", b"element tristrips 1").replace(b"property float quality\n", b"")
    mesh = load_mesh(write(tmp_path / "strip.ply", content + b"\n8 0 1 2 3 -1 4 5 6"))
    np.testing.assert_array_equal(mesh.faces, [[0, 1, 2], [2, 1, 3], [4, 5, 6]])


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
    rows = b"".join(
        struct.pack(f"{order}5i", 4, *q) + (struct.pack(f"{order}i", 0) if coloured else b"") for q in QUADS
    )
    content = b"OFF BINARY\n" + struct.pack(f"{order}3i", 8, 6, 0) + CUBE.astype(f"{order}f4").tobytes() + rows
    mesh = load_mesh(write(tmp_path / "cube.off", content))
    np.testing.assert_array_equal(mesh.vertices, CUBE)
    assert euler_characteristic(mesh) == 2


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


def test_glb_scene_is_joined_and_moved(tmp_path):
    mesh = load_mesh(write(tmp_path / "sheet.glb", glb([0, 0, 0])))
    assert (mesh.n_vertices, mesh.n_faces, n_components(mesh)) == (6, 4, 1)
    assert mesh.report[-1].kind != "faces turned over so that each component winds one way"
    apart = load_mesh(write(tmp_path / "sheets.glb", glb([5, 0, 0])))
    assert n_components(apart) == 2
    np.testing.assert_array_equal(apart.vertices[:, 0].max(), 6)


def test_npz(tmp_path):
    np.savez(tmp_path / "cube.npz", v=CUBE.astype(np.float32), f=TRIANGLES.astype(np.uint16))
    mesh = load_mesh(tmp_path / "cube.npz")
    np.testing.assert_array_equal(mesh.vertices, CUBE)
    np.testing.assert_array_equal(mesh.faces, TRIANGLES)


def damaged(tmp_path):
    np.savez(tmp_path / "keys.npz", vertices=CUBE)
    np.savez(tmp_path / "pickled.npz", v=np.array([{}], object), f=TRIANGLES)
    (tmp_path / "folder.obj").mkdir()
    cube_ply = ply(TRIANGLES)
    files = {
        "empty.obj": (b"", "the file is empty"),
        "cloud.obj": ("v 0 0 0\nv 1 1 1\n", "2 vertices and no faces (a point cloud or lines)"),
        "blank.obj": ("# nothing\n", "nothing in it"),
        "text.obj": ("v 0 0 0\nv 1 0 0\nv 0 1 zero\nf 1 2 3\n", "line 3 cannot be read: 'v 0 1 zero'"),
        "zero.obj": ("v 0 0 0\nv 1 0 0\nv 0 1 0\nf 0 1 2\n", "line 4 cannot be read"),
        "range.obj": ("v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\nf 1 2 9\n", "line 5 uses vertex 9, but the file has 3"),
        "back.obj": ("v 0 0 0\nv 1 0 0\nv 0 1 0\nf -1 -2 -4\n", "line 4 uses vertex"),
        "short.obj": ("v 0 0 0\nv 1 0 0\nf 1 2\n", "all 1 faces have fewer than three corners"),
        "nan.obj": ("v 0 0 0\nv nan 0 0\nv 0 1 0\nf 1 2 3\n", "vertex 1 is at (nan, 0, 0)"),
        "thing.docx": (b"PK\x03\x04", "files of type '.docx' are not read"),
        "suffixless": (b"v 0 0 0", "without suffix"),
        "words.ply": ("hello", "does not start with a PLY header"),
        "noformat.ply": ("ply\nelement vertex 0\nend_header\n", "names no format"),
        "header.ply": (
            "ply\nformat ascii 1.0\nelement vertex many\nend_header\n",
            "'element vertex many' cannot be read",
        ),
        "cut.ply": (cube_ply[:-9], "the data of its 12 face elements end early"),
        "cut2.ply": (ply(QUADS, "")[:-9], "the data of its 6 face elements end early"),
        "cut3.ply": (cube_ply[: cube_ply.find(b"end_header") + 30], "the data of its 8 vertex elements end early"),
        "cloud.ply": (ply([]), "8 vertices and no faces"),
        "range.ply": (ply([[0, 1, 4294967295]]), "face 0 uses vertex 4294967295"),
        "words.off": ("hello", "does not start with OFF"),
        "cut.off": (off(CUBE, TRIANGLES)[:-30], "promises 8 vertices and 12 faces and has 17 lines"),
        "cut1.off": (off(CUBE, TRIANGLES)[:-3], "a face has fewer indices than it says"),
        "cut2.off": ("OFF\n8 12 0\n0 0 0\n", "promises 8 vertices and 12 faces and has 1 lines"),
        "binary.off": (b"OFF BINARY\n" + bytes(range(40)), "does not fit the counts"),
        "words.stl": ("hello", "STL"),
        "noise.stl": (bytes(range(256)) * 3, "STL"),
        "words.glb": ("hello", "GLB"),
        "words.gltf": ("{}", ""),
        "json.gltf": ("{", "GLTF"),
        "draco.gltf": ('{"extensionsRequired": ["KHR_draco_mesh_compression"]}', "compressed with Draco"),
        "words.npz": ("hello", "NPZ"),
    }
    for name, (content, _) in files.items():
        write(tmp_path / name, content)
    expected = {name: message for name, (_, message) in files.items()}
    return expected | {
        "missing.obj": "no such file",
        "folder.obj": "not a file",
        "keys.npz": "there is no array v and no array f in it, only vertices",
        "pickled.npz": "NPZ",
    }


def test_wrong_files_end_in_one_line(tmp_path, capfd):
    for name, message in damaged(tmp_path).items():
        with pytest.raises(MeshError) as caught:
            load_mesh(tmp_path / name)
        text = str(caught.value)
        assert text.startswith(f"{tmp_path / name}: "), text
        assert message in text, (name, text)
        assert "; " in text
        assert "\n" not in text
    assert capfd.readouterr() == ("", "")


def test_every_truncation_is_a_mesh_or_an_error(tmp_path):
    """A file cut anywhere is never a crash."""
    whole = {
        "a.ply": ply(QUADS), "b.ply": ply(TRIANGLES, ""), "c.off": off(CUBE, QUADS).encode(),
        "d.obj": CUBE_OBJ.encode(), "e.stl": stl(CUBE, TRIANGLES), "f.glb": glb([0, 0, 0]),
    }  # fmt: skip
    rng = np.random.default_rng(0)
    for name, content in whole.items():
        for cut in rng.integers(1, len(content), 25):
            try:
                mesh = load_mesh(write(tmp_path / name, content[:cut]))
            except MeshError:
                continue
            assert np.isfinite(mesh.edge_lengths).all()


def test_saved_ply_comes_back(tmp_path):
    ball = named_surface("sphere", subdivisions=2).mesh
    rng = np.random.default_rng(0)
    colors = rng.integers(0, 256, (ball.n_vertices, 3), np.uint8)
    face_colors = rng.integers(0, 256, (ball.n_faces, 3))
    path = tmp_path / "ball.ply"
    save_ply(path, ball.vertices, ball.faces, colors=colors)
    mesh = load_mesh(path)
    np.testing.assert_array_equal(mesh.vertices, ball.vertices)
    np.testing.assert_array_equal(mesh.faces, ball.faces)
    trimesh = pytest.importorskip("trimesh")
    seen = trimesh.load(path, process=False)
    np.testing.assert_array_equal(seen.visual.vertex_colors[:, :3], colors)
    save_ply(path, ball.vertices, ball.faces, face_colors=face_colors)
    seen = trimesh.load(path, process=False)
    np.testing.assert_array_equal(seen.visual.face_colors[:, :3], face_colors)
    np.testing.assert_array_equal(seen.faces, ball.faces)
    save_ply(path, ball.vertices, ball.faces)
    assert [p.name for p in tmp_path.iterdir()] == ["ball.ply"]


def test_refused_ply_leaves_nothing_behind(tmp_path):
    path = tmp_path / "ball.ply"
    with pytest.raises(ValueError, match=r"one colour per vertex, an array \[8, 3\], got \[7, 3\]"):
        save_ply(path, CUBE, TRIANGLES, colors=np.zeros((7, 3), np.uint8))
    with pytest.raises(ValueError, match="whole numbers from 0 to 255"):
        save_ply(path, CUBE, TRIANGLES, face_colors=np.full((12, 3), 0.5))
    with pytest.raises(ValueError, match="whole numbers from 0 to 255"):
        save_ply(path, CUBE, TRIANGLES, face_colors=np.full((12, 3), 256))
    with pytest.raises(ValueError, match="expected vertices of shape"):
        save_ply(path, CUBE[:, :2], TRIANGLES)
    with pytest.raises(MeshError, match="cannot be written"):
        save_ply(tmp_path / "nowhere" / "ball.ply", CUBE, TRIANGLES)
    (tmp_path / "taken.ply").mkdir()
    with pytest.raises(MeshError, match="cannot be written"):
        save_ply(tmp_path / "taken.ply", CUBE, TRIANGLES)
    assert [p.name for p in tmp_path.iterdir()] == ["taken.ply"]


def test_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "ball.ply"
    save_ply(path, CUBE, TRIANGLES)
    before = path.read_bytes()

    def full_disk(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full_disk)
    with pytest.raises(MeshError, match="No space left on device"):
        save_ply(path, CUBE[::-1], TRIANGLES)
    assert path.read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("folder", ["meshes_clean", "robust_dev"])
def test_every_real_file_is_a_surface_or_one_line(shared_data, folder):
    if not (shared_data / folder).is_dir():
        pytest.skip(f"{folder} is not in the folder of real meshes")
    loaded = 0
    for path in sorted(p for p in (shared_data / folder).rglob("*") if p.is_file()):
        try:
            mesh = load_mesh(path)
        except MeshError as error:
            refusal = str(error)
        else:
            refusal = ""
            loaded += 1
            a, b, c = np.sort(mesh.edge_lengths, axis=1).T
            assert (a + b > c).all(), path
            assert np.isfinite(mesh.vertices).all(), path
            assert len(mesh.vertex_labels_from_file(np.arange(len(mesh.vertex_of_file)))) == mesh.n_vertices
        if refusal:
            assert refusal.startswith(f"{path}: "), refusal
            assert "\n" not in refusal
        if folder == "meshes_clean" and path.suffix.lower() in SUFFIXES:
            assert not refusal
    assert loaded >= {"meshes_clean": 18, "robust_dev": 110}[folder]


@pytest.mark.parametrize(
    ("name", "chi"), [("boot/boot.obj", -22), ("torus/torus.obj", 0), ("spot/spot_low_resolution.obj", 2)]
)
def test_known_topology_of_real_files(shared_data, name, chi):
    if not (shared_data / "meshes_clean").is_dir():
        pytest.skip("meshes_clean is not in the folder of real meshes")
    assert euler_characteristic(load_mesh(shared_data / "meshes_clean" / name)) == chi
