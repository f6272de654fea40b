"""Files in every format keep their vertices; wrong files end in one line."""

import numpy as np
import pytest
import surface_files as files
from surface_files import CUBE, QUADS, TRIANGLES, off, stl

from gaugenet.meshes.io import MeshError, load_mesh, save_ply
from gaugenet.meshes.shapes import named_surface
from gaugenet.meshes.topology import euler_characteristic

SHEETS = [{"mesh": 0}, {"mesh": 0, "translation": [0, 0, 0], "scale": [1, -1, 1]}]


def ply(faces, order="<"):
    return files.ply(CUBE, faces, order)


def write(path, content):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


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


def test_polygons_in_npz(tmp_path):
    np.savez(tmp_path / "cube.npz", v=CUBE, f=QUADS)
    mesh = load_mesh(tmp_path / "cube.npz")
    assert (mesh.n_faces, euler_characteristic(mesh)) == (12, 2)


@pytest.mark.parametrize("v", [CUBE + 1j, CUBE.astype(str)])
def test_npz_of_other_numbers_is_refused(tmp_path, v):
    np.savez(tmp_path / "cube.npz", v=v, f=TRIANGLES)
    with pytest.raises(MeshError, match="the vertices are not numbers"):
        load_mesh(tmp_path / "cube.npz")


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
        "a.ply": ply(QUADS), "b.ply": ply(TRIANGLES, ""), "c.off": off(CUBE, QUADS),
        "d.obj": files.obj(CUBE, QUADS, dress=True), "e.stl": stl(CUBE, TRIANGLES), 
        "f.glb": files.glb(*files.scene(CUBE, TRIANGLES, SHEETS)),
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


@pytest.mark.parametrize(
    ("name", "chi"), [("boot/boot.obj", -22), ("torus/torus.obj", 0), ("spot/spot_low_resolution.obj", 2)]
)
def test_known_topology_of_real_files(shared_data, name, chi):
    if not (shared_data / "meshes_clean").is_dir():
        pytest.skip("meshes_clean is not in the folder of real meshes")
    assert euler_characteristic(load_mesh(shared_data / "meshes_clean" / name)) == chi
