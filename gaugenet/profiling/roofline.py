"""The picture of the roofline: what each pass reaches under the roofs measured in the same run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

_COLORS = {"cpu": "#4c78a8", "triton": "#54a24b", "reference": "#9c9c9c", "edge first": "#e45756"}
_MARKERS = {"forward": "o", "backward": "s", "weight gradient": "^"}


def draw_roofline(path: Path, report: dict[str, Any]) -> None:
    """Flops per byte against flops per second, both logarithmic, of every pass and implementation, as PNG.

    Raises:
        ImportError: matplotlib is not installed.
        ValueError: the report has no timings.
    """
    try:
        from matplotlib.figure import Figure
        from matplotlib.lines import Line2D
    except ImportError as error:
        raise ImportError("a picture needs matplotlib: pip install matplotlib") from error
    rows = [row for problem in report["problems"] for row in problem["passes"]]
    if not rows:
        raise ValueError("there are no timings to draw; the correctness gate failed")
    bandwidth, flops = report["peaks"]["bytes_per_second"], report["peaks"]["flops_per_second"]
    intensities = [row["flops"] / row["bytes"] for row in rows]
    ridge = flops / bandwidth
    low, high = min(*intensities, ridge) / 3, max(*intensities, ridge) * 3
    figure = Figure(figsize=(7.5, 5), dpi=130, layout="constrained")
    axes = figure.subplots()
    axes.plot([low, ridge, high], [low * bandwidth, flops, flops], color="black", linewidth=1.5)
    axes.annotate(f"matrix product {flops / 1e9:,.0f} GFLOP/s", (high, flops), (-4, 5), ha="right", **_NOTE)
    axes.annotate(f"copy {bandwidth / 1e9:,.0f} GB/s", (low, low * bandwidth), (10, -4), ha="left", va="top", **_NOTE)
    for row, intensity in zip(rows, intensities):
        axes.scatter(
            intensity,
            row["flops"] / row["ms"] * 1e3,
            color=_COLORS.get(row["implementation"], "#b279a2"),
            marker=_MARKERS[row["pass"]],
            s=45,
            alpha=0.85,
            zorder=3,
        )
    axes.set(xscale="log", yscale="log", xlim=(low, high))
    axes.set_xlabel("flops per byte that the operator needs")
    axes.set_ylabel("needed flops per second")
    axes.set_title(_title(report), fontsize=10)
    axes.grid(True, which="both", alpha=0.2)
    names = dict.fromkeys(row["implementation"] for row in rows)
    handles = [Line2D([], [], color=_COLORS.get(n, "#b279a2"), marker="o", linestyle="", label=n) for n in names]
    handles += [Line2D([], [], color="black", marker=m, linestyle="", label=n) for n, m in _MARKERS.items()]
    figure.legend(handles=handles, fontsize=8, loc="outside lower center", ncols=len(handles), frameon=False)
    figure.savefig(path)


_NOTE: dict[str, Any] = {"textcoords": "offset points", "fontsize": 8}


def _title(report: dict[str, Any]) -> str:
    machine, first = report["machine"], report["problems"][0]
    more = f" and {len(report['problems']) - 1} more" if len(report["problems"]) > 1 else ""
    threads = f"{machine['threads']} thread{'s' if machine['threads'] > 1 else ''}"
    where = machine["gpu"] or f"{machine['cpu']}, {threads}"
    return f"{first['name']}{more} · {first['dtype']} · {where}"
