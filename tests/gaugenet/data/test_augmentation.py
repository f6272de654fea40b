"""Augmentation: what is invariant stays to the bit, what is not turns as it should, copies are the same each time."""

import dataclasses

import numpy as np
import pytest
import torch

from gaugenet.data.augmentation import Augmentation, random_rotation, rotated_columns, variant, without_effect
from gaugenet.data.dataset import prepare_mesh
from gaugenet.data.features import FeatureSpec
from gaugenet.meshes.neighborhoods import Nearest
from gaugenet.meshes.shapes import torus
from gaugenet.settings import AugmentConfig

FEATURES = FeatureSpec.parse("gauss+xyz")


def prepared(mesh, labels, name, features=FEATURES):
    return prepare_mesh(mesh, Nearest(8), features=features, labels=labels, name=name)


@pytest.fixture(scope="module")
def sample():
    mesh = torus(20, 8).mesh
    return prepared(mesh, (mesh.vertices[:, 2] > 0).astype(int), "ring")


def augmentation(features=FEATURES, **settings):
    return Augmentation(AugmentConfig(**settings), features, lambda s: prepared(s.mesh, s.labels, s.name, features))


@pytest.mark.parametrize("axis", ["all", "x", "y", "z"])
def test_rotations_are_rotations(axis):
    rng = np.random.default_rng(0)
    found = [random_rotation(axis, rng) for _ in range(200)]
    for r in found:
        np.testing.assert_allclose(r @ r.T, np.eye(3), atol=1e-12)
        assert np.linalg.det(r) == pytest.approx(1)
    if axis == "all":
        assert np.abs(np.mean(found, 0)).max() < 0.15  # the mean over all rotations is 0
    else:
        k = "xyz".index(axis)
        assert all(r[k, k] == 1 for r in found)


def test_only_vectors_turn_and_they_turn_as_the_surface_does(sample):
    augment = augmentation(rotation="all")
    turned = augment(sample, 3, 1, seed=5)
    assert torch.equal(turned.features[:, :3], sample.features[:, :3])
    assert turned.geometry is sample.geometry
    assert not torch.allclose(turned.features[:, 3:], sample.features[:, 3:], atol=0.1)
    # the features of the surface that was turned in space
    rotation = random_rotation("all", np.random.default_rng([5, 1, 3]))
    moved = dataclasses.replace(sample.mesh, vertices=sample.mesh.vertices @ rotation.T)
    torch.testing.assert_close(turned.features, FEATURES.compute(moved), atol=1e-5, rtol=1e-4)
    again, later = augment(sample, 3, 1, seed=5), augment(sample, 3, 2, seed=5)
    assert torch.equal(again.features, turned.features)
    assert not torch.equal(later.features, turned.features)


def test_what_changes_nothing_is_said():
    invariant = FeatureSpec.parse("gauss")
    config = AugmentConfig(rotation="all", scale=0.1)
    assert rotated_columns(FeatureSpec.parse("gauss+xyz+normals")) == [3, 6]
    (rotation, scale) = without_effect(config, invariant, radius=0.0)
    assert "gauss do not depend on how a surface lies in space" in rotation
    assert "scale changes nothing" in scale
    assert without_effect(config, FEATURES, radius=0.1) == []


def test_invariant_features_and_scale_give_the_same_sample(sample):
    features = FeatureSpec.parse("gauss")
    plain = sample.replace(features=sample.features[:, :3])
    assert augmentation(features, rotation="all")(plain, 0, 1, seed=0) is plain
    augment = augmentation(features, scale=1.0, variants=1)
    (scaled,) = [s for e in range(8) if (s := augment(plain, 0, e, seed=0)) is not plain][:1]
    torch.testing.assert_close(scaled.features, plain.features, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(scaled.geometry.theta.cos(), plain.geometry.theta.cos(), atol=1e-4, rtol=1e-4)
    assert not torch.allclose(scaled.geometry.r, plain.geometry.r, rtol=0.01)


def test_copies_are_as_many_as_wanted_and_the_original_is_among_them(sample):
    augment = augmentation(noise=0.1, stretch=0.2, remesh=0.2, variants=2)
    names = [augment(sample, 0, epoch, seed=0).name for epoch in range(30)]
    assert set(names) == {"ring", "ring (variant 1)", "ring (variant 2)"}
    first, same = (variant(sample, augment.config, 1) for _ in range(2))
    other = variant(sample, augment.config, 2)
    assert np.array_equal(first.mesh.vertices, same.mesh.vertices)
    assert np.array_equal(first.mesh.faces, same.mesh.faces)
    assert first.mesh.vertices.shape != other.mesh.vertices.shape or not np.array_equal(
        first.mesh.vertices, other.mesh.vertices
    )
    assert len(first.labels) == first.mesh.n_vertices
    assert set(first.labels.tolist()) == {0, 1}


def test_coarsened_copies_have_fewer_vertices_each_its_own_number(sample):
    copies = [variant(sample, AugmentConfig(coarsen=0.5), number) for number in range(1, 7)]
    shares = [copy.mesh.n_vertices / sample.mesh.n_vertices for copy in copies]
    assert all(0.45 <= share <= 1 for share in shares)
    assert max(shares) - min(shares) > 0.1
    # a vertex that is left is one of those before, and keeps its label
    for copy in copies:
        place = {tuple(p): label for p, label in zip(sample.mesh.vertices.tolist(), sample.labels.tolist())}
        assert [place[tuple(p)] for p in copy.mesh.vertices.tolist()] == copy.labels.tolist()


def test_a_copy_is_made_once(sample, monkeypatch):
    made = []

    def counted(sample, config, number):
        made.append(number)
        return variant(sample, config, number)

    monkeypatch.setattr("gaugenet.data.augmentation.variant", counted)
    augment = augmentation(remesh=0.2, variants=2)
    found = [augment(sample, 0, epoch, seed=0) for epoch in range(30)]
    assert sorted(made) == [1, 2]
    for one in found:
        expected = sample if one is sample else variant(sample, augment.config, int(one.name[-2])).mesh
        assert one is sample or np.array_equal(one.mesh.vertices, expected.vertices)


def test_noise_has_the_size_that_was_asked_for(sample):
    moved = variant(sample, AugmentConfig(noise=0.05), 1).mesh.vertices - sample.mesh.vertices
    edge = np.linalg.norm(np.diff(sample.mesh.vertices[sample.mesh.faces[:, :2]], axis=1), axis=2).mean()
    assert moved.std() == pytest.approx(0.05 * edge, rel=0.1)


def test_surfaces_without_positions_are_refused(sample):
    bare = sample.replace(mesh=dataclasses.replace(sample.mesh, vertices=None))
    with pytest.raises(ValueError, match=r"ring: it has edge lengths only"):
        variant(bare, AugmentConfig(noise=0.1), 1)
