"""The launches that static kernel cards are made of: layers that reach every shape in `configs/`, at its fullest."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import torch

from gaugenet.kernels import _triton_fused
from gaugenet.kernels._reference import TransportBlock
from gaugenet.kernels._triton_config import aggregate_config
from gaugenet.kernels._triton_plan import ContractionPlan, channel_tiles, contraction_plan

TARGETS = {
    "sm_80": ("cuda", 80, 32),
    "sm_90": ("cuda", 90, 32),
    "sm_100": ("cuda", 100, 32),
    "gfx942": ("hip", "gfx942", 64),
}
"""Name -> backend, architecture, threads per warp."""

_TYPE = {torch.float32: "fp32", torch.float64: "fp64", torch.bfloat16: "bf16", torch.float16: "fp16"}


@dataclass(frozen=True)
class Launch:
    """One kernel as one layer would launch it."""

    name: str
    dtype: torch.dtype
    in_blocks: tuple[TransportBlock, ...]
    out_blocks: tuple[TransportBlock, ...]
    n_scalars: int
    geometry: frozenset[str]
    """Which of pre, pre_flip, post, post_flip there are."""
    degree: int
    """Edges per target."""
    reverse: bool
    """The transposed operator: edges through an index, angles negated."""
    fused: str = ""
    """``"conv"`` or ``"weight_grad"``: that fused kernel; empty: the aggregation alone."""
    group: int = 0
    """Which launch of the fused kernel (`gaugenet.kernels._triton_fused.groups`)."""
    ordered: bool = False
    """Whether rows are visited in an order of their own."""

    @property
    def plan(self) -> ContractionPlan:
        return contraction_plan(self.in_blocks, self.out_blocks, "post" in self.geometry, "post_flip" in self.geometry)

    def exists(self, target: str, triton: str) -> bool:
        """Whether dispatch may choose it there, with that version of Triton."""
        if not self.fused:
            return True
        gradient = self.fused == "weight_grad"
        return _triton_fused.config(target, self.dtype, self.degree, gradient=gradient, triton=triton) is not None

    @property
    def width(self) -> int:
        """Columns of x."""
        return sum(b.width for b in self.in_blocks)

    def kernel(self, target: str) -> str:
        """Its name in `gaugenet.kernels._triton_kernels` or `gaugenet.kernels._triton_fused_kernels`."""
        if self.fused:
            return {"conv": "fused", "weight_grad": "fused_weight_grad"}[self.fused]
        return "aggregate_dot" if "BLOCK_K" in self.arguments(target)[1] else "aggregate"

    def arguments(self, target: str) -> tuple[dict[str, str], dict[str, Any], dict[str, Any]]:
        """Signature and constants of the kernel on a target, and the compiler's options."""
        real = "*fp64" if self.dtype == torch.float64 else "*fp32"
        types = dict.fromkeys(("row_ptr", "source_ptr", "edge_ptr", "order_ptr", "tiles_ptr", "pieces_ptr"), "*i32")
        types |= dict.fromkeys(("x_ptr", "out_ptr", "grad_ptr"), "*" + _TYPE[self.dtype])
        types |= dict.fromkeys(("sums_ptr", "scalars_ptr", "pre_ptr", "post_ptr", "packed_ptr", "partial_ptr"), real)
        types |= dict.fromkeys(("pre_flip_ptr", "post_flip_ptr"), "*i8")
        types |= dict.fromkeys(("first", "last", "n_target", "n_tiles", "c_in", "c_out", "n_scalars"), "i32")
        types |= dict.fromkeys(("slice_length", "packed_size"), "i32")
        present = {*(f"{g}_ptr" for g in self.geometry)}
        present |= {"edge_ptr"} if self.reverse else set()
        present |= {"order_ptr"} if self.ordered else set()
        absent = {"edge_ptr", "order_ptr", "pre_ptr", "pre_flip_ptr", "post_ptr", "post_flip_ptr"} - present
        shape, options = self._fused(target) if self.fused else self._aggregate(target)
        constants = {**dict.fromkeys(sorted(absent)), **shape}
        signature = {k: "constexpr" if k in absent else v for k, v in types.items()}
        return signature | dict.fromkeys(constants, "constexpr"), constants, options

    @property
    def _pre_order(self) -> int:
        return max(b.order for b in self.in_blocks) if "pre" in self.geometry else 0

    def _aggregate(self, target: str) -> tuple[dict[str, Any], dict[str, Any]]:
        plan = self.plan
        config = aggregate_config(target, plan, self.in_blocks, self.n_scalars, self.dtype, self.degree)
        constants = {
            "TERMS": plan.term_mask,
            "PRE_ORDER": self._pre_order,
            "POST_ORDER": plan.post_order,
            "CONJUGATE": self.reverse,
            **config.constants(plan),
        }
        return constants, config.options

    def _fused(self, target: str) -> tuple[dict[str, Any], dict[str, Any]]:
        plan = self.plan
        gradient = self.fused == "weight_grad"
        config = _triton_fused.config(target, self.dtype, self.degree, gradient=gradient, triton="999")
        if config is None:
            raise ValueError(f"{target} has no fused kernel for {self.name}")
        group = _triton_fused.groups(plan, self.n_scalars, config)[self.group]
        tiles = channel_tiles(self.in_blocks, config.block_c)
        constants = _triton_fused.constants_of(config, group, plan, tiles, self.dtype, self._pre_order, self.reverse)
        return constants, config.options


def _field(max_order: int, multiplicity: int, odd: bool = False) -> tuple[TransportBlock, ...]:
    scalars = [TransportBlock(0, 0, 1, multiplicity), *([TransportBlock(0, 1, 1, multiplicity)] if odd else [])]
    return (*scalars, *(TransportBlock(m, 0, 2, multiplicity) for m in range(1, max_order + 1)))


def _launch(
    name: str,
    max_order: int,
    multiplicity: int,
    n_scalars: int,
    geometry: str,
    dtype: torch.dtype = torch.float32,
    reverse: bool = False,
    odd: bool = False,
    degree: int = 7,
) -> Launch:
    field = _field(max_order, multiplicity, odd)
    degrees = ", many edges" if degree > 7 else ""
    label = (
        f"{name}{', reversed' if reverse else ''}, M{max_order} B{n_scalars} C{multiplicity}, {_TYPE[dtype]}{degrees}"
    )
    return Launch(label, dtype, field, field, n_scalars, frozenset(geometry.split()), degree, reverse)


_APART = (
    _launch("aligned", 1, 16, 2, "pre post"),
    _launch("aligned", 1, 32, 2, "pre post", torch.bfloat16),
    _launch("aligned", 2, 16, 3, "pre post"),
    _launch("aligned", 2, 32, 3, "pre post"),
    _launch("aligned", 2, 32, 3, "pre post", torch.bfloat16),
    _launch("aligned", 2, 32, 3, "pre post", torch.float16),
    _launch("aligned", 2, 32, 3, "pre post", torch.float64),
    _launch("aligned", 2, 5, 3, "pre post"),
    _launch("aligned", 2, 6, 3, "pre post"),
    _launch("aligned", 2, 6, 3, "pre post", torch.bfloat16),
    _launch("aligned", 2, 12, 3, "pre post"),
    _launch("aligned", 2, 30, 3, "pre post", torch.float64),
    _launch("harmonic", 2, 5, 16, "pre"),
    _launch("harmonic", 2, 25, 16, "pre pre_flip"),
    _launch("harmonic", 2, 50, 16, "pre pre_flip", torch.bfloat16),
    _launch("aligned", 2, 32, 3, "pre post", reverse=True),
    _launch("aligned", 2, 32, 3, "pre post", torch.bfloat16, reverse=True),
    _launch("aligned with flips", 2, 32, 3, "pre pre_flip post", odd=True),
    _launch("aligned with flips", 2, 32, 3, "pre post post_flip", reverse=True, odd=True),
    _launch("harmonic", 2, 32, 16, "pre"),
    _launch("harmonic", 2, 32, 16, "post", reverse=True),
    _launch("harmonic with flips", 2, 16, 16, "pre pre_flip", odd=True),
    _launch("no transport", 0, 64, 16, ""),
    _launch("all, high order", 7, 32, 2, "pre pre_flip post post_flip", odd=True),
    _launch("all, high order", 7, 16, 2, "pre pre_flip post post_flip", odd=True),
    _launch("all, highest order", 15, 32, 2, "pre pre_flip post post_flip", odd=True),
    _launch("all, highest order", 15, 16, 2, "pre pre_flip post post_flip", odd=True),
    _launch("aligned", 2, 32, 3, "pre post", degree=30),
    _launch("aligned", 2, 32, 3, "pre post", torch.bfloat16, degree=30),
    _launch("aligned", 2, 16, 3, "pre post", degree=30),
    _launch("aligned", 2, 5, 3, "pre post", degree=30),
    _launch("aligned", 2, 12, 3, "pre post", degree=30),
    _launch("aligned", 2, 32, 3, "pre post", reverse=True, degree=30),
    _launch("aligned with flips", 2, 32, 3, "pre post post_flip", reverse=True, odd=True, degree=30),
    _launch("harmonic", 2, 32, 16, "pre", degree=30),
    _launch("harmonic", 2, 32, 16, "pre", torch.float16, degree=30),
)


def _with_fused(launches: tuple[Launch, ...]) -> tuple[Launch, ...]:
    """The first and last launch of both fused kernels for the layers given, with an order of visiting."""
    found = []
    for launch in launches:
        for kernel in ("conv", "weight_grad"):
            config = _triton_fused.config("sm_90", launch.dtype, launch.degree, gradient=kernel == "weight_grad")
            if config is None:
                raise ValueError(f"no fused kernel for {launch.name}")
            n = len(_triton_fused.groups(launch.plan, launch.n_scalars, config))
            for group in sorted({0, n - 1}):
                name = f"{launch.name}, {kernel} {group + 1} of {n}"
                found.append(dataclasses.replace(launch, name=name, fused=kernel, group=group, ordered=True))
    return tuple(found)


LAUNCHES = _APART + _with_fused(
    (
        _launch("aligned", 2, 16, 3, "pre post"),
        _launch("aligned", 2, 32, 3, "pre post"),
        _launch("aligned", 2, 32, 3, "pre post", torch.bfloat16),
        _launch("aligned", 1, 32, 2, "pre post", torch.float16),
        _launch("aligned", 2, 5, 3, "pre post"),
        _launch("aligned with flips", 2, 32, 3, "pre post post_flip", reverse=True, odd=True),
        _launch("harmonic with flips", 2, 16, 16, "pre pre_flip", odd=True),
    )
)
