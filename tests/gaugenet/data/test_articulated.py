"""The generated creatures: the same from the same seed, closed, balanced, and left is not right."""

import numpy as np
import pytest

from gaugenet.data.articulated import ArticulatedDataset, creature_mesh
from gaugenet.data.creature import PART_NAMES


@pytest.fixture(scope="module")
def creatures():
    return [creature_mesh(3, "train", i) for i in range(8)]


def test_same_seed_same_bits_and_other_seed_other_creature(creatures):
    vertices, faces, labels = creature_mesh(3, "train", 2)
    assert np.array_equal(vertices, creatures[2][0])
    assert np.array_equal(faces, creatures[2][1])
    assert np.array_equal(labels, creatures[2][2])
    for other in (creature_mesh(4, "train", 2), creature_mesh(3, "test", 2), creatures[1]):
        assert other[0].shape != vertices.shape or not np.allclose(other[0], vertices)


def test_watertight_outward_spheres_of_the_right_size(creatures):
    for vertices, faces, labels in creatures:
        directed = {(a, b) for face in faces.tolist() for a, b in zip(face, face[1:] + face[:1])}
        assert len(directed) == 3 * len(faces), "an edge is used twice in one direction"
        assert all((b, a) in directed for a, b in directed), "an edge is open"
        assert len(vertices) - len(directed) // 2 + len(faces) == 2
        a, b, c = (vertices[faces[:, k]] for k in range(3))
        assert np.einsum("fi,fi->", a, np.cross(b, c)) > 0, "the surface winds inward"
        assert 850 < len(vertices) < 1700
        assert labels.shape == (len(vertices),)


def test_triangles_are_decent(creatures):
    for vertices, faces, _ in creatures:
        corners = vertices[faces]
        sides = np.linalg.norm(corners - np.roll(corners, -1, 1), axis=2)
        area = 0.5 * np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
        quality = 4 * np.sqrt(3) * area / (sides**2).sum(1)  # 1 for an equilateral triangle
        assert quality.min() > 0.15
        assert np.median(quality) > 0.9


def test_every_part_is_there_and_none_dominates(creatures):
    share = np.mean([np.bincount(labels, minlength=12) / len(labels) for _, _, labels in creatures], axis=0)
    assert min(np.bincount(labels, minlength=12).min() for _, _, labels in creatures) >= 6
    assert share.max() < 0.45
    assert share.min() > 0.02


def test_left_and_right_follow_the_orientation_of_the_surface(creatures):
    """Neck to tail, front legs to back: with the belly side the frame of the animal is right-handed."""

    def handedness(vertices, labels):
        at = {name: vertices[labels == i].mean(0) for i, name in enumerate(PART_NAMES)}
        forward = at["neck"] - at["tail"]
        left = (at["front_upper_L"] + at["hind_upper_L"]) - (at["front_upper_R"] + at["hind_upper_R"])
        feet = sum(at[f"{limb}_lower_{side}"] for limb in ("front", "hind") for side in "LR") / 4
        return np.linalg.det([forward, left, at["body"] - feet])

    for vertices, _, labels in creatures:
        assert handedness(vertices, labels) > 0
        assert handedness(vertices * [1, 1, -1], labels) < 0  # the test does see the difference


def test_pose_proportions_and_meshing_vary(creatures):
    counts = {len(vertices) for vertices, _, _ in creatures}
    assert len(counts) == len(creatures)
    for k in range(3):  # the creature's forward direction is anywhere
        forward = [v[labels == 2].mean(0) - v[labels == 3].mean(0) for v, _, labels in creatures]
        signs = np.sign(np.array(forward)[:, k])
        assert {-1.0, 1.0} == set(signs)


def test_dataset_yields_labelled_meshes():
    dataset = ArticulatedDataset(n_train=2, n_test=1, seed=5)
    assert dataset.splits == ("train", "test")
    assert (dataset.n_classes, dataset.class_names) == (12, PART_NAMES)
    train = list(dataset.meshes("train"))
    assert len(train) == dataset.size("train") == 2
    assert [m.name for m in train] == ["creature_000", "creature_001"]
    longer = ArticulatedDataset(n_train=3, n_test=4, seed=5)
    assert np.array_equal(next(longer.meshes("train")).mesh.vertices, train[0].mesh.vertices)
    assert train[0].labels.shape == (train[0].mesh.n_vertices,)
    assert train[0].mesh.report == ()
    assert list(dataset.meshes("val")) == []


def test_refusals():
    with pytest.raises(ValueError, match="split train, val or test"):
        creature_mesh(0, "trian", 0)
    with pytest.raises(ValueError, match="n_vertices=100; use 900"):
        ArticulatedDataset(n_vertices=100)
    with pytest.raises(ValueError, match="n_train=-1"):
        ArticulatedDataset(n_train=-1)
