"""What follows from validations: the best epoch, falls of the learning rate, the end."""

import pytest

from gaugenet.config import TrainConfig
from gaugenet.validations import Validations, check_validation


def course(accuracies, config):
    state = Validations()
    for epoch, accuracy in enumerate(accuracies, 1):
        if state.ended(epoch - 1, config):
            return epoch - 1, state
        state = state.after(epoch, accuracy, config)
    return len(accuracies), state


def test_the_earliest_of_equally_good_epochs_is_kept_and_patience_counts_from_it():
    config = TrainConfig(patience=3)
    end, state = course([0.5, 0.8, 0.8, 0.7, 0.8, 0.9], config)
    assert (end, state.best_epoch, state.best) == (5, 2, 0.8)
    assert course([0.5, 0.8, 0.8, 0.7, 0.81, 0.9], config)[0] == 6
    assert course([0.5] * 6, TrainConfig(patience=0))[0] == 6


def test_the_learning_rate_falls_after_every_so_many_epochs_without_a_better_one():
    config = TrainConfig(schedule="plateau", decay_every=2)
    falls = [course([0.5] * n, config)[1].falls for n in range(1, 8)]
    assert falls == [0, 0, 1, 1, 2, 2, 3]
    # a better one starts the count again
    assert course([0.5, 0.5, 0.6, 0.6, 0.6], config)[1].falls == 1
    assert course([0.5, 0.5, 0.6, 0.6], config)[1].falls == 0


def test_waiting_for_nothing_is_refused():
    check_validation(TrainConfig(), 0)
    check_validation(TrainConfig(patience=2), 1)
    with pytest.raises(ValueError, match=r"train\.patience waits .*data\.validation"):
        check_validation(TrainConfig(patience=2), 0)
    with pytest.raises(ValueError, match="plateau waits"):
        check_validation(TrainConfig(schedule="plateau"), 0)
