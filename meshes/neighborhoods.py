"""Which vertices are neighbours of a vertex: all within a radius, or the nearest few."""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Integral
from typing import Literal

ABSURD_NEIGHBORS = 4096
"""A neighbourhood by radius that holds more vertices than this is refused unless `Radius.max_neighbors` caps it."""


@dataclass(frozen=True)
class Radius:
    """All vertices q with geodesic distance r_pq ≤ radius; the support radius of every target is the radius.

    With `max_neighbors` = m a target keeps its m nearest of them, and where that cuts any its support ends
    just beyond the last it keeps, as with `Nearest`.
    """

    radius: float
    unit: Literal["mesh", "edge"] = "mesh"
    """"mesh": the radius is in the unit of the mesh. "edge": it is a multiple of the mean edge length."""
    max_neighbors: int | None = None

    def __post_init__(self) -> None:
        if not (math.isfinite(self.radius) and self.radius > 0):
            raise ValueError(f"a radius must be positive and finite, got {self.radius}")
        if self.unit not in ("mesh", "edge"):
            raise ValueError(f'the unit of a radius is "mesh" or "edge", got {self.unit!r}')
        if self.max_neighbors is not None and not _is_count(self.max_neighbors):
            raise ValueError(f"max_neighbors must be a whole number of at least 1, or None; got {self.max_neighbors!r}")


@dataclass(frozen=True)
class Nearest:
    """The k vertices q ≠ p with the smallest geodesic distance; ties (to 1e-9) go to the lower index.

    The support radius of a target is R_p = max((r_k + r_{k+1})/2, (1 + 1/(2k)) r_k), just beyond the k-th, so
    that a smooth window does not vanish there. A component with fewer than k other vertices gives what it
    has.
    """

    k: int

    def __post_init__(self) -> None:
        if not _is_count(self.k):
            raise ValueError(f"a neighbourhood has a whole number of neighbours, at least 1; got k={self.k!r}")


Neighborhood = Radius | Nearest


def _is_count(value: object) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool) and 1 <= int(value) < 2**31


def search_limits(neighborhood: Neighborhood, mean_edge: float) -> tuple[float, int]:
    """(largest distance in units of the mean edge length, largest number of neighbours or -1 for any number).

    Raises:
        ValueError: `neighborhood` is neither a Radius nor a Nearest.
    """
    if isinstance(neighborhood, Nearest):
        return math.inf, neighborhood.k
    if isinstance(neighborhood, Radius):
        radius = neighborhood.radius if neighborhood.unit == "edge" else neighborhood.radius / mean_edge
        return radius, -1 if neighborhood.max_neighbors is None else neighborhood.max_neighbors
    raise ValueError(f"expected Radius(...) or Nearest(...), got {neighborhood!r}")
