"""Shapes of the kernels' programs, read from `configs/`: data per architecture, nothing is tuned at run time.

Why some cards of bfloat16 and float16 have no 128-bit loads: a thread that loads eight numbers at once holds eight of
every sum, in float32. Where edges are added one after the other that is too many registers. On sm_90 with Triton 3.9,
at M = 2, B = 3 eight numbers take 255 registers and 130 spills, four 168 and none; with fewer scalars at a time 238
(B = 2), at the price of a second pass over the edges; at M = 1, B = 2 they take 150 registers instead of 92, and 0.19
of the warps fit instead of 0.31. So these kernels load four numbers, 64 bits: a tile of 16 columns is then one sector
of 32 bytes, read whole, and four lanes read it instead of two. The form that multiplies matrices has its sums in
tensor instructions, and loads 128 bits. Columns whose number is odd, or twice an odd one, allow no wide loads at all.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from importlib.resources import files
from typing import Any, NamedTuple

import torch

from gaugenet.kernels._reference import TransportBlock
from gaugenet.kernels._triton_plan import ContractionPlan, alignment, channel_tiles

VECTOR_BYTES = 16


class DotForm(NamedTuple):
    """What the form of many edges per target needs besides."""

    block_k: int
    """Edges of one matrix product."""
    rows: int
    """Terms times scalars, padded to what tensor instructions take."""
    precision: str
    """Of tl.dot."""


class AggregateConfig(NamedTuple):
    """How one call of the aggregate kernel is shaped."""

    block_m: int
    """Targets of one program."""
    block_c: int
    """Columns of each of its two ranges."""
    block_b: int
    """Scalars of one program."""
    warps: int
    align: int
    """Power of two that divides every column, width and row of x: the columns of one load."""
    max_registers: int | None
    """Per thread; None: the compiler's choice."""
    chunk_rows: int
    """Targets aggregated before they are contracted."""
    chunk_bytes: int
    """Memory that the sums of one chunk may take."""
    dot: DotForm | None = None
    """None: one edge after the other, in registers."""

    def constants(self, plan: ContractionPlan) -> dict[str, Any]:
        """Those of the kernel that depend on the shape."""
        shape = {"BLOCK_M": self.block_m, "BLOCK_C": self.block_c, "BLOCK_B": self.block_b, "ALIGN": self.align}
        if self.dot is None:
            return shape
        dot = {"BLOCK_K": self.dot.block_k, "ROWS": self.dot.rows, "PRECISION": self.dot.precision}
        return shape | dot | {"N_TERMS": len(plan.terms)}

    @property
    def options(self) -> dict[str, Any]:
        """For Triton's compiler; AMD's knows no bound on registers."""
        bound = {} if self.max_registers is None else {"maxnreg": self.max_registers}
        return {"num_warps": self.warps, "enable_fp_fusion": True} | bound

    def rows(self, row_bytes: int) -> int:
        """Targets per chunk where the sums of one take `row_bytes`: whole programs, at least one."""
        fitting = min(self.chunk_rows, self.chunk_bytes // max(row_bytes, 1))
        return max(fitting // self.block_m, 1) * self.block_m


@functools.cache
def table(name: str) -> dict[str, Any]:
    """`configs/<name>.json`."""
    content: dict[str, Any] = json.loads(files("gaugenet.kernels").joinpath("configs", f"{name}.json").read_text())
    return content


def architecture(device: torch.device) -> str:
    """``"sm_90"``, ``"gfx942"``, or ``"cpu"`` under the interpreter."""
    if device.type != "cuda":
        return device.type
    properties = torch.cuda.get_device_properties(device)
    if torch.version.hip:
        return str(properties.gcnArchName).split(":")[0]
    return f"sm_{properties.major}{properties.minor}"


def table_of(arch: str) -> dict[str, Any]:
    """The entry of an architecture in `configs/aggregate.json`: of the longest prefix of its name, or the default."""
    tables = table("aggregate")
    known = [name for name in tables if arch.startswith(name) and name != "about"]
    entry: dict[str, Any] = tables[max(known, key=len, default="default")]
    return entry


def release(version: str) -> tuple[int, ...]:
    """``"3.6.0"`` -> (3, 6)"""
    return tuple(int(part) for part in version.split(".")[:2])


def on_device(device: torch.device) -> AbstractContextManager[object]:
    """Triton launches on the current device, which need not be that of the tensors."""
    return torch.cuda.device(device) if device.type == "cuda" else nullcontext()


@functools.lru_cache(maxsize=256)
def aggregate_config(
    arch: str,
    plan: ContractionPlan,
    in_blocks: tuple[TransportBlock, ...],
    n_scalars: int,
    dtype: torch.dtype,
    degree: int,
) -> AggregateConfig:
    """The shape for one layer and its edges per target, rounded."""
    entry = table_of(arch)
    block_c = 32 if _padded(in_blocks, 32) <= 1.25 * _padded(in_blocks, 16) else 16
    align = alignment(channel_tiles(in_blocks, block_c), plan.c_in, VECTOR_BYTES // dtype.itemsize)
    n_terms = max(len(plan.terms), 1)
    # float64 takes two registers a number, and without wide loads the addresses of every number take as many again
    unaligned = align < min(4, VECTOR_BYTES // dtype.itemsize)
    registers = (2 if dtype == torch.float64 else 1) * (2 if unaligned else 1)
    groups = -(-n_scalars // max(entry["most_sums"] // (n_terms * registers), 1))
    block_b = -(-n_scalars // max(groups, 1)) or 1
    sums = n_terms * block_b * registers
    chunk = entry["chunk_rows"], entry["chunk_bytes"]
    dot = entry["dot"]
    fits = n_terms * block_b <= dot["rows"] and n_terms <= dot["max_terms"] and dtype != torch.float64
    if fits and degree >= dot["min_degree"]:
        precision = dot["precision" if dtype == torch.float32 else "half_precision"]
        form = DotForm(dot["block_k"], dot["rows"], precision)
        return AggregateConfig(dot["block_m"], block_c, block_b, dot["warps"], align, None, *chunk, form)
    for shape in entry["shapes"]:
        if shape["block_c"] == block_c and sums <= shape["max_sums"]:
            bound = entry.get("unaligned_max_registers") if unaligned else shape.get("max_registers")
            return AggregateConfig(shape["block_m"], block_c, block_b, shape["warps"], align, bound, *chunk)
    raise ValueError(
        f"the aggregate kernel holds at most {max(s['max_sums'] for s in entry['shapes'])} sums at a time, but the "
        f"out blocks need {sums}; use lower orders or implementation='reference'"
    )


def _padded(blocks: Sequence[TransportBlock], block_c: int) -> int:
    return 2 * block_c * len(channel_tiles(blocks, block_c))
