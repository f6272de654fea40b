"""Time the convolution on the icosahedron beside a plain conv2d: `python tests/benchmarks/bench_charts.py [--quick]`.

`ChartConv` of regular fields of C6 in values, with bias, against `torch.conv2d` 3 × 3 with padding 1 and bias, of the
same channels on images of the same number of pixels, channels last or first, whichever is faster. Both in one process,
in turns, medians of the ratio of neighbouring runs with the 20th and 80th percentile; the clock is the process's own
time of one thread.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parents[2]))

from gaugenet.field_type import FieldType
from gaugenet.meshes.sphere_atlases import icosahedral_atlas
from gaugenet.nn.chart_conv import ChartConv

CASES = [(3, 8), (3, 32), (3, 128), (4, 8), (4, 32), (5, 8)]
"""Resolution and batch."""
Run = tuple[Callable[[], Tensor], list[Tensor]]


def runs(level: int, batch: int, width: int) -> list[Run]:
    """The layer on charts, then conv2d with channels last and first: forward, and what to differentiate by."""
    torch.manual_seed(0)
    atlas, field = icosahedral_atlas(level), FieldType.parse(f"C6: {width}xregular")
    layer = ChartConv(field, field, lattice="hexagonal", values=True)
    x = torch.randn(atlas.n_pixels, batch, field.dim, requires_grad=True)
    image = torch.randn(batch * atlas.n_charts, field.dim, atlas.rows, atlas.columns)
    found: list[Run] = [(lambda: layer(x, atlas), [x, *layer.parameters()])]
    for order in (torch.channels_last, torch.contiguous_format):
        y = image.clone(memory_format=order).requires_grad_()
        weight = torch.randn(field.dim, field.dim, 3, 3).to(memory_format=order).requires_grad_()
        bias = torch.randn(field.dim, requires_grad=True)
        found.append((lambda y=y, w=weight, b=bias: torch.conv2d(y, w, b, padding=1), [y, weight, bias]))  # type: ignore[misc]
    return found


def measured(cases: list[Run], repeats: int) -> list[tuple[list[float], list[float]]]:
    """Milliseconds of forward, and of forward and backward, of every run; the first of all is left out."""
    times: list[tuple[list[float], list[float]]] = [([], []) for _ in cases]
    for repeat in range(repeats + 1):
        for (forward, leaves), (alone, both) in zip(cases, times, strict=True):
            start = time.process_time()
            with torch.no_grad():
                probe = forward()
            middle = time.process_time()
            torch.autograd.grad(forward(), leaves, probe)
            end = time.process_time()
            if repeat:
                alone.append(1e3 * (middle - start))
                both.append(1e3 * (end - middle))
    return times


def compared(level: int, batch: int, width: int, repeats: int) -> dict[str, Any]:
    """Medians in ms, and the ratio to the better conv2d with its spread."""
    ours, *peers = measured(runs(level, batch, width), repeats)
    row: dict[str, Any] = {"resolution": level, "channels": 6 * width, "batch": batch}
    for key, k in (("forward", 0), ("both", 1)):
        peer = min((p[k] for p in peers), key=statistics.median)
        ratio = sorted(a / b for a, b in zip(ours[k], peer, strict=True))
        low, high = ratio[len(ratio) // 5], ratio[-1 - len(ratio) // 5]
        row[key] = {
            "ms": statistics.median(ours[k]),
            "conv2d ms": statistics.median(peer),
            "ratio": [statistics.median(ratio), low, high],
        }
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="three runs each, and no case above a batch of 32")
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--resolutions", default="3,4,5", help="comma-separated, of 3, 4 and 5")
    parser.add_argument("--batches", default="8,32,128", help="comma-separated, of 8, 32 and 128")
    parser.add_argument("--widths", default="8,16,32", help="comma-separated, regular fields of six channels each")
    parser.add_argument("--json", type=Path, help="write all figures here")
    options = parser.parse_args()
    torch.set_num_threads(1)
    print("| resolution | channels | batch | forward, ms | conv2d | ratio | forward + backward, ms | conv2d | ratio |")
    print("|---|---|---|---|---|---|---|---|---|")
    rows = []
    given = (options.resolutions, options.batches, options.widths)
    levels, batches, widths = ([int(n) for n in text.split(",")] for text in given)
    for level, batch in (case for case in CASES if case[0] in levels and case[1] in batches):
        for width in widths:
            if options.quick and batch > 32:
                continue
            row = compared(level, batch, width, 3 if options.quick else options.repeats)
            rows.append(row)
            cells = [str(row[k]) for k in ("resolution", "channels", "batch")]
            for key in ("forward", "both"):
                middle, low, high = row[key]["ratio"]
                cells += [
                    f"{row[key]['ms']:.1f}",
                    f"{row[key]['conv2d ms']:.1f}",
                    f"{middle:.2f} ({low:.2f}–{high:.2f})",
                ]
            print("| " + " | ".join(cells) + " |", flush=True)
    if options.json is not None:
        options.json.write_text(json.dumps({"torch": torch.__version__, "rows": rows}, indent=1))


if __name__ == "__main__":
    main()
