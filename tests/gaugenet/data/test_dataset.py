"""From labelled meshes to samples: nothing is mixed up, and caches are asked."""

import numpy as np
import pytest
import torch

from gaugenet.data import dataset, parallel
from gaugenet.data.articulated import ArticulatedDataset
from gaugenet.data.dataset import SurfaceDataset, prepare, prepare_mesh
from gaugenet.data.features import FeatureSpec
from gaugenet.data.folder import FolderDataset
from gaugenet.data.labelled import IGNORED
from gaugenet.meshes.cache import GeometryCache
from gaugenet.meshes.neighborhoods import Nearest
from gaugenet.meshes.precompute import compute_geometry

DATASET = ArticulatedDataset(n_train=2, n_test=1, n_vertices=700)


class RecordingCache:
    """Has the interface of the cache of geometries; counts what it is asked for."""

    def __init__(self, folder):
        self.folder, self.asked, self.notices = folder, [], []

    def get(self, mesh, neighborhood, *, mode="smooth", threads=None, progress=None):
        self.asked.append((mesh.name, neighborhood, mode))
        return compute_geometry(mesh, neighborhood, mode=mode, threads=threads)


def test_both_sets_are_data_sets(tmp_path):
    assert isinstance(DATASET, SurfaceDataset)
    for split in ("train", "test"):
        (tmp_path / split).mkdir()
        np.savez(tmp_path / split / "a.npz", v=np.eye(3), f=[[0, 1, 2]], label=[0, 1, 2])
    assert isinstance(FolderDataset(tmp_path), SurfaceDataset)


def test_prepare_gives_each_surface_its_own(tmp_path):
    seen = []
    samples = prepare(DATASET, Nearest(8), features="gauss+xyz", progress=lambda *now: seen.append(now))
    assert {split: len(s) for split, s in samples.items()} == {"train": 2, "test": 1}
    assert seen == [(1, 3, "creature_000"), (2, 3, "creature_001"), (3, 3, "creature_000")]
    for split, surfaces in samples.items():
        for sample, surface in zip(surfaces, DATASET.meshes(split), strict=True):
            n = surface.mesh.n_vertices
            assert sample.name == surface.name
            assert sample.geometry.n_vertices == n
            assert sample.geometry.n_edges == 8 * n
            assert torch.equal(sample.labels, torch.from_numpy(surface.labels))
            assert torch.equal(sample.features, FeatureSpec.parse("gauss+xyz").compute(surface.mesh))
            assert sample.faces is None


@pytest.mark.parametrize("kept", [False, True])
def test_progress_within_a_large_surface(tmp_path, monkeypatch, kept):
    monkeypatch.setattr(dataset, "LARGE", 600)
    seen, cache = [], GeometryCache(tmp_path) if kept else None
    prepare(
        DATASET,
        Nearest(6),
        features="gauss",
        splits=["train"],
        progress=lambda *now: seen.append(now),
        cache=cache,
    )
    whole = [(1, 2, "creature_000"), (2, 2, "creature_001")]
    assert [now for now in seen if " " not in now[2]] == whole
    first = [name for done, total, name in seen if (done, total) == (0, 2)]
    assert first[-1] == "creature_000 features"
    parts = [int(name.removeprefix("creature_000 ").removesuffix(" %")) for name in first[:-1]]
    assert parts == sorted(parts)
    assert all(0 < part < 100 for part in parts)


def test_caches_are_used_and_splits_are_chosen(tmp_path):
    cache = RecordingCache(tmp_path)
    samples = prepare(DATASET, Nearest(6), mode="polyhedral", features="gauss", cache=cache, splits=["test"])
    assert list(samples) == ["test"]
    assert cache.asked == [("creature_000", Nearest(6), "polyhedral")]
    assert len(list((tmp_path / "features").iterdir())) == 1


def test_helpers_prepare_the_same_in_the_same_order(tmp_path, monkeypatch):
    monkeypatch.setattr(parallel, "_WORTH", 0.0)
    monkeypatch.setattr(parallel, "HELPER_SECONDS", 1e-9)
    dataset = ArticulatedDataset(n_train=6, n_test=3, n_vertices=600)
    seen = []
    cache = GeometryCache(tmp_path)
    options = {"features": "hks4+curvature+chirality", "progress": lambda *now: seen.append(now)}
    shared = prepare(dataset, Nearest(6), cache=cache, workers=2, **options)
    assert (cache.hits, cache.misses, cache.notices) == (0, 9, [])
    assert [(done, total) for done, total, _ in seen] == [(i + 1, 9) for i in range(9)]
    alone = prepare(dataset, Nearest(6), **options)
    for split in ("train", "test"):
        assert [s.name for s in shared[split]] == [s.name for s in alone[split]]
        for a, b in zip(shared[split], alone[split]):
            assert torch.equal(a.features, b.features)
            assert torch.equal(a.labels, b.labels)
            for field in ("row_ptr", "source", "theta", "phi", "weight"):
                assert torch.equal(getattr(a.geometry, field), getattr(b.geometry, field))
    again = GeometryCache(tmp_path)
    prepare(dataset, Nearest(6), cache=again, workers=2, features="hks4+curvature+chirality")
    assert (again.hits, again.misses) == (9, 0)


def test_notices_of_damaged_features_are_passed_on(tmp_path):
    cache = GeometryCache(tmp_path)
    prepare(DATASET, Nearest(6), features="gauss", cache=cache, splits=["test"])
    (file,) = (tmp_path / "features").iterdir()
    file.write_bytes(b"")
    prepare(DATASET, Nearest(6), features="gauss", cache=cache, splits=["test"])
    assert len(cache.notices) == 1
    assert file.name in cache.notices[0]


def test_faces_of_face_labels_and_samples_without_labels():
    surface = next(DATASET.meshes("test"))
    mesh = surface.mesh
    labels = np.arange(mesh.n_faces) % 3
    sample = prepare_mesh(mesh, Nearest(6), features="constant", labels=labels, label_kind="face", name="beast")
    assert torch.equal(sample.faces, torch.tensor(mesh.faces))
    assert (sample.name, sample.labels.dtype, sample.labels.tolist()) == ("beast", torch.int64, labels.tolist())
    for kind, n in (("vertex", mesh.n_vertices), ("face", mesh.n_faces)):
        bare = prepare_mesh(mesh, Nearest(6), features="constant", label_kind=kind)
        assert bare.labels.tolist() == [IGNORED] * n
    moved = sample.replace(name="other")
    assert (moved.name, sample.name) == ("other", "beast")
    assert moved.geometry is sample.geometry
    with pytest.raises(ValueError, match=f"beast: expected one label per vertex, {mesh.n_vertices} in all; got 5"):
        prepare_mesh(mesh, Nearest(6), features="constant", labels=np.zeros(5), name="beast")


def test_an_unknown_feature_is_refused_before_anything_is_computed():
    with pytest.raises(ValueError, match="is not known"):
        prepare(DATASET, features="colours", progress=lambda *now: pytest.fail("a surface was prepared"))
