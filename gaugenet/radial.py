"""`RadialBasis`: the radial functions of convolution kernels."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from typing import Literal, get_args

import torch
from torch import Tensor

RadialKind = Literal["gaussian", "cosine", "hat", "bessel"]

_ROUNDING = 1e-5
"""How far beyond the support still counts as its rim: r and R may have been rounded differently."""


@dataclass(frozen=True)
class RadialBasis:
    """R_k(x), k = 0..n-1, functions of x = r / R in [0, 1] where R is the support radius; zero beyond x = 1.

    With centers c_k = k / (n - 1) and spacing d = 1 / (n - 1):

    - ``"gaussian"``: exp(-(x - c_k)^2 / (2 (d/2)^2)), divided by their sum. Infinitely smooth; sums to one.
    - ``"cosine"``: cos^2(pi (x - c_k) / (2 d)) where |x - c_k| < d. Once differentiable, local; sums to one.
    - ``"hat"``: 1 - |x - c_k| / d where that is positive. Piecewise linear, local; sums to one.
    - ``"bessel"``: c sin((k + 1) pi x) / x. Vanishes at the rim; orthogonal for x^2 dx; c makes the mean over the
      disk of sum_k R_k^2 equal to one.

    With n = 1 the first three are the constant 1. A small value, hashable, holding no tensors; the self edge
    (x = 0) is as good an argument as any. Raises ValueError for n < 1 or an unknown kind.
    """

    n: int
    kind: RadialKind = "gaussian"

    def __post_init__(self) -> None:
        if isinstance(self.n, bool) or not isinstance(self.n, int) or self.n < 1:
            raise ValueError(f"the number of radial functions must be an integer >= 1, not {self.n!r}")
        if self.kind not in get_args(RadialKind):
            raise ValueError(f"radial kind must be one of {', '.join(get_args(RadialKind))}; got {self.kind!r}")

    def __call__(self, relative_radius: Tensor) -> Tensor:
        """[E] floating r / R, without unit -> [E, n], same dtype and device; differentiable inside the support."""
        x = relative_radius[..., None]
        inside = (x <= 1 + _ROUNDING).to(x.dtype)
        x = x.clamp(0, 1)
        if self.kind == "bessel":
            order = torch.arange(1, self.n + 1, dtype=x.dtype, device=x.device)
            # sin(k pi x) / x = k pi sinc(k x) is finite at 0
            return inside * _bessel_scale(self.n) * order * math.pi * torch.sinc(order * x)
        if self.n == 1:
            return inside * torch.ones_like(x)
        steps = x * (self.n - 1) - torch.arange(self.n, dtype=x.dtype, device=x.device)
        if self.kind == "gaussian":
            return inside * torch.softmax(-2 * steps**2, -1)
        if self.kind == "cosine":
            return inside * torch.cos(math.pi / 2 * steps.clamp(-1, 1)) ** 2
        return inside * (1 - steps.abs()).clamp(min=0)

    @property
    def energy(self) -> float:
        """Mean of sum_k R_k^2 over the disk of radius R, with respect to area."""
        x = (torch.arange(4096, dtype=torch.float64) + 0.5) / 4096
        return float((2 * x[:, None] * self(x) ** 2).sum() / 4096)


@cache
def _bessel_scale(n: int) -> float:
    """c = (int_0^1 2 x sum_k (sin(k pi x) / x)^2 dx)^(-1/2), where int_0^1 2 sin^2(k pi x) / x dx = Cin(2 k pi)."""
    return 1 / math.sqrt(sum(_cosine_integral(2 * math.pi * k) for k in range(1, n + 1)))


def _cosine_integral(z: float) -> float:
    """Cin(z) = int_0^z (1 - cos t) / t dt, by the midpoint rule; smooth integrand, error far below 1e-6."""
    n = 512 * max(1, math.ceil(z / (2 * math.pi)))
    t = (torch.arange(n, dtype=torch.float64) + 0.5) * (z / n)
    return float(((1 - torch.cos(t)) / t).sum() * (z / n))
