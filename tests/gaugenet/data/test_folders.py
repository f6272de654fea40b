"""What a folder says is to be learned, and what is said where it says nothing or too much."""

import numpy as np
import pytest

from gaugenet.data.folder import FolderDataset
from gaugenet.data.folders import open_folder, tasks_in
from gaugenet.data.label_files import DatasetError
from gaugenet.data.regression import RegressionFolder

OBJ = "v 0 0 0\nv 1 0 0\nv 0 1 0\nv 0 0 1\nf 1 3 2\nf 1 2 4\nf 2 3 4\nf 3 1 4\n"


@pytest.fixture
def folder(tmp_path):
    for split in ("train", "test"):
        (tmp_path / split).mkdir()
        (tmp_path / split / "a.obj").write_text(OBJ)
    return tmp_path


def write(folder, name, values):
    for split in ("train", "test"):
        np.savetxt(folder / split / name, values, fmt="%g")


def test_labels_numbers_and_classes_are_told_apart(folder):
    write(folder, "a.labels.txt", [0, 0, 1, 1])
    assert isinstance(open_folder(folder), FolderDataset)
    assert tasks_in(folder) == {"segmentation": "labels of vertices"}
    write(folder, "a.y.txt", [0.5, 1, 2, 3])
    with pytest.raises(DatasetError, match=r"segmentation \(labels of vertices\) and regression \(a\.y\.txt\).*--task"):
        open_folder(folder)
    assert isinstance(open_folder(folder, "segmentation"), FolderDataset)
    numbers = open_folder(folder, "regression")
    assert isinstance(numbers, RegressionFolder)
    assert numbers.quantities.scalars == ("y",)
    assert isinstance(open_folder(folder, targets="y"), RegressionFolder)
    with pytest.raises(DatasetError, match="not classification; leave out --task, or put there train/CLASS/"):
        open_folder(folder, "classification")
    with pytest.raises(ValueError, match="unknown task 'guessing'"):
        open_folder(folder, "guessing")


def test_classes_of_surfaces(tmp_path):
    for split in ("train", "test"):
        for name in ("cat", "dog"):
            (tmp_path / split / name).mkdir(parents=True)
            (tmp_path / split / name / "a.obj").write_text(OBJ)
    dataset = open_folder(tmp_path)
    assert (dataset.label_kind, dataset.class_names) == ("surface", ("cat", "dog"))
    with pytest.raises(DatasetError, match=r"holds classification .*, not regression"):
        open_folder(tmp_path, "regression")


def test_numbers_of_whole_surfaces(folder):
    for split in ("train", "test"):
        (folder / split / "surface_values.txt").write_text("file age\na.obj 7\n")
    dataset = open_folder(folder)
    assert (dataset.label_kind, dataset.target_names, dataset.size("train")) == ("surface", ("age",), 1)
    (surface,) = dataset.meshes("test")
    assert (surface.targets.values.tolist(), surface.labels.tolist()) == ([7.0], [-100])
    (folder / "test" / "b.obj").write_text(OBJ)
    with pytest.raises(DatasetError, match=r"b\.obj is not listed"):
        open_folder(folder)
    (folder / "test" / "b.obj").unlink()
    (folder / "test" / "surface_values.txt").write_text("a.obj 7\nc.obj 8\n")
    with pytest.raises(DatasetError, match=r"there is no surface 'c\.obj' beside it"):
        open_folder(folder)
    (folder / "test" / "surface_values.txt").unlink()
    with pytest.raises(DatasetError, match="in train, but none in test"):
        open_folder(folder)


def test_arrays_of_npz_files(folder):
    for split in ("train", "test"):
        (folder / split / "a.obj").unlink()
        v, f = np.random.default_rng(0).normal(size=(4, 3)), [[0, 2, 1], [0, 1, 3], [1, 2, 3], [2, 0, 3]]
        np.savez(folder / split / "a.npz", v=v, f=f, y=v[:, 0], flow=v, heat=v[:, 1])
    assert open_folder(folder).target_names == ("y",)
    both = open_folder(folder, targets="heat + flow", normal_part=False).quantities
    assert (both.scalars, both.vectors, both.normal_part) == (("heat",), ("flow",), False)
    with pytest.raises(DatasetError, match="no array 'cold'"):
        open_folder(folder, targets="cold")


def test_a_folder_that_says_nothing(folder):
    with pytest.raises(
        DatasetError, match=r"nothing in it says what is to be learned; put there segmentation: .*label"
    ):
        open_folder(folder)
    with pytest.raises(DatasetError, match="there is no such folder"):
        open_folder(folder / "nowhere")
