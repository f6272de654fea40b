"""Peers of the operator that work edge by edge, for SO(2) fields with C copies of each frequency 0 .. M.

`gem_conv` is the algorithm of GEM-CNN (de Haan et al. 2021, Gauge Equivariant Mesh CNNs) as published: features
[V, C, 2M + 1], rotate the gathered sources, contract with radial weights and matrices in one einsum, rotate, add at the
targets. `flat` is the same in the layout and with the calls that suit PyTorch best, so that what the operator gains is
not the layout. Both keep several tensors of size edges × channels. Self weight and bias are left out.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Problem(NamedTuple):
    """One convolution, edge-aligned: pre-angle alpha, post-angle beta [E], radial weights [E, R]."""

    source: Tensor
    target: Tensor
    alpha: Tensor
    beta: Tensor
    radial: Tensor
    n_target: int
    channels: int
    max_frequency: int

    @property
    def columns(self) -> Tensor:
        """int64 [C, D] column of copy c, component d, in the flat component-major layout."""
        c, copies = self.channels, torch.arange(self.channels)
        return torch.stack([copies + d * c for d in range(2 * self.max_frequency + 1)], 1)


class _Rotate(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, angle):  # type: ignore[no-untyped-def, override]
        ctx.angle = angle
        return _rotate(x, angle)

    @staticmethod
    def backward(ctx, grad):  # type: ignore[no-untyped-def, override]
        return _rotate(grad, -ctx.angle), None


def _rotate(x: Tensor, angle: Tensor) -> Tensor:
    y = torch.empty_like(x)
    y[..., 0] = x[..., 0]
    for m in range(1, x.shape[-1] // 2 + 1):
        c, s = torch.cos(m * angle)[:, None], torch.sin(m * angle)[:, None]
        y[..., 2 * m - 1] = c * x[..., 2 * m - 1] - s * x[..., 2 * m]
        y[..., 2 * m] = s * x[..., 2 * m - 1] + c * x[..., 2 * m]
    return y


def gem_conv(x: Tensor, weight: Tensor, problem: Problem) -> Tensor:
    """x [S, C, D], weight [R, C, D, C', D] -> [T, C', D]."""
    gathered = _Rotate.apply(x[problem.source], problem.alpha)
    message = torch.einsum("ejm,er,rjmin->ein", gathered, problem.radial, weight)
    message = _Rotate.apply(message, problem.beta)
    out = x.new_zeros(problem.n_target, *message.shape[1:])
    return out.index_add_(0, problem.target, message)


def _rotate_flat(x: Tensor, angle: Tensor, channels: int) -> Tensor:
    x = x.unflatten(1, (-1, channels))
    done = [x[:, 0]]
    for m in range(1, x.shape[1] // 2 + 1):
        c, s = torch.cos(m * angle)[:, None], torch.sin(m * angle)[:, None]
        done += [c * x[:, 2 * m - 1] - s * x[:, 2 * m], s * x[:, 2 * m - 1] + c * x[:, 2 * m]]
    return torch.cat(done, 1)


def flat(x: Tensor, weight: Tensor, problem: Problem) -> Tensor:
    """x [S, C_in], weight [R, C_out, C_in] -> [T, C_out], component-major."""
    gathered = _rotate_flat(x.index_select(0, problem.source), problem.alpha, problem.channels)
    spread = (problem.radial[:, :, None] * gathered[:, None]).flatten(1)
    message = spread @ weight.permute(0, 2, 1).flatten(0, 1)
    message = _rotate_flat(message, problem.beta, problem.channels)
    return x.new_zeros(problem.n_target, weight.shape[1]).index_add_(0, problem.target, message)
