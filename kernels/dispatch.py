"""Which implementation of the operator runs, and why not the others."""

from __future__ import annotations

import functools
import importlib
import os
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol, cast

import torch
from torch import Tensor

from gaugenet.kernels._reference import EdgeArrays, TransportBlock
from gaugenet.kernels._triton_config import release

VARIABLE = "GAUGENET_OPERATOR"
"""Environment variable that forces an implementation by name."""

OLDEST_TRITON = (3, 6)


class Operator(Protocol):
    """What the module of an implementation holds."""

    def conv(
        self,
        x: Tensor,
        weight: Tensor,
        edges: EdgeArrays,
        in_blocks: Sequence[TransportBlock],
        out_blocks: Sequence[TransportBlock],
    ) -> Tensor: ...

    def weight_grad(
        self,
        x: Tensor,
        grad: Tensor,
        edges: EdgeArrays,
        in_blocks: Sequence[TransportBlock],
        out_blocks: Sequence[TransportBlock],
    ) -> Tensor: ...

    def backward(
        self,
        x: Tensor,
        weight: Tensor,
        grad: Tensor,
        edges: EdgeArrays,
        reverse: EdgeArrays,
        in_blocks: Sequence[TransportBlock],
        out_blocks: Sequence[TransportBlock],
    ) -> tuple[Tensor, Tensor]: ...


class Problem(NamedTuple):
    """What a choice may depend on."""

    device: str
    dtype: torch.dtype


@dataclass(frozen=True)
class Implementation:
    name: str
    summary: str
    module: str
    why_not: Callable[[Problem], str | None]
    """None where it can solve the problem, else the reason why it cannot."""

    def load(self) -> Operator:
        return cast(Operator, importlib.import_module(self.module))


@functools.cache
def _numba_problem() -> str | None:
    try:
        import numba
    except Exception as error:  # a broken installation raises more than ImportError
        return f"numba does not import ({type(error).__name__}: {error})"
    if getattr(numba.config, "DISABLE_JIT", False):
        return "numba's compiler is switched off (NUMBA_DISABLE_JIT)"
    return None


def _why_not_cpu(problem: Problem) -> str | None:
    if problem.device != "cpu":
        return f"the tensors are on {problem.device}"
    if problem.dtype not in (torch.float32, torch.float64, torch.bfloat16, torch.float16):
        return f"it has no {problem.dtype}"
    return _numba_problem()


@functools.cache
def _triton_problem() -> str | None:
    try:
        import triton
    except Exception as error:  # a broken installation raises more than ImportError
        return f"Triton does not import ({type(error).__name__}: {error})"
    if release(triton.__version__) < OLDEST_TRITON:
        return f"Triton {triton.__version__} is older than {'.'.join(map(str, OLDEST_TRITON))}"
    return None


def _why_not_triton(problem: Problem) -> str | None:
    if problem.device != "cuda" and os.environ.get("TRITON_INTERPRET") != "1":
        return f"the tensors are on {problem.device} and TRITON_INTERPRET is not 1"
    if problem.dtype not in (torch.float32, torch.float64, torch.bfloat16, torch.float16):
        return f"it has no {problem.dtype}"
    return _triton_problem()


IMPLEMENTATIONS = (
    Implementation("cpu", "aggregate first, blocked to cache, numba", "gaugenet.kernels._cpu", _why_not_cpu),
    Implementation(
        "triton", "aggregate in Triton, contract by matrix products", "gaugenet.kernels._triton", _why_not_triton
    ),
    Implementation("reference", "edge by edge, plain torch", "gaugenet.kernels._reference", lambda problem: None),
)
"""Best first. The first without a reason against it runs."""


def choose(device: str, dtype: torch.dtype, implementation: str | None = None) -> tuple[Implementation, str]:
    """The implementation for tensors of this device and dtype, and the reason for it in a few words.

    Args:
        device: device type, e.g. ``"cpu"``.
        implementation: name to force; None: the variable GAUGENET_OPERATOR if set, else the first that can.

    Raises:
        ValueError: the forced implementation does not exist or cannot run; the message lists every reason.
    """
    problem = Problem(device, dtype)
    forced = implementation or os.environ.get(VARIABLE) or None
    reasons = {i.name: i.why_not(problem) for i in IMPLEMENTATIONS}
    if forced is not None:
        origin = "implementation=" if implementation else f"{VARIABLE}="
        if forced not in reasons:
            raise ValueError(f"{origin}{forced!r} is no implementation of transport_conv; expected {_listed(reasons)}")
        if reasons[forced] is not None:
            raise ValueError(f"{origin}{forced!r} cannot run here; {_listed(reasons)}")
    for candidate in IMPLEMENTATIONS:
        if reasons[candidate.name] is None and forced in (None, candidate.name):
            passed_over = "; ".join(f"not {n}: {r}" for n, r in _before(candidate.name, reasons) if r)
            why = f"forced by {origin}{forced}" if forced is not None else passed_over or "first choice"
            return candidate, why
    raise ValueError(f"no implementation of transport_conv runs on {device} in {dtype}; {_listed(reasons)}")


def explain(x: Tensor, implementation: str | None = None) -> str:
    """One line: the implementation that runs on tensors like `x`, and why."""
    chosen, why = choose(x.device.type, x.dtype, implementation)
    threads = f", {torch.get_num_threads()} threads" if x.device.type == "cpu" else ""
    return f"operator: {chosen.name} ({chosen.summary}; {x.device.type}{threads}): {why}"


def operator(x: Tensor, implementation: str | None = None) -> Operator:
    """The module that runs for `x`; warns once where a slow one runs although nobody asked for it."""
    return _operator(x.device.type, x.dtype, implementation, os.environ.get(VARIABLE))


@functools.lru_cache(maxsize=64)
def _operator(device: str, dtype: torch.dtype, implementation: str | None, _variable: str | None) -> Operator:
    chosen, why = choose(device, dtype, implementation)
    if chosen.name == "reference" and why.startswith("not cpu"):
        warnings.warn(f"transport_conv runs its slow reference: {why}", RuntimeWarning, stacklevel=2)
    return chosen.load()


def _before(name: str, reasons: dict[str, str | None]) -> list[tuple[str, str | None]]:
    names = list(reasons)
    return [(n, reasons[n]) for n in names[: names.index(name)]]


def _listed(reasons: dict[str, str | None]) -> str:
    return ", ".join(f"{name} ({reason or 'can run'})" for name, reason in reasons.items())
