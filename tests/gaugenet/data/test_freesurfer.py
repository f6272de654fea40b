"""FreeSurfer files, as nibabel writes them."""

import numpy as np
import pytest

from gaugenet.data.folder import FolderDataset
from gaugenet.data.freesurfer import is_surface, read_morphometry
from gaugenet.data.label_files import DatasetError
from gaugenet.data.labelled import IGNORED

nibabel = pytest.importorskip("nibabel", reason="nibabel is not installed")

VERTICES = np.array([[0, 0, 0], [10, 0, 0], [0, 10, 0], [0, 0, 15]], float)
FACES = np.array([[0, 2, 1], [0, 1, 3], [1, 2, 3], [2, 0, 3]])
TABLE = np.array([[25, 5, 25, 0, 0], [100, 25, 0, 0, 0], [125, 100, 160, 0, 0]])
NAMES = [b"unknown", b"bankssts", b"precentral"]


def write_subject(folder, labels):
    (folder / "surf").mkdir(parents=True)
    (folder / "label").mkdir()
    for side in ("lh", "rh"):
        nibabel.freesurfer.write_geometry(str(folder / "surf" / f"{side}.white"), VERTICES, FACES)
        file = str(folder / "label" / f"{side}.aparc.annot")
        nibabel.freesurfer.write_annot(file, np.array(labels), TABLE.copy(), NAMES, fill_ctab=True)


@pytest.mark.parametrize("divided", [False, True])
def test_subjects(tmp_path, divided):
    write_subject(tmp_path / ("train/" if divided else "") / "sub01", [0, 1, 2, -1])
    write_subject(tmp_path / ("test/" if divided else "") / "sub02", [2, 2, 1, 1])
    dataset = FolderDataset(tmp_path)
    assert (dataset.layout, dataset.label_kind) == ("FreeSurfer", "vertex")
    assert dataset.class_names == ("unknown", "bankssts", "precentral")
    surfaces = {s.name: s for split in dataset.splits for s in dataset.meshes(split)}
    assert list(surfaces) == ["sub01_lh", "sub01_rh", "sub02_lh", "sub02_rh"]
    assert surfaces["sub01_lh"].labels.tolist() == [0, 1, 2, IGNORED]
    assert surfaces["sub02_rh"].labels.tolist() == [2, 2, 1, 1]
    assert np.allclose(np.sort(surfaces["sub01_lh"].mesh.vertices, 0), np.sort(VERTICES, 0), atol=1e-5)
    if divided:
        assert [s.name for s in dataset.meshes("test")] == ["sub02_lh", "sub02_rh"]


def test_scalars_and_names(tmp_path):
    nibabel.freesurfer.write_morph_data(str(tmp_path / "lh.thickness"), np.array([1.5, 2.0, 2.5]))
    assert read_morphometry(tmp_path / "lh.thickness").tolist() == [1.5, 2.0, 2.5]
    assert is_surface(tmp_path / "rh.pial")
    assert not is_surface(tmp_path / "lh.thickness")
    assert not is_surface(tmp_path / "xh.white")


def test_damaged_files_are_named(tmp_path):
    write_subject(tmp_path / "sub01", [0, 1, 2, 2])
    (tmp_path / "sub01" / "label" / "lh.aparc.annot").write_bytes(b"\0\0\0")
    with pytest.raises(DatasetError, match=r"lh\.aparc\.annot: cannot be read as a FreeSurfer file"):
        FolderDataset(tmp_path)
