"""The operator on a GPU: aggregate in a Triton kernel, contract by matrix products.

    A[p, τ, b, :] = Σ_{e in row p} τ(e) scalars[e, b] Pre_e x[source_e],   out[p, columns] = A[p, terms] @ matrix

(`gaugenet.kernels._triton_plan` has the terms and matrices.) Here A is stored for a chunk of targets, bounded by the
configuration, and contracted by the vendor's library; `gaugenet.kernels._triton_fused` contracts it in registers, and
runs where that moves fewer bytes. Nothing of size edges × channels is ever in memory. Sums and A are float32 (float64
for float64) whatever the storage of `x`; products of stored sums run at the precision of
`torch.set_float32_matmul_precision`, whose default keeps equivariance at rounding. No atomics: every number is added up
in an order fixed by the edges and the configuration.

The aggregate has two forms, chosen by the mean number of edges per target: one edge after the other in registers, or
matrix products over blocks of edges on tensor cores (tf32 in three passes for float32). Targets are visited in the
order that the edges carry, so that neighbours share cache lines; sums over targets (the weight gradient) run in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from gaugenet.kernels import _triton_fused
from gaugenet.kernels._reference import EdgeArrays, TransportBlock
from gaugenet.kernels._triton_config import AggregateConfig, aggregate_config, architecture, on_device
from gaugenet.kernels._triton_kernels import aggregate, aggregate_dot
from gaugenet.kernels._triton_plan import ContractionPlan, channel_tiles, contraction_plan, packing, tile_table

Blocks = Sequence[TransportBlock]


def conv(x: Tensor, weight: Tensor, edges: EdgeArrays, in_blocks: Blocks, out_blocks: Blocks) -> Tensor:
    """`gaugenet.kernels._reference.conv`, to rounding."""
    edges = _contiguous(edges)
    plan, n_scalars = _plan(edges, in_blocks, out_blocks), edges.scalars.shape[1]
    fused = _fused(x, edges, plan, gradient=False)
    if fused is None:
        return _run(x, weight, None, edges, in_blocks, out_blocks)[0]
    packed = packing(plan, n_scalars, edges.scalars.dtype, x.device).pack(weight)
    out = _empty((edges.row_ptr.shape[0] - 1, plan.c_out), x)
    _triton_fused.conv(x.contiguous(), packed, edges, tuple(in_blocks), plan, fused, out)
    return out


def weight_grad(x: Tensor, grad: Tensor, edges: EdgeArrays, in_blocks: Blocks, out_blocks: Blocks) -> Tensor:
    """`gaugenet.kernels._reference.weight_grad`, to rounding; the sums are aggregated again."""
    edges = _contiguous(edges)
    plan, n_scalars = _plan(edges, in_blocks, out_blocks), edges.scalars.shape[1]
    fused = _fused(x, edges, plan, gradient=True)
    if fused is None:
        return _run(x, None, grad, edges, in_blocks, out_blocks)[1]
    table = packing(plan, n_scalars, edges.scalars.dtype, x.device)
    arguments = (edges, tuple(in_blocks), plan, fused, table, _empty)
    total = table.unpack(_triton_fused.weight_grad(x.contiguous(), grad.contiguous(), *arguments))
    return total.to(x.dtype).view(n_scalars, plan.c_out, plan.c_in)


def backward(
    x: Tensor,
    weight: Tensor,
    grad: Tensor,
    edges: EdgeArrays,
    reverse: EdgeArrays,
    in_blocks: Blocks,
    out_blocks: Blocks,
) -> tuple[Tensor, Tensor]:
    """Both gradients. Where sums are stored, those over the reversed edges give the weight gradient too, as the
    transposed operator's, and save one aggregation, unless its contraction costs more than that."""
    forward_plan, reverse_plan = _plan(edges, in_blocks, out_blocks), _plan(reverse, out_blocks, in_blocks)
    apart = reverse_plan.multiply_adds > 1.25 * forward_plan.multiply_adds
    if apart or _fused(grad, reverse, reverse_plan, gradient=False) or _fused(x, edges, forward_plan, gradient=True):
        to_x = conv(grad, weight.mT, reverse, out_blocks, in_blocks)
        return to_x, weight_grad(x, grad, edges, in_blocks, out_blocks)
    to_x, transposed = _run(grad, weight.mT, x, _contiguous(reverse), out_blocks, in_blocks)
    return to_x, transposed.mT.contiguous()


def _contiguous(edges: EdgeArrays) -> EdgeArrays:
    """The kernels are told where arrays begin, not how they are strided."""
    arrays: dict[str, Any] = {
        name: value.contiguous() for name, value in edges._asdict().items() if isinstance(value, Tensor)
    }
    return edges._replace(**arrays)


def _fused(x: Tensor, edges: EdgeArrays, plan: ContractionPlan, *, gradient: bool) -> _triton_fused.FusedConfig | None:
    n_target, n_scalars = edges.row_ptr.shape[0] - 1, edges.scalars.shape[1]
    sizes = (n_scalars, n_target, edges.source.shape[0])
    return _triton_fused.choose(architecture(x.device), x.dtype, plan, *sizes, gradient=gradient)


def _plan(edges: EdgeArrays, in_blocks: Blocks, out_blocks: Blocks) -> ContractionPlan:
    return contraction_plan(tuple(in_blocks), tuple(out_blocks), edges.post is not None, edges.post_flip is not None)


def _run(
    x: Tensor, weight: Tensor | None, grad: Tensor | None, edges: EdgeArrays, in_blocks: Blocks, out_blocks: Blocks
) -> tuple[Tensor, Tensor]:
    """The result where `weight` is given, and the weight gradient where `grad` is (else empty)."""
    plan, n_scalars = _plan(edges, in_blocks, out_blocks), edges.scalars.shape[1]
    dtype, n_target = edges.scalars.dtype, edges.row_ptr.shape[0] - 1
    row = len(plan.terms) * n_scalars * plan.c_in
    if n_target == 0 or row == 0:
        return x.new_zeros(n_target, plan.c_out), x.new_zeros(n_scalars, plan.c_out, plan.c_in)
    degree = round(edges.source.shape[0] / n_target)
    config = aggregate_config(architecture(x.device), plan, tuple(in_blocks), n_scalars, x.dtype, degree)
    rows = min(config.rows(row * edges.scalars.element_size()), n_target)
    table = packing(plan, n_scalars, dtype, x.device)
    packed = None if weight is None else table.pack(weight)
    out = _empty((n_target if weight is not None else 0, plan.c_out), x)
    total = torch.zeros(table.sign.numel() if grad is not None else 0, dtype=dtype, device=x.device)
    sums = _empty((rows, row), edges.scalars)
    x = x.contiguous()
    for start in range(0, n_target, rows):
        stop = min(start + rows, n_target)
        _aggregate(sums, x, edges, tuple(in_blocks), plan, config, start, stop)
        chunk = sums[: stop - start]
        if packed is not None:
            _contract(out[start:stop], chunk, packed, plan, n_scalars, table.offsets)
        if grad is not None:
            _add_outer(
                total, chunk, _of_rows_with_edges(grad, edges, start, stop).to(dtype), plan, n_scalars, table.offsets
            )
    if edges.order is not None and weight is not None:
        visited, out = out, _empty(tuple(out.shape), x)
        out.index_copy_(0, edges.order.long(), visited)
    to_weight = table.unpack(total).to(x.dtype) if grad is not None else total.to(x.dtype)
    return out, to_weight.view(n_scalars, plan.c_out, plan.c_in) if grad is not None else to_weight


def _of_rows_with_edges(grad: Tensor, edges: EdgeArrays, start: int, stop: int) -> Tensor:
    """The gradient at the targets from `start` to `stop` in the order of visiting; 0 at those without edges, where it
    may be no number, which sums of 0 do not make one."""
    empty = edges.row_ptr[1:] == edges.row_ptr[:-1]
    if edges.order is None:
        return grad[start:stop].masked_fill(empty[start:stop, None], 0)
    rows = edges.order[start:stop]
    return grad.index_select(0, rows).masked_fill_(empty.index_select(0, rows)[:, None], 0)


def _contract(
    out: Tensor, sums: Tensor, packed: Tensor, plan: ContractionPlan, n_scalars: int, offsets: tuple[int, ...]
) -> None:
    """out[:, columns] = sums[:, terms] @ matrix for each product; together they write every column once."""
    inner = n_scalars * plan.c_in
    result = out if out.dtype == sums.dtype else _empty(tuple(out.shape), sums)
    for product, offset in zip(plan.products, offsets):
        depth = product.n_terms * inner
        left = sums.narrow(1, product.first_term * inner, depth)
        matrix = packed.narrow(0, offset, depth * product.width).view(depth, product.width)
        columns = product.columns
        if isinstance(columns, slice):
            torch.mm(left, matrix, out=result[:, columns])
        else:
            result[:, columns] = left @ matrix
    if result is not out:
        out.copy_(result)


def _add_outer(
    total: Tensor, sums: Tensor, grad: Tensor, plan: ContractionPlan, n_scalars: int, offsets: tuple[int, ...]
) -> None:
    """matrix += sums[:, terms]ᵀ @ grad[:, columns] for each product; chunks are added in order."""
    inner = n_scalars * plan.c_in
    for product, offset in zip(plan.products, offsets):
        depth = product.n_terms * inner
        left = sums.narrow(1, product.first_term * inner, depth)
        matrix = total.narrow(0, offset, depth * product.width).view(depth, product.width)
        matrix.addmm_(left.mT, grad[:, product.columns])


def _aggregate(
    sums: Tensor,
    x: Tensor,
    edges: EdgeArrays,
    in_blocks: tuple[TransportBlock, ...],
    plan: ContractionPlan,
    config: AggregateConfig,
    start: int,
    stop: int,
) -> None:
    tiles = channel_tiles(in_blocks, config.block_c)
    n_scalars = edges.scalars.shape[1]
    kernel = aggregate if config.dot is None else aggregate_dot
    n_programs = -(-(stop - start) // config.block_m) * -(-n_scalars // config.block_b) * len(tiles)
    with on_device(x.device):
        kernel[(n_programs,)](
            x,
            sums,
            edges.order,
            edges.row_ptr,
            edges.source,
            edges.edge,
            edges.scalars,
            edges.pre,
            edges.pre_flip,
            edges.post,
            edges.post_flip,
            tile_table(in_blocks, config.block_c, x.device),
            start,
            stop,
            len(tiles),
            plan.c_in,
            n_scalars,
            TERMS=plan.term_mask,
            PRE_ORDER=max((b.order for b in in_blocks if b.width), default=0) if edges.pre is not None else 0,
            POST_ORDER=plan.post_order,
            CONJUGATE=edges.conjugate,
            **config.constants(plan),
            **config.options,
        )


def _empty(shape: tuple[int, ...], like: Tensor) -> Tensor:
    """Memory whose content nothing may depend on; tests fill it with NaN."""
    return torch.empty(shape, dtype=like.dtype, device=like.device)
