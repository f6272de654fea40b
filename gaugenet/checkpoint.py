"""Weights and resumable states on disk: safetensors only, written atomically, checked when read.

Two files stand in a run's folder. ``model.safetensors`` is what `gaugenet predict` needs: weights, and in its
metadata all that gives them a meaning. ``resume.safetensors`` is complete in itself (weights included), so
that a run killed between the two writes still continues from one consistent moment.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from gaugenet.config import Config
from gaugenet.meshes.atomic import write_atomically
from gaugenet.meshes.tensor_file import read_whole
from gaugenet.validations import Validations

if TYPE_CHECKING:
    from gaugenet.data.labelled import LabelKind
    from gaugenet.data.quantities import Quantities
    from gaugenet.tasks import Task

VERSION = 1
"""Version of the format; a file of another version is refused."""

_KEY = "gaugenet"


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A trained (or half-trained) model and all that gives its weights a meaning."""

    weights: dict[str, Tensor]
    config: Config
    class_names: tuple[str, ...]
    label_values: tuple[int, ...]
    """The value in the user's own label files of each class."""
    label_kind: LabelKind
    """"vertex", "face" or "surface": what the model labels."""
    n_features: int
    """Input scalars per vertex."""
    epoch: int
    """Epochs that were completed."""
    metrics: dict[str, float] = field(default_factory=dict)
    quantities: Quantities | None = None
    """What the model predicts instead of classes."""

    @property
    def task(self) -> Task:
        """What the model has learned."""
        from gaugenet.tasks import ClassTask, NumberTask

        if self.quantities is not None:
            return NumberTask(self.quantities)
        return ClassTask(len(self.class_names), self.label_kind)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write atomically: a reader sees the whole old file or the whole new one."""
        meta = {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.name != "weights"}
        meta["quantities"] = None if self.quantities is None else self.quantities.as_plain()
        write_tensors(path, self.weights, {**meta, "config": self.config.tables(), "kind": "model"})

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Checkpoint:
        """Read what `save` wrote.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: it is truncated, altered, of another version, or no checkpoint of this package.
        """
        weights, meta = read_tensors(path, kind="model")
        # files from before there were quantities do not name them
        names = [f.name for f in dataclasses.fields(cls) if f.name not in ("weights", "quantities")]
        missing = [name for name in names if name not in meta]
        if missing:
            raise ValueError(f"{path}: the metadata lacks {', '.join(missing)}; train again to make a whole file")
        values = {name: meta[name] for name in names}
        values["config"] = Config.from_tables(meta["config"], source=str(path))
        for name in ("class_names", "label_values"):
            values[name] = tuple(values[name])
        if (plain := meta.get("quantities")) is not None:
            from gaugenet.data.quantities import Quantities

            values["quantities"] = Quantities.from_plain(plain)
        return cls(weights=weights, **values)

    def restore(self, model: torch.nn.Module, path: str | os.PathLike[str] = "checkpoint") -> None:
        """Put the weights into `model`.

        Raises:
            ValueError: names or shapes differ from those of the model.
        """
        restore_weights(model, self.weights, path)


@dataclass(frozen=True, eq=False)
class ResumeState:
    """Everything that decides how a run goes on after `epoch` epochs and `done` steps of the next.

    No state of a random generator: random numbers are a function of seed, epoch and place (`gaugenet.training.order`).
    """

    weights: dict[str, Tensor]
    optimizer: dict[str, Any]
    """``optimizer.state_dict()``."""
    epoch: int
    """Epochs that are done."""
    config: Config
    done: int = 0
    """Steps of the next epoch that are done."""
    totals: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """Of those steps: sum of the loss, elements that were right (or squared errors), elements that count."""
    validations: Validations = field(default_factory=Validations)
    best: dict[str, Tensor] = field(default_factory=dict)
    """Weights of the best validation, where the run looks for them; else empty."""
    processes: int = 1
    """That train together."""
    data: dict[str, str] = field(default_factory=dict)
    """What it learns from, `SurfaceData.digests`; empty in files from before this was kept."""
    seconds: float = 0.0
    epoch_seconds: float = 0.0
    """Of those steps."""

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write atomically."""
        tensors = {f"weights/{k}": v for k, v in self.weights.items()}
        tensors |= {f"best/{k}": v for k, v in self.best.items()}
        of_optimizer, plain = optimizer_tensors(self.optimizer)
        tensors |= {f"optimizer/{k}": v for k, v in of_optimizer.items()}
        meta = {name: getattr(self, name) for name in _PLAIN_STATE} | {
            "kind": "resume",
            "optimizer": plain,
            "data": self.data,
            "validations": dataclasses.asdict(self.validations),
            "config": self.config.tables(),
        }
        write_tensors(path, tensors, meta)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> ResumeState:
        """Read what `save` wrote; errors as of `Checkpoint.load`."""
        tensors, meta = read_tensors(path, kind="resume")
        missing = [k for k in (*_PLAIN_STATE, "optimizer", "validations", "config") if k not in meta]
        if missing:
            raise ValueError(f"{path}: the metadata lacks {', '.join(missing)}; start the run again")
        groups: dict[str, dict[str, Tensor]] = {"weights": {}, "best": {}, "optimizer": {}}
        for name, tensor in tensors.items():
            group, _, key = name.partition("/")
            groups[group][key] = tensor
        loss, right, counted = meta["totals"]
        return cls(
            weights=groups["weights"],
            optimizer=optimizer_state(groups["optimizer"], meta["optimizer"]),
            config=Config.from_tables(meta["config"], source=str(path)),
            validations=Validations(**meta["validations"]),
            best=groups["best"],
            data=meta.get("data", {}),
            **{name: meta[name] for name in _PLAIN_STATE} | {"totals": (loss, right, counted)},
        )


_PLAIN_STATE = ("epoch", "done", "totals", "processes", "seconds", "epoch_seconds")


def restore_weights(
    model: torch.nn.Module, weights: Mapping[str, Tensor], path: str | os.PathLike[str] = "checkpoint"
) -> None:
    """Copy `weights` into `model`; one line that names the first difference where they do not fit."""
    own = model.state_dict()
    for name in (*own, *weights):
        if name not in weights:
            raise ValueError(f"{path}: the weights of {name!r} are missing; the file is of another model")
        if name not in own:
            raise ValueError(f"{path}: the model has no weights {name!r}; the file is of another model")
        if own[name].shape != weights[name].shape:
            raise ValueError(
                f"{path}: {name!r} has shape {list(weights[name].shape)}, the model expects "
                f"{list(own[name].shape)}; the file is of another model"
            )
    model.load_state_dict(dict(weights))


def optimizer_tensors(state: Mapping[str, Any]) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Of ``optimizer.state_dict()`` the tensors, named ``index/key``, and all else as JSON can hold it."""
    tensors: dict[str, Tensor] = {}
    plain: dict[str, dict[str, Any]] = {}
    for index, values in state["state"].items():
        plain[str(index)] = {}
        for key, value in values.items():
            if isinstance(value, Tensor):
                tensors[f"{index}/{key}"] = value
            else:
                plain[str(index)][key] = value
    return tensors, {"state": plain, "param_groups": state["param_groups"]}


def optimizer_state(tensors: Mapping[str, Tensor], plain: Mapping[str, Any]) -> dict[str, Any]:
    """The state that `optimizer_tensors` has taken apart."""
    state: dict[int, dict[str, Any]] = {int(i): dict(values) for i, values in plain["state"].items()}
    for name, tensor in tensors.items():
        index, _, key = name.partition("/")
        state[int(index)][key] = tensor
    # JSON has no tuples, and Adam's betas are one
    groups = [{k: tuple(v) if k == "betas" else v for k, v in group.items()} for group in plain["param_groups"]]
    return {"state": state, "param_groups": groups}


def write_tensors(path: str | os.PathLike[str], tensors: Mapping[str, Tensor], meta: Mapping[str, Any]) -> None:
    """Write tensors and JSON metadata to one safetensors file, atomically, with a checksum of the tensors."""
    from safetensors.torch import save

    path = Path(path)
    plain = {name: t.detach().cpu().contiguous().clone() for name, t in tensors.items()}
    header = json.dumps({"version": VERSION, "checksum": _checksum(plain), **meta})
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, save(plain, metadata={_KEY: header}))


def read_tensors(path: str | os.PathLike[str], *, kind: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and metadata of a file of `write_tensors`, verified."""
    from safetensors import SafetensorError

    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}; expected a *.safetensors file of gaugenet train")
    try:
        tensors, metadata = read_whole(path)
    except SafetensorError as error:
        raise ValueError(f"{path} is truncated or no safetensors file ({error}); copy or train it again") from None
    header = metadata.get(_KEY)
    if header is None:
        raise ValueError(f"{path} was not written by gaugenet: its metadata has no {_KEY!r} entry")
    meta = json.loads(header)
    if meta.get("version") != VERSION:
        raise ValueError(
            f"{path} has format version {meta.get('version')}, this gaugenet reads version {VERSION}: "
            "use the gaugenet that wrote it, or train again"
        )
    if meta.get("kind") != kind:
        raise ValueError(f"{path} holds a {meta.get('kind')!r} state, expected {kind!r}: give the other file")
    if meta.get("checksum") != _checksum(tensors):
        raise ValueError(f"{path} was altered after it was written (checksum differs); copy or train it again")
    return tensors, meta


def _checksum(tensors: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(f"{name} {tensors[name].dtype} {list(tensors[name].shape)}".encode())
        digest.update(tensors[name].contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
