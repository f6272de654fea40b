"""The reader of labelled mesh folders, on files written here and on real sets."""

import itertools

import numpy as np
import pytest
import trimesh

from gaugenet.data.folder import FolderDataset
from gaugenet.data.label_files import DatasetError
from gaugenet.data.labelled import IGNORED, values_on_file

VERTICES = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1.5]])
FACES = np.array([[0, 2, 1], [0, 1, 3], [1, 2, 3], [2, 0, 3]])
LABELS = np.array([7, -1, 258, 7])


def write_mesh(path, labels=LABELS, kind="labels"):
    """A tetrahedron in the format that the path's ending names, and its labels beside or inside it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".npz":
        key = {"labels": "label", "face_labels": "face_label"}[kind]
        np.savez(path, v=VERTICES.astype(np.float32), f=FACES.astype(np.uint16), **{key: labels})
        return
    trimesh.Trimesh(VERTICES, FACES, process=False).export(path)
    if labels is not None:
        (path.parent / f"{path.stem}.{kind}.txt").write_text("".join(f"{x}\n" for x in labels))


def make_set(folder, suffix=".obj", kind="labels"):
    for split, n in (("train", 2), ("test", 1)):
        for i in range(n):
            write_mesh(folder / split / f"m{i}{suffix}", kind=kind)


@pytest.mark.parametrize("suffix", [".obj", ".ply", ".off", ".glb", ".npz"])
@pytest.mark.parametrize("kind", ["labels", "face_labels"])
def test_round_trip_in_each_format(tmp_path, suffix, kind):
    make_set(tmp_path, suffix, kind)
    dataset = FolderDataset(tmp_path)
    assert dataset.label_kind == ("vertex" if kind == "labels" else "face")
    assert dataset.class_values == (-1, 7, 258)
    assert dataset.class_names == ("-1", "7", "258")
    assert (dataset.splits, dataset.size("train"), dataset.size("test")) == (("train", "test"), 2, 1)
    surfaces = list(dataset.meshes("train"))
    assert [s.name for s in surfaces] == ["m0", "m1"]
    for s in surfaces:
        assert np.allclose(np.sort(s.mesh.vertices, 0), np.sort(VERTICES, 0))
        returned = np.array(dataset.class_values)[values_on_file(s.mesh, s.labels, s.label_kind)]
        assert np.array_equal(returned, LABELS)


def test_vertices_of_an_stl_soup_are_merged_and_face_labels_stay(tmp_path):
    make_set(tmp_path, ".stl", "face_labels")
    (s,) = FolderDataset(tmp_path).meshes("test")
    assert s.mesh.n_vertices == 4
    assert np.array_equal(s.file_labels, [1, 0, 2, 1])


def test_order_does_not_depend_on_the_file_system(tmp_path):
    for name in ("b", "a10", "a2", "c"):
        write_mesh(tmp_path / "train" / f"{name}.obj")
    write_mesh(tmp_path / "test" / "x.obj")
    write_mesh(tmp_path / "val" / "y.obj")
    (tmp_path / "train" / "._a2.obj").write_bytes(b"\0")
    (tmp_path / "train" / "readme.md").write_text("not a mesh")
    dataset = FolderDataset(tmp_path)
    assert [s.name for s in dataset.meshes("train")] == ["a10", "a2", "b", "c"]
    assert dataset.splits == ("train", "val", "test")


def test_named_classes_absent_classes_and_ignored_labels(tmp_path):
    make_set(tmp_path)
    (tmp_path / "labels.txt").write_text("7 head\n100 never seen\n258 tail\n")
    dataset = FolderDataset(tmp_path)
    assert dataset.class_names == ("head", "never seen", "tail")
    (s,) = dataset.meshes("test")
    assert s.file_labels.tolist() == [0, IGNORED, 2, 0], "a negative label without a name is no class"
    (tmp_path / "labels.txt").unlink()
    dataset = FolderDataset(tmp_path, ignore=[7])
    assert dataset.class_values == (-1, 258)
    (s,) = dataset.meshes("test")
    assert s.file_labels.tolist() == [IGNORED, 0, 1, IGNORED]


def test_a_vertex_that_no_face_uses_has_a_label_and_gets_a_prediction(tmp_path):
    make_set(tmp_path, ".npz")
    np.savez(tmp_path / "test" / "m0.npz", v=np.vstack([VERTICES, [[9, 9, 9]]]), f=FACES, label=np.append(LABELS, 7))
    (s,) = FolderDataset(tmp_path).meshes("test")
    assert s.mesh.n_vertices == 5
    predicted = np.arange(5)
    assert sorted(values_on_file(s.mesh, predicted, "vertex").tolist()) == [0, 1, 2, 3, 4]


def refuses(folder, *parts, **arguments):
    """The error names every part, in one line."""

    def read_all():
        dataset = FolderDataset(folder, **arguments)
        return [list(dataset.meshes(split)) for split in dataset.splits]

    with pytest.raises(DatasetError) as caught:
        read_all()
    message = str(caught.value)
    assert "\n" not in message
    for part in parts:
        assert part in message, message


def test_refusals_of_folders(tmp_path):
    refuses(tmp_path / "nowhere", "nowhere", "there is no such folder", "give the folder")
    (tmp_path / "file").write_text("")
    refuses(tmp_path / "file", "this is a file")
    refuses(tmp_path, "there is no folder train/")
    (tmp_path / "train").mkdir()
    refuses(tmp_path, "train", "there is no mesh in it", ".obj")
    write_mesh(tmp_path / "train" / "a.obj")
    refuses(tmp_path, "there is no folder test/", "train/ and test/")


def test_refusals_of_labels(tmp_path):
    make_set(tmp_path)
    labels = tmp_path / "train" / "m1.labels.txt"
    labels.write_text("1\n2\n3\n")
    refuses(tmp_path, "m1.labels.txt", "3 labels for the 4 vertices of m1.obj")
    labels.unlink()
    refuses(tmp_path, "m1.obj", "it has no labels", "NAME.labels.txt")
    (tmp_path / "train" / "m1.face_labels.txt").write_text("1\n2\n3\n4\n")
    refuses(tmp_path, "m0.obj is labelled by vertex", "m1.obj by face")
    labels.write_text("1\n2\n3\n4\n")
    refuses(tmp_path, "m0.obj", "no face labels", label_kind="face")
    (tmp_path / "labels.txt").write_text("1 head\n7 hand\n258 foot\n")
    refuses(tmp_path, "labels.txt", "label 2, which occurs in m1.labels.txt, is not named", '"2 NAME"')


def test_labels_per_face_under_the_name_of_labels_per_vertex_are_recognised(tmp_path):
    vertices = np.vstack([VERTICES, [[2, 2, 2]]])
    for split in ("train", "test"):
        (tmp_path / split).mkdir()
        trimesh.Trimesh(vertices, FACES, process=False).export(tmp_path / split / "a.ply")
        (tmp_path / split / "a.txt").write_text("0\n0\n1\n1\n")
    refuses(tmp_path, "a.txt", "4 labels for the 5 vertices", "name the file a.face_labels.txt")


def test_refusals_of_npz(tmp_path):
    make_set(tmp_path, ".npz")
    broken = tmp_path / "train" / "m1.npz"
    np.savez(broken, v=VERTICES, f=FACES, label=np.zeros(9, int))
    refuses(tmp_path, "m1.npz", "9 labels in 'label' for 4 vertices")
    broken.write_bytes(b"PK\3\4 cut off")
    refuses(tmp_path, "m1.npz", "cannot be read")
    np.savez(broken, v=VERTICES, f=FACES)
    refuses(tmp_path, "m1.npz", "it has no labels")
    np.savez(broken, label=np.zeros(4, int))
    refuses(tmp_path, "m1.npz", "cannot be read", "'v")


@pytest.mark.parametrize(
    ("name", "classes", "kind", "sizes"),
    [
        ("bodies_cc0", 16, "vertex", (100, 36)),
        ("mfcad_faces", 16, "face", (640, 160)),
        ("rna_surfaces", 140, "vertex", (56, 20)),
    ],
)
def test_real_sets(shared_data, name, classes, kind, sizes):
    if not (shared_data / name).is_dir():
        pytest.skip(f"the set {name} is not on this machine")
    dataset = FolderDataset(shared_data / name)
    assert (dataset.n_classes, dataset.label_kind) == (classes, kind)
    assert (dataset.size("train"), dataset.size("test")) == sizes
    for s in itertools.islice(dataset.meshes("test"), 2):
        with np.load(s.path) as raw:
            labels = raw["label" if kind == "vertex" else "face_label"].astype(int)
        assert np.array_equal(np.array(dataset.class_values)[values_on_file(s.mesh, s.labels, kind)], labels)
