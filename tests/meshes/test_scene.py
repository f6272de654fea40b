"""glTF: nodes move and mirror their parts; promises are checked before memory is asked for."""

import json

import numpy as np
import pytest
from surface_files import CUBE, TRIANGLES, glb, gltf, scene

from gaugenet.meshes.io import MeshError, load_mesh
from gaugenet.meshes.topology import n_components

SQUARE = np.array([[0.0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]])


def write(path, content):
    path.write_bytes(content)
    return path


def sheets(offset):
    """Two squares of a folded sheet with vertices of their own, the second moved by its node and mirrored."""
    nodes = [{"mesh": 0}, {"mesh": 0, "translation": offset, "scale": [1, -1, 1]}]
    return glb(*scene(SQUARE, np.array([[0, 1, 2], [0, 2, 3]]), nodes))


def test_glb_scene_is_joined_and_moved(tmp_path):
    mesh = load_mesh(write(tmp_path / "sheet.glb", sheets([0, 0, 0])))
    assert (mesh.n_vertices, mesh.n_faces, n_components(mesh)) == (6, 4, 1)
    assert mesh.report[-1].kind != "faces turned over so that each component winds one way"
    apart = load_mesh(write(tmp_path / "sheets.glb", sheets([5, 0, 0])))
    assert n_components(apart) == 2
    np.testing.assert_array_equal(apart.vertices[:, 0].max(), 6)


def test_text_and_binary_are_the_same(tmp_path):
    one = load_mesh(write(tmp_path / "cube.glb", glb(*scene(CUBE, TRIANGLES))))
    two = load_mesh(write(tmp_path / "cube.gltf", gltf(*scene(CUBE, TRIANGLES))))
    np.testing.assert_array_equal(one.vertices, CUBE)
    np.testing.assert_array_equal(one.vertices, two.vertices)
    np.testing.assert_array_equal(one.faces, two.faces)


def refused(tmp_path, change):
    document, binary = scene(CUBE, TRIANGLES, [{"mesh": 0}, {"mesh": 0}])
    change(document)
    with pytest.raises(MeshError) as caught:
        load_mesh(write(tmp_path / "cube.glb", glb(document, binary)))
    return str(caught.value)


def test_what_cannot_be_read_is_refused(tmp_path):
    def endless(document):
        document["accessors"].append({"componentType": 5126, "count": 10**12, "type": "VEC3"})

    def cyclic(document):
        document["nodes"][0]["children"], document["nodes"][1]["children"] = [1], [0]

    def packed(document):
        document["extensionsUsed"] = ["EXT_meshopt_compression"]

    assert "accessor 2 promises 1000000000000 entries" in refused(tmp_path, endless)
    assert "part of itself" in refused(tmp_path, cyclic)
    assert "compressed with meshopt" in refused(tmp_path, packed)


def test_parts_of_another_kind_are_told(tmp_path):
    document, binary = scene(CUBE, TRIANGLES)
    document["meshes"][0]["primitives"].append({**document["meshes"][0]["primitives"][0], "mode": 6})
    mesh = load_mesh(write(tmp_path / "cube.glb", glb(json.loads(json.dumps(document)), binary)))
    assert "neither triangles nor strips" in str(mesh.report[0])
