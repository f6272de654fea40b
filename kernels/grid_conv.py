"""Correlation on a regular grid whose halo is filled already: tap by tap, by conv2d, or through the Fourier transform.

    out[i, j] = Σ_{a, b} x[i + a, j + b] w[a, b],    0 ≤ a, b < k

for x [H + k − 1, W + k − 1, N, C_in] and w [k, k, C_in, C_out]; out [H, W, N, C_out]. Grid first: a pixel is a
contiguous matrix [N, C], so that halos are row copies and every transform is one matrix product.

`by_taps` adds one matrix product per pixel of the kernel, in place and without a copy of x; pixels that no kernel uses,
as on the hexagonal lattice, cost nothing. `direct` leaves it to torch's conv2d and takes images first, channels last in
memory before and after, and multiplies by pixels that are 0 as well. On a CPU it is the fastest for the nine pixels of
3 × 3 in float32, about as fast as the seven of a hexagon by taps; in float64, for which conv2d has no fast path there,
the slowest. `fourier` takes N_h = H + k − 1 and N_w = W + k − 1 as periods: the correlation is a product at each of
(N_h // 2 + 1) N_w frequencies, and what wraps around is never read. It needs 2 complex products per pixel and pair of
channels instead of k² real ones; transforms are products with matrices of that size, so no length is worse than
another. Under autocast `direct` and `fourier` work in its type, as matrix products do elsewhere, and taps in the type
of x. Weights have the dtype of x or, where that is half precision, may have float32, which is rounded to it. All can be
differentiated any number of times.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import torch
from torch import Tensor

from gaugenet.kernels.functions import apply, one_by_one
from gaugenet.kernels.linear_map import LinearMap

_BLOCK = 800_000
"""Bytes of input and result that stay in the cache of one core, 1 MB on present machines."""
_LEAST_ROWS = 128
"""Of a matrix product, below which its own start is what costs."""


def direct(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """The equation at the top of this file by conv2d, images first: x [N, H + k − 1, W + k − 1, C_in], w
    [k, k, C_in, C_out] and a bias [C_out] → [N, H, W, C_out]; any floating dtype and device."""
    kernel = _rounded(weight, x).permute(3, 2, 0, 1)
    if kernel.dtype == torch.float64:
        kernel = kernel.contiguous()  # else the second derivative of conv2d fails for one column of the result
    out = torch.conv2d(x.permute(0, 3, 1, 2), kernel, bias)
    return out.permute(0, 2, 3, 1)


def by_taps(x: Tensor, weight: Tensor, cells: Sequence[tuple[int, int]], size: int) -> Tensor:
    """The equation at the top of this file for k = `size` with w zero but at the `cells` (a, b): weight
    [T, C_in, C_out]."""
    out: Tensor = apply(_Taps, _TapsTangent, x, weight, Cells(tuple(cells), size))
    return out


@dataclass(frozen=True)
class Cells:
    """Those pixels of a size × size kernel that it has, (row, column). No tuple: ``torch.func`` would take its numbers
    for arguments."""

    places: tuple[tuple[int, int], ...]
    size: int

    def square(self, weight: Tensor) -> Tensor:
        """[T, C_in, C_out] → [size, size, C_in, C_out], 0 at other pixels."""
        row = torch.tensor([a * self.size + b for a, b in self.places], device=weight.device)
        square = weight.new_zeros(self.size**2, *weight.shape[1:]).index_copy(0, row, weight)
        return square.view(self.size, self.size, *weight.shape[1:])


class _Taps(torch.autograd.Function):
    @staticmethod
    def forward(x: Tensor, weight: Tensor, cells: Cells) -> Tensor:
        return taps_sum(x, weight, None, cells.places, cells.size)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        x, weight, ctx.cells = inputs
        ctx.save_for_backward(x, weight)
        ctx.save_for_forward(x, weight)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        cells: Cells = ctx.cells
        if torch.is_grad_enabled():
            return *gradients(partial(_by_conv2d, cells), (x, weight), ctx.needs_input_grad, grad), None
        height, width = grad.shape[:2]
        grad = grad.contiguous()
        grad_x = x.new_zeros(x.shape) if ctx.needs_input_grad[0] else None
        grad_w = taps_gradient(x, grad, cells.places, cells.size) if ctx.needs_input_grad[1] else None
        if grad_x is not None:
            for w, (a, b) in zip(_rounded(weight, x).unbind(0), cells.places):
                back = w.T.expand(height, -1, -1)
                _window(grad_x, a, b, height, width).baddbmm_(grad.flatten(1, 2), back)
        return grad_x, grad_w, None


class _TapsTangent(_Taps):
    """The same in forward mode and for vmap; a compiler refuses functions that define these."""

    @staticmethod
    def jvp(ctx: Any, of_x: Tensor | None, of_weight: Tensor | None, _: None) -> Tensor | None:
        x, weight = ctx.saved_tensors
        cells: Cells = ctx.cells
        out = None if of_x is None else by_taps(of_x, weight, cells.places, cells.size)
        if of_weight is None:
            return out
        more = by_taps(x, of_weight, cells.places, cells.size)
        return more if out is None else out + more

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], *args: Any) -> Any:
        return one_by_one(_TapsTangent.apply, info, in_dims, args)


def _by_conv2d(cells: Cells, x: Tensor, weight: Tensor) -> Tensor:
    square = cells.square(weight)
    return direct(x.permute(2, 0, 1, 3), square).permute(1, 2, 0, 3)


def gradients(
    function: Callable[..., Tensor], inputs: Sequence[Tensor | None], wanted: Sequence[bool], grad: Tensor
) -> tuple[Tensor | None, ...]:
    """Those of ⟨grad, function(*inputs)⟩ by the inputs that are `wanted`, which can be differentiated again; under
    autocast, too, in the types of the inputs."""
    chosen = [k for k, (x, w) in enumerate(zip(inputs, wanted)) if w and x is not None]

    def of_chosen(*xs: Tensor) -> Tensor:
        given = list(inputs)
        for k, x in zip(chosen, xs):
            given[k] = x
        with torch.autocast(grad.device.type, enabled=False):
            return function(*given)

    xs = [x for k in chosen if (x := inputs[k]) is not None]
    if torch._C._are_functorch_transforms_active():
        transpose: Any = torch.func.vjp(of_chosen, *xs)[1]
        found = transpose(grad)
    else:
        # torch.func refuses to work below saved_tensors_hooks, and so in what is checkpointed. Views, because one input
        # may depend on another; those of a vjp that has ended are no longer tracked
        xs = [x.view_as(x).requires_grad_() for x in xs]
        found = torch.autograd.grad(of_chosen(*xs), xs, grad, create_graph=True)
    by_input = dict(zip(chosen, found))
    return tuple(by_input.get(k) for k in range(len(inputs)))


def _rounded(weight: Tensor, x: Tensor) -> Tensor:
    return weight.to(x.dtype) if x.dtype in (torch.bfloat16, torch.float16) else weight


def taps_sum(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    cells: Sequence[tuple[int, int]],
    size: int,
    out: Tensor | None = None,
) -> Tensor:
    """What `by_taps` computes plus a bias [C_out], without autograd, into `out` if given, of any shape with as many
    numbers. On a CPU block by block, so that the result stays in the cache while all pixels of the kernel are added."""
    height, width, n = x.shape[0] - size + 1, x.shape[1] - size + 1, x.shape[2]
    if out is None:
        out = x.new_empty(height, width, n, weight.shape[2])
    sums = out.view(height, width * n, weight.shape[2])
    if bias is None:
        sums.zero_()
    else:
        sums.copy_(bias.expand_as(sums))
    rows_of, weights = x.flatten(1, 2), _rounded(weight, x).unbind(0)
    for rows, columns in _blocks(sums, x.shape[3]):
        block = sums[rows, columns]
        for (a, b), w in zip(cells, weights):
            _add_product(block, _shifted(rows_of, a, b * n, rows, columns), w)
    return out


def _add_product(out: Tensor, x: Tensor, w: Tensor) -> None:
    """out [H, L, C_out] += x [H, L, C_in] w"""
    if len(out) == 1:
        out[0].addmm_(x[0], w)
    else:
        out.baddbmm_(x, w.expand(len(x), -1, -1))


def taps_gradient(x: Tensor, grad: Tensor, cells: Sequence[tuple[int, int]], size: int, margin: int = 0) -> Tensor:
    """Its gradient by the weight, [T, C_in, C_out], without autograd; grad [H, W, N, C_out] with a margin around it."""
    height, width, n = x.shape[0] - size + 1, x.shape[1] - size + 1, x.shape[2]
    out = x.new_zeros(len(cells), x.shape[3], grad.shape[3])
    rows_of, parts, sums = x.flatten(1, 2), grad.flatten(1, 2), out.unbind(0)
    for rows, columns in _blocks(x.new_empty(height, width * n, 0), x.shape[3] + grad.shape[3]):
        part = _shifted(parts, margin, margin * n, rows, columns)
        for (a, b), total in zip(cells, sums):
            there = _shifted(rows_of, a, b * n, rows, columns)
            if len(part) == 1:
                total.addmm_(there[0].T, part[0])
            else:
                total += torch.bmm(there.transpose(1, 2), part).sum(0)
    return out


def _blocks(out: Tensor, channels: int) -> Iterator[tuple[slice, slice]]:
    """Rows and columns of blocks of a result [H, W · N, C]; a single one but on a CPU."""
    height, length = out.shape[:2]
    size = height * length
    if size == 0:
        return
    # a compiler has its own blocks
    if out.device.type == "cpu" and not torch.compiler.is_compiling():
        size = max(_BLOCK // (out.element_size() * (channels + out.shape[2])), _LEAST_ROWS) * torch.get_num_threads()
    rows, columns = (max(size // length, 1), length) if size >= length else (1, size)
    for i in range(0, height, rows):
        for j in range(0, length, columns):
            yield slice(i, min(i + rows, height)), slice(j, min(j + columns, length))


def _shifted(x: Tensor, down: int, along: int, rows: slice, columns: slice) -> Tensor:
    """x[down + rows, along + columns] of x [.., W · N, C], a view."""
    return x[down + rows.start : down + rows.stop, along + columns.start : along + columns.stop]


def _window(x: Tensor, a: int, b: int, height: int, width: int) -> Tensor:
    """x[a : a + height, b : b + width] as [height, width · N, C], a view."""
    n = x.shape[2]
    return x.flatten(1, 2)[a : a + height, b * n : (b + width) * n]


def fourier(x: Tensor, weight: Tensor) -> Tensor:
    """The equation at the top of this file through the Fourier transform: same shapes, same result up to rounding."""
    rows, columns, n, c_in = x.shape
    k, c_out = weight.shape[0], weight.shape[3]
    # what is made of tensors without numbers, in torch.export, must not be kept, nor what belongs to a transform
    passing = torch.compiler.is_compiling() or torch._C._are_functorch_transforms_active()
    matrices = _matrices if passing else _kept_matrices
    forward_rows, forward_columns, back_rows, back_columns, taps = matrices(rows, columns, k, x.dtype, x.device)
    half = rows // 2 + 1
    spectrum = forward_rows @ x.reshape(rows, columns * n * c_in)
    spectrum = forward_columns @ spectrum.view(half, 2 * columns, n * c_in)
    kernel = taps @ _rounded(weight, x).reshape(k * k, c_in * c_out)
    frequencies = half * columns
    turned = LinearMap(_turned, _folded)(spectrum.view(frequencies, 2, n, c_in))
    product = torch.bmm(turned.view(frequencies, 2 * n, 2 * c_in), kernel.view(frequencies, 2 * c_in, c_out))
    height, width = rows - k + 1, columns - k + 1
    product = back_columns @ product.view(half, 2 * columns, n * c_out)
    out: Tensor = (back_rows @ product.view(2 * half, width * n * c_out)).view(height, width, n, c_out)
    return out


def _turned(x: Tensor, _: Tensor | None = None) -> Tensor:
    """x and i x beside one another: [F, 2, N, C] → [F, 2, N, 2, C] with rows (Re, −Im) and (Im, Re).

    A complex product is then one real matrix product with the kernel's (Re; Im) below one another, and so are both of
    its gradients.
    """
    out = x.new_empty(*x.shape[:3], 2, x.shape[3])
    out[:, :, :, 0] = x
    out[:, 1, :, 1] = x[:, 0]
    out[:, 0, :, 1].copy_(x[:, 1]).neg_()
    return out


def _folded(x: Tensor, _: Tensor | None = None) -> Tensor:
    """The transpose of `_turned`."""
    out = x.new_empty(*x.shape[:3], x.shape[4])
    out[:, 0].copy_(x[:, 0, :, 0]).add_(x[:, 1, :, 1])
    out[:, 1].copy_(x[:, 1, :, 0]).sub_(x[:, 0, :, 1])
    return out


def _matrices(rows: int, columns: int, k: int, dtype: torch.dtype, device: torch.device) -> tuple[Tensor, ...]:
    """Both transforms, their inverses and that of the taps, real and imaginary parts interleaved by rows.

    forward_rows [2 half, rows]; forward_columns [2 columns, 2 columns] on (part, column) → (frequency, part);
    back_columns [2 width, 2 columns] → (part, column); back_rows [height, 2 half]; taps [half · columns · 2, k²].
    """
    half, height, width = rows // 2 + 1, rows - k + 1, columns - k + 1

    def wave(period: int, frequencies: int, places: int) -> tuple[Tensor, Tensor]:
        angle = torch.outer(torch.arange(frequencies).double(), torch.arange(places).double()) * (2 * math.pi / period)
        return angle.cos(), angle.sin()

    cos, sin = wave(rows, half, rows)
    forward_rows = torch.stack([cos, -sin], 1).flatten(0, 1)
    twice = torch.full((half,), 2.0, dtype=torch.float64)
    twice[0] = 1.0
    if rows % 2 == 0:
        twice[-1] = 1.0
    back_rows = (torch.stack([cos, -sin], 1) * (twice / rows)[:, None, None]).flatten(0, 1).T[:height]
    cos, sin = wave(columns, columns, columns)
    # (C − i S)(re + i im), columns (part, place)
    forward_columns = torch.stack([torch.cat([cos, sin], 1), torch.cat([-sin, cos], 1)], 1).flatten(0, 1)
    c, s = cos.T[:width], sin.T[:width]
    real, imaginary = torch.stack([c, -s], 2).flatten(1), torch.stack([s, c], 2).flatten(1)
    back_columns = torch.cat([real, imaginary]) / columns
    down, across = wave(rows, half, k), wave(columns, columns, k)
    cos = torch.einsum("fa,gb->fgab", down[0], across[0]) - torch.einsum("fa,gb->fgab", down[1], across[1])
    sin = torch.einsum("fa,gb->fgab", down[1], across[0]) + torch.einsum("fa,gb->fgab", down[0], across[1])
    taps = torch.stack([cos, sin], 2).reshape(half * columns * 2, k * k)
    return tuple(
        m.to(device=device, dtype=dtype).contiguous()
        for m in (forward_rows, forward_columns, back_rows, back_columns, taps)
    )


@lru_cache(maxsize=64)
@torch.inference_mode(False)  # else nothing could be trained with them later
def _kept_matrices(rows: int, columns: int, k: int, dtype: torch.dtype, device: torch.device) -> tuple[Tensor, ...]:
    return _matrices(rows, columns, k, dtype, device)
