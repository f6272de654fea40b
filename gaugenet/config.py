"""The configuration of a run: typed, frozen tables that read and write TOML.

    [data]                      [model]                     [train]
    path = "embedded"           group = "SO(2)"             epochs = 30

Every setting carries its own documentation and its own limits (`gaugenet.settings`); what is impossible is refused
in one line that names the key, where it came from, and what would be allowed.
"""

from __future__ import annotations

import dataclasses
import difflib
import math
import os
import tomllib
import types
import typing
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gaugenet.settings import AUTO, EMBEDDED, AugmentConfig, DataConfig, ModelConfig, TrainConfig, setting

__all__ = ["AUTO", "EMBEDDED", "AugmentConfig", "Config", "DataConfig", "ModelConfig", "TrainConfig", "setting"]

ORIENTED_FEATURES = "hks16+curvature+chirality"
"""Features for structure groups without reflections: they may tell left from right."""

UNORIENTED_FEATURES = "hks16+abs_curvature"
"""Features for structure groups with reflections, which do not depend on a choice of sides either."""


@dataclass(frozen=True)
class Config:
    """One run: ``Config.load("run.toml").override(["train.lr=0.01"])``.

    Raises:
        ValueError: a setting has the wrong type or an impossible value.
    """

    data: DataConfig = field(default_factory=DataConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)

    def __post_init__(self) -> None:
        for table, key, value, f in self._settings():
            _check(f"{table}.{key}", value, f, "")
        _check_group(self.model.group, "")

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Config:
        """Read a TOML file; settings that it does not name keep their defaults.

        Raises:
            ValueError: the file is no TOML, or a key, type or value in it is refused.
            FileNotFoundError: there is no such file.
        """
        path = Path(path)
        try:
            tables = tomllib.loads(path.read_text(encoding="utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ValueError(f"{path} is not a TOML file: {_one_line(error)}") from None
        return cls.from_tables(tables, source=str(path))

    @classmethod
    def from_tables(cls, tables: Mapping[str, Any], *, source: str = "") -> Config:
        """A configuration from nested mappings, e.g. of a TOML or JSON file; `source` is named in errors."""
        where = f"{source}: " if source else ""
        values: dict[str, dict[str, Any]] = {name: {} for name in _TABLES}
        for table, content in tables.items():
            if table not in _TABLES:
                raise ValueError(f"{where}unknown key {table!r}; {_nearest(table)}")
            if not isinstance(content, Mapping):
                raise ValueError(f"{where}{table!r} is a table: write [{table}] and its settings below it")
            for key, value in content.items():
                f = _find(f"{table}.{key}", where)
                values[table][key] = _check(f"{table}.{key}", value, f, where)
        if "group" in values["model"]:
            _check_group(values["model"]["group"], where)
        return cls(**{name: _TABLES[name](**values[name]) for name in _TABLES})

    def override(self, assignments: Iterable[str]) -> Config:
        """This configuration with settings replaced, each written ``table.key=value`` as in a shell."""
        tables = self.tables()
        for text in assignments:
            name, equals, value = text.partition("=")
            name = name.strip()
            if not equals:
                raise ValueError(f"expected table.key=value, got {text!r}; for example train.lr=0.01")
            f = _find(name, "")
            table, key = name.split(".")
            tables[table][key] = _parse(name, value.strip(), f)
        return Config.from_tables(tables)

    def resolved(self) -> Config:
        """This configuration with ``features = "auto"`` replaced by the features that suit the structure group."""
        from gaugenet.groups import StructureGroup

        if self.data.features != AUTO:
            return self
        reflections = StructureGroup.parse(self.model.group).has_reflections
        return self.override([f"data.features={UNORIENTED_FEATURES if reflections else ORIENTED_FEATURES}"])

    def tables(self) -> dict[str, dict[str, Any]]:
        """Nested plain values, as in a TOML or JSON file."""
        return dataclasses.asdict(self)

    def to_toml(self) -> str:
        """A complete TOML file, each setting with its documentation."""
        lines: list[str] = []
        for table, key, value, f in self._settings():
            if f"[{table}]" not in lines:
                lines += ["", f"[{table}]"]
            lines.append(f"{key} = {_toml(value)}".ljust(34) + f"# {f.metadata['doc']}")
        return "\n".join(lines[1:]) + "\n"

    def _settings(self) -> Iterable[tuple[str, str, Any, dataclasses.Field[Any]]]:
        for table in _TABLES:
            for f in dataclasses.fields(_TABLES[table]):
                yield table, f.name, getattr(getattr(self, table), f.name), f


_TABLES: dict[str, type] = {"data": DataConfig, "model": ModelConfig, "train": TrainConfig, "augment": AugmentConfig}


def _find(name: str, where: str) -> dataclasses.Field[Any]:
    table, _, key = name.partition(".")
    if table in _TABLES:
        for f in dataclasses.fields(_TABLES[table]):
            if f.name == key:
                return f
    raise ValueError(f"{where}unknown key {name!r}; {_nearest(name)}")


def _nearest(name: str) -> str:
    names = [f"{table}.{f.name}" for table in _TABLES for f in dataclasses.fields(_TABLES[table])]
    key = name.rpartition(".")[2]
    # a right key in a wrong table is the likelier slip than a wrong key in the right one
    same_key = [n for n in names if n.partition(".")[2] == key]
    close = same_key or difflib.get_close_matches(name, [*names, *_TABLES], n=1, cutoff=0.5)
    if not close:
        keys = {n.partition(".")[2]: n for n in names}
        close = [keys[k] for k in difflib.get_close_matches(key, keys, n=1, cutoff=0.5)]
    return f"did you mean {close[0]!r}?" if close else f"the tables are {', '.join(_TABLES)}"


def _check(name: str, value: Any, f: dataclasses.Field[Any], where: str) -> Any:
    kind = typing.get_type_hints(_TABLES[name.partition(".")[0]])[f.name]
    if kind is float and type(value) is int:
        value = float(value)
    if type(value) is not kind:
        raise ValueError(f"{where}{name} must be {_words(kind)}, got {value!r}")
    limits: Mapping[str, Any] | types.MappingProxyType[Any, Any] = f.metadata
    wrong = ""
    if kind is float and not math.isfinite(value):
        wrong = "finite"
    elif "choices" in limits and value not in limits["choices"]:
        wrong = "one of " + ", ".join(repr(c) for c in limits["choices"])
    elif "least" in limits and value < limits["least"]:
        wrong = f"at least {limits['least']}"
    elif "most" in limits and value > limits["most"]:
        wrong = f"at most {limits['most']}"
    elif "above" in limits and value <= limits["above"]:
        wrong = f"above {limits['above']}"
    elif "below" in limits and value >= limits["below"]:
        wrong = f"below {limits['below']}"
    if wrong:
        raise ValueError(f"{where}{name} must be {wrong}, got {value!r}")
    return value


def _check_group(name: str, where: str) -> None:
    from gaugenet.groups import StructureGroup

    try:
        StructureGroup.parse(name)
    except ValueError as error:
        raise ValueError(f"{where}model.group: {_one_line(error)}") from None


def _parse(name: str, text: str, f: dataclasses.Field[Any]) -> Any:
    kind = typing.get_type_hints(_TABLES[name.partition(".")[0]])[f.name]
    if kind is bool:
        # as in TOML; bool("false") would be true
        text = text.lower()
        if text not in ("true", "false"):
            raise ValueError(f"{name} must be true or false, got {text!r}")
        return text == "true"
    try:
        return kind(text)
    except ValueError:
        raise ValueError(f"{name} must be {_words(kind)}, got {text!r}") from None


def _words(kind: type) -> str:
    return {int: "a whole number", float: "a number", str: "text in quotes", bool: "true or false"}[kind]


def _toml(value: Any) -> str:
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return '"' + "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in escaped) + '"'
    return str(value).lower() if isinstance(value, bool) else repr(value)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
