"""Timings of the GPU suite: workloads of the model, peers, and the search for better configurations."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any, NamedTuple

import torch
import torch._functorch.config
from edge_first import Problem, gem_conv
from suite_checks import FORMS, form
from torch import Tensor

from gaugenet.kernels._reference import TransportBlock
from gaugenet.kernels._triton_config import VECTOR_BYTES, AggregateConfig, DotForm, aggregate_config
from gaugenet.kernels._triton_fused import FusedConfig
from gaugenet.kernels._triton_fused import config as fused_config
from gaugenet.kernels._triton_plan import ContractionPlan, alignment, channel_tiles
from gaugenet.kernels.csr import row_of_each_edge
from gaugenet.profiling.edge_first import EdgeFirst
from gaugenet.profiling.gate import TOLERANCE, Run, gate, relative_error, runs
from gaugenet.profiling.machine import Peaks
from gaugenet.profiling.problem import OperatorProblem, banded_edges
from gaugenet.profiling.report import COSTS
from gaugenet.profiling.static_cards import launch_of
from gaugenet.profiling.timing import measure, passes, peak_memory

Record = dict[str, Any]


class Size(NamedTuple):
    """SO(2) fields of `channels` copies of each frequency 0 .. max_frequency."""

    vertices: int
    degree: int
    channels: int
    max_frequency: int
    n_radial: int
    dtype: torch.dtype

    def problem(self, device: torch.device, vertices: int | None = None) -> OperatorProblem:
        n = vertices or self.vertices
        blocks = [(0, 0, 1, self.channels), *((m, 0, 2, self.channels) for m in range(1, self.max_frequency + 1))]
        edges = banded_edges(n, self.degree, self.n_radial, ("alpha", "beta"), device)
        return OperatorProblem.random(str(self), edges, blocks, blocks, self.dtype)

    def __str__(self) -> str:
        name = str(self.dtype).removeprefix("torch.")
        return f"V={self.vertices} k={self.degree} C={self.channels} M={self.max_frequency} R={self.n_radial} {name}"


SIZES = (
    Size(10_000, 7, 16, 2, 3, torch.float32),
    Size(100_000, 7, 32, 2, 3, torch.float32),
    Size(100_000, 30, 64, 1, 3, torch.float32),
    Size(1_000_000, 7, 32, 1, 2, torch.float32),
    Size(1_000_000, 30, 128, 2, 4, torch.bfloat16),
)
TINY = (Size(150, 5, 4, 1, 2, torch.float32), Size(60, 30, 4, 2, 3, torch.bfloat16))


@contextmanager
def precision(name: str) -> Iterator[None]:
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(name)
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


def peers(problem: OperatorProblem, implementation: str, size: Size, compiled: bool) -> Iterator[Peer]:
    """The implementation (aggregate, then products of the vendor's library) and its edge-first peers."""
    ours = runs(problem, peer=False)[0][implementation]
    flat = EdgeFirst(problem)
    gem, gem_problem = as_gem(problem, size)
    settings = ("highest", "high") if problem.dtype == torch.float32 and problem.device.type == "cuda" else ("highest",)
    for setting in settings:
        mark = "" if setting == "highest" else ", tf32"
        yield Peer(f"{implementation}{mark}", ours, problem, setting)
        if implementation == "triton" and setting == "highest" and problem.dtype != torch.float64:
            for each in FORMS:
                yield Peer(f"{implementation}, {each}", _in_form(ours, each), problem, setting)
        yield Peer(f"edge first{mark}", flat, problem, setting)
        if compiled:
            yield Peer(f"edge first, compiled{mark}", torch.compile(flat), problem, setting)
        yield Peer(f"GEM-CNN{mark}", gem, gem_problem, setting)


def _in_form(run: Run, name: str) -> Run:
    def call(x: Tensor, weight: Tensor) -> Tensor:
        with form(name):
            return run(x, weight)

    return call


class Peer(NamedTuple):
    name: str
    run: Run
    problem: OperatorProblem
    precision: str


def as_gem(problem: OperatorProblem, size: Size) -> tuple[Run, OperatorProblem]:
    """The published algorithm, and the problem in its layout."""
    edges, dtype = problem.edges, problem.dtype
    angles = [torch.atan2(t[:, 1], t[:, 0]).to(dtype) for t in (edges.pre, edges.post) if t is not None]
    target = row_of_each_edge(edges.row_ptr, edges.n_edges)
    scalars = edges.scalars.to(dtype)
    gem = Problem(edges.source.long(), target, *angles, scalars, edges.n_target, size.channels, size.max_frequency)
    columns = gem.columns.to(problem.device)
    weight = problem.weight[:, columns][:, :, :, columns].permute(0, 3, 4, 1, 2).contiguous()
    moved = dataclasses.replace(problem, x=problem.x[:, columns], weight=weight, grad=problem.grad[:, columns])
    return lambda x, w: gem_conv(x, w, gem), moved


def gem_in_our_layout(problem: OperatorProblem, size: Size) -> Run:
    """The same algorithm from and to flat features, for the check."""
    gem, _ = as_gem(problem, size)
    copies = torch.arange(size.channels, device=problem.device)
    components = torch.arange(2 * size.max_frequency + 1, device=problem.device)
    columns = copies[:, None] + size.channels * components

    def run(x: Tensor, weight: Tensor) -> Tensor:
        spread = weight[:, columns][:, :, :, columns].permute(0, 3, 4, 1, 2)
        return gem(x[:, columns], spread).transpose(1, 2).flatten(1)

    return run


def benchmark(size: Size, implementation: str, peaks: Peaks, device: torch.device, compiled: bool) -> Record:
    """All passes of all peers, after a check of each: peers at a small size, the implementation at the full one."""
    small = size.problem(device, min(size.vertices, 2000)).to(dtype=torch.float32)
    checks = gate(small, {"edge first": EdgeFirst(small), "GEM-CNN": gem_in_our_layout(small, size)})
    problem = size.problem(device)
    checks += gate(problem, {implementation: runs(problem, peer=False)[0][implementation]})
    record: Record = {"workload": str(size), **problem.describe(), "checks": [c.to_json() for c in checks]}
    record |= {"passed": all(c.passed for c in checks), "rows": [], "problems": []}
    if not record["passed"]:
        return record
    # a gradient is timed over and over from one result, so the compiled forward must not give its buffers away
    torch._functorch.config.donated_buffer = False
    for peer in peers(problem, implementation, size, compiled):
        # more than a few compiled variants of one function would fall back to eager execution without a word
        torch.compiler.reset()
        try:
            with precision(peer.precision):
                record["rows"] += _rows(peer, problem, peaks)
        except (RuntimeError, torch.OutOfMemoryError) as error:
            record["problems"].append({"peer": peer.name, "error": f"{type(error).__name__}: {error}"[:300]})
        if device.type == "cuda":
            torch.cuda.empty_cache()
    return record


def _rows(peer: Peer, problem: OperatorProblem, peaks: Peaks) -> Iterator[Record]:
    work = problem.workload
    for each, call in passes(peer.run, peer.problem).items():
        times = measure({"": call}, problem.device)[""]
        needed = COSTS[each](work)
        memory = peak_memory(call, problem.device)
        row: Record = {"peer": peer.name, "pass": each, "ms": times.median, "p20": times.p20, "p80": times.p80}
        row["percent_of_bandwidth"] = 1e5 * needed.bytes / times.median / peaks.bytes_per_second
        row["percent_of_flops"] = 1e5 * needed.flops / times.median / peaks.flops_per_second
        row["peak_mib"] = None if memory is None else memory / 2**20
        row["graph_ms"] = _under_a_graph(call) if problem.device.type == "cuda" else None
        yield row


def _under_a_graph(call: Callable[[], object]) -> float | str:
    """Median ms without the cost of launches; why not, where the call cannot be captured."""
    from triton.testing import do_bench_cudagraph

    try:
        return float(do_bench_cudagraph(call, return_mode="median"))
    except Exception as error:
        return f"{type(error).__name__}: {error}"[:200]


def alternatives(problem: OperatorProblem, architecture: str) -> dict[str, AggregateConfig | FusedConfig | None]:
    """The stored choice (None), and shapes worth trying beside it; the accuracy of products stays as it is."""
    plan = problem.workload.plan
    b, blocks, dtype = problem.weight.shape[0], problem.in_blocks, problem.dtype
    stored = aggregate_config(architecture, plan, blocks, b, dtype, launch_of(problem).degree)
    found: dict[str, AggregateConfig | FusedConfig | None] = {"stored": None, "apart, as stored": stored}
    by_edge = aggregate_config(architecture, plan, blocks, b, dtype, 1)
    by_product = aggregate_config(architecture, plan, blocks, b, dtype, 10_000)
    for block_c in (16, 32):
        align = _alignment(blocks, plan, block_c, dtype)
        for block_m, warps in itertools.product((4, 8, 16, 32), (2, 4, 8)):
            shape = by_edge._replace(block_m=block_m, block_c=block_c, warps=warps, align=align)
            found[f"by edge {block_m}×{block_c}, {warps} warps"] = shape
        if by_product.dot is None:
            continue
        for block_m, block_k, warps in itertools.product((2, 4, 8), (16, 32), (2, 4, 8)):
            dot = DotForm(block_k, by_product.dot.rows, by_product.dot.precision)
            shape = by_product._replace(block_m=block_m, block_c=block_c, warps=warps, align=align, dot=dot)
            found[f"by product {block_m}×{block_c}×{block_k}, {warps} warps"] = shape
    for rows in (4096, 65536):
        found[f"apart, chunks of {rows}"] = stored._replace(chunk_rows=rows)
    fused = fused_config(architecture, dtype, 0)
    if fused is not None:
        sizes = itertools.product((32, 64, 128), (4, 8), (2, 3, 6), (64, 128, 256))
        for block_m, warps, sums, columns in sizes:
            found[f"fused {block_m}, {warps} warps, {sums} sums, {columns} columns"] = fused._replace(
                block_m=block_m, warps=warps, max_sums=sums, max_columns=columns
            )
    return found


@contextmanager
def _shaped(config: AggregateConfig | FusedConfig | None) -> Iterator[None]:
    """The operator in this shape and its form; None: as it is chosen."""
    from gaugenet.kernels import _triton, _triton_fused

    before = _triton.aggregate_config, _triton_fused.config
    try:
        if isinstance(config, FusedConfig):
            _triton_fused.config = lambda *_, **__: config
        elif config is not None:
            _triton.aggregate_config = lambda *_: config  # type: ignore[assignment]
        with nullcontext() if config is None else form("fused" if isinstance(config, FusedConfig) else "apart"):
            yield
    finally:
        _triton.aggregate_config, _triton_fused.config = before


def _alignment(blocks: tuple[TransportBlock, ...], plan: ContractionPlan, block_c: int, dtype: torch.dtype) -> int:
    return alignment(channel_tiles(blocks, block_c), plan.c_in, VECTOR_BYTES // dtype.itemsize)


def tune(size: Size, device: torch.device, architecture: str) -> Record:
    """Forward time of each alternative; one that does not compile or is not right to tolerance is no candidate."""
    problem = size.problem(device)
    run = runs(problem, peer=False)[0]["triton"]
    tolerance = TOLERANCE[size.dtype][0]
    expected, rows = None, []
    for name, config in alternatives(problem, architecture).items():
        row: Record = {"name": name, "config": _as_json(config)}
        try:
            with _shaped(config):
                out = run(problem.x, problem.weight)
                expected = out if expected is None else expected
                row["error"] = relative_error(out, expected)
                if row["error"] <= tolerance:
                    row["ms"] = measure({"": lambda: run(problem.x, problem.weight)}, device)[""].median
        except Exception as error:
            row["problem"] = f"{type(error).__name__}: {error}"[:200]
        rows.append(row)
    timed = sorted((row for row in rows if "ms" in row), key=lambda row: row["ms"])
    stored = next((row["ms"] for row in timed if row["name"] == "stored"), None)
    best = timed[0] if timed else None
    gain = None if best is None or stored is None else stored / best["ms"]
    return {"workload": str(size), "architecture": architecture, "best": best, "gain": gain, "tried": rows}


def _as_json(config: AggregateConfig | FusedConfig | None) -> Record | None:
    if config is None:
        return None
    dot = config.dot if isinstance(config, AggregateConfig) else None
    return config._asdict() | ({"dot": dot._asdict()} if dot else {})
