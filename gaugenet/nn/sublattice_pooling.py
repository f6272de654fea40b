"""Pooling from an atlas to every second pixel of it."""

from __future__ import annotations

from typing import Literal

import numpy as np
from torch import Tensor, nn

from gaugenet.field_type import FieldType
from gaugenet.meshes.charts import ChartAtlas, Lattice
from gaugenet.meshes.sublattices import sublattice, sublattice_start
from gaugenet.nn.chart_transport import check_atlas, check_features
from gaugenet.nn.chart_windows import Windows, window_max, window_sum, windows
from gaugenet.nn.value_basis import has_values
from gaugenet.steerable.tap_basis import taps


class SublatticePool(nn.Module):
    """The largest or the mean of a pixel and its neighbours, at every second pixel:

        out[p] = max_t ρ(g_{p←q(p, t)}) f[q(p, t)],     or the mean over t

    t are the 3 × 3 pixels of a kernel (on the hexagonal lattice the seven of its hexagon), q(p, t) and g as in
    `ChartConv`; places beyond a border and at holes take no part. Windows are centred on pixels that stay, so that the
    layer commutes with every symmetry that the coarser lattice keeps: on `icosahedral_atlas`, where `ChartMaxPool` has
    no squares, with all 60 rotations. The result lives on `sublattice(atlas)`.

    Args:
        field_type: of input and output.
        mode: "max", of values and of scalars only, or "mean".
        lattice: of the atlases.
        values: whether fields are in the basis of `gaugenet.nn.value_basis`.

    Raises:
        ValueError: the mode is not known, or a maximum of these fields would depend on the gauge.
    """

    def __init__(
        self,
        field_type: FieldType,
        *,
        mode: Literal["max", "mean"] = "max",
        lattice: Lattice = "hexagonal",
        values: bool = False,
    ) -> None:
        super().__init__()
        if mode not in ("max", "mean"):
            raise ValueError(f'expected mode "max" or "mean", got {mode!r}')
        for block in field_type.blocks if mode == "max" else ():
            term = field_type.terms[block.term]
            if not (block.irrep.is_invariant or (values and has_values(term))):
                raise ValueError(
                    f"a maximum over {term} of {field_type} depends on the gauge: pool their values, or take the mean"
                )
        self.field_type, self.mode, self.lattice, self.values = field_type, mode, lattice, values

    def forward(self, x: Tensor, atlas: ChartAtlas) -> Tensor:
        """[P, N, dim] on `atlas` → [P / 4, N, dim] on `sublattice(atlas)`

        Raises:
            ValueError: x has the wrong shape, or the atlas another lattice, no such sublattice, or transitions outside
                of the group.
        """
        if atlas.lattice != self.lattice:
            raise ValueError(f"expected an atlas of {self.lattice} pixels, got {atlas!r} of {atlas.lattice} ones")
        check_features(x, atlas, self.field_type)
        check_atlas(self.field_type.group, atlas)
        key = ("sublattice pooling", str(self.field_type), self.values, x.dtype, x.device)
        of = atlas.remember(key, lambda: self._windows(atlas, x))
        if self.mode == "max":
            return window_max(x, of)
        return window_sum(x, of) / of.n_places.clamp_min(1)[:, None, None]

    def _windows(self, atlas: ChartAtlas, x: Tensor) -> Windows:
        """The middle first, which every window has."""
        coarse, (s, t) = sublattice(atlas), sublattice_start(atlas)
        cells = taps(3, self.lattice)[0].numpy() - 1
        steps = cells[np.argsort(np.abs(cells).sum(1), kind="stable")]
        grid = np.meshgrid(np.arange(coarse.rows), np.arange(coarse.columns), np.arange(atlas.n_charts), indexing="ij")
        i, j, chart = 2 * grid[0].ravel() + s, 2 * grid[1].ravel() + t, grid[2].ravel()
        return windows(atlas, chart, i, j, steps, self.field_type, self.values, x)

    def extra_repr(self) -> str:
        return f"{self.field_type}, {self.mode}, {self.lattice}"
