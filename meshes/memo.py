"""What is derived from a surface and shared, computed once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import torch

_T = TypeVar("_T")


def remembered(memo: dict[Any, Any], key: Any, build: Callable[[], _T], surface: object) -> _T:
    """``build()``, computed once per key and kept in `memo`, as ordinary tensors and numbers.

    A compiler does not trace it. ``torch.export`` shows tensors without numbers: what is made of them is not kept.

    Args:
        memo: what is known.
        key: of the value.
        build: makes it.
        surface: stands in errors.

    Raises:
        RuntimeError: it would have to be made of tensors without numbers.
    """
    if key in memo:
        value: _T = memo[key]
        return value
    if torch.compiler.is_compiling():
        if not torch.compiler.is_dynamo_compiling():
            try:
                return build()
            except Exception as error:
                raise RuntimeError(
                    f"what a layer reads of {surface!r} has to be known before torch.export: call the layer there "
                    "once, on features of the same shape"
                ) from error
        build = torch.compiler.disable(build)  # type: ignore[no-untyped-call]
    # what is made in inference mode could not be trained with later
    with torch.inference_mode(False):
        value = build()
    memo[key] = value
    return value
