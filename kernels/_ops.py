"""Registration of the operator with torch: schemas, shapes, derivatives.

Two operators close under differentiation, `gaugenet::transport_conv` and `gaugenet::transport_conv_weight_grad`. The
third, `gaugenet::transport_conv_backward`, is both gradients in one call, since they share work. What runs them is a
matter of `gaugenet.kernels.dispatch`, asked at every call.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

import torch
from torch import Tensor
from torch.autograd import forward_ad

from gaugenet.kernels import dispatch
from gaugenet.kernels._reference import EdgeArrays, TransportBlock

# Everything after `weight` (or `grad`) describes the edges in one direction; the transposed operator is the same call
# with pre and post, the two CSR triples, and the blocks swapped, and `conjugate` negated.
_EDGES = (
    "Tensor scalars, Tensor? pre, Tensor? pre_flip, Tensor? post, Tensor? post_flip, Tensor row_ptr, Tensor source, "
    "Tensor? edge, Tensor reverse_row_ptr, Tensor reverse_source, Tensor? reverse_edge, Tensor? order, "
    "Tensor? reverse_order, bool conjugate, int[] in_blocks, int[] out_blocks, str? implementation"
)

_REVERSE = 11
"""Position of `order`, the first after the two CSR triples."""
_CONJUGATE = 13
"""Position of the first argument that is no tensor."""
_N_EDGES = 17
"""How many there are."""
_IN, _OUT, _IMPLEMENTATION = 14, 15, 16


def _unflatten(flat: Sequence[int]) -> tuple[TransportBlock, ...]:
    return tuple(TransportBlock(*flat[i : i + 4]) for i in range(0, len(flat), 4))


def _blocks(args: Sequence[Any]) -> tuple[tuple[TransportBlock, ...], tuple[TransportBlock, ...]]:
    return _unflatten(args[_IN]), _unflatten(args[_OUT])


def _transposed(args: Sequence[Any]) -> tuple[Any, ...]:
    (scalars, pre, pre_flip, post, post_flip, row_ptr, source, edge, r_ptr, r_source, r_edge) = args[:_REVERSE]
    order, r_order, conjugate, in_blocks, out_blocks, implementation = args[_REVERSE:]
    return (
        *(scalars, post, post_flip, pre, pre_flip, r_ptr, r_source, r_edge, row_ptr, source, edge),
        *(r_order, order, not conjugate, out_blocks, in_blocks, implementation),
    )


def _edge_arrays(args: Sequence[Any]) -> EdgeArrays:
    scalars, pre, pre_flip, post, post_flip, row_ptr, source, edge = args[:8]
    return EdgeArrays(scalars, pre, pre_flip, post, post_flip, row_ptr, source, edge, args[_CONJUGATE], args[_REVERSE])


def _conv_kernel(x: Tensor, weight: Tensor, *args: Any) -> Tensor:
    implementation = dispatch.operator(x, args[_IMPLEMENTATION])
    with torch.autocast(x.device.type, enabled=False):
        return implementation.conv(x, weight, _edge_arrays(args), *_blocks(args))


def _weight_grad_kernel(x: Tensor, grad: Tensor, *args: Any) -> Tensor:
    implementation = dispatch.operator(x, args[_IMPLEMENTATION])
    with torch.autocast(x.device.type, enabled=False):
        return implementation.weight_grad(x, grad, _edge_arrays(args), *_blocks(args))


def _backward_kernel(x: Tensor, weight: Tensor, grad: Tensor, *args: Any) -> tuple[Tensor, Tensor]:
    implementation = dispatch.operator(x, args[_IMPLEMENTATION])
    edges, reverse = _edge_arrays(args), _edge_arrays(_transposed(args))
    with torch.autocast(x.device.type, enabled=False):
        return implementation.backward(x, weight, grad, edges, reverse, *_blocks(args))


def _conv_fake(x: Tensor, weight: Tensor, *args: Any) -> Tensor:
    return x.new_empty(args[5].shape[0] - 1, weight.shape[1])


def _weight_grad_fake(x: Tensor, grad: Tensor, *args: Any) -> Tensor:
    return x.new_empty(args[0].shape[1], grad.shape[1], x.shape[1])


def _backward_fake(x: Tensor, weight: Tensor, grad: Tensor, *args: Any) -> tuple[Tensor, Tensor]:
    return x.new_empty(x.shape), x.new_empty(weight.shape)  # contiguous, however x is strided


class _Leaf(list[int]):
    """A list that the transforms of `torch.func` do not look into: they would count its numbers as arguments."""


class _Differentiable(torch.autograd.Function):
    """One operator: what autograd does with it, and `torch.func` too."""

    generate_vmap_rule = True
    op: Any

    @classmethod
    def run(cls, *args: Any) -> Any:
        """The operator where autograd meets it."""
        tracked = torch.is_grad_enabled() and any(a.requires_grad for a in args[:3] if isinstance(a, Tensor))
        if tracked or forward_ad._current_level >= 0:
            return cls.apply(*args)  # type: ignore[no-untyped-call]
        with torch._C._AutoDispatchBelowAutograd():
            return cls.op(*args)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        tensors = inputs[: len(inputs) - _N_EDGES + _CONJUGATE]
        ctx.save_for_backward(*tensors)
        ctx.save_for_forward(*tensors)
        ctx.rest = inputs[len(tensors) :]


class _Conv(_Differentiable):
    """out = conv(x; weight)"""

    @staticmethod
    def forward(*args: Any) -> Tensor:
        with torch._C._AutoDispatchBelowAutograd():
            return cast(Tensor, _Conv.op(*args))

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, *edges = ctx.saved_tensors
        args = (*edges, *ctx.rest)
        to_x = to_weight = None
        if ctx.needs_input_grad[0] and ctx.needs_input_grad[1]:
            to_x, to_weight = _both(x, weight, grad, *args)
        elif ctx.needs_input_grad[0]:
            to_x = conv(grad, weight.mT, *_transposed(args))
        elif ctx.needs_input_grad[1]:
            to_weight = weight_grad(x, grad, *args)
        return to_x, to_weight, *([None] * _N_EDGES)

    @staticmethod
    def jvp(ctx: Any, of_x: Tensor | None, of_weight: Tensor | None, *_: Any) -> Tensor | None:
        x, weight, *edges = ctx.saved_tensors
        return _product_rule(conv, x, weight, of_x, of_weight, (*edges, *ctx.rest))


class _WeightGrad(_Differentiable):
    """The weight gradient of conv(x; ·) for the gradient `grad` of its result."""

    @staticmethod
    def forward(*args: Any) -> Tensor:
        with torch._C._AutoDispatchBelowAutograd():
            return cast(Tensor, _WeightGrad.op(*args))

    @staticmethod
    def backward(ctx: Any, of_weight: Tensor) -> tuple[Tensor | None, ...]:
        x, grad, *edges = ctx.saved_tensors
        args = (*edges, *ctx.rest)
        to_x = conv(grad, of_weight.mT, *_transposed(args)) if ctx.needs_input_grad[0] else None
        to_grad = conv(x, of_weight, *args) if ctx.needs_input_grad[1] else None
        return to_x, to_grad, *([None] * _N_EDGES)

    @staticmethod
    def jvp(ctx: Any, of_x: Tensor | None, of_grad: Tensor | None, *_: Any) -> Tensor | None:
        x, grad, *edges = ctx.saved_tensors
        return _product_rule(weight_grad, x, grad, of_x, of_grad, (*edges, *ctx.rest))


class _Backward(_Differentiable):
    """Both gradients of conv(x; weight) at once."""

    @staticmethod
    def forward(*args: Any) -> tuple[Tensor, Tensor]:
        with torch._C._AutoDispatchBelowAutograd():
            return cast(tuple[Tensor, Tensor], _Backward.op(*args))

    @staticmethod
    def backward(ctx: Any, of_x: Tensor, of_weight: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, grad, *edges = ctx.saved_tensors
        args = (*edges, *ctx.rest)
        to_x = conv(grad, of_weight.mT, *_transposed(args)) if ctx.needs_input_grad[0] else None
        to_weight = weight_grad(of_x, grad, *args) if ctx.needs_input_grad[1] else None
        to_grad = conv(of_x, weight, *args) + conv(x, of_weight, *args) if ctx.needs_input_grad[2] else None
        return to_x, to_weight, to_grad, *([None] * _N_EDGES)

    @staticmethod
    def jvp(
        ctx: Any, of_x: Tensor | None, of_weight: Tensor | None, of_grad: Tensor | None, *_: Any
    ) -> tuple[Tensor | None, Tensor | None]:
        x, weight, grad, *edges = ctx.saved_tensors
        args = (*edges, *ctx.rest)
        transposed = None if of_weight is None else of_weight.mT
        to_x = _product_rule(conv, grad, weight.mT, of_grad, transposed, _transposed(args))
        return to_x, _product_rule(weight_grad, x, grad, of_x, of_grad, args)


def _product_rule(
    function: Callable[..., Tensor],
    left: Tensor,
    right: Tensor,
    of_left: Tensor | None,
    of_right: Tensor | None,
    args: tuple[Any, ...],
) -> Tensor | None:
    """The tangent of function(left, right), linear in both."""
    parts = [function(a, b, *args) for a, b in ((of_left, right), (left, of_right)) if a is not None and b is not None]
    return sum(parts[1:], parts[0]) if parts else None


def _transforming() -> bool:
    """Whether a transform of `torch.func` runs: it wants to meet the function that autograd applies."""
    return not torch.compiler.is_compiling() and torch._C._are_functorch_transforms_active()


def _apply(function: type[_Differentiable], *args: Any) -> Any:
    hidden = (_Leaf(a) if isinstance(a, list) else a for a in args)
    return function.apply(*hidden)  # type: ignore[no-untyped-call]


def conv(x: Tensor, weight: Tensor, *args: Any) -> Tensor:
    """out = conv(x; weight) over the edges in `args`, in the order of the schema."""
    if _transforming():
        return cast(Tensor, _apply(_Conv, x, weight, *args))
    return cast(Tensor, torch.ops.gaugenet.transport_conv(x, weight, *args))


def weight_grad(x: Tensor, grad: Tensor, *args: Any) -> Tensor:
    """The weight gradient of conv(x; ·) for the gradient `grad` of its result."""
    if _transforming():
        return cast(Tensor, _apply(_WeightGrad, x, grad, *args))
    return cast(Tensor, torch.ops.gaugenet.transport_conv_weight_grad(x, grad, *args))


def _both(x: Tensor, weight: Tensor, grad: Tensor, *args: Any) -> tuple[Tensor, Tensor]:
    if _transforming():
        return cast(tuple[Tensor, Tensor], _apply(_Backward, x, weight, grad, *args))
    return cast(tuple[Tensor, Tensor], torch.ops.gaugenet.transport_conv_backward(x, weight, grad, *args))


_library: Any = torch.library.Library("gaugenet", "FRAGMENT")  # type: ignore[no-untyped-call]


def _register(
    name: str, arguments: str, kernel: Callable[..., Any], fake: Callable[..., Any], function: type[_Differentiable]
) -> None:
    """What `torch.library.custom_op` does, less the many layers of Python that it puts around every call."""
    results = "(Tensor, Tensor)" if function is _Backward else "Tensor"
    _library.define(f"{name}({arguments}, {_EDGES}) -> {results}", tags=(torch.Tag.pt2_compliant_tag,))
    _library.impl(name, kernel, "CompositeExplicitAutograd")
    torch.library.register_fake(f"gaugenet::{name}", fake, lib=_library)
    function.op = getattr(torch.ops.gaugenet, name).default
    _library.impl(name, function.run, "Autograd")


_register("transport_conv", "Tensor x, Tensor weight", _conv_kernel, _conv_fake, _Conv)
_register("transport_conv_weight_grad", "Tensor x, Tensor grad", _weight_grad_kernel, _weight_grad_fake, _WeightGrad)
_register(
    "transport_conv_backward", "Tensor x, Tensor weight, Tensor grad", _backward_kernel, _backward_fake, _Backward
)
