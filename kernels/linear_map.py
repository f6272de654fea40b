"""Linear maps whose transpose is written out, as autograd and the transforms of ``torch.func`` see them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from gaugenet.kernels.functions import apply, one_by_one

Map = Callable[[Tensor, Tensor | None], Tensor]


class LinearMap:
    """x ↦ A_m x, and its transpose y ↦ A_mᵀ y:

        ∂⟨y, A_m x⟩/∂x = A_mᵀ y,     d(A_m x) = A_m dx

    so that everything can be differentiated any number of times, in either mode and for a batch of x (``vmap``). No
    container of its arrays for ``torch.func``, which would take them for arguments.

    Args:
        there, back: A and Aᵀ, functions of x and of a tensor m, which may choose entries and is not differentiated;
            None where there is none.
    """

    def __init__(self, there: Map, back: Map) -> None:
        self.there, self.back = there, back

    @property
    def transposed(self) -> LinearMap:
        """Aᵀ"""
        return LinearMap(self.back, self.there)

    def __call__(self, x: Tensor, m: Tensor | None = None) -> Tensor:
        """A_m x"""
        out: Tensor = apply(_Apply, _ApplyTangent, x, m, self)
        return out


class _Apply(torch.autograd.Function):
    @staticmethod
    def forward(x: Tensor, m: Tensor | None, of: LinearMap) -> Tensor:
        return of.there(x, m)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        _, m, ctx.of = inputs
        ctx.save_for_backward(m)
        ctx.save_for_forward(m)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        (m,) = ctx.saved_tensors
        return ctx.of.transposed(grad, m), None, None


class _ApplyTangent(_Apply):
    """The same in forward mode and for vmap; a compiler refuses functions that define these."""

    @staticmethod
    def jvp(ctx: Any, of_x: Tensor, *_: Any) -> Tensor:
        (m,) = ctx.saved_tensors
        out: Tensor = ctx.of(of_x, m)
        return out

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], *args: Any) -> Any:
        return one_by_one(_ApplyTangent.apply, info, in_dims, args)
