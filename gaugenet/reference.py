"""The API reference: what the public names of gaugenet say about themselves, gathered from their docstrings.

How a page is made of it: `gaugenet.reference_pages`.
"""

from __future__ import annotations

import ast
import builtins
import inspect
import re
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from itertools import pairwise
from typing import Any

import gaugenet

ROOMS = {
    "gaugenet.meshes": "Surfaces and their geometry",
    "gaugenet.nn": "Layers",
    "gaugenet.models": "Models",
    "gaugenet.data": "Data",
    "gaugenet.kernels": "The operator",
    "gaugenet": "Groups, fields and the audit",
}
"""Headings of the reference by where a name lives; the first that fits, in this order."""

_WIDTH = 100
"""A signature that is longer has one parameter per line."""


class _Verbatim(str):
    """An annotation as it stands in the source: signatures print the repr of what is no type."""

    def __repr__(self) -> str:
        return str(self)


@dataclass(frozen=True)
class Member:
    """A method, property or field of a class."""

    name: str
    signature: str
    doc: str


@dataclass(frozen=True)
class Entry:
    """One public name."""

    name: str
    value: Any
    """The class or function itself."""

    @property
    def home(self) -> str:
        """The module in which it is written."""
        return str(self.value.__module__)

    @property
    def room(self) -> str:
        """The heading under which it stands."""
        return next(title for room, title in ROOMS.items() if f"{self.home}.".startswith(f"{room}."))

    @property
    def doc(self) -> str:
        """Its docstring, without the indentation."""
        return inspect.cleandoc(self.value.__doc__ or "")

    @property
    def signature(self) -> str:
        """How it is called."""
        return _signature(self.name, self.value)

    @cached_property
    def parameters(self) -> tuple[str, ...]:
        """Names of what it is called with."""
        return tuple(p for p in inspect.signature(self.value).parameters if not p.startswith("_"))

    @cached_property
    def fields(self) -> tuple[Member, ...]:
        """The fields of a dataclass, each with the text that stands below it."""
        if not inspect.isclass(self.value):
            return ()
        documented = _field_docs(self.value)
        types = {f.name: str(f.type) for f in getattr(self.value, "__dataclass_fields__", {}).values()}
        return tuple(
            Member(n, f"{n}: {kind}", documented.get(n, "")) for n, kind in types.items() if not n.startswith("_")
        )

    @cached_property
    def members(self) -> tuple[Member, ...]:
        """Public methods and properties that the class itself defines."""
        return tuple(_members(self.value)) if inspect.isclass(self.value) else ()


def entries() -> tuple[Entry, ...]:
    """All public names: room by room, in alphabetical order within each."""
    found = [Entry(name, getattr(gaugenet, name)) for name in gaugenet.__all__]
    order = list(ROOMS.values())
    return tuple(sorted(found, key=lambda e: (order.index(e.room), e.name.lower())))


def undocumented(entry: Entry) -> tuple[str, ...]:
    """The parameters that neither the docstring nor a field's own text names, and members without a docstring."""
    told = {m.name for m in entry.fields if m.doc}
    words = set(re.findall(r"\w+", entry.doc))
    silent = [p for p in entry.parameters if p not in words and p not in told]
    return (*silent, *(f"{entry.name}.{m.name}" for m in entry.members if not m.doc))


def references(doc: str) -> tuple[str, ...]:
    """The names in single backquotes outside of indented blocks: those that can be looked up."""
    found = re.findall(r"(?<!`)`([^`\n]+)`(?!`)", doc)
    return tuple(name for name in found if re.fullmatch(r"[A-Za-z_][\w.]*", name))


def resolve(reference: str, entry: Entry, member: Member | None = None) -> str | None:
    """What a backquoted name in the docstring of `entry` means: the public name it leads to, "" for anything else that
    exists (a parameter, a module, another library's class), None where there is no such thing."""
    first, _, rest = reference.partition(".")
    if first in gaugenet.__all__:
        return first if _has(getattr(gaugenet, first), rest) else None
    if first in entry.parameters or (member is not None and first in _parameters(entry.value, member)):
        return ""
    if inspect.isclass(entry.value) and _has(entry.value, reference):
        return ""
    if reference.startswith("gaugenet."):
        return _resolve_path(reference)
    scope = vars(import_module(entry.home))
    if first in scope:
        return "" if _has(scope[first], rest) else None
    if not rest and any(_has(cls, first) for cls in _classes_of(entry)):
        return ""
    if hasattr(builtins, first) or first == "torch":
        return "" if _has(import_module("torch") if first == "torch" else getattr(builtins, first), rest) else None
    return None


def _classes_of(entry: Entry) -> Iterator[Any]:
    """The public classes that a signature names: a docstring speaks of what they hold."""
    for name in re.findall(r"\w+", entry.signature):
        if name in gaugenet.__all__ and inspect.isclass(getattr(gaugenet, name)):
            yield getattr(gaugenet, name)


def _resolve_path(path: str) -> str | None:
    parts = path.split(".")
    for cut in range(len(parts), 0, -1):
        try:
            module = import_module(".".join(parts[:cut]))
        except ModuleNotFoundError:
            continue
        if not _has(module, ".".join(parts[cut:])):
            return None
        return parts[-1] if parts[-1] in gaugenet.__all__ and cut < len(parts) else ""
    return None


def _has(value: Any, path: str) -> bool:
    for name in filter(None, path.split(".")):
        if name in getattr(value, "__dataclass_fields__", {}):
            return True  # a field without a default is no attribute of the class
        if not hasattr(value, name):
            return False
        value = getattr(value, name)
    return True


def _parameters(owner: Any, member: Member) -> tuple[str, ...]:
    value = inspect.getattr_static(owner, member.name, None)
    function = value.__func__ if isinstance(value, classmethod | staticmethod) else value
    return tuple(inspect.signature(function).parameters) if callable(function) else ()


def _members(cls: type) -> Iterator[Member]:
    for name, value in vars(cls).items():
        # extra_repr is torch's, and is called by repr
        if name.startswith("_") or name == "extra_repr" or name in getattr(cls, "__dataclass_fields__", {}):
            continue
        if isinstance(value, property | cached_property):
            getter: Any = value.fget if isinstance(value, property) else value.func
            kind = str(inspect.signature(getter).return_annotation)
            yield Member(name, f"{name}: {kind}", inspect.cleandoc(getter.__doc__ or ""))
        elif isinstance(value, classmethod | staticmethod) or inspect.isfunction(value):
            bound = getattr(cls, name)
            drop = 0 if isinstance(value, classmethod | staticmethod) else 1
            yield Member(name, _signature(name, bound, drop), inspect.cleandoc(bound.__doc__ or ""))


def _signature(name: str, value: Callable[..., Any], drop: int = 0) -> str:
    signature = inspect.signature(value)
    parameters = []
    for p in list(signature.parameters.values())[drop:]:
        if not p.name.startswith("_"):
            parameters.append(p.replace(annotation=_verbatim(p.annotation)))
    returns = inspect.Signature.empty if inspect.isclass(value) else _verbatim(signature.return_annotation)
    text = name + str(inspect.Signature(parameters, return_annotation=returns, __validate_parameters__=False))
    if len(text) <= _WIDTH or not parameters:
        return text
    lines, after = [], False
    for p in parameters:
        if p.kind is p.KEYWORD_ONLY and not after:
            lines.append("*")
        after = after or p.kind in (p.KEYWORD_ONLY, p.VAR_POSITIONAL)
        lines.append(str(p))
    end = "" if returns is inspect.Signature.empty else f" -> {returns}"
    return f"{name}(\n" + "".join(f"    {line},\n" for line in lines) + f"){end}"


def _verbatim(annotation: Any) -> Any:
    return _Verbatim(annotation) if isinstance(annotation, str) else annotation


def _field_docs(cls: type) -> dict[str, str]:
    docs: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        if not base.__module__.startswith("gaugenet"):
            continue
        (node,) = ast.parse(textwrap.dedent(inspect.getsource(base))).body
        body = node.body if isinstance(node, ast.ClassDef) else []
        for field, below in pairwise(body):
            if not (isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)):
                continue
            if isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant):
                docs[field.target.id] = inspect.cleandoc(str(below.value.value))
    return docs
