"""Surfaces set aside for validation, and what is said of surfaces from which nothing can be learned."""

import dataclasses

import numpy as np
import pytest
import torch

from gaugenet.data.quantities import Quantities, SurfaceTargets
from gaugenet.training.resume import check_same_data
from gaugenet.training.surfaces import SurfaceData, validation_places


def test_surfaces_are_set_aside_once_and_keep_their_order(data):
    parts = data.set_aside(0.5, seed=3)
    assert len(parts.train) == len(parts.validation) == 2
    names = [s.name for s in data.train]
    assert sorted(names.index(s.name) for s in (*parts.train, *parts.validation)) == [0, 1, 2, 3]
    for part in (parts.train, parts.validation):
        assert [s.name for s in part] == sorted(s.name for s in part)
    assert parts.test is data.test
    assert data.set_aside(0.0, seed=3) is data


def test_the_choice_is_that_of_the_seed():
    assert validation_places(40, 0.25, 1) == validation_places(40, 0.25, 1) != validation_places(40, 0.25, 2)
    assert len(validation_places(40, 0.25, 1)) == 10
    assert len(validation_places(3, 0.01, 1)) == 1


def test_what_cannot_be_set_aside_is_refused(data):
    with pytest.raises(ValueError, match=r"data.validation = 0.9 leaves none of the 4"):
        data.set_aside(0.9, 0)
    with pytest.raises(ValueError, match="val/ surfaces of its own"):
        dataclasses.replace(data, validation=data.test).set_aside(0.5, 0)


def of_class(sample, number):
    return sample.replace(labels=torch.full_like(sample.labels, number))


def test_surfaces_without_labels_are_refused_before_the_run(data):
    bare = [of_class(s, -100) for s in data.test]
    data.check()
    dataclasses.replace(data, test=[data.test[0], bare[1]]).check()
    for name, part in (("training", "train"), ("validation", "validation"), ("test", "test")):
        with pytest.raises(ValueError, match=f"nothing on the {name} surfaces"):
            dataclasses.replace(data, **{part: bare}).check()


def test_classes_that_cannot_be_learned_are_named(data):
    assert data.notices() == []
    a, b, c = (of_class(data.train[0], k) for k in range(3))
    assert dataclasses.replace(data, train=[a, b], validation=[], test=[a, c]).notices() == [
        "c: on no training surface, only on others, so it cannot be learned"
    ]
    assert dataclasses.replace(data, train=[b], validation=[], test=[]).notices() == [
        "b is the only one on the training surfaces: nothing is learned"
    ]
    assert dataclasses.replace(data, train=[b], quantities=Quantities(("age",))).notices() == []


def test_a_resumed_run_finds_its_surfaces_again(data):
    before = data.digests()
    check_same_data(before, before)
    check_same_data(before, {})
    check_same_data(dataclasses.replace(data, test=[]).digests(), before)
    first, *others = data.train
    relabelled = first.replace(labels=(first.labels + 1) % 3)
    for train, problem in (
        (others, f"train/{first.name} is gone"),
        ([*data.train, data.test[0]], f"train/{data.test[0].name} is new"),
        ([relabelled, *others], f"train/{first.name} has changed"),
        ([first.replace(mesh=others[0].mesh), *others], f"train/{first.name} has changed"),
    ):
        with pytest.raises(ValueError, match=problem):
            check_same_data(dataclasses.replace(data, train=train).digests(), before)
    with pytest.raises(ValueError, match="classes has changed"):
        check_same_data(dataclasses.replace(data, class_names=("a", "b", "z")).digests(), before)
    numbers = [
        SurfaceData([first.replace(targets=SurfaceTargets(np.array([x]), ("age",)))], []).digests() for x in (1.0, 2.0)
    ]
    assert numbers[0] != numbers[1]
