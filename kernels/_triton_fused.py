"""The operator on a GPU, version 1: aggregate and contract in one kernel, where that moves fewer bytes.

The columns of the result are cut into pieces of at most 64 columns, and the pieces into groups: one launch each, with
the terms that its pieces need and their sums in registers. Nothing but the result is written. The weight gradient adds
up slices of targets apart and then the slices, in order, so that it is the same bits every time.

Which form runs is decided by the bytes that each moves between the multiprocessors and the caches (`traffic`), and by
the entry ``"fused"`` of `configs/aggregate.json`: the first version also wins where rows have many edges, for whose
sums it has tensor cores.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any, NamedTuple

import torch
from torch import Tensor

from gaugenet.kernels._reference import EdgeArrays, TransportBlock
from gaugenet.kernels._triton_config import VECTOR_BYTES, on_device, release, table_of
from gaugenet.kernels._triton_plan import ContractionPlan, Packing, alignment, channel_tiles, tile_table

WIDTHS = (64, 32, 16)
"""Of a piece in registers; 16 is the least that every tensor instruction takes."""

VARIABLE = "GAUGENET_TRITON_FORM"
FORMS = ("auto", "fused", "apart")

Blocks = tuple[TransportBlock, ...]


class FusedConfig(NamedTuple):
    """How one of the fused kernels is shaped."""

    block_m: int
    """Targets of one program (of one step, for the weight gradient)."""
    block_c: int
    """Columns of each of the two ranges of a channel tile."""
    warps: int
    max_sums: int
    """Terms times scalars that are in registers at a time."""
    max_columns: int
    """Columns of the result of one group."""
    precision: str
    """Of tl.dot."""
    max_block: int = WIDTHS[0]
    """Width of a piece."""
    max_registers: int | None = None
    """Per thread; None: the compiler's choice."""
    slices: int = 1
    """Weight gradient: slices of targets that are added up apart, at most."""
    slice_bytes: int = 0
    """Weight gradient: memory that all slices may take."""

    @property
    def options(self) -> dict[str, Any]:
        """For Triton's compiler."""
        bound = {} if self.max_registers is None else {"maxnreg": self.max_registers}
        return {"num_warps": self.warps, "enable_fp_fusion": True} | bound


class Piece(NamedTuple):
    """Columns of the result that one dot per term and scalar adds to."""

    first_term: int
    """Index among the terms of the plan."""
    n_terms: int
    block: int
    """Its width in registers, of WIDTHS."""
    start: int
    """First packed number of its matrix."""
    stride: int
    """Columns of that matrix."""
    column: int
    """Its first column there."""
    width: int
    out: int
    """Its first column of the result."""


class Group(NamedTuple):
    """What one launch does."""

    codes: tuple[int, ...]
    """The terms it sums, in order."""
    pieces: tuple[Piece, ...]
    block_b: int
    """Scalars at a time."""

    @property
    def columns(self) -> int:
        return sum(piece.width for piece in self.pieces)

    def constants(self, plan: ContractionPlan) -> dict[str, Any]:
        """Those of the kernels that depend on the group."""
        place = {plan.terms.index(code): i for i, code in enumerate(self.codes)}
        shape = tuple(n for p in self.pieces for n in (place[p.first_term], p.n_terms, p.block))
        mask, order = sum(1 << code for code in self.codes), max(self.codes) // 4
        return {"TERMS": mask, "PIECES": shape, "POST_ORDER": order, "BLOCK_B": self.block_b}


@functools.lru_cache(maxsize=256)
def groups(plan: ContractionPlan, n_scalars: int, fused: FusedConfig) -> tuple[Group, ...]:
    """The launches of one layer in this shape. Pieces of one product stay together while there is room."""
    found: list[tuple[list[int], list[Piece]]] = []
    for piece in _cut(plan, n_scalars, fused.max_block):
        codes = plan.terms[piece.first_term : piece.first_term + piece.n_terms]
        if found:
            terms, pieces = found[-1]
            joined = sorted({*terms, *codes})
            if len(joined) <= fused.max_sums and sum(p.block for p in pieces) + piece.block <= fused.max_columns:
                found[-1] = (joined, [*pieces, piece])
                continue
        found.append((list(codes), [piece]))
    result = []
    for terms, pieces in found:
        rounds = -(-n_scalars // max(fused.max_sums // len(terms), 1))
        result.append(Group(tuple(terms), tuple(pieces), -(-n_scalars // max(rounds, 1)) or 1))
    return tuple(result)


def _cut(plan: ContractionPlan, n_scalars: int, max_block: int) -> list[Piece]:
    """Pieces of at most the greatest width; columns that follow each other in matrix and result stay together."""
    pieces, start = [], 0
    for product in plan.products:
        column = 0
        runs: list[tuple[int, int, int]] = []
        for part in product.pieces:
            if runs and runs[-1][1] + runs[-1][2] == part.out:
                runs[-1] = (runs[-1][0], runs[-1][1], runs[-1][2] + part.width)
            else:
                runs.append((column, part.out, part.width))
            column += part.width
        for first, out, length in runs:
            done = 0
            while done < length:
                block = min(_block(length - done), max_block)
                width = min(block, length - done)
                place = (start, product.width, first + done, width, out + done)
                pieces.append(Piece(product.first_term, product.n_terms, block, *place))
                done += width
        start += product.n_terms * n_scalars * plan.c_in * product.width
    return pieces


def _block(width: int) -> int:
    """The widest piece that at most a quarter of it is empty, else the widest that is full."""
    for block in WIDTHS:
        if block <= width or 4 * width >= 3 * block:
            return block
    return WIDTHS[-1]


def config(
    arch: str, dtype: torch.dtype, degree: int, *, gradient: bool = False, triton: str | None = None
) -> FusedConfig | None:
    """The stored shape of a fused kernel; None where the architecture, the dtype, the degree or the version of Triton
    (that which is installed unless it is given) has none."""
    entry = table_of(arch).get("fused")
    if entry is None or dtype == torch.float64 or degree > entry["max_degree"]:
        return None
    if release(triton or _installed()) < release(entry.get("oldest_triton", "0")):
        return None
    shape = entry["weight_grad" if gradient else "conv"]
    precision = entry["precision" if dtype == torch.float32 else "half_precision"]
    shape = shape | (shape["half"] if dtype != torch.float32 else {})
    names = ("block_m", "block_c", "warps", "max_sums", "max_columns")
    more = {name: shape[name] for name in ("max_block", "max_registers", "slices", "slice_bytes") if name in shape}
    return FusedConfig(**{name: shape[name] for name in names}, precision=precision, **more)


def choose(
    arch: str, dtype: torch.dtype, plan: ContractionPlan, n_scalars: int, n_target: int, n_edges: int, *, gradient: bool
) -> FusedConfig | None:
    """The shape of the fused kernel where it can run and moves fewer bytes than sums that are stored; else None.

    The variable GAUGENET_TRITON_FORM forces ``"fused"`` (where it can run, whatever the degree) or ``"apart"``.

    Raises:
        ValueError: the variable holds something else.
    """
    forced = os.environ.get(VARIABLE) or "auto"
    if forced not in FORMS:
        raise ValueError(f"{VARIABLE}={forced!r} is no form of the operator on a GPU; expected {', '.join(FORMS)}")
    if forced == "apart" or n_target == 0 or n_scalars * plan.c_in * len(plan.terms) == 0:
        return None
    degree = round(n_edges / n_target)
    fused = config(arch, dtype, 0 if forced == "fused" else degree, gradient=gradient)
    if fused is None or forced == "fused":
        return fused
    moved = traffic(plan, fused, n_scalars, n_target, degree, dtype.itemsize, gradient)
    return fused if moved.fused <= moved.apart else None


@functools.cache
def _installed() -> str:
    try:
        return version("triton")
    except PackageNotFoundError:
        return "999"


class Traffic(NamedTuple):
    """Bytes that a pass moves between multiprocessors and caches in either form."""

    fused: float
    apart: float


def traffic(
    plan: ContractionPlan, fused: FusedConfig, n_scalars: int, n_target: int, degree: int, itemsize: int, gradient: bool
) -> Traffic:
    """Rows of x once for every group (fused) or once (apart); the packed weight once per program, or the gradient once
    per channel tile; the sums, written and read, only apart."""
    rows = n_target * degree * plan.c_in * itemsize
    packed = 4 * n_scalars * plan.multiply_adds
    launches = groups(plan, n_scalars, fused)
    sums = 8 * n_target * len(plan.terms) * n_scalars * plan.c_in
    if not gradient:
        return Traffic(len(launches) * rows + -(-n_target // fused.block_m) * packed, rows + sums)
    tiles = -(-plan.c_in // (2 * fused.block_c))
    again = sum(tiles * -(-n_scalars // g.block_b) * g.columns for g in launches)
    return Traffic(len(launches) * rows + n_target * again * itemsize + 2 * fused.slices * packed, rows + sums)


def conv(
    x: Tensor,
    packed: Tensor,
    edges: EdgeArrays,
    in_blocks: Blocks,
    plan: ContractionPlan,
    fused: FusedConfig,
    out: Tensor,
) -> None:
    """Write the result of the operator into `out` [T, C_out]; `packed` is `Packing.pack` of the weight."""
    from gaugenet.kernels import _triton_fused_kernels

    n_target = out.shape[0]
    n_scalars = edges.scalars.shape[1]
    for group in groups(plan, n_scalars, fused):
        arguments, constants = _arguments(x, edges, in_blocks, plan, fused, group)
        with on_device(x.device):
            _triton_fused_kernels.fused[(-(-n_target // fused.block_m),)](
                x_ptr=x,
                packed_ptr=packed,
                out_ptr=out,
                n_target=n_target,
                c_out=plan.c_out,
                **arguments,
                **constants,
                **fused.options,
            )


def weight_grad(
    x: Tensor,
    grad: Tensor,
    edges: EdgeArrays,
    in_blocks: Blocks,
    plan: ContractionPlan,
    fused: FusedConfig,
    table: Packing,
    empty: Any,
) -> Tensor:
    """The gradient to the packed weight, [size]; `empty` takes memory as `torch.empty` does."""
    from gaugenet.kernels import _triton_fused_kernels

    n_target, n_scalars, size = grad.shape[0], edges.scalars.shape[1], table.sign.numel()
    n_blocks = -(-n_target // fused.block_m)
    most = max(min(fused.slices, fused.slice_bytes // max(4 * size, 1)), 1)
    length = -(-n_blocks // min(most, n_blocks))
    slices = -(-n_blocks // length)
    partial = empty((slices, size), edges.scalars)
    for group in groups(plan, n_scalars, fused):
        arguments, constants = _arguments(x, edges, in_blocks, plan, fused, group)
        programs = slices * arguments["n_tiles"] * -(-n_scalars // group.block_b)
        with on_device(x.device):
            _triton_fused_kernels.fused_weight_grad[(programs,)](
                x_ptr=x,
                grad_ptr=grad,
                partial_ptr=partial,
                n_target=n_target,
                c_out=plan.c_out,
                slice_length=length * fused.block_m,
                packed_size=size,
                **arguments,
                **constants,
                **fused.options,
            )
    total: Tensor = partial.sum(0)
    return total


def _arguments(
    x: Tensor, edges: EdgeArrays, in_blocks: Blocks, plan: ContractionPlan, fused: FusedConfig, group: Group
) -> tuple[dict[str, Any], dict[str, Any]]:
    tiles = channel_tiles(in_blocks, fused.block_c)
    arguments = {
        "order_ptr": edges.order,
        "row_ptr": edges.row_ptr,
        "source_ptr": edges.source,
        "edge_ptr": edges.edge,
        "scalars_ptr": edges.scalars,
        "pre_ptr": edges.pre,
        "pre_flip_ptr": edges.pre_flip,
        "post_ptr": edges.post,
        "post_flip_ptr": edges.post_flip,
        "tiles_ptr": tile_table(in_blocks, fused.block_c, x.device),
        "pieces_ptr": _numbers(group.pieces, x.device),
        "n_tiles": len(tiles),
        "c_in": plan.c_in,
        "n_scalars": edges.scalars.shape[1],
    }
    pre_order = max((b.order for b in in_blocks if b.width), default=0) if edges.pre is not None else 0
    constants = constants_of(fused, group, plan, tiles, x.dtype, pre_order, edges.conjugate)
    return arguments, constants


def constants_of(
    fused: FusedConfig,
    group: Group,
    plan: ContractionPlan,
    tiles: Sequence[Sequence[int]],
    dtype: torch.dtype,
    pre_order: int,
    conjugate: bool,
) -> dict[str, Any]:
    """All constants of either kernel."""
    return {
        **group.constants(plan),
        "PRE_ORDER": pre_order,
        "CONJUGATE": conjugate,
        "ALIGN": alignment(tiles, plan.c_in, VECTOR_BYTES // dtype.itemsize),
        "ALIGN_N": _column_alignment(group.pieces, plan.c_out),
        "BLOCK_M": fused.block_m,
        "BLOCK_C": fused.block_c,
        "PRECISION": fused.precision,
    }


def _column_alignment(pieces: Sequence[Piece], c_out: int) -> int:
    """The power of two, at most 4, that divides every number in memory of the pieces and the columns of the result."""
    numbers = [n for p in pieces for n in (p.start, p.stride, p.column, p.width, p.out)]
    return next(n for n in (4, 2, 1) if all(number % n == 0 for number in (*numbers, c_out)))


@functools.lru_cache(maxsize=256)
def _numbers(pieces: tuple[Piece, ...], device: torch.device) -> Tensor:
    rows = [(p.start, p.stride, p.column, p.width, p.out) for p in pieces]
    return torch.tensor(rows, dtype=torch.int32).to(device)
