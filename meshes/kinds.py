"""Refusing one kind of object where another is meant: a mesh for a geometry, a path for a mesh."""

from __future__ import annotations


def check_kind(given: object, kind: type | tuple[type, ...], remedy: str) -> None:
    """Raise a ValueError unless `given` is an instance of `kind`.

    Args:
        given: by a user.
        kind: one type or several.
        remedy: how to come by one.
    """
    if isinstance(given, kind):
        return
    expected = " or a ".join(k.__name__ for k in (kind if isinstance(kind, tuple) else (kind,)))
    found = repr(given) if isinstance(given, str | int | float) else type(given).__name__
    raise ValueError(f"expected a {expected}, got {found}: {remedy}")
