"""A report of a run in one HTML file: settings, scores, equivariance, curves and pictures; nothing from the network."""

from __future__ import annotations

import base64
import html
import json
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from gaugenet.meshes.atomic import write_atomically
from gaugenet.visualize_training import read_log

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #222; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.1rem; margin-top: 2.2rem; border-bottom: 1px solid #ddd; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; } img { max-width: 100%; }
td, th { padding: 0.15rem 1rem 0.15rem 0; text-align: left; vertical-align: top; }
th { font-weight: 600; border-bottom: 1px solid #ddd; } td.number { text-align: right; }
.columns { display: flex; flex-wrap: wrap; gap: 2.5rem; } .quiet { color: #777; }
"""
_EPOCHS = 12
"""Rows of the table of epochs, at most."""


def write_report(run: str | Path, pictures: Mapping[str, Path], out: str | Path | None = None) -> Path:
    """Writes ``report.html`` of a run, with pictures inside the file.

    Args:
        run: folder with config.toml, log.jsonl and, where the run has ended, summary.json.
        pictures: PNG files by heading, in their order.
        out: the file; None for report.html in the folder.

    Returns:
        The file that was written.

    Raises:
        ValueError: the folder is none of a run, or its log cannot be read.
    """
    run = Path(run)
    missing = [name for name in ("config.toml", "log.jsonl") if not (run / name).is_file()]
    if missing:
        raise ValueError(f"{run}: there is no {missing[0]} in it; give the folder of a run (gaugenet train)")
    settings = tomllib.loads((run / "config.toml").read_text("utf-8"))
    records = read_log(run / "log.jsonl")
    summary = json.loads((run / "summary.json").read_text("utf-8")) if (run / "summary.json").is_file() else {}
    title = f"{Path(str(settings.get('data', {}).get('path', ''))).name or 'run'} · {run.resolve().name}"
    parts = [f"<h1>{_text(title)}</h1>", "<h2>Result</h2>", _pairs(_result(summary, records))]
    if gauge := summary.get("gauge"):
        parts += ["<h2>Equivariance</h2>", _pairs(_equivariance(gauge, settings, summary))]
    for heading, picture in pictures.items():
        parts += [f"<h2>{_text(heading)}</h2>", _image(picture, heading)]
    parts += ["<h2>Epochs</h2>", _epochs(records), "<h2>Settings</h2>", '<div class="columns">']
    parts += [f"<div><h3>{_text(name)}</h3>{_pairs(table.items())}</div>" for name, table in settings.items()]
    body = "\n".join([*parts, "</div>"])
    page = f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{_text(title)}</title>'
    page += f"<style>{_STYLE}</style></head>\n<body>\n{body}\n</body></html>\n"
    file = Path(out) if out is not None else run / "report.html"
    write_atomically(file, page.encode())
    return file


def _result(summary: Mapping[str, Any], records: Sequence[Mapping[str, Any]]) -> Iterable[tuple[str, str]]:
    if not summary:
        yield "state", f"not finished: {len(records)} epochs are done"
    test = summary.get("test")
    if test and "error" in test:
        yield "relative test error", f"{100 * test['error']:.2f} % over {test['counted']:,}"
        for name, error in test["relative"].items():
            in_unit = f"root mean square {test['rmse'][name]:.4g}, mean {test['mae'][name]:.4g}"
            yield f"error of {name}", f"{100 * error:.2f} % of its spread in training ({in_unit})"
    elif test:
        yield "test accuracy", f"{100 * test['accuracy']:.2f} % of {test['counted']:,}"
        yield "mean class IoU", f"{100 * test['mean_iou']:.2f} %"
        yield "mean of the surfaces", f"{100 * test['mean_mesh_accuracy']:.2f} %"
    if records[-1].get("train_accuracy") is not None:
        yield "training accuracy", f"{100 * records[-1]['train_accuracy']:.2f} % in the last epoch"
    if records[-1].get("train_error") is not None:
        yield "relative training error", f"{100 * records[-1]['train_error']:.2f} % in the last epoch"
    if records[-1].get("loss") is not None:
        yield "loss", f"{records[-1]['loss']:.4f}"
    if "n_parameters" in summary:
        yield "parameters", f"{summary['n_parameters']:,}"
    if summary.get("best_epoch"):
        yield "best epoch", str(summary["best_epoch"])
    seconds = summary.get("seconds") or sum(r.get("seconds") or 0.0 for r in records)
    yield "time", f"{seconds:.0f} s for {summary.get('epochs', len(records))} epochs"


def _equivariance(
    gauge: Mapping[str, Any], settings: Mapping[str, Any], summary: Mapping[str, Any]
) -> Iterable[tuple[str, str]]:
    group = settings.get("model", {}).get("group", "the group")
    yield "asked", f"a different random element of {group} at every vertex, then predict again"
    if gauge.get("changed") is None:
        yield "largest change, beyond turning with the frames", f"{gauge['error']:.1e} of their size"
    else:
        yield "largest change of the logits", f"{gauge['error']:.1e} of their size"
        yield "predictions that changed", f"{gauge['changed']:,} of {gauge['total']:,}"
    if "error" in (gauge.get("metrics") or {}) and summary.get("test"):
        yield "relative error in the random gauge", f"{100 * gauge['metrics']['error']:.2f} %"
    elif gauge.get("metrics") and summary.get("test"):
        yield "accuracy in the random gauge", f"{100 * gauge['metrics']['accuracy']:.2f} %"


def _epochs(records: Sequence[Mapping[str, Any]]) -> str:
    columns = [key for key in records[0] if any(r.get(key) is not None for r in records)]
    step = max(-(-len(records) // _EPOCHS), 1)
    shown = [r for i, r in enumerate(records) if i % step == 0 or i == len(records) - 1]
    head = "".join(f"<th>{_text(key.replace('_', ' '))}</th>" for key in columns)
    rows = "".join(
        "<tr>" + "".join(f'<td class="number">{_text(_number(key, r.get(key)))}</td>' for key in columns) + "</tr>\n"
        for r in shown
    )
    more = f'<p class="quiet">Every {step}th epoch; all are in log.jsonl.</p>' if step > 1 else ""
    return f"<table><tr>{head}</tr>\n{rows}</table>{more}"


def _number(key: str, value: Any) -> str:
    if value is None:
        return ""
    if key.endswith(("accuracy", "error")):
        return f"{100 * value:.2f} %"
    if isinstance(value, float):
        return f"{value:.2e}" if key == "lr" else f"{value:.4g}"
    return str(value)


def _pairs(rows: Iterable[tuple[str, Any]]) -> str:
    cells = "".join(f"<tr><td>{_text(name)}</td><td>{_text(value)}</td></tr>\n" for name, value in rows)
    return f"<table>{cells}</table>"


def _image(picture: Path, what: str) -> str:
    data = base64.b64encode(picture.read_bytes()).decode()
    return f'<img alt="{_text(what)}" src="data:image/png;base64,{data}">'


def _text(value: Any) -> str:
    return html.escape(str(value))
