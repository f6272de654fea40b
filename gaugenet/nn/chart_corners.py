"""The part of a convolution on charts that comes from what stands in for missing neighbours."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor

from gaugenet.field_type import FieldType
from gaugenet.meshes.chart_corners import corner_pairs
from gaugenet.meshes.charts import ChartAtlas
from gaugenet.nn.chart_windows import Windows, window_sum, windows_of


def add_corners(
    out: Tensor,
    x: Tensor,
    weight: Tensor,
    cells: tuple[tuple[int, int], ...],
    atlas: ChartAtlas,
    field: FieldType,
    values: bool,
) -> Tensor:
    """out[p] += K_t (ρ(g_left) x[left] + ρ(g_right) x[right]) / 2 for every pixel p that lacks the neighbour at t
    (`gaugenet.meshes.chart_corners`), in place.

    Args:
        out: [P, N, C_out] the convolution with zeros there.
        x: [P, N, C_in]
        weight: [T, C_in, C_out] K at the `cells` of a 3 × 3 kernel.
        atlas, field, values: of x.
    """
    pairs = corner_pairs(atlas)
    if not len(pairs.pixel):
        return out

    def build() -> tuple[Windows, Tensor, list[tuple[int, int, int]]]:
        number = torch.tensor([cells.index((a + 1, b + 1)) for a, b in pairs.step.tolist()])
        cuts = [0, *(torch.nonzero(number.diff()).flatten() + 1).tolist(), len(number)]
        of = windows_of(atlas.n_pixels, [pairs.left, pairs.right], field, values, x)
        return of, pairs.pixel.to(x.device), [(int(number[a]), a, b) for a, b in pairwise(cuts)]

    key = ("corners", str(field), values, x.dtype, x.device)
    of, pixel, parts = atlas.remember(key, build)
    fill = 0.5 * window_sum(x, of)
    # as the sums over taps, in the type of x
    with torch.autocast(x.device.type, enabled=False):
        filled = torch.cat([fill[a:b] @ weight[t].to(fill.dtype) for t, a, b in parts])
    return out.index_add_(0, pixel, filled.to(out.dtype))
