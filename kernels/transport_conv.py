"""`transport_conv`: gather, transport, scale, contract, transport back, sum; differentiable any number of times."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor

from gaugenet.kernels import _ops
from gaugenet.kernels._dense import check_dense, check_one_device, check_real
from gaugenet.kernels._reference import TransportBlock
from gaugenet.kernels.csr import check_csr, check_permutation, reverse_csr
from gaugenet.kernels.dispatch import explain

__all__ = ["ConvEdges", "TransportBlock", "explain", "transport_conv"]

_HALF = (torch.bfloat16, torch.float16)


@dataclass(frozen=True, eq=False)
class ConvEdges:
    """The edges of one convolution, in both directions, with what the operator reads on each. Build with `from_csr`."""

    n_source: int
    """S."""
    n_target: int
    """T."""
    row_ptr: Tensor
    """int32 [T + 1]"""
    source: Tensor
    """int32 [E], sorted by target."""
    reverse_row_ptr: Tensor
    """int32 [S + 1]"""
    reverse_target: Tensor
    """int32 [E] target of each edge, sorted by source."""
    reverse_edge: Tensor
    """int32 [E] position in the first order of each edge, sorted by source."""
    scalars: Tensor
    """[E, B] float32 or float64."""
    pre: Tensor | None = None
    """[E, 2] (cos alpha, sin alpha); None: alpha = 0."""
    pre_flip: Tensor | None = None
    """int8 [E] of ±1; None: +1."""
    post: Tensor | None = None
    """[E, 2] (cos beta, sin beta); None: beta = 0."""
    post_flip: Tensor | None = None
    """int8 [E] of ±1; None: +1."""
    order: Tensor | None = None
    """int32 [T], a permutation: targets that come one after the other are worked on together, so that sources which
    they share are still in the cache; None: as they are numbered. Results and gradients to x are the same bits with
    any; the gradient to the weight, a sum over targets, is added up in this order and differs by rounding."""
    reverse_order: Tensor | None = None
    """int32 [S], the same for the sources in the transposed operator."""

    @classmethod
    def from_csr(
        cls,
        row_ptr: Tensor,
        source: Tensor,
        n_source: int,
        scalars: Tensor,
        alpha: Tensor | None = None,
        flip: Tensor | None = None,
        beta: Tensor | None = None,
        post_flip: Tensor | None = None,
        order: Tensor | None = None,
        reverse_order: Tensor | None = None,
    ) -> ConvEdges:
        """Edges from a CSR sorted by target.

        Args:
            row_ptr: int [T + 1].
            source: int [E].
            n_source: S.
            scalars: [E, B] real.
            alpha: [E] radians, angle applied before the weight.
            flip: [E] of ±1, reflection applied before that rotation.
            beta: [E] radians, angle applied after the weight.
            post_flip: [E] of ±1, reflection applied after that rotation.
            order: int [T], the order of visiting targets.
            reverse_order: int [S], the order of visiting sources in the transposed operator.

        Raises:
            ValueError: shapes, dtypes or devices do not fit, an index is out of range, a flip is not ±1, or an order is
                not a permutation.
        """
        given = {
            **{"row_ptr": row_ptr, "source": source, "scalars": scalars, "alpha": alpha, "flip": flip, "beta": beta},
            **{"post_flip": post_flip, "order": order, "reverse_order": reverse_order},
        }
        check_dense(**given)
        check_one_device(**given)
        check_csr(row_ptr, source, n_source)
        n_edges = source.shape[0]
        if scalars.dim() != 2 or scalars.shape[0] != n_edges or scalars.dtype not in (torch.float32, torch.float64):
            raise ValueError(
                f"scalars: expected float32 or float64 [E, B] with E = {n_edges}, got {scalars.dtype} "
                f"{tuple(scalars.shape)}"
            )
        for name, value in (("alpha", alpha), ("flip", flip), ("beta", beta), ("post_flip", post_flip)):
            if value is not None and value.shape != (n_edges,):
                raise ValueError(f"{name}: expected one value per edge [{n_edges}], got {tuple(value.shape)}")
            if value is not None and "flip" in name and not bool(((value == 1) | (value == -1)).all()):
                raise ValueError(f"{name}: must hold +1 and -1 only")
            if value is not None and (value.is_complex() or value.dtype == torch.bool):
                raise ValueError(f"{name}: expected real numbers, got {value.dtype}")
        check_permutation(order, row_ptr.shape[0] - 1, "order")
        check_permutation(reverse_order, n_source, "reverse_order")
        row_ptr, source = row_ptr.to(torch.int32).contiguous(), source.to(torch.int32).contiguous()
        return cls(
            n_source,
            row_ptr.shape[0] - 1,
            row_ptr,
            source,
            *reverse_csr(row_ptr, source, n_source),
            scalars.contiguous(),
            _cos_sin(alpha, scalars.dtype),
            None if flip is None else flip.to(torch.int8).contiguous(),
            _cos_sin(beta, scalars.dtype),
            None if post_flip is None else post_flip.to(torch.int8).contiguous(),
            None if order is None else order.to(torch.int32).contiguous(),
            None if reverse_order is None else reverse_order.to(torch.int32).contiguous(),
        )

    @property
    def n_edges(self) -> int:
        """E."""
        return self.source.shape[0]

    def to(self, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> ConvEdges:
        """The same edges on another device or in another real dtype (indices and signs keep theirs)."""
        changed: dict[str, Any] = {}
        for f in fields(self):
            value = getattr(self, f.name)
            if isinstance(value, Tensor):
                value = value.to(device=device, dtype=dtype if value.is_floating_point() else None)
            changed[f.name] = value
        return ConvEdges(**changed)


def transport_conv(
    x: Tensor,
    weight: Tensor,
    edges: ConvEdges,
    in_blocks: Sequence[tuple[int, int, int, int]],
    out_blocks: Sequence[tuple[int, int, int, int]],
    *,
    implementation: str | None = None,
) -> Tensor:
    """Transport features along edges and contract them with edge-dependent matrices:

        out[p] = Σ_{e in row p} Post_e [ Σ_b scalars[e, b] W_b ] Pre_e x[source_e]

    Pre_e acts on every block of `in_blocks`: of dim 2 by R(order·alpha_e) diag(1, pre_flip_e), of dim 1 by
    cos(order·alpha_e) pre_flip_e^parity; R is the rotation by an angle. Post_e acts on every block of `out_blocks`: of
    dim 2 by diag(1, post_flip_e) R(order·beta_e), of dim 1 by cos(order·beta_e) post_flip_e^parity. The operator is
    thus closed under transposition: reverse the edges, transpose W_b, alpha' = -beta, beta' = -alpha, swap the flips.
    `gaugenet.kernels._reference` is this definition in code.

    Differentiable any number of times in `x` and `weight`, never in the geometry. Deterministic to the bit on a CPU,
    for any number of threads.

    Args:
        x: [S, C_in], block after block, component-major inside a block; in the frames of the sources.
        weight: [B, C_out, C_in]; the dtype of `x`, or float32 where `x` has half precision (it is rounded to it).
        edges: S sources, T targets; the dtype of `x`, or float32 where `x` has half precision.
        in_blocks: (order, parity, dim, multiplicity) of each block of `x`.
        out_blocks: the same of the result.
        implementation: name of an implementation of `gaugenet.kernels.dispatch` to force; None: the best that can.

    Returns:
        [T, C_out] in the dtype of `x`, in the frames of the targets. Sums are taken in at least float32. Autocast
        changes nothing: the operator runs in the dtype of `x` and returns it.

    Raises:
        ValueError: shapes, dtypes or devices do not fit, a block is malformed, the geometry requires a gradient, or the
            forced implementation cannot run.
    """
    flat_in, flat_out = _flatten(in_blocks, "in_blocks"), _flatten(out_blocks, "out_blocks")
    check_dense(x=x, weight=weight)
    if not isinstance(edges, ConvEdges):
        raise ValueError(f"edges: expected ConvEdges, got {type(edges).__name__}; use ConvEdges.from_csr")
    if x.dtype in _HALF and weight.dtype == torch.float32:
        weight = weight.to(x.dtype)
    _check(x, weight, edges, flat_in, flat_out)
    return _ops.conv(
        x,
        weight,
        edges.scalars,
        edges.pre,
        edges.pre_flip,
        edges.post,
        edges.post_flip,
        edges.row_ptr,
        edges.source,
        None,
        edges.reverse_row_ptr,
        edges.reverse_target,
        edges.reverse_edge,
        edges.order,
        edges.reverse_order,
        False,
        flat_in,
        flat_out,
        implementation,
    )


def _cos_sin(angle: Tensor | None, dtype: torch.dtype) -> Tensor | None:
    return None if angle is None else torch.stack([torch.cos(angle), torch.sin(angle)], 1).to(dtype)


def _flatten(blocks: Sequence[tuple[int, int, int, int]], name: str) -> list[int]:
    flat: list[int] = []
    for block in blocks if isinstance(blocks, Sequence) else [blocks]:
        numbers = tuple(block) if isinstance(block, Sequence) else (block,)
        integers = len(numbers) == 4 and all(hasattr(n, "__index__") for n in numbers)
        if not integers or numbers[2] not in (1, 2) or numbers[1] not in (0, 1) or min(numbers[0], numbers[3]) < 0:
            raise ValueError(
                f"{name}: a block is four integers (order >= 0, parity 0 or 1, dim 1 or 2, multiplicity >= 0), got "
                f"{numbers if len(numbers) > 1 else numbers[0]!r}"
            )
        flat += [int(n) for n in numbers]
    return flat


def _width(flat: Sequence[int]) -> int:
    return sum(d * m for d, m in zip(flat[2::4], flat[3::4]))


def _check(x: Tensor, weight: Tensor, edges: ConvEdges, flat_in: list[int], flat_out: list[int]) -> None:
    c_in, c_out, b = _width(flat_in), _width(flat_out), edges.scalars.shape[1]
    if x.dim() != 2 or x.shape[0] != edges.n_source or x.shape[1] != c_in:
        raise ValueError(
            f"x: expected [{edges.n_source}, {c_in}] (sources, columns of in_blocks), got {tuple(x.shape)}"
        )
    if weight.dim() != 3 or weight.shape[0] != b or weight.shape[1] != c_out or weight.shape[2] != c_in:
        raise ValueError(
            f"weight: expected [{b}, {c_out}, {c_in}] (scalars, columns of out_blocks, columns of in_blocks), "
            f"got {tuple(weight.shape)}"
        )
    check_real("x", x)
    geometry = torch.float32 if x.dtype in _HALF else x.dtype
    if weight.dtype != x.dtype or edges.scalars.dtype != geometry:
        raise ValueError(
            f"x, weight and edges must agree in dtype (half precision x: float32 edges), got {x.dtype}, "
            f"{weight.dtype} and {edges.scalars.dtype}; use .to(dtype)"
        )
    if x.device != weight.device or x.device != edges.scalars.device:
        raise ValueError(
            f"x, weight and edges must be on one device, got {x.device}, {weight.device} and "
            f"{edges.scalars.device}; use .to(device)"
        )
    for name, value in (("scalars", edges.scalars), ("pre", edges.pre), ("post", edges.post)):
        if value is not None and value.requires_grad and torch.is_grad_enabled():
            raise ValueError(
                f"edges.{name} requires a gradient, but transport_conv has none with respect to geometry: detach it, "
                "and keep what is learned in weight"
            )
