"""How well numbers were predicted: errors in their unit, and relative to how much they vary."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from gaugenet.data.quantities import Quantities
from gaugenet.world import World


@dataclass(frozen=True)
class RegressionMetrics:
    """Errors over all vertices (or surfaces) of several surfaces together.

    rmse_k² = mean |ŷ_k - y_k|² and mae_k = mean |ŷ_k - y_k| of quantity k, the length of the difference for vectors;
    error² = mean_k (rmse_k / s_k)² with s_k how much quantity k varies among the training surfaces (standard deviation;
    of vectors the root of the mean square length). An error of 1 is that of predicting the mean (of vectors: 0).
    """

    error: float
    """Relative, of all quantities together."""
    rmse: dict[str, float]
    """In the unit of the files."""
    mae: dict[str, float]
    """In the unit of the files."""
    relative: dict[str, float]
    """rmse_k / s_k"""
    counted: int
    """Vertices, or surfaces."""

    def __str__(self) -> str:
        each = ", ".join(f"{name} {100 * e:.2f} % (rmse {self.rmse[name]:.4g})" for name, e in self.relative.items())
        return f"relative error {100 * self.error:.2f} % over {self.counted:,}: {each}"


def squared_errors(predicted: Tensor, truth: Tensor, quantities: Quantities) -> Tensor:
    """[N, a + b] |ŷ - y|² of every quantity, from columns [N, n_columns]; 0 where the truth is not known (NaN).

    The length of a difference does not depend on the frame.
    """
    difference = torch.where(truth.isnan(), 0.0, predicted - truth).square()
    return torch.stack([difference[:, columns].sum(1) for columns in quantities.columns], 1)


class RegressionTally:
    """Sums from which `RegressionMetrics` follow; those of several processes add up.

    Args:
        quantities: what is predicted.
        scale: [a + b] s_k.
    """

    def __init__(self, quantities: Quantities, scale: Tensor) -> None:
        self._quantities, self._scale = quantities, scale.double().cpu()
        self._sums = torch.zeros(2, len(quantities.names), dtype=torch.float64)
        self._counted = 0.0

    def add(self, predicted: Tensor, truth: Tensor) -> None:
        """One surface: [N, n_columns] each, in the same frames; rows of unknown truth (NaN) do not count.

        Raises:
            ValueError: the two have different shapes.
        """
        if predicted.shape != truth.shape:
            raise ValueError(f"expected predictions {list(truth.shape)}, got {list(predicted.shape)}")
        known = ~truth.isnan().any(1)
        square = squared_errors(predicted[known].double().cpu(), truth[known].double().cpu(), self._quantities)
        self._sums += torch.stack([square.sum(0), square.sqrt().sum(0)])
        self._counted += int(known.sum())

    def sum_over(self, world: World) -> None:
        """Add up what all processes have summed."""
        total = torch.tensor(world.sum([*self._sums.flatten().tolist(), self._counted]), dtype=torch.float64)
        self._sums, self._counted = total[:-1].view_as(self._sums), float(total[-1])

    def metrics(self) -> RegressionMetrics:
        """
        Raises:
            ValueError: there is nothing to compare with.
        """
        if not self._counted:
            raise ValueError("no vertex or surface has a number to predict, so there is nothing to score")
        square, absolute = self._sums / self._counted
        rmse = square.sqrt()
        relative = rmse / self._scale
        names = self._quantities.names
        return RegressionMetrics(
            error=math.sqrt(float(relative.square().mean())),
            rmse=dict(zip(names, rmse.tolist())),
            mae=dict(zip(names, absolute.tolist())),
            relative=dict(zip(names, relative.tolist())),
            counted=int(self._counted),
        )
