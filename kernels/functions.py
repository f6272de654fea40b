"""Autograd functions that ``torch.func`` passes through: where they are applied, and their rule for ``vmap``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.autograd import forward_ad


def apply(function: type[torch.autograd.Function], transformed: type[torch.autograd.Function], *args: Any) -> Any:
    """``function.apply(*args)``, and not even that where nobody would differentiate it.

    Args:
        function: with ``setup_context``.
        transformed: the same with ``jvp`` and ``vmap``, which compilers refuse.
        args: of both.
    """
    if torch.compiler.is_compiling():
        return function.apply(*args)  # type: ignore[no-untyped-call]
    if torch._C._are_functorch_transforms_active() or forward_ad._current_level >= 0:
        return transformed.apply(*args)  # type: ignore[no-untyped-call]
    # with setup_context torch looks up the signature in every call, which costs as much as a small function
    if torch.is_grad_enabled() and any(isinstance(a, torch.Tensor) and a.requires_grad for a in args):
        return function.apply(*args)  # type: ignore[no-untyped-call]
    return function.forward(*args)


def one_by_one(function: Callable[..., Any], info: Any, in_dims: Sequence[int | None], args: Sequence[Any]) -> Any:
    """What the ``vmap`` of a function may return, with one call for each, as torch does where an operator has no rule:
    the results of ``function(*args)`` in a new first dimension, and for each of them 0, the number of that dimension.

    Args:
        function: returns one tensor or a tuple of them.
        info, in_dims, args: as ``vmap`` gets them; dimensions of what is no tensor are None.

    Raises:
        ValueError: there is none, so that nothing says what a result looks like.
    """
    if info.batch_size == 0:
        raise ValueError("expected vmap over at least one element, got none: leave the call out where there is nothing")
    results = [
        function(*(a if dim is None else a.select(dim, k) for a, dim in zip(args, in_dims)))
        for k in range(info.batch_size)
    ]
    if isinstance(results[0], tuple):
        return tuple(torch.stack(parts) for parts in zip(*results)), (0,) * len(results[0])
    return torch.stack(results), 0
