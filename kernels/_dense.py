"""What the operator reads are dense tensors that hold values: anything else is refused in words, before it is read."""

from __future__ import annotations

import torch
from torch import Tensor

REAL = (torch.float64, torch.float32, torch.bfloat16, torch.float16)
"""Of features and weights."""


def check_dense(**values: object) -> None:
    """Check arguments by name; None is passed over.

    Raises:
        ValueError: one is no tensor, or sparse.
    """
    for name, value in values.items():
        if value is None:
            continue
        if not isinstance(value, Tensor):
            raise ValueError(f"{name}: expected a torch tensor, got {type(value).__name__}; use torch.as_tensor")
        if value.layout != torch.strided:
            raise ValueError(f"{name}: expected a dense tensor, got one of layout {value.layout}; use .to_dense()")


def check_one_device(**values: Tensor | None) -> None:
    """Check that all are in one place, and hold values there.

    Raises:
        ValueError: they are on several devices, or on none (meta).
    """
    devices = {str(value.device) for value in values.values() if value is not None}
    if len(devices) > 1:
        raise ValueError(f"all tensors must be on one device, got {sorted(devices)}; use .to(device)")
    if "meta" in devices:
        raise ValueError(
            "edges are checked by their values, which meta tensors do not have: build them, then .to('meta')"
        )


def check_real(name: str, value: Tensor) -> None:
    """Check that a tensor holds real floating-point numbers.

    Raises:
        ValueError: it does not; says how to make them.
    """
    if value.dtype in REAL:
        return
    remedy = "use .to(torch.float32)"
    if value.is_complex():
        remedy = "stack real and imaginary parts as two components (torch.view_as_real)"
    elif value.is_quantized:
        remedy = "use .dequantize()"
    expected = ", ".join(str(dtype).removeprefix("torch.") for dtype in REAL)
    raise ValueError(f"{name}: expected real numbers ({expected}), got {value.dtype}; {remedy}")
