"""The gauge-equivariant convolution on regular grids."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from gaugenet.field_type import FieldType, check_field_types
from gaugenet.kernels.grid_conv import Cells, by_taps, direct, fourier
from gaugenet.kernels.transport_conv import ConvEdges, transport_conv
from gaugenet.meshes.chart_corners import Corners, check_corners, check_reach
from gaugenet.meshes.charts import ChartAtlas, Lattice
from gaugenet.meshes.geometry import MeshGeometry
from gaugenet.meshes.memo import remembered
from gaugenet.nn.bias import InvariantBias
from gaugenet.nn.chart_corners import add_corners
from gaugenet.nn.chart_correlation import Between, correlated, has_transpose
from gaugenet.nn.chart_padding import cropped, padded
from gaugenet.nn.chart_transport import check_atlas, check_features
from gaugenet.nn.edges import check_admissible
from gaugenet.nn.value_basis import has_values, to_values
from gaugenet.representations import Irrep
from gaugenet.steerable.block_expansion import BlockExpansion
from gaugenet.steerable.tap_basis import tap_basis, taps
from gaugenet.steerable.term_expansion import TermExpansion, joint_basis

Executor = Literal["auto", "taps", "direct", "fourier"]
_FEW_COLUMNS = 6


class ChartConv(nn.Module):
    """Convolution with a steerable kernel on the pixels of an atlas:

        out[p] = Σ_t K_t ρ_in(g_{p←q(p, t)}) f[q(p, t)] + b,      K_{g t} = ρ_out(g) K_t ρ_in(g)⁻¹

    t are the pixels of a size × size kernel (on the hexagonal lattice those of its hexagon), q(p, t) is the pixel at
    place t from p, g the transition to its chart and 1 inside of a chart; beyond a border f is 0. The same operator as
    `GaugeConv`, with pixels instead of radial functions. K is expanded from its basis once per call, chart borders are
    filled by transport, and one correlation does the rest. Weiler et al. 2021, Coordinate Independent Convolutional
    Networks; Cohen et al. 2019 for the icosahedron.

    What it derives from an atlas it shares with other layers there. Under ``torch.compile(fullgraph=True)`` and in
    ``torch.export`` that comes too late: call the layer, or the network, once on the atlas before.

    Args:
        in_type, out_type: field types of one finite structure group that maps the lattice to itself.
        size: odd number of pixels along a side of the kernel; 1 or 3 on the icosahedron, whose cone points are pixels.
        bias: whether the layer has b.
        values: whether fields are values on the group (`gaugenet.nn.value_basis`) instead of coefficients. Regular
            fields then need no change of basis between layers.
        lattice: "square" or "hexagonal", that of the atlases.
        executor: "taps", "direct" or "fourier" (`gaugenet.kernels.grid_conv`); the same result up to rounding. "auto":
            the Fourier transform for kernels of 5 × 5 pixels and more; for smaller ones taps, but direct on a CPU in
            bfloat16, and in float32 on the square lattice and for few channels.
        corners: what stands where a pixel next to a corner of an icosahedron or a cube lacks a neighbour: "zero", as
            beyond a border, or "mean", of the two neighbours beside that place (`gaugenet.meshes.chart_corners`), for
            kernels of 3 × 3 pixels.
        std: standard deviation of the initial coefficients, which are pixels up to 0 and ±1 where all irreps have
            one dimension; by default such that the variance of independent features is kept.
        generator: for the initial coefficients.

    Raises:
        ValueError: the field types disagree in their group, it does not map the lattice to itself, or corners are to be
            filled in a kernel of another size.
    """

    def __init__(
        self,
        in_type: FieldType,
        out_type: FieldType,
        *,
        size: int = 3,
        lattice: Lattice = "square",
        bias: bool = True,
        values: bool = False,
        executor: Executor = "auto",
        corners: Corners = "zero",
        std: float | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        check_field_types(in_type, out_type)
        if executor not in ("auto", "taps", "direct", "fourier"):
            raise ValueError(f'expected executor "auto", "taps", "direct" or "fourier", got {executor!r}')
        self.in_type, self.out_type, self.size, self.lattice = in_type, out_type, size, lattice
        check_corners(corners)
        if corners != "zero" and size != 3:
            raise ValueError(f"corners are filled for kernels of 3 × 3 pixels, not of {size} × {size}")
        self.values, self.corners = values, corners
        self.executor = "fourier" if executor == "auto" and size >= 5 else executor
        index, places = taps(size, lattice)
        self.places = places
        self._cells = tuple((a, b) for a, b in index.tolist())
        energy = torch.ones(len(places), dtype=torch.float64)
        exact: dict[tuple[Irrep, Irrep], Tensor] = {}

        def basis(in_irrep: Irrep, out_irrep: Irrep) -> Tensor:
            found = tap_basis(in_irrep, out_irrep, places)
            exact[in_irrep, out_irrep] = found / found.abs().amax((1, 2, 3), keepdim=True) if len(found) else found
            return found

        self.blocks = BlockExpansion(in_type, out_type, basis, energy)
        self._exact = list(exact.values())
        self._at_once = self._term_expansion(exact)
        initial = self.blocks.initial(1, generator, 1.0, 1.0, torch.get_default_dtype())
        if std is not None:
            initial.normal_(std=std, generator=generator)
        self.coefficients = nn.Parameter(initial)
        self.bias = InvariantBias(out_type) if bias else None
        self._spread: dict[tuple[torch.dtype, torch.device], Tensor] = {}

    def _apply(self, fn, recurse=True):  # type: ignore[no-untyped-def]
        # Kernels of C3 and C6 have entries like √3/2: a cast to float64 must bring these, not rounded float32 ones.
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        for k, exact in enumerate(self._exact):
            buffer = self.blocks.get_buffer(f"basis_{k}")
            setattr(self.blocks, f"basis_{k}", exact.to(buffer))
        return self

    @property
    def n_coefficients(self) -> int:
        """Free numbers of the kernel."""
        return self.blocks.n_coefficients

    def kernel(self) -> Tensor:
        """K [T, C_out, C_in] at the pixels of the kernel, between coefficients (not values)."""
        kernel: Tensor = self.blocks.expand(self.coefficients)[:, 0]
        return kernel

    def forward(self, x: Tensor, atlas: ChartAtlas) -> Tensor:
        """[P, N, in_type.dim] features of N images → [P, N, out_type.dim]

        Raises:
            ValueError: x has the wrong shape or dtype, the group or the lattice of the layer is not that of the atlas,
                or the kernel is too large for its cone points.
        """
        check_features(x, atlas, self.in_type)
        self._check_dtype(x)
        if atlas.lattice != self.lattice:
            raise ValueError(f"expected an atlas of {self.lattice} pixels, got {atlas!r} of {atlas.lattice} ones")
        check_atlas(self.in_type.group, atlas)
        check_reach(atlas, self.size // 2)
        out = self._without_corners(x, atlas)
        if self.corners == "zero":
            return out
        return add_corners(out, x, self._weight(), self._cells, atlas, self.in_type, self.values)

    def _check_dtype(self, x: Tensor) -> None:
        own = self.coefficients.dtype
        half = x.dtype in (torch.float16, torch.bfloat16) and own == torch.float32
        if x.dtype != own and not half:
            raise ValueError(
                f"features and coefficients must agree in dtype (half precision features: float32 coefficients), got "
                f"{x.dtype} and {own}; use .to(dtype)"
            )

    def _without_corners(self, x: Tensor, atlas: ChartAtlas) -> Tensor:
        constant = self._constant(x)
        executor = self._executor(x, atlas)
        if executor == "taps" and has_transpose(atlas, self.size // 2):
            between = Between(atlas, self.in_type, self.out_type, self.values, self.size, self._cells)
            return correlated(x, self._weight(), constant, between)
        grid = padded(x, atlas, self.in_type, self.size // 2, values=self.values, images=executor == "direct")
        if executor == "direct":
            return cropped(direct(grid, self._square(), constant), atlas)
        if executor == "taps":
            out = by_taps(grid, self._weight(), self._cells, self.size)
        else:
            out = fourier(grid, self._square())
        out = out.view(x.shape[0], x.shape[1], self.out_type.dim)
        return out if constant is None else out + constant.to(out.dtype)

    def _executor(self, x: Tensor, atlas: ChartAtlas) -> str:
        if self.executor != "auto":
            return self.executor
        if x.device.type != "cpu" or x.dtype == torch.float64:
            return "taps"
        # in short types sums over taps would be rounded one by one, and products with few columns are slow
        if x.dtype != torch.float32 or torch.is_autocast_enabled("cpu") or self.in_type.dim < _FEW_COLUMNS:
            return "direct"
        fewer = len(self._cells) < self.size**2 and has_transpose(atlas, self.size // 2)
        return "taps" if fewer else "direct"

    def on_edges(self, x: Tensor, geometry: MeshGeometry) -> Tensor:
        """The same layer by the operator on meshes: [V, in_type.dim] → [V, out_type.dim], both coefficients.

        The scalars of an edge say at which pixel of the kernel its source lies, and how much of it the edge stands for,
        as a part of the largest weight in its row. For `chart_geometry` of an atlas with the same corners, in any gauge
        of the group; a cross-check of `forward`, not a fast way.

        Raises:
            ValueError: some source lies at no pixel of the kernel.
        """
        check_admissible(self.in_type.group, geometry)
        place = torch.stack([geometry.theta.cos(), geometry.theta.sin()], 1) * geometry.r[:, None]
        distance, at = torch.cdist(place.double(), self.places.to(place.device)).min(1)
        if len(distance) and float(distance.max()) > 1e-3:
            raise ValueError("expected sources at the pixels of the kernel: use the chart_geometry of an atlas")
        largest = geometry.weight.new_zeros(geometry.n_vertices)
        largest.scatter_reduce_(0, geometry.target, geometry.weight, "amax")
        share = geometry.weight / largest[geometry.target]
        edges = ConvEdges.from_csr(
            geometry.row_ptr,
            geometry.source,
            geometry.n_sources,
            torch.nn.functional.one_hot(at, len(self.places)).to(x.dtype) * share.to(x.dtype)[:, None],
            alpha=geometry.phi if geometry.rotation_order != 1 else None,
            flip=geometry.flip if geometry.has_flips else None,
        )
        kernel = self.kernel()
        out = transport_conv(x, kernel, edges, self.in_type.transport_blocks, self.out_type.transport_blocks)
        out = out + x @ kernel[len(kernel) // 2].T
        result: Tensor = out if self.bias is None else self.bias(out)
        return result

    def _constant(self, x: Tensor) -> Tensor | None:
        """[C_out] b in the basis of the fields."""
        if self.bias is None:
            return None
        key = (x.dtype, x.device)

        def build() -> Tensor:
            # not by the buffer of the bias, which may be a batch of them within vmap
            unit = torch.eye(self.out_type.dim, dtype=torch.float64)
            unit = torch.cat([unit[:0], *(unit[columns] for columns in self.out_type.invariant)])
            unit = to_values(self.out_type, unit[..., None])[..., 0] if self.values else unit
            return unit.to(device=x.device, dtype=x.dtype)

        spread = remembered(self._spread, key, build, "a bias")
        with torch.autocast(x.device.type, enabled=False):
            constant: Tensor = self.bias.value.to(x) @ spread
        return constant

    def _term_expansion(self, exact: dict[tuple[Irrep, Irrep], Tensor]) -> TermExpansion | None:
        joint = joint_basis(self.in_type, self.out_type, exact)
        if joint is None:
            return None
        if self.values and has_values(self.out_type.terms[0]):
            joint = self.out_type.terms[0].representation.change_of_basis.double() @ joint
        if self.values and has_values(self.in_type.terms[0]):
            joint = joint @ self.in_type.terms[0].representation.change_of_basis.double().T
        copies = (self.out_type.terms[0].multiplicity, self.in_type.terms[0].multiplicity)
        return TermExpansion(joint, copies, [a * self.size + b for a, b in self._cells], self.size)

    def _weight(self) -> Tensor:
        """[T, C_in, C_out] in the basis of the fields."""
        if self._at_once is not None:
            return self._at_once.expand(self.coefficients)
        weight = self.kernel()
        if not self.values:
            return weight.transpose(1, 2).contiguous()
        # rounded sums would no longer be steerable
        with torch.autocast(weight.device.type, enabled=False):
            return to_values(self.in_type, to_values(self.out_type, weight).transpose(1, 2))

    def _square(self) -> Tensor:
        """[size, size, C_in, C_out] in the basis of the fields: 0 where the kernel has no pixel."""
        if self._at_once is not None:
            return self._at_once.square(self.coefficients)
        weight = self._weight()
        if len(weight) < self.size**2:
            return Cells(self._cells, self.size).square(weight)
        return weight.reshape(self.size, self.size, *weight.shape[1:])

    def extra_repr(self) -> str:
        return f"{self.in_type} → {self.out_type}, {self.size} × {self.size} {self.lattice}, {self.executor}"
