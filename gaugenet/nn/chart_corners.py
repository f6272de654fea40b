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
    key = ("corners", str(field), values, x.dtype, x.device)
    of: Windows = atlas.remember(key, lambda: windows_of(atlas.n_pixels, [pairs.left, pairs.right], field, values, x))
    fill = 0.5 * window_sum(x, of)
    number = torch.tensor([cells.index((a + 1, b + 1)) for a, b in pairs.step.tolist()])
    cuts = [0, *(torch.nonzero(number.diff()).flatten() + 1).tolist(), len(number)]
    parts = [fill[a:b] @ weight[number[a]] for a, b in pairwise(cuts)]
    return out.index_add_(0, pairs.pixel.to(x.device), torch.cat(parts).to(out.dtype))
