"""Surfaces set aside for validation."""

import dataclasses

import pytest

from gaugenet.training.surfaces import validation_places


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
