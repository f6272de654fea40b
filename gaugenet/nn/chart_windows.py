"""Sum and maximum over windows of pixels of an atlas, fetched place by place.

    Σ_t ρ(g_{p←q(p, t)}) f[q(p, t)],      max_t ρ(g_{p←q(p, t)}) f[q(p, t)]

Every place of the window is fetched, used and let go, so that no tensor holds all of them, and both have their
transpose written out: left to autograd, a window of seven costs ten times as much.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gaugenet.field_type import FieldType
from gaugenet.kernels.functions import apply, one_by_one
from gaugenet.kernels.linear_map import LinearMap
from gaugenet.meshes.charts import ChartAtlas, Ints, Pull
from gaugenet.nn.chart_transport import ChartTransport, chart_transport


@dataclass(frozen=True)
class Windows:
    """At each of T places a pixel of an atlas of P for each of n targets, or none. No tuple: ``torch.func`` would take
    its arrays for arguments."""

    n_pixels: int
    """P"""
    fetch: tuple[ChartTransport, ...]
    """From pixels to targets; 0 where there is none."""
    back: tuple[ChartTransport, ...]
    """Their `turn` is the transpose of that of `fetch`."""
    outside: tuple[Tensor, ...]
    """int64 targets that have no pixel at this place."""
    n_places: Tensor
    """[n] at how many places there is one."""
    empty: Tensor
    """int64 targets that have a pixel nowhere."""


def windows(
    atlas: ChartAtlas, chart: Ints, i: Ints, j: Ints, steps: Ints, field_type: FieldType, values: bool, x: Tensor
) -> Windows:
    """The pixels at (i, j) + steps [T, 2] of `chart` for targets [n], for features like x."""
    pulls = [atlas.pull(chart, i + a, j + b) for a, b in steps]
    return windows_of(atlas.n_pixels, pulls, field_type, values, x)


def windows_of(n_pixels: int, pulls: Sequence[Pull], field_type: FieldType, values: bool, x: Tensor) -> Windows:
    """The pixels that T pulls [n] find, for features like x."""

    def transport(pull: Pull) -> ChartTransport:
        return chart_transport(pull, field_type, values=values, dtype=x.dtype, device=x.device)

    # (R(a) F)⁻¹ = F R(−a) = R(−f a) F
    back = [p._replace(source=torch.arange(len(p.source)), angle=-p.angle * p.flip) for p in pulls]
    count = torch.from_numpy(np.sum([p.inside.numpy() for p in pulls], 0))
    return Windows(
        n_pixels,
        tuple(transport(p) for p in pulls),
        tuple(transport(p) for p in back),
        tuple(torch.nonzero(~p.inside).flatten().to(x.device) for p in pulls),
        count.to(x),
        torch.nonzero(count == 0).flatten().to(x.device),
    )


def window_sum(x: Tensor, of: Windows) -> Tensor:
    """[P, N, C] → [n, N, C]"""
    _look_up(of, x)
    return _summing(of)(x)


def window_max(x: Tensor, of: Windows) -> Tensor:
    """[P, N, C] → [n, N, C], 0 where no place has a pixel; where several are largest, all have an equal part of the
    gradient, so that it does not depend on the order of places."""
    _look_up(of, x)
    out: Tensor
    out, _, _ = apply(_Largest, _LargestTangent, x, of)
    return out


def _look_up(of: Windows, x: Tensor) -> None:
    """What transport keeps, found where a compiler may look it up."""
    for fetch in of.fetch:
        fetch.pieces(x.shape[1])


def _summing(of: Windows) -> LinearMap:
    """Over all places, or over those that a tensor [n, N, C] has as bits."""
    return LinearMap(partial(_sum, of), partial(_spread, of))


class _Largest(torch.autograd.Function):
    """The maxima; as bits at which places they are, and at how many."""

    @staticmethod
    def forward(x: Tensor, of: Windows) -> tuple[Tensor, Tensor, Tensor]:
        fetch, outside, empty = of.fetch, of.outside, of.empty
        out = largest = count = None
        for t, (transport, nowhere) in enumerate(zip(fetch, outside)):
            there = transport(x)
            if len(nowhere):
                there.index_fill_(0, nowhere, -torch.inf)
            if out is None or largest is None or count is None:
                out = there
                largest = torch.ones_like(out, dtype=torch.uint8 if len(fetch) <= 8 else torch.int16)
                count = torch.ones_like(out, dtype=torch.uint8)
                continue
            # products of small integers instead of masks, which are no vector instructions
            stays, joins = (there <= out).view(torch.uint8), (there >= out).view(torch.uint8)
            largest.mul_(stays).add_(joins, alpha=1 << t)
            count.mul_(stays).add_(joins)
            torch.maximum(out, there, out=out)
        if out is None or largest is None or count is None:
            raise ValueError("expected windows of at least one place")
        if len(empty):
            out.index_fill_(0, empty, 0.0)
        return out, largest, count

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        _, ctx.of = inputs
        ctx.set_materialize_grads(False)
        ctx.mark_non_differentiable(*output[1:])
        ctx.save_for_backward(*output[1:])
        ctx.save_for_forward(*output[1:])

    @staticmethod
    def backward(ctx: Any, grad: Tensor | None, *_: Any) -> tuple[Tensor | None, None]:
        largest, count = ctx.saved_tensors
        return None if grad is None else _summing(ctx.of).transposed(grad / count, largest), None


class _LargestTangent(_Largest):
    """The same in forward mode and for vmap; a compiler refuses functions that define these."""

    @staticmethod
    def jvp(ctx: Any, of_x: Tensor, *_: Any) -> tuple[Tensor, None, None]:
        largest, count = ctx.saved_tensors
        return _summing(ctx.of)(of_x, largest) / count, None, None

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], *args: Any) -> Any:
        return one_by_one(_LargestTangent.apply, info, in_dims, args)


def _sum(of: Windows, x: Tensor, chosen: Tensor | None) -> Tensor:
    out = x.new_zeros(len(of.n_places), *x.shape[1:])
    for t, fetch in enumerate(of.fetch):
        out += _kept(fetch(x), chosen, t)
    return out


def _spread(of: Windows, grad: Tensor, chosen: Tensor | None) -> Tensor:
    out = grad.new_zeros(of.n_pixels, *grad.shape[1:])
    for t, (fetch, back) in enumerate(zip(of.fetch, of.back)):
        part = grad.clone() if chosen is None else _kept(grad, chosen, t)
        out.index_add_(0, fetch.source, back.turn(part))
    return out


def _kept(x: Tensor, chosen: Tensor | None, place: int) -> Tensor:
    return x if chosen is None else torch.where((chosen & (1 << place)) != 0, x, 0.0)
