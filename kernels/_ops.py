"""Registration of the operator with torch: schemas, shapes, derivatives.

Two operators close under differentiation, `gaugenet::transport_conv` and `gaugenet::transport_conv_weight_grad`. The
third, `gaugenet::transport_conv_backward`, is both gradients in one call, since they share work. What runs them is a
matter of `gaugenet.kernels.dispatch`, asked at every call.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

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


@torch.library.custom_op(
    "gaugenet::transport_conv", mutates_args=(), schema=f"(Tensor x, Tensor weight, {_EDGES}) -> Tensor"
)
def _conv_op(x: Tensor, weight: Tensor, *args: Any) -> Tensor:
    implementation = dispatch.operator(x, args[_IMPLEMENTATION])
    with torch.autocast(x.device.type, enabled=False):
        return implementation.conv(x, weight, _edge_arrays(args), *_blocks(args))


@torch.library.custom_op(
    "gaugenet::transport_conv_weight_grad",
    mutates_args=(),
    schema=f"(Tensor x, Tensor grad, {_EDGES}) -> Tensor",
)
def _weight_grad_op(x: Tensor, grad: Tensor, *args: Any) -> Tensor:
    implementation = dispatch.operator(x, args[_IMPLEMENTATION])
    with torch.autocast(x.device.type, enabled=False):
        return implementation.weight_grad(x, grad, _edge_arrays(args), *_blocks(args))


@torch.library.custom_op(
    "gaugenet::transport_conv_backward",
    mutates_args=(),
    schema=f"(Tensor x, Tensor weight, Tensor grad, {_EDGES}) -> (Tensor, Tensor)",
)
def _backward_op(x: Tensor, weight: Tensor, grad: Tensor, *args: Any) -> tuple[Tensor, Tensor]:
    implementation = dispatch.operator(x, args[_IMPLEMENTATION])
    edges, reverse = _edge_arrays(args), _edge_arrays(_transposed(args))
    with torch.autocast(x.device.type, enabled=False):
        return implementation.backward(x, weight, grad, edges, reverse, *_blocks(args))


@_conv_op.register_fake
def _(x: Tensor, weight: Tensor, *args: Any) -> Tensor:
    return x.new_empty(args[5].shape[0] - 1, weight.shape[1])


@_weight_grad_op.register_fake
def _(x: Tensor, grad: Tensor, *args: Any) -> Tensor:
    return x.new_empty(args[0].shape[1], grad.shape[1], x.shape[1])


@_backward_op.register_fake
def _(x: Tensor, weight: Tensor, grad: Tensor, *args: Any) -> tuple[Tensor, Tensor]:
    return x.new_empty(x.shape), x.new_empty(weight.shape)  # contiguous, however x is strided


def conv(x: Tensor, weight: Tensor, *args: Any) -> Tensor:
    """out = conv(x; weight) over the edges in `args`, in the order of the schema."""
    out: Tensor = torch.ops.gaugenet.transport_conv(x, weight, *args)
    return out


def weight_grad(x: Tensor, grad: Tensor, *args: Any) -> Tensor:
    """The weight gradient of conv(x; ·) for the gradient `grad` of its result."""
    out: Tensor = torch.ops.gaugenet.transport_conv_weight_grad(x, grad, *args)
    return out


def _setup(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
    n_leading = len(inputs) - _N_EDGES
    ctx.save_for_backward(*inputs[: n_leading + _CONJUGATE])
    ctx.rest = inputs[n_leading + _CONJUGATE :]


def _conv_backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    x, weight, *edges = ctx.saved_tensors
    args = (*edges, *ctx.rest)
    to_x = to_weight = None
    if ctx.needs_input_grad[0] and ctx.needs_input_grad[1]:
        to_x, to_weight = torch.ops.gaugenet.transport_conv_backward(x, weight, grad, *args)
    elif ctx.needs_input_grad[0]:
        to_x = conv(grad, weight.mT, *_transposed(args))
    elif ctx.needs_input_grad[1]:
        to_weight = weight_grad(x, grad, *args)
    return to_x, to_weight, *([None] * _N_EDGES)


def _weight_grad_backward(ctx: Any, of_weight: Tensor) -> tuple[Tensor | None, ...]:
    x, grad, *edges = ctx.saved_tensors
    args = (*edges, *ctx.rest)
    to_x = conv(grad, of_weight.mT, *_transposed(args)) if ctx.needs_input_grad[0] else None
    to_grad = conv(x, of_weight, *args) if ctx.needs_input_grad[1] else None
    return to_x, to_grad, *([None] * _N_EDGES)


def _backward_backward(ctx: Any, of_x: Tensor, of_weight: Tensor) -> tuple[Tensor | None, ...]:
    x, weight, grad, *edges = ctx.saved_tensors
    args = (*edges, *ctx.rest)
    to_x = conv(grad, of_weight.mT, *_transposed(args)) if ctx.needs_input_grad[0] else None
    to_weight = weight_grad(of_x, grad, *args) if ctx.needs_input_grad[1] else None
    to_grad = conv(of_x, weight, *args) + conv(x, of_weight, *args) if ctx.needs_input_grad[2] else None
    return to_x, to_weight, to_grad, *([None] * _N_EDGES)


_conv_op.register_autograd(_conv_backward, setup_context=_setup)
_weight_grad_op.register_autograd(_weight_grad_backward, setup_context=_setup)
_backward_op.register_autograd(_backward_backward, setup_context=_setup)
