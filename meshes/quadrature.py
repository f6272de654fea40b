"""Quadrature weights of the convolution integral over a neighbourhood."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def quadrature_weights(
    target: NDArray[np.int64], source: NDArray[np.int64], r: Floats, radius: Floats, area: Floats
) -> Floats:
    """w_pq = a_q (1 - (r_pq/R_p)²)² / Σ_q' a_q' (1 - (r_pq'/R_p)²)²

    with a_q the area of the source and R_p the support radius of the target, so Σ_q w_pq = 1: the lumped rule
    for the mean over a disc with a window that ends smoothly (a hard edge costs 7-9 % in the moments, the
    window about 1 %). Where every term of a row is 0 (all its neighbours have no area, or all lie on the rim)
    its weights are equal.

    Args:
        target, source: [E]; r: [E], same unit as radius [V]; area: [V].

    Returns:
        [E] weights.
    """
    support = radius[target]
    ratio = np.divide(r, support, out=np.ones_like(r), where=support > 0)
    raw = area[source] * np.maximum(1.0 - ratio * ratio, 0.0) ** 2
    total = np.bincount(target, weights=raw, minlength=len(radius))[target]
    degree = np.bincount(target, minlength=len(radius))[target]
    return np.where(total > 0, raw / np.where(total > 0, total, 1.0), 1.0 / np.maximum(degree, 1))
