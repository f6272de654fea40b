"""The peer: the operator edge by edge with the calls that suit PyTorch best, as published networks compute it.

Gather the sources, rotate, contract with a matrix per edge, rotate, add at the targets (`index_add_`). Cosines, sines
and indices are prepared outside of the timed calls; several tensors of edges × channels remain.
"""

from __future__ import annotations

import torch
from torch import Tensor

from gaugenet.kernels.csr import row_of_each_edge
from gaugenet.profiling.problem import Blocks, OperatorProblem

_SPREAD = 4
"""Up to so many scalars one product over (scalar, channel) is faster than one product per scalar."""


class EdgeFirst:
    """`(x, weight) -> out` of one problem; differentiable."""

    def __init__(self, problem: OperatorProblem) -> None:
        edges = problem.edges
        self.source = edges.source.long()
        self.target = row_of_each_edge(edges.row_ptr, edges.n_edges).long()
        self.n_target = edges.n_target
        self.in_blocks, self.out_blocks = problem.in_blocks, problem.out_blocks
        self.scalars = edges.scalars.to(problem.dtype)
        self.pre = _factors(edges.pre, edges.pre_flip, self.in_blocks, problem.dtype)
        self.post = _factors(edges.post, edges.post_flip, self.out_blocks, problem.dtype)

    def __call__(self, x: Tensor, weight: Tensor) -> Tensor:
        gathered = _rotated(x.index_select(0, self.source), self.pre, self.in_blocks, flip_first=True)
        n = weight.shape[0]
        if n <= _SPREAD:
            spread = (self.scalars[:, :, None] * gathered[:, None]).flatten(1)
            message = spread @ weight.permute(0, 2, 1).flatten(0, 1)
        else:
            message = self.scalars[:, 0, None] * (gathered @ weight[0].T)
            for b in range(1, n):
                message = torch.addcmul(message, self.scalars[:, b, None], gathered @ weight[b].T)
        message = _rotated(message, self.post, self.out_blocks, flip_first=False)
        sums = torch.float64 if x.dtype == torch.float64 else torch.float32
        zeros = torch.zeros(self.n_target, weight.shape[1], dtype=sums, device=x.device)
        return zeros.index_add_(0, self.target, message.to(sums)).to(x.dtype)


_Factors = list[tuple[Tensor, Tensor, Tensor | None]] | None


def _factors(cos_sin: Tensor | None, flip: Tensor | None, blocks: Blocks, dtype: torch.dtype) -> _Factors:
    """cos, sin of order · angle and the flip, [E, 1] each, per block; None where all blocks stay as they are."""
    if cos_sin is None and flip is None:
        return None
    some = cos_sin if cos_sin is not None else flip
    assert some is not None
    angle = torch.zeros(len(some), device=some.device, dtype=torch.float64)
    if cos_sin is not None:
        angle = torch.atan2(cos_sin[:, 1].double(), cos_sin[:, 0].double())
    sign = None if flip is None else flip.to(dtype)[:, None]
    once = {m: (torch.cos(m * angle), torch.sin(m * angle)) for m in {b.order for b in blocks}}
    return [(once[b.order][0].to(dtype)[:, None], once[b.order][1].to(dtype)[:, None], sign) for b in blocks]


def _rotated(values: Tensor, factors: _Factors, blocks: Blocks, *, flip_first: bool) -> Tensor:
    if factors is None:
        return values
    done, start = [], 0
    for block, (c, s, sign) in zip(blocks, factors):
        m = block.multiplicity
        a, b = values[:, start : start + m], values[:, start + m : start + block.width]
        start += block.width
        if block.dim == 1:
            a = a if block.order == 0 else c * a
            done.append(a * sign if block.parity and sign is not None else a)
            continue
        if flip_first and sign is not None:
            b = b * sign
        first, second = (c * a - s * b, s * a + c * b) if block.order else (a, b)
        done += [first, second * sign if sign is not None and not flip_first else second]
    return torch.cat(done, 1)
