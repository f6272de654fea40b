"""Sum and maximum over windows of pixels of an atlas, fetched place by place.

    Σ_t ρ(g_{p←q(p, t)}) f[q(p, t)],      max_t ρ(g_{p←q(p, t)}) f[q(p, t)]

Every place of the window is fetched, used and let go, so that no tensor holds all of them, and both have their
transpose written out: left to autograd, a window of seven costs ten times as much.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from gaugenet.field_type import FieldType
from gaugenet.meshes.charts import ChartAtlas, Ints, Pull
from gaugenet.nn.chart_transport import ChartTransport, chart_transport


class Windows(NamedTuple):
    """At each of T places a pixel of an atlas of P for each of n targets, or none."""

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
    out: Tensor = _Sum.apply(x, of, None)  # type: ignore[no-untyped-call]
    return out


def window_max(x: Tensor, of: Windows) -> Tensor:
    """[P, N, C] → [n, N, C], 0 where no place has a pixel; where several are largest, all have an equal part of the
    gradient, so that it does not depend on the order of places."""
    _look_up(of, x)
    out: Tensor = _Largest.apply(x, of)  # type: ignore[no-untyped-call]
    return out


def _look_up(of: Windows, x: Tensor) -> None:
    """What transport keeps, found where a compiler may look it up."""
    for fetch in of.fetch:
        fetch.pieces(x.shape[1])


class _Largest(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, of: Windows) -> Tensor:
        out = largest = count = None
        for t, (fetch, outside) in enumerate(zip(of.fetch, of.outside)):
            there = fetch(x)
            if len(outside):
                there.index_fill_(0, outside, -torch.inf)
            if out is None or largest is None or count is None:
                out = there
                largest = torch.ones(out.shape, dtype=torch.uint8 if len(of.fetch) <= 8 else torch.int16).to(x.device)
                count = torch.ones(out.shape, dtype=torch.uint8, device=x.device)
                continue
            # products of small integers instead of masks, which are no vector instructions
            stays, joins = (there <= out).view(torch.uint8), (there >= out).view(torch.uint8)
            largest.mul_(stays).add_(joins, alpha=1 << t)
            count.mul_(stays).add_(joins)
            torch.maximum(out, there, out=out)
        if out is None:
            raise ValueError("expected windows of at least one place")
        if len(of.empty):
            out.index_fill_(0, of.empty, 0.0)
        ctx.save_for_backward(largest, count)
        ctx.of = of
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        largest, count = ctx.saved_tensors
        out: Tensor = _Spread.apply(grad / count, ctx.of, largest)  # type: ignore[no-untyped-call]
        return out, None


class _Sum(torch.autograd.Function):
    """Over all places, or over those that `chosen` [n, N, C] has as bits."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, of: Windows, chosen: Tensor | None) -> Tensor:
        ctx.of, ctx.chosen = of, chosen
        out = x.new_zeros(len(of.n_places), *x.shape[1:])
        for t, fetch in enumerate(of.fetch):
            out += _kept(fetch(x), chosen, t)
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        out: Tensor = _Spread.apply(grad, ctx.of, ctx.chosen)  # type: ignore[no-untyped-call]
        return out, None, None


class _Spread(torch.autograd.Function):
    """The transpose of `_Sum`."""

    @staticmethod
    def forward(ctx: Any, grad: Tensor, of: Windows, chosen: Tensor | None) -> Tensor:
        ctx.of, ctx.chosen = of, chosen
        out = grad.new_zeros(of.n_pixels, *grad.shape[1:])
        for t, (fetch, back) in enumerate(zip(of.fetch, of.back)):
            part = grad.clone() if chosen is None else _kept(grad, chosen, t)
            out.index_add_(0, fetch.source, back.turn(part))
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        out: Tensor = _Sum.apply(grad, ctx.of, ctx.chosen)  # type: ignore[no-untyped-call]
        return out, None, None


def _kept(x: Tensor, chosen: Tensor | None, place: int) -> Tensor:
    return x if chosen is None else torch.where((chosen & (1 << place)) != 0, x, 0.0)
