"""Published layouts, on folders written here exactly as the sets come."""

import numpy as np
import pytest

from gaugenet.data.folder import FolderDataset
from gaugenet.data.label_files import DatasetError
from gaugenet.data.labelled import IGNORED
from gaugenet.meshes.io import save_ply

VERTICES = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1.5]])
FACES = np.array([[0, 2, 1], [0, 1, 3], [1, 2, 3], [2, 0, 3]])


def write_off(path, vertices=VERTICES):
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [f"OFF\n{len(vertices)} {len(FACES)} 0"]
    rows += [" ".join(map(str, v)) for v in vertices.tolist()] + ["3 " + " ".join(map(str, f)) for f in FACES.tolist()]
    path.write_text("\n".join(rows) + "\n")


def write_obj(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = ["v " + " ".join(map(str, v)) for v in VERTICES.tolist()]
    path.write_text("\n".join(rows + ["f " + " ".join(str(i + 1) for i in f) for f in FACES.tolist()]) + "\n")


def write_lines(path, values):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{v}\n" for v in values))


def labels_of(dataset, split):
    """Labels as the files write them, by name."""
    values = np.array([*dataset.class_values, IGNORED])
    return {s.name: values[np.where(s.labels >= 0, s.labels, -1)].tolist() for s in dataset.meshes(split)}


def test_meshcnn(tmp_path):
    for split, names in (("train", ("shark", "whale")), ("test", ("alien",))):
        for name in names:
            write_obj(tmp_path / split / f"{name}.obj")
            # edges 0-2, 1-2, 0-1, 1-3, 0-3, 2-3; faces have edges 012, 234, 135, 045
            write_lines(tmp_path / "seg" / f"{name}.eseg", [1, 1, 1, 3, 3, 3])
            (tmp_path / "sseg").mkdir(exist_ok=True)
            np.savetxt(tmp_path / "sseg" / f"{name}.seseg", np.eye(3)[[0, 0, 0, 2, 2, 2]])
    dataset = FolderDataset(tmp_path)
    assert (dataset.layout, dataset.label_kind, dataset.class_values) == ("MeshCNN", "face", (1, 3))
    assert labels_of(dataset, "test") == {"alien": [1, 3, 3, 3]}
    write_lines(tmp_path / "classes.txt", [1, 2, 3])
    for file in (tmp_path / "seg").iterdir():
        file.unlink()
    soft = FolderDataset(tmp_path)
    assert soft.class_values == (1, 2, 3)
    assert labels_of(soft, "train") == {"shark": [1, 3, 3, 3], "whale": [1, 3, 3, 3]}
    (tmp_path / "sseg" / "whale.seseg").unlink()
    with pytest.raises(DatasetError, match=r"whale\.obj: it has no labels: there is no seg/whale\.eseg or .*seseg"):
        FolderDataset(tmp_path)


def test_coseg_and_its_split(tmp_path):
    for i in range(1, 13):
        write_off(tmp_path / "shapes" / f"{i}.off")
        write_lines(tmp_path / "gt" / f"{i}.seg", [i % 3, 0, 1, 2])
    dataset = FolderDataset(tmp_path)
    assert (dataset.layout, dataset.label_kind, dataset.n_classes) == ("COSEG", "face", 3)
    assert [s.name for s in dataset.meshes("test")] == ["5", "10"], "every fifth, numbers in their natural order"
    assert labels_of(dataset, "train")["4"] == [1, 0, 1, 2]
    write_lines(tmp_path / "train.txt", ["1", "2", "3"])
    write_lines(tmp_path / "test.txt", ["12.off"])
    named = FolderDataset(tmp_path)
    assert (named.size("train"), labels_of(named, "test")) == (3, {"12": [0, 0, 1, 2]})
    write_lines(tmp_path / "test.txt", ["4 5.off"])
    assert [s.name for s in FolderDataset(tmp_path).meshes("test")] == ["4", "5"]
    write_lines(tmp_path / "test.txt", ["13"])
    with pytest.raises(DatasetError, match="there is no shape '13'"):
        FolderDataset(tmp_path)
    (tmp_path / "test.txt").unlink()
    write_lines(tmp_path / "gt" / "2.seg", [0, 1])
    with pytest.raises(DatasetError, match=r"2\.seg: 2 labels for the 4 triangles of 2\.off"):
        list(FolderDataset(tmp_path).meshes("train"))


@pytest.mark.parametrize("below", ["data", "."])
def test_princeton_benchmark(tmp_path, below):
    for i in range(1, 6):
        write_off(tmp_path / below / "off" / f"{i}.off")
        for person in (0, 2, 10):
            write_lines(tmp_path / below / "seg" / "Benchmark" / str(i) / f"{i}_{person}.seg", [person, 1, 1, i])
    dataset = FolderDataset(tmp_path)
    assert (dataset.layout, dataset.size("train"), dataset.size("test")) == ("Princeton benchmark", 4, 1)
    assert labels_of(dataset, "train")["3"] == [0, 1, 1, 3], "the first person's"


def test_human_segmentation(tmp_path):
    train, segs = tmp_path / "meshes" / "train", tmp_path / "segs" / "train"
    write_off(train / "adobe" / "12.off")
    write_lines(segs / "adobe" / "12.txt", [1, 2, 3, 4])
    write_off(train / "faust" / "tr_reg_003.off")
    write_lines(segs / "faust" / "faust_corrected.txt", [5, 5, 6, 6])
    write_off(train / "MIT_animation" / "meshes_crane" / "meshes" / "mesh_0000.off")
    write_lines(segs / "mit" / "mit_crane_corrected.txt", [7, 7, 7, 8])
    write_off(train / "scape" / "mesh000.off")
    write_lines(segs / "scape" / "scape_corrected.txt", [8, 8, 8, 8])
    for name in ("1", "12_fix_orientation", "16"):
        write_off(tmp_path / "meshes" / "test" / "shrec" / f"{name}.off")
    write_lines(tmp_path / "segs" / "test" / "shrec" / "shrec_1_full.txt", [1, 1, 1, 2])
    write_lines(tmp_path / "segs" / "test" / "shrec" / "shrec_12_full.txt", [2, 1, 1, 2])
    dataset = FolderDataset(tmp_path)
    assert (dataset.layout, dataset.class_values) == ("human segmentation", tuple(range(1, 9)))
    assert labels_of(dataset, "train") == {
        "adobe_12": [1, 2, 3, 4],
        "faust_tr_reg_003": [5, 5, 6, 6],
        "scape_mesh000": [8, 8, 8, 8],
        "crane_mesh_0000": [7, 7, 7, 8],
    }
    assert labels_of(dataset, "test") == {"shrec_1": [1, 1, 1, 2], "shrec_12_fix_orientation": [2, 1, 1, 2]}


@pytest.mark.parametrize("below", [".", "training/registrations"])
def test_faust_registrations(tmp_path, below):
    (tmp_path / below).mkdir(parents=True, exist_ok=True)
    for i in (0, 1, 79, 80, 99):
        save_ply(tmp_path / below / f"tr_reg_{i:03d}.ply", VERTICES + 0.01 * i, FACES)
    dataset = FolderDataset(tmp_path)
    assert (dataset.layout, dataset.label_kind, dataset.n_classes) == ("registrations", "vertex", 4)
    assert list(labels_of(dataset, "train")) == ["tr_reg_000", "tr_reg_001", "tr_reg_079"]
    assert labels_of(dataset, "test") == {"tr_reg_080": [0, 1, 2, 3], "tr_reg_099": [0, 1, 2, 3]}
    save_ply(tmp_path / below / "tr_reg_001.ply", VERTICES[:3], FACES[:1])
    with pytest.raises(DatasetError, match=r"4 labels for the 3 vertices of tr_reg_001\.ply"):
        list(dataset.meshes("train"))


def test_correspondences_by_points_of_the_template(tmp_path):
    for i in range(2):
        write_off(tmp_path / "off_2" / f"tr_reg_{i:03d}.off")
        # point 0 of the template is vertex 3 (written 4), points 1 and 2 share vertex 0
        write_lines(tmp_path / "corres" / f"tr_reg_{i:03d}.vts", [4, 1, 1])
    (tmp_path / "train.txt").write_text("tr_reg_000\n")
    (tmp_path / "test.txt").write_text("tr_reg_001\n")
    dataset = FolderDataset(tmp_path)
    assert (dataset.layout, dataset.class_values) == ("correspondences", (0, 1, 2))
    assert labels_of(dataset, "test") == {"tr_reg_001": [1, IGNORED, IGNORED, 0]}
    write_lines(tmp_path / "corres" / "tr_reg_000.vts", [0, 1, 1])
    with pytest.raises(DatasetError, match="it names vertices 0 to 1 of 4; count the vertices of the mesh from 1"):
        list(dataset.meshes("train"))


def test_correspondence_to_any_template_beside_the_mesh(tmp_path):
    for split in ("train", "test"):
        write_off(tmp_path / split / "a.off")
        write_lines(tmp_path / split / "a.corr.txt", [17, 3, -1, 200])
    dataset = FolderDataset(tmp_path)
    assert labels_of(dataset, "test") == {"a": [17, 3, -1, 200]}


@pytest.mark.parametrize("class_first", [False, True])
def test_a_class_per_surface(tmp_path, class_first):
    for split, n in (("train", 2), ("test", 1)):
        for name in ("ants", "birds"):
            for i in range(n):
                write_obj(tmp_path / (f"{name}/{split}" if class_first else f"{split}/{name}") / f"T{i}.obj")
    dataset = FolderDataset(tmp_path)
    assert (dataset.label_kind, dataset.class_names) == ("surface", ("ants", "birds"))
    assert [(s.name, s.labels.tolist()) for s in dataset.meshes("test")] == [("ants_T0", [0]), ("birds_T0", [1])]
    with pytest.raises(DatasetError, match="it has no face labels"):
        FolderDataset(tmp_path, label_kind="face")


def test_a_class_per_surface_from_a_list(tmp_path):
    for split in ("train", "test"):
        write_obj(tmp_path / split / "a.obj")
        write_obj(tmp_path / split / "b.obj")
        (tmp_path / split / "surface_labels.txt").write_text("a.obj big cat\nb.obj dog\n")
    dataset = FolderDataset(tmp_path)
    assert dataset.class_names == ("big cat", "dog")
    assert [s.labels.tolist() for s in dataset.meshes("train")] == [[0], [1]]
    write_obj(tmp_path / "train" / "my scan.obj")
    lines = "a.obj big cat\r\nb.obj dog\r\nmy scan.obj dog\r\n"
    (tmp_path / "train" / "surface_labels.txt").write_bytes(lines.encode("utf-8-sig"))
    assert [s.labels.tolist() for s in FolderDataset(tmp_path).meshes("train")] == [[0], [1], [1]]
    (tmp_path / "test" / "surface_labels.txt").write_text("a.obj cat\nc.obj dog\n")
    with pytest.raises(DatasetError, match=r"line 2 is 'c\.obj dog', and there is no such file"):
        FolderDataset(tmp_path)


def test_one_label_of_a_surface_is_prepared(tmp_path):
    from gaugenet.data.dataset import prepare
    from gaugenet.meshes.neighborhoods import Nearest

    for split in ("train", "test"):
        for name in ("ants", "birds"):
            write_obj(tmp_path / split / name / "1.obj")
    samples = prepare(FolderDataset(tmp_path), Nearest(3), features="constant")
    assert [s.labels.tolist() for s in samples["train"]] == [[0], [1]]
    assert samples["test"][0].faces is None
