"""Several runs that differ in their seed: what can be said about the mean."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

LEVEL = 0.95
"""Of the interval."""


@dataclass(frozen=True)
class Spread:
    """Mean, standard deviation and interval of n numbers x_i that are taken for independent and normally distributed.

    std² = Σ (x_i − mean)² / (n − 1); the mean of infinitely many runs lies in mean ± half with a probability of 95 %,
    half = t std / √n with t the 97.5 % quantile of Student's distribution of n − 1 degrees of freedom (Student 1908,
    The probable error of a mean).
    """

    n: int
    mean: float
    std: float | None
    """None for one number, about whose spread nothing is known."""
    half: float | None

    def percent(self) -> str:
        """As a table shows it."""
        if self.std is None or self.half is None:
            return f"{100 * self.mean:.2f} %"
        return f"{100 * self.mean:.2f} ± {100 * self.std:.2f} % (95 %: ± {100 * self.half:.2f})"


def spread_of(values: Sequence[float]) -> Spread:
    """
    Raises:
        ValueError: there is no value.
    """
    n = len(values)
    if not n:
        raise ValueError("expected the results of at least one run, got none")
    mean = math.fsum(values) / n
    if n == 1:
        return Spread(1, mean, None, None)
    from scipy.stats import t

    std = math.sqrt(math.fsum((x - mean) ** 2 for x in values) / (n - 1))
    return Spread(n, mean, std, float(t.ppf(0.5 + LEVEL / 2, n - 1)) * std / math.sqrt(n))


def parse_seeds(text: str) -> list[int]:
    """Seeds written ``0,1,2``.

    Raises:
        ValueError: one is no whole number from 0 or stands there twice.
    """
    words = [word.strip() for word in text.split(",")]
    for word in words:
        if not (word.isascii() and word.isdigit()) or int(word) >= 2**64:
            raise ValueError(f"--seeds: expected whole numbers from 0 like 0,1,2; got {word!r}")
    seeds = [int(word) for word in words]
    if len(set(seeds)) < len(seeds):
        raise ValueError(f"--seeds {text}: a seed stands there twice, which would give the same run again")
    return seeds
