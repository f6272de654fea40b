"""Errors of predicted numbers against sums by hand."""

import math

import pytest
import torch

from gaugenet.data.quantities import Quantities
from gaugenet.regression_metrics import RegressionTally, squared_errors
from gaugenet.world import World

# columns: p, the normal part of v, its two components
QUANTITIES = Quantities(("p",), ("v",))
TRUTH = torch.tensor([[1.0, 0, 0, 0], [2, 0, 0, 0], [3, 1, 1, 1]])
OFF = torch.tensor([[3.0, 0, 3, 4], [-1, 2, 1, 2], [0, 0, 0, 0]])


class Twice(World):
    """Two processes that have summed the same."""

    def sum(self, values):
        return [2 * value for value in values]


def test_squares_of_differences_and_of_their_lengths():
    unknown = TRUTH.clone()
    unknown[1, 0] = torch.nan
    assert squared_errors(TRUTH + OFF, TRUTH, QUANTITIES).tolist() == [[9, 25], [1, 9], [0, 0]]
    assert squared_errors(TRUTH + OFF, unknown, QUANTITIES).tolist() == [[9, 25], [0, 9], [0, 0]]


def test_lengths_do_not_depend_on_the_frame():
    c, s = math.cos(0.7), math.sin(0.7)
    turned = OFF.clone()
    turned[:, 2], turned[:, 3] = c * OFF[:, 2] - s * OFF[:, 3], s * OFF[:, 2] + c * OFF[:, 3]
    expected = squared_errors(OFF, torch.zeros_like(OFF), QUANTITIES)
    torch.testing.assert_close(squared_errors(turned, torch.zeros_like(OFF), QUANTITIES), expected)
    turned[:, 2] = OFF[:, 2]
    assert (squared_errors(turned, torch.zeros_like(OFF), QUANTITIES) - expected).abs().max() > 0.1


def test_metrics_over_several_surfaces_and_processes():
    tally = RegressionTally(QUANTITIES, torch.tensor([2.0, 5.0]))
    tally.add(TRUTH[:2] + OFF[:2], TRUTH[:2])
    unknown = torch.cat([TRUTH[2:], torch.full((1, 4), torch.nan)])
    tally.add(unknown.nan_to_num(7.0), unknown)
    for _ in range(2):
        metrics = tally.metrics()
        p, v = math.sqrt(10 / 3), math.sqrt(34 / 3)
        assert metrics.rmse == pytest.approx({"p": p, "v": v})
        assert metrics.mae == pytest.approx({"p": 4 / 3, "v": 8 / 3})
        assert metrics.relative == pytest.approx({"p": p / 2, "v": v / 5})
        assert metrics.error == pytest.approx(math.sqrt((10 / 12 + 34 / 75) / 2))
        assert metrics.counted in (3, 6)
        tally.sum_over(Twice())
    assert metrics.counted == 6
    assert str(metrics) == "relative error 80.21 % over 6: p 91.29 % (rmse 1.826), v 67.33 % (rmse 3.367)"


def test_what_is_refused():
    tally = RegressionTally(QUANTITIES, torch.ones(2))
    with pytest.raises(ValueError, match="nothing to score"):
        tally.metrics()
    with pytest.raises(ValueError, match=r"expected predictions \[3, 4\], got \[2, 4\]"):
        tally.add(TRUTH[:2], TRUTH)
