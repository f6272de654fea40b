"""Mean, spread and interval of several runs."""

import numpy as np
import pytest
from scipy import stats

from gaugenet.training.seeds import parse_seeds, spread_of


def test_the_interval_is_students():
    values = [0.961, 0.974, 0.968, 0.959]
    spread = spread_of(values)
    low, high = stats.ttest_1samp(values, 0.0).confidence_interval(0.95)
    assert (spread.mean - spread.half, spread.mean + spread.half) == pytest.approx((low, high), rel=1e-12)
    assert spread.std == pytest.approx(np.std(values, ddof=1), rel=1e-12)
    assert spread.n == 4
    # Student's table: 12.706 for one degree of freedom
    assert spread_of([0.0, 2.0]).half == pytest.approx(12.706, abs=1e-3)


def test_the_interval_holds_the_mean_in_nineteen_of_twenty_cases():
    rng = np.random.default_rng(0)
    found = [spread_of(rng.normal(3.0, 0.5, 3).tolist()) for _ in range(2000)]
    held = np.mean([abs(s.mean - 3.0) <= s.half for s in found])
    assert 0.935 < held < 0.965


def test_one_run_says_nothing_about_the_spread():
    spread = spread_of([0.5])
    assert (spread.std, spread.half) == (None, None)
    assert spread.percent() == "50.00 %"
    with pytest.raises(ValueError, match="at least one run"):
        spread_of([])


@pytest.mark.parametrize("text", ["0,,1", "a", "-1", "1.5", "²", "0,1,0", "18446744073709551616"])
def test_seeds_are_distinct_whole_numbers(text):
    assert parse_seeds("3, 1,2") == [3, 1, 2]
    with pytest.raises(ValueError, match="--seeds"):
        parse_seeds(text)
