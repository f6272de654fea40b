"""Five networks of the same task: scalars and one vector field at V points → one number at each.

All read x [V, N, 9] for N months: seven scalars, and the components of the vector "north" in the frame of each point
(which the isotropic and the pointwise ones leave out), and give [V, N]. The points are the pixels of the icosahedral
atlas; the mesh has the same points as vertices, and its twelve corners besides.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

import gaugenet as gn
from gaugenet.meshes.chart_frames import chart_frames
from gaugenet.meshes.grids import hull_faces
from gaugenet.meshes.sphere_atlases import icosahedral_points
from gaugenet.models.backbones import ResidualBackbone
from gaugenet.models.perceptron import perceptron
from gaugenet.nn.invariants import Invariants
from gaugenet.nn.normalization import FieldNorm
from gaugenet.nn.value_basis import ValueNonlinearity

N_SCALARS = 7
DROPOUT = 0.0
"""In the last perceptron."""
MODELS = ("icosahedron", "mesh", "isotropic", "plain", "pointwise")
WIDTHS = {"icosahedron": 8, "mesh": 6, "isotropic": 21, "plain": 19, "pointwise": 75}
"""For about equal numbers of parameters, but for the pointwise one."""


class Sphere:
    """The points, as an atlas and as a mesh."""

    def __init__(self, level: int) -> None:
        self.atlas = gn.icosahedral_atlas(level)
        pixels = icosahedral_points(level)
        self.frames = torch.from_numpy(chart_frames(self.atlas, pixels)).float()
        """[P, 3, 3] of the pixels, rows e_x, e_y and the normal."""
        pixels = pixels / np.linalg.norm(pixels, axis=1, keepdims=True)
        self.points = np.concatenate([pixels, [[0, 0, 1], [0, 0, -1]]])
        """[V, 3] on the unit sphere: the P pixels in their order, then the poles."""
        mesh = gn.mesh_from_arrays(self.points, hull_faces(self.points))
        self.geometry = gn.compute_geometry(mesh, gn.Nearest(6))
        self.corners = torch.zeros(len(self.points), dtype=torch.bool)
        """bool [V] the twelve corners of the icosahedron, which no kernel on the atlas sees."""
        self.corners[[*self.atlas.cones, -1, -2]] = True


class AtlasNetwork(nn.Module):
    """On the icosahedral atlas: a convolution, residual pairs of convolutions x ← x + conv(σ(conv(σ(x)))), and a
    perceptron of the mean over each regular field. With `equivariant` false the same with the trivial group, on charts
    that are glued without transition functions: a plain CNN on the unfolded icosahedron."""

    def __init__(self, sphere: Sphere, width: int, *, blocks: int = 2, equivariant: bool = True, seed: int = 0) -> None:
        super().__init__()
        g = torch.Generator().manual_seed(seed)
        name = "C6" if equivariant else "trivial"
        vector = "1x1" if equivariant else "2x0"
        first = gn.FieldType.parse(f"{name}: {N_SCALARS}x0 + {vector}")
        self.field = gn.FieldType.parse(f"{name}: {width}xregular")
        self.atlas = sphere.atlas if equivariant else sphere.atlas.without_transitions()

        def conv(in_type: gn.FieldType) -> gn.ChartConv:
            return gn.ChartConv(in_type, self.field, lattice="hexagonal", values=True, generator=g)

        self.embed = conv(first)
        self.acts = nn.ModuleList(ValueNonlinearity(self.field) for _ in range(2 * blocks))
        self.convolutions = nn.ModuleList(conv(self.field) for _ in range(2 * blocks))
        for later in self.convolutions[1::2]:
            later.coefficients.data *= 0.5
        self.width, self.order = width, self.field.dim // width
        self.head = perceptron(width, 1, dropout=DROPOUT, generator=g)
        self.frames = sphere.frames

    def features(self, x: Tensor) -> Tensor:
        """[P, N, 9] in the frames of the charts → [P, N, width · order] values"""
        x = self.embed(x, self.atlas)
        for i in range(0, len(self.convolutions), 2):
            y = self.convolutions[i](self.acts[i](x), self.atlas)
            x = x + self.convolutions[i + 1](self.acts[i + 1](y), self.atlas)
        return x

    def forward(self, scalars: Tensor, north: Tensor) -> Tensor:
        """Scalars [V, N, 7] and north [V, 3] in space → [V, N], 0 at the poles"""
        n_pixels = self.atlas.n_pixels
        vector = torch.einsum("pij,pj->pi", self.frames[:, :2].to(north), north[:n_pixels])
        vector = vector[:, None].expand(-1, scalars.shape[1], -1)
        x = self.features(torch.cat([scalars[:n_pixels], vector], 2))
        # value h · width + c is that of copy c at group element h
        out = self.head(x.view(*x.shape[:2], self.order, self.width).mean(2))[..., 0]
        return nn.functional.pad(out, (0, 0, 0, 2))


class MeshNetwork(nn.Module):
    """On the triangle mesh by `GaugeConv`: irreps of SO(2) up to a frequency, residual blocks, and a perceptron of
    invariants. Frequency 0 leaves north out: an isotropic network of scalars."""

    def __init__(self, sphere: Sphere, width: int, *, max_frequency: int = 2, blocks: int = 5, seed: int = 0) -> None:
        super().__init__()
        g = torch.Generator().manual_seed(seed)
        self.directed = max_frequency > 0
        first = gn.FieldType.parse(f"SO(2): {N_SCALARS}x0" + (" + 1x1" if self.directed else ""))
        options = {"n_radial": 2, "max_harmonic": None if self.directed else 0}
        self.backbone = ResidualBackbone(
            first, width=width, max_frequency=max_frequency, blocks=blocks, generator=g, **options
        )
        self.norm = FieldNorm(self.backbone.out_type)
        self.invariants = Invariants(self.backbone.out_type, generator=g)
        self.head = perceptron(self.invariants.n_out, 1, dropout=DROPOUT, generator=g)
        self.geometry = sphere.geometry
        self._copies: dict[int, gn.MeshGeometry] = {}

    def copies(self, n: int) -> gn.MeshGeometry:
        """The mesh n times over, one for each month."""
        if n not in self._copies:
            self._copies[n] = gn.batch_geometries([self.geometry] * n)
        return self._copies[n]

    def forward(self, scalars: Tensor, north: Tensor) -> Tensor:
        """Scalars [V, N, 7] and north [V, 3] in space → [V, N]"""
        n = scalars.shape[1]
        x = scalars.transpose(0, 1)
        if self.directed:
            vector, _ = gn.tangent_coefficients(north[:, None], self.geometry)
            x = torch.cat([x, vector.transpose(0, 1).expand(n, -1, -1)], 2)
        y = self.norm(self.backbone(x.flatten(0, 1).contiguous(), self.copies(n)))
        return self.head(self.invariants(y)).view(n, -1).T


class PointwiseNetwork(nn.Module):
    """A perceptron at each point, which sees no neighbour."""

    def __init__(self, width: int, *, seed: int = 0) -> None:
        super().__init__()
        g = torch.Generator().manual_seed(seed)
        self.first = perceptron(N_SCALARS, width, hidden=width, generator=g)
        self.head = perceptron(width, 1, hidden=width, dropout=DROPOUT, generator=g)

    def forward(self, scalars: Tensor, north: Tensor) -> Tensor:
        """Scalars [V, N, 7] → [V, N]"""
        return self.head(nn.functional.silu(self.first(scalars)))[..., 0]


def make(name: str, sphere: Sphere, seed: int) -> nn.Module:
    """One of `MODELS`.

    Raises:
        ValueError: there is no model of that name.
    """
    if name not in MODELS:
        raise ValueError(f"unknown model {name!r}: expected one of {', '.join(MODELS)}")
    width = WIDTHS[name]
    if name in ("icosahedron", "plain"):
        return AtlasNetwork(sphere, width, equivariant=name == "icosahedron", seed=seed)
    if name == "pointwise":
        return PointwiseNetwork(width, seed=seed)
    return MeshNetwork(sphere, width, max_frequency=2 if name == "mesh" else 0, seed=seed)
