"""``gaugenet evaluate``."""

from __future__ import annotations

import itertools
import json
import zlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from rich.table import Table
from torch import Tensor, nn

from gaugenet.checkpoint import Checkpoint
from gaugenet.cli.console import console, say, steps
from gaugenet.cli.surfaces import dataset_of, geometry_cache, prepared_sample, say_notices
from gaugenet.config import Config
from gaugenet.data.dataset import SurfaceSample
from gaugenet.data.labelled import IGNORED, LabelledMesh
from gaugenet.data.meshings import CHANGES, changed
from gaugenet.equivariance import gauge_transform, random_gauge
from gaugenet.evaluation import check_sides, predict
from gaugenet.meshes.repair import mesh_from_arrays
from gaugenet.tasks import ClassTask
from gaugenet.training import WEIGHTS, build_model

_UNCHANGED, _GAUGE = "as they are", "new frames"
_Pairs = list[tuple[Tensor, Tensor]]
"""Predicted classes and labels of each surface."""


@dataclass(frozen=True)
class Row:
    """What became of the test surfaces under one change."""

    change: str
    elements: int
    """Labelled vertices (or faces) of the changed surfaces."""
    accuracy: float
    """On these."""
    accuracy_before: float
    """On the vertices of the files, to each of which the probabilities of the classes are interpolated linearly in the
    new triangle that has the nearest point; on their faces, each of which takes those of the nearest new one."""
    limit: float
    """The same for labels that were carried there and back, so what a network that is certain of all these labels
    reaches. At borders of parts, probabilities may say more."""


def run_evaluate(
    run: Path,
    folder: Path | None,
    *,
    rotated: bool,
    remeshed: bool,
    surfaces: int,
    seed: int,
    out: Path | None,
    assignments: Sequence[str] = (),
) -> None:
    """Score a trained network on test surfaces as they are, in other frames, and changed.

    Raises:
        ValueError: the model labels neither vertices nor faces, the data are of other classes, or there are no test
            surfaces.
    """
    if surfaces < 0:
        raise ValueError(f"--surfaces is a number of test surfaces, or 0 for all; got {surfaces}")
    file = run / WEIGHTS if run.is_dir() else run
    checkpoint = Checkpoint.load(file)
    if out is not None:
        # before the work, not after it
        out.parent.mkdir(parents=True, exist_ok=True)
    task = checkpoint.task
    if not isinstance(task, ClassTask) or task.of_surfaces:
        raise ValueError(f"{file}: only models that label vertices or faces are evaluated here, not {task.name}")
    model = build_model(checkpoint.config, checkpoint.n_features, task)
    checkpoint.restore(model, file)
    options = [] if folder is None else [f"data.path={folder.expanduser().absolute()}"]
    config = checkpoint.config.override([*options, *assignments])
    dataset = dataset_of(config.data)
    if (dataset.label_kind, dataset.class_values) != (checkpoint.label_kind, checkpoint.label_values):
        raise ValueError(
            f"{config.data.path}: expected the classes of {file}, {len(checkpoint.label_values)} per "
            f"{checkpoint.label_kind}; got {len(dataset.class_values)} per {dataset.label_kind}"
        )
    if "test" not in dataset.splits:
        raise ValueError(f"{config.data.path} has no test surfaces: put some into test/")
    tested = list(dataset.meshes("test"))[: surfaces or None]
    say("data", f"{dataset.name}: {len(tested)} of {dataset.size('test')} test surfaces")
    wanted = ["rotated"] * rotated + [name for name in CHANGES if remeshed and name != "rotated"]
    evaluation = _Evaluation(model, config, seed)
    number = itertools.count(1)
    with steps("evaluating") as step:

        def done(name: str) -> None:
            step(next(number), (len(wanted) + 2) * len(tested), name)

        rows = [evaluation.row(tested, change, done) for change in ["", _GAUGE, *wanted]]
    say_notices(evaluation.cache)
    _print(rows, dataset.label_kind)
    if out is not None:
        settings = {"run": str(run), "data": config.data.path, "surfaces": len(tested), "seed": seed}
        out.write_text(json.dumps({**settings, "rows": [asdict(row) for row in rows]}, indent=1) + "\n")
        say("results", out)


class _Evaluation:
    """A network, and how surfaces are prepared for it."""

    def __init__(self, model: nn.Module, config: Config, seed: int) -> None:
        self.model, self.config, self.seed = model, config, seed
        self.cache = geometry_cache(config.data)

    def row(self, surfaces: Sequence[LabelledMesh], change: str, done: Callable[[str], None]) -> Row:
        """Predict on all surfaces after a change, and carry the predictions back."""
        there, back, carried = _Pairs(), _Pairs(), _Pairs()
        for surface in surfaces:
            sample, near, weights = self._changed(surface, change)
            (logits,) = predict(self.model, [sample])
            truth = torch.from_numpy(surface.labels)
            there.append((logits.argmax(1), sample.labels))
            back.append((_interpolated(logits.softmax(1), near, weights), truth))
            carried.append((_interpolated(_certain(sample.labels, logits.shape[1]), near, weights), truth))
            done(f"{surface.name}, {change or _UNCHANGED}")
        counted = sum(int((truth >= 0).sum()) for _, truth in there)
        return Row(change or _UNCHANGED, counted, *map(_accuracy, (there, back, carried)))

    def _changed(self, surface: LabelledMesh, change: str) -> tuple[SurfaceSample, Tensor, Tensor]:
        rng = np.random.default_rng([zlib.crc32(surface.name.encode()), self.seed])
        group, n = self.config.model.group, len(surface.labels)
        if change in ("", _GAUGE):
            sample = self._prepared(surface)
            if change:
                generator = torch.Generator().manual_seed(int(rng.integers(2**31)))
                angle, flip = random_gauge(group, sample.geometry, generator)
                sample = sample.replace(geometry=gauge_transform(sample.geometry, group, angle, flip))
            return sample, torch.arange(n)[:, None], torch.ones(n, 1, dtype=torch.float64)
        mesh = surface.mesh
        if mesh.vertices is None:
            raise ValueError(f"{surface.name}: it has edge lengths only, so it cannot be turned or meshed anew")
        new = changed(mesh.vertices, mesh.faces, surface.labels, surface.label_kind, change, rng)
        name = f"{surface.name} ({change})"
        other = mesh_from_arrays(new.vertices, new.faces, name=name, merge_vertices=False)
        labelled = LabelledMesh.from_file_labels(name, other, new.labels, surface.label_kind, surface.path)
        return self._prepared(labelled), torch.from_numpy(new.near), torch.from_numpy(new.weights)

    def _prepared(self, surface: LabelledMesh) -> SurfaceSample:
        check_sides(surface.mesh, surface.name, self.config.model.group, retrain=True)
        sample = prepared_sample(surface.mesh, self.config.data, self.cache, surface.label_kind)
        return sample.replace(labels=torch.from_numpy(surface.labels))


def _certain(labels: Tensor, n_classes: int) -> Tensor:
    """[N, n_classes] 1 for the class of a label, 0 for all others, and for all where there is no label."""
    return (labels[:, None] == torch.arange(n_classes)).double()


def _interpolated(shares: Tensor, near: Tensor, weights: Tensor) -> Tensor:
    """[N] the class with the largest share after interpolation; `IGNORED` where none has any."""
    largest, place = (shares.double()[near] * weights[:, :, None]).sum(1).max(1)
    return torch.where(largest > 0, place, IGNORED)


def _accuracy(pairs: _Pairs) -> float:
    """Share of the elements with a label that are right. Unlike a score of classes it admits `IGNORED` as an answer."""
    known = sum(int((truth >= 0).sum()) for _, truth in pairs)
    return sum(int(((found == truth) & (truth >= 0)).sum()) for found, truth in pairs) / max(known, 1)


def _print(rows: Sequence[Row], kind: str) -> None:
    many = {"vertex": "vertices", "face": "faces"}[kind]
    table = Table(box=None, pad_edge=False)
    table.add_column("test surfaces")
    for heading in (many, "right", f"at the {many} before", "(carried labels)"):
        table.add_column(heading, justify="right")
    for row in rows:
        shares = (f"{100 * share:.2f} %" for share in (row.accuracy, row.accuracy_before, row.limit))
        table.add_row(row.change, f"{row.elements:,}", *shares)
    console.print(table)
    for row in rows:
        if row.change in CHANGES:
            say(row.change, CHANGES[row.change])
