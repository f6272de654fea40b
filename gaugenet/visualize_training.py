"""Training curves from the log of a run."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gaugenet.visualize import new_figure

_CURVES = (("train", "training", "#4c78a8"), ("validation", "validation", "#f58518"), ("test", "test", "#e45756"))


def read_log(path: str | Path) -> list[dict[str, Any]]:
    """The lines of a ``log.jsonl``, one dictionary per epoch; a last line that is cut off is left out.

    Raises:
        ValueError: another line is no JSON object, or there is none at all.
    """
    records: list[dict[str, Any]] = []
    lines = Path(path).read_text(encoding="utf-8").splitlines()
    for number, line in enumerate(lines, 1):
        try:
            record = json.loads(line)
        except json.JSONDecodeError:
            if number == len(lines):
                break
            raise ValueError(f"{path}: line {number} is no JSON; expected the log of a run") from None
        if not isinstance(record, dict):
            raise ValueError(f"{path}: line {number} is no JSON object; expected the log of a run")
        records.append(record)
    if not records:
        raise ValueError(f"{path}: there is no epoch in it; let the first one finish")
    return records


def draw_curves(path: str | Path, records: Sequence[Mapping[str, Any]], title: str = "") -> None:
    """Draws loss, scores and learning rate over the epochs into a PNG.

    Args:
        records: of `read_log`, or of several runs one after another. Values that are missing or None leave gaps.

    Raises:
        ValueError: there is no record.
        ImportError: matplotlib is not installed.
    """
    if not records:
        raise ValueError("expected at least one epoch to draw, got none")
    figure = new_figure(9.6, 3.3)
    left, right = figure.subplots(1, 2)
    epochs, loss = _points(records, "loss")
    left.plot(epochs, loss, color="#333333", linewidth=1.6, marker="o" if len(loss) == 1 else "")
    left.set_ylabel("loss")
    rate = left.twinx()
    rate.plot(*_points(records, "lr"), color="#72b7b2", linewidth=1.2, linestyle="--")
    rate.set_ylabel("learning rate", color="#4a8f8a")
    rate.tick_params(axis="y", labelsize=8, colors="#4a8f8a")
    rate.ticklabel_format(axis="y", style="sci", scilimits=(-3, 3))
    rate.set_ylim(bottom=0)
    kind = "error" if any(r.get("train_error") is not None for r in records) else "accuracy"
    for part, name, color in _CURVES:
        x, y = _points(records, f"{part}_{kind}")
        if x:
            marker = "o" if len(x) < max(len(records), 2) or len(x) == 1 else ""
            right.plot(
                x,
                [100 * v for v in y],
                color=color,
                linewidth=1.6,
                marker=marker,
                markersize=4,
                label=f"{name} {100 * y[-1]:.2f} %",
            )
    right.set_ylabel("accuracy, %" if kind == "accuracy" else "relative error, %")
    if right.get_lines():
        right.legend(fontsize=8, frameon=False, loc="lower right" if kind == "accuracy" else "upper right")
    for axes in (left, right, rate):
        axes.spines["top"].set_visible(False)
    right.spines["right"].set_visible(False)
    for axes in (left, right):
        axes.set_xlabel("epoch")
        axes.tick_params(labelsize=8)
        axes.grid(color="0.92", linewidth=0.8)
        axes.set_axisbelow(True)
        axes.xaxis.get_major_locator().set_params(integer=True)
    figure.suptitle(title, fontsize=10)
    figure.tight_layout()
    figure.savefig(path)


def _points(records: Sequence[Mapping[str, Any]], key: str) -> tuple[list[int], list[float]]:
    found = [(int(r.get("epoch", i)), float(r[key])) for i, r in enumerate(records, 1) if r.get(key) is not None]
    return [e for e, _ in found], [v for _, v in found]
