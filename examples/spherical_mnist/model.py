"""Networks on the sphere: regular fields of C6 on the charts of the icosahedron, and a plain CNN on them."""

from __future__ import annotations

import itertools
import math

import numpy as np
import torch
from mesh_model import COARSER, MeshNetwork
from torch import Tensor, nn

from gaugenet.field_type import FieldType
from gaugenet.meshes.chart_corners import Corners
from gaugenet.meshes.charts import ChartAtlas
from gaugenet.meshes.sphere_atlases import icosahedral_atlas, icosahedral_points
from gaugenet.meshes.sublattices import sublattice
from gaugenet.nn.chart_conv import ChartConv
from gaugenet.nn.chart_transport import holes_and_rest
from gaugenet.nn.sublattice_pooling import SublatticePool
from gaugenet.nn.value_batch_norm import ValueBatchNorm

WIDTHS = {3: (6, 8, 12, 16, 24), 4: (6, 8, 8, 12, 16, 24), 5: (8, 16, 16, 24, 24, 32, 64)}
"""Regular fields after each convolution, by resolution."""
POOLED = {3: (0, 2), 4: (0, 2, 4), 5: (0, 2, 4)}
"""The convolutions after which pixels are pooled."""
WIDE = {3: (6, 8, 12, 16, 32), 4: (6, 8, 8, 12, 16, 32)}
"""The same of the "-wide" networks, whose last fields, all that the perceptron sees of a digit, are more."""
LARGE = dict.fromkeys((3, 4, 5), (8, 16, 16, 24, 24, 32, 64))
"""The same of the "-large" networks, about those of Cohen et al. 2019."""
MODELS = ("ico", "plain", "mesh", "ico-wide", "plain-wide", "ico-filled", "ico-large", "plain-large")


def field_types(model: str, resolution: int) -> list[FieldType]:
    """The types of the input and after each convolution. "plain" has about as many parameters as "ico": a pair of
    regular fields has 42 in a kernel of seven pixels, a pair of channels 7, so that there are √6 times as many.

    Raises:
        ValueError: there is no such model on charts, or none at this resolution.
    """
    name = model.partition("-")[0]
    if name not in ("ico", "plain") or model not in MODELS:
        raise ValueError(
            f'expected model "ico" or "plain", or these with "-wide" or "-large", or "ico-filled", got {model!r}'
        )
    widths = _widths(model)
    if resolution not in widths:
        raise ValueError(f"expected resolution {', '.join(map(str, widths))} for {model}, got {resolution}")
    if name == "ico":
        return [FieldType.parse(t) for t in ("C6: 1xtrivial", *(f"C6: {w}xregular" for w in widths[resolution]))]
    channels = [round(math.sqrt(6) * w) for w in widths[resolution]]
    return [FieldType("trivial", [("0", c)]) for c in (1, *channels)]


class IcosahedralNetwork(nn.Module):
    """Convolutions with the seven pixels of a hexagon, after some of them hexagonal maxima, after each of them batch
    normalisation and ReLU; the largest and the mean value of every field over pixels and group; a perceptron.

    Fields are in the value basis. "plain" is the same network with the trivial group on the atlas without transition
    functions: charts are padded pixel by pixel, and frames taken as if they agreed. The "-wide" networks take grey
    values at four times as many points, of which each pixel gets the mean of the seven nearest: strokes are about as
    wide as a pixel, and a value at its middle alone depends on how the stroke lies between pixels. "ico-filled" is
    "ico-wide" with the place of the missing neighbour at each of the twelve corners filled (`ChartConv`): at the
    coarsest level of resolution 3 every pixel is next to corners. The "-large" ones are as "ico-filled" and
    "plain-wide" with seven convolutions.

    Args:
        model: any of `MODELS` but "mesh".
        resolution: r, of 2^(2 r + 1) · 5 pixels.
        seed: of the initial weights.
    """

    def __init__(self, model: str, resolution: int, *, seed: int = 0) -> None:
        super().__init__()
        torch.manual_seed(seed)
        types = field_types(model, resolution)
        self.atlas = icosahedral_atlas(resolution)
        self.finer = icosahedral_atlas(resolution + 1) if "-" in model else None
        corners: Corners = "mean" if model in ("ico-filled", "ico-large") else "zero"
        self.average = SublatticePool(FieldType.parse("C6: 1xtrivial"), mode="mean", values=True)
        if model.startswith("plain"):
            self.atlas = self.atlas.without_transitions()
        self.convolutions = nn.ModuleList(
            ChartConv(a, b, lattice="hexagonal", bias=False, values=True, corners=corners)
            for a, b in itertools.pairwise(types)
        )
        self.norms = nn.ModuleList(ValueBatchNorm(t) for t in types[1:])
        self.pools = nn.ModuleDict({str(k): SublatticePool(types[k + 1], values=True) for k in POOLED[resolution]})
        self.copies = len(self.norms[-1].scale)
        self.head = nn.Sequential(nn.Linear(2 * self.copies, 32), nn.ReLU(), nn.Linear(32, 10))
        points = icosahedral_points(resolution if self.finer is None else resolution + 1)
        unit = torch.from_numpy(points / np.linalg.norm(points, axis=1, keepdims=True))
        self.register_buffer("directions", unit, persistent=False)
        self.directions: Tensor
        """[P, 3] where the network wants its input."""

    def features(self, x: Tensor) -> tuple[Tensor, ChartAtlas]:
        """[P, N, 1] grey values → the field [P', N, dim] after the last convolution, in values, and its atlas."""
        atlas = self.atlas
        if self.finer is not None:
            x = self.average(x, self.finer)
        for k, (convolution, norm) in enumerate(zip(self.convolutions, self.norms)):
            x = convolution(x, atlas)
            if str(k) in self.pools:
                x, atlas = self.pools[str(k)](x, atlas), sublattice(atlas)
            x = torch.relu(norm(x, atlas))
        return x, atlas

    def forward(self, x: Tensor) -> Tensor:
        """[P, N, 1] grey values at `directions` → [N, 10] logits"""
        field, atlas = self.features(x)
        values = field.index_select(0, holes_and_rest(atlas, x.device)[1]).unflatten(2, (-1, self.copies))
        return self.head(torch.cat([values.amax((0, 2)), values.mean((0, 2))], 1))


def make_network(model: str, resolution: int, seed: int) -> IcosahedralNetwork | MeshNetwork:
    """One of `MODELS` with fresh weights."""
    return MeshNetwork(resolution, seed=seed) if model == "mesh" else IcosahedralNetwork(model, resolution, seed=seed)


def resolutions(model: str) -> tuple[int, ...]:
    """At which there is this one of `MODELS`."""
    return tuple(COARSER if model == "mesh" else _widths(model))


def _widths(model: str) -> dict[int, tuple[int, ...]]:
    return {"": WIDTHS, "wide": WIDE, "filled": WIDE, "large": LARGE}[model.partition("-")[2]]
