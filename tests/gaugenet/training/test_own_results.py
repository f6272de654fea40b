"""A run that is done is found again by its settings, and another one in its place is refused."""

import json

import pytest

from gaugenet.training.own_results import OtherRunError, check_made_with, is_done, write_result


def test_a_run_is_done_once_it_was_written(tmp_path):
    path, made_with = tmp_path / "a-0.json", {"model": "a", "epochs": 5}
    assert not is_done(path, made_with)
    write_result(path, made_with, {"error": 1.5})
    assert json.loads(path.read_text()) == {"model": "a", "epochs": 5, "error": 1.5}
    assert list(tmp_path.iterdir()) == [path]
    assert is_done(path, made_with)
    # older files name fewer settings
    assert is_done(path, {**made_with, "precision": "float32"})


def test_other_settings_are_refused_in_words(tmp_path):
    path = tmp_path / "a-0.json"
    write_result(path, {"model": "a", "epochs": 5}, {})
    with pytest.raises(OtherRunError, match=r"a-0\.json is of a run with epochs = 5 and now epochs is 10: give what"):
        is_done(path, {"model": "a", "epochs": 10})
    with pytest.raises(ValueError, match="batch = 40"):
        check_made_with(path, {"batch": 40}, {"batch": None})
