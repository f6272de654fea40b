"""The definition of the operator, edge by edge in plain torch: any device, any floating dtype, slow on purpose."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from gaugenet.kernels.csr import row_of_each_edge


class TransportBlock(NamedTuple):
    """Columns of a field that transform together: `multiplicity` copies of one irrep, component-major."""

    order: int
    """Frequency of the irrep."""
    parity: int
    """0 even, 1 odd under a reflection; it matters for dim 1 only."""
    dim: int
    """1 or 2."""
    multiplicity: int

    @property
    def width(self) -> int:
        return self.dim * self.multiplicity


class EdgeArrays(NamedTuple):
    """One direction of the edges as the implementations see it."""

    scalars: Tensor
    """[E, B], in stored order."""
    pre: Tensor | None
    """[E, 2] (cos alpha, sin alpha), in stored order; None: alpha = 0."""
    pre_flip: Tensor | None
    """int8 [E] of ±1; None: +1."""
    post: Tensor | None
    """[E, 2] (cos beta, sin beta)."""
    post_flip: Tensor | None
    """int8 [E] of ±1."""
    row_ptr: Tensor
    """int32 [T + 1], rows are the targets of this direction."""
    source: Tensor
    """int32 [E] vertex read by each edge, sorted by row."""
    edge: Tensor | None
    """int32 [E] stored position of each edge in this order; None: they are stored in this order."""
    conjugate: bool
    """True: the angles are -alpha and -beta."""
    order: Tensor | None = None
    """int32 [T] the order in which rows may be visited, a permutation; it changes no sum of a row."""


def conv(
    x: Tensor,
    weight: Tensor,
    edges: EdgeArrays,
    in_blocks: Sequence[TransportBlock],
    out_blocks: Sequence[TransportBlock],
) -> Tensor:
    """out[p] = Σ_{e in row p} Post_e Σ_b scalars[e, b] W_b Pre_e x[source_e]. This defines the operator.

    Args:
        x: [S, C_in].
        weight: [B, C_out, C_in].

    Returns:
        [T, C_out] in the dtype of `x`; sums in at least float32.
    """
    dtype = _sum_dtype(x.dtype)
    scalars, transported, target = _transported(x.to(dtype), edges, in_blocks)
    n_target, c_out = edges.row_ptr.shape[0] - 1, weight.shape[1]
    message = transported.new_zeros(edges.source.shape[0], c_out)
    for b in range(weight.shape[0]):
        message = message + scalars[:, b, None] * (transported @ weight[b].to(dtype).T)
    beta, flip = _angle(edges.post, edges, dtype), _flip(edges.post_flip, edges, dtype)
    message = _apply(message, beta, flip, out_blocks, flip_first=False)
    return message.new_zeros(n_target, c_out).index_add_(0, target, message).to(x.dtype)


def weight_grad(
    x: Tensor,
    grad: Tensor,
    edges: EdgeArrays,
    in_blocks: Sequence[TransportBlock],
    out_blocks: Sequence[TransportBlock],
) -> Tensor:
    """dW_b = Σ_e scalars[e, b] (Post_eᵀ grad[target_e]) (Pre_e x[source_e])ᵀ.

    Args:
        x: [S, C_in].
        grad: [T, C_out].

    Returns:
        [B, C_out, C_in] in the dtype of `x`.
    """
    dtype = _sum_dtype(x.dtype)
    scalars, transported, target = _transported(x.to(dtype), edges, in_blocks)
    beta, flip = _angle(edges.post, edges, dtype), _flip(edges.post_flip, edges, dtype)
    pulled = _apply(grad.to(dtype)[target], None if beta is None else -beta, flip, out_blocks, flip_first=True)
    per_scalar = [(scalars[:, b, None] * pulled).T @ transported for b in range(scalars.shape[1])]
    if not per_scalar:
        return x.new_zeros(0, grad.shape[1], x.shape[1])
    return torch.stack(per_scalar).to(x.dtype)


def backward(
    x: Tensor,
    weight: Tensor,
    grad: Tensor,
    edges: EdgeArrays,
    reverse: EdgeArrays,
    in_blocks: Sequence[TransportBlock],
    out_blocks: Sequence[TransportBlock],
) -> tuple[Tensor, Tensor]:
    """Gradients to `x` (the transposed operator over the reversed edges) and to `weight`."""
    to_x = conv(grad, weight.mT, reverse, out_blocks, in_blocks)
    return to_x, weight_grad(x, grad, edges, in_blocks, out_blocks)


def _sum_dtype(dtype: torch.dtype) -> torch.dtype:
    return torch.float32 if dtype in (torch.bfloat16, torch.float16) else dtype


def _transported(x: Tensor, edges: EdgeArrays, in_blocks: Sequence[TransportBlock]) -> tuple[Tensor, Tensor, Tensor]:
    """Scalars [E, B], Pre_e x[source_e] [E, C_in] and target int64 [E], in the order of this direction."""
    alpha, flip = _angle(edges.pre, edges, x.dtype), _flip(edges.pre_flip, edges, x.dtype)
    transported = _apply(x[edges.source.long()], alpha, flip, in_blocks, flip_first=True)
    scalars = _in_order(edges.scalars, edges).to(x.dtype)
    return scalars, transported, row_of_each_edge(edges.row_ptr, edges.source.shape[0])


def _in_order(values: Tensor, edges: EdgeArrays) -> Tensor:
    return values if edges.edge is None else values[edges.edge.long()]


def _angle(cos_sin: Tensor | None, edges: EdgeArrays, dtype: torch.dtype) -> Tensor | None:
    if cos_sin is None:
        return None
    cos_sin = _in_order(cos_sin, edges).to(dtype)
    angle = torch.atan2(cos_sin[:, 1], cos_sin[:, 0])
    return -angle if edges.conjugate else angle


def _flip(flip: Tensor | None, edges: EdgeArrays, dtype: torch.dtype) -> Tensor | None:
    return None if flip is None else _in_order(flip, edges).to(dtype)


def _apply(
    values: Tensor,
    angle: Tensor | None,
    flip: Tensor | None,
    blocks: Sequence[TransportBlock],
    *,
    flip_first: bool,
) -> Tensor:
    """On [E, C]: dim 2: R(order·angle) diag(1, flip), or diag(1, flip) R(order·angle) when the flip comes last;
    dim 1: cos(order·angle) flip^parity."""
    angle = values.new_zeros(values.shape[0]) if angle is None else angle
    flip = values.new_ones(values.shape[0]) if flip is None else flip
    done, start = [values[:, :0]], 0
    for block in blocks:
        v = values[:, start : start + block.width].reshape(values.shape[0], block.dim, block.multiplicity)
        c, s = torch.cos(block.order * angle)[:, None], torch.sin(block.order * angle)[:, None]
        f = flip[:, None]
        if block.dim == 1:
            done.append(c * v[:, 0] * (f if block.parity else 1.0))
        elif flip_first:
            done += [c * v[:, 0] - s * f * v[:, 1], s * v[:, 0] + c * f * v[:, 1]]
        else:
            done += [c * v[:, 0] - s * v[:, 1], f * (s * v[:, 0] + c * v[:, 1])]
        start += block.width
    return torch.cat(done, 1)
