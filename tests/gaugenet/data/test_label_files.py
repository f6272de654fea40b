"""Label files and lists of classes."""

import numpy as np
import pytest

from gaugenet.data.label_files import DatasetError, file_and_rest, label_kinds, read_classes, read_labels


def write(path, text):
    path.write_text(text)
    return path


@pytest.mark.parametrize("text", ["3\n-1\n258\n", "3\r\n-1\r\n258", " 3\n -1 \n258\n\n\n", "3.0\n-1.0\n258.\n"])
def test_text_in_every_usual_form(tmp_path, text):
    assert read_labels(write(tmp_path / "a.txt", text), "vertex").tolist() == [3, -1, 258]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-8"])
@pytest.mark.parametrize("end", ["\r\n", "\n", "\r"])
def test_text_as_other_systems_write_it(tmp_path, encoding, end):
    for name, content in (("a.txt", ["3", "-1"]), ("labels.txt", ["3 Kopf", "-1 Fuß"])):
        (tmp_path / name).write_bytes(end.join([*content, ""]).encode(encoding))
    assert read_labels(tmp_path / "a.txt", "vertex").tolist() == [3, -1]
    _, classes = read_classes(tmp_path)
    assert classes == {-1: "Fuß", 3: "Kopf"}
    (tmp_path / "a.txt").write_bytes(b"\xff3\n")
    with pytest.raises(DatasetError, match="cannot be read"):
        read_labels(tmp_path / "a.txt", "vertex")


def test_a_line_that_begins_with_a_file(tmp_path):
    for name in ("a.obj", "my scan.obj", "my"):
        (tmp_path / name).touch()
    assert file_and_rest(" a.obj  big cat ", tmp_path) == ("a.obj", "big cat")
    assert file_and_rest("a.obj", tmp_path) == ("a.obj", "")
    assert file_and_rest("my scan 2", tmp_path) == ("my", "scan 2")
    (tmp_path / "my").unlink()
    assert file_and_rest("my scan.obj 1 2", tmp_path) == ("my scan.obj", "1 2")
    assert file_and_rest("b.obj cat", tmp_path) is None
    for no_name in ("0.123456789 " * 40, "\0 1"):
        assert file_and_rest(f"b.obj {no_name}", tmp_path) is None
    assert file_and_rest("", tmp_path) is None


@pytest.mark.parametrize(
    ("text", "line"), [("1\nhead\n2\n", "line 2 is 'head'"), ("1 2\n", "line 1 is '1 2'"), ("1\n\n2\n", "line 2 is ''")]
)
def test_text_that_is_no_list_of_labels(tmp_path, text, line):
    with pytest.raises(DatasetError, match=line):
        read_labels(write(tmp_path / "a.txt", text), "vertex")


def test_arrays(tmp_path):
    for dtype in (np.uint8, np.int16, np.float64):
        np.save(tmp_path / "a.npy", np.array([[0], [7], [2]], dtype))
        assert read_labels(tmp_path / "a.npy", "face").tolist() == [0, 7, 2]
    np.save(tmp_path / "b.npy", np.array([0.5, 1]))
    with pytest.raises(DatasetError, match="not whole numbers"):
        read_labels(tmp_path / "b.npy", "face")
    np.save(tmp_path / "c.npy", np.array([0.0, np.nan]))
    with pytest.raises(DatasetError, match="not whole numbers"):
        read_labels(tmp_path / "c.npy", "face")
    np.save(tmp_path / "d.npy", np.zeros((3, 2), int))
    with pytest.raises(DatasetError, match=r"shape \[3, 2\]"):
        read_labels(tmp_path / "d.npy", "face")
    np.save(tmp_path / "e.npy", np.array([{"an": "object"}]), allow_pickle=True)
    with pytest.raises(DatasetError, match="cannot be read"):
        read_labels(tmp_path / "e.npy", "face")


def test_kinds_beside_and_inside(tmp_path):
    mesh = write(tmp_path / "cow.obj", "")
    assert label_kinds(mesh) == {}
    plain = write(tmp_path / "cow.txt", "0\n")
    assert label_kinds(mesh) == {"vertex": plain}
    better = write(tmp_path / "cow.labels.txt", "0\n")
    faces = write(tmp_path / "cow.face_labels.txt", "0\n")
    assert label_kinds(mesh) == {"vertex": better, "face": faces}
    np.savez(tmp_path / "ox.npz", v=np.zeros((3, 3)), f=np.zeros((1, 3), int), face_label=np.zeros(1, int))
    assert label_kinds(tmp_path / "ox.npz") == {"face": tmp_path / "ox.npz"}


def test_classes(tmp_path):
    assert read_classes(tmp_path) is None
    file = write(tmp_path / "labels.txt", "2 left arm\n0 head\n-1 nothing\n(a comment)\n5\n")
    assert read_classes(tmp_path) == (file, {-1: "nothing", 0: "head", 2: "left arm", 5: "5"})
    file.unlink()
    file = write(tmp_path / "classes.txt", "head\n# comment\nleft arm\n")
    assert read_classes(tmp_path) == (file, {0: "head", 1: "left arm"})
    write(file, "0 head\n0 foot\n")
    with pytest.raises(DatasetError, match="label 0 is named twice"):
        read_classes(tmp_path)
    write(file, "\n")
    with pytest.raises(DatasetError, match="names no class"):
        read_classes(tmp_path)
