"""What is derived from a surface and shared, computed once."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, TypeVar

import torch

_T = TypeVar("_T")


def remembered(
    memo: dict[Any, Any],
    key: Any,
    build: Callable[[], _T],
    what: str,
    *,
    most: int | None = None,
    of: object | None = None,
) -> _T:
    """``build()``, computed once per key and kept in `memo`, as ordinary tensors and numbers.

    A compiler does not trace it, and it is made outside of the transforms of ``torch.func``. ``torch.export`` shows
    tensors without numbers: what is made of them is not kept.

    Args:
        memo: what is known.
        key: of the value.
        build: makes it.
        what: of what it is derived, stands in errors.
        most: of how many keys values are kept, those asked for first leaving first; None: of all.
        of: whose attributes `build` reads; where a transform works on one of them, the value is made within it, to be
            differentiated or batched as they are. None: it reads no tensor that could be.

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
                    f"what a layer reads of {what} has to be known before torch.export: call it there once, on "
                    "features of the same shape"
                ) from error
        build = torch.compiler.disable(build)  # type: ignore[no-untyped-call]
    # what is made in inference mode could not be trained with later
    with torch.inference_mode(False), _outside_of_transforms(of):
        value = build()
    memo[key] = value
    for old in list(memo)[:-most] if most else ():
        memo.pop(old, None)
    return value


def _outside_of_transforms(of: object | None) -> AbstractContextManager[object]:
    """Within grad or vmap every new tensor is one of theirs, which has no numbers of its own and ends with them."""
    if torch.compiler.is_compiling() or not torch._C._are_functorch_transforms_active():
        return nullcontext()
    tensors = [t for t in vars(of).values() if isinstance(t, torch.Tensor)] if of is not None else []
    if any(torch._C._functorch.is_functorch_wrapped_tensor(t) for t in tensors):
        return nullcontext()
    from torch._functorch.pyfunctorch import temporarily_clear_interpreter_stack

    context: AbstractContextManager[object] = temporarily_clear_interpreter_stack()
    return context
