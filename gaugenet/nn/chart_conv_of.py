"""A layer on meshes as a layer on charts."""

from __future__ import annotations

import torch
from torch import Tensor

from gaugenet.meshes.chart_corners import Corners
from gaugenet.meshes.charts import Lattice
from gaugenet.nn.chart_conv import ChartConv
from gaugenet.nn.convolution import GaugeConv
from gaugenet.steerable.tap_basis import taps


def chart_conv_of(
    layer: GaugeConv,
    *,
    size: int = 3,
    lattice: Lattice = "square",
    radius: float | None = None,
    values: bool = False,
    corners: Corners = "zero",
) -> ChartConv:
    """The `ChartConv` that computes on pixels what a `GaugeConv` computes on a mesh of these pixels:

        K_t = w_t Σ_b φ_b(v_t) W_b,   K_0 = S

    with v_t the pixels of the kernel, φ_b the scalars and W_b the weight of the mesh layer, S its self-interaction. It
    holds where a vertex has all pixels of the kernel as neighbours, and no others, with the weights w_t:

    - `radius` None: on `chart_geometry` of an atlas, with R the farthest pixel of the kernel and all w_t equal.
    - `radius` R in sides of a cell: on `compute_geometry(mesh, Radius(R · side))`, w_t ∝ (1 − |v_t|² / R²)², on a mesh
      that is flat around the vertex; at cone points in mode "polyhedral". R must lie between the farthest pixel of the
      kernel and the nearest one outside.

    At borders and next to cone points the two differ: a mean over fewer neighbours has larger weights, and a cone point
    that is a vertex is a neighbour, but no pixel. Kernels of mesh layers that agree at the pixels are one on charts, so
    there is no way back.

    Args:
        layer: of a finite group that maps the lattice to itself.
        size: odd number of pixels along a side of the kernel.
        lattice: "square" or "hexagonal".
        radius: R, as above.
        values: whether the new layer takes values on the group instead of coefficients.
        corners: of the new layer; with "mean" it agrees with the mesh layer on the `chart_geometry` of such corners at
            all pixels.

    Raises:
        ValueError: the group is continuous or does not map the lattice to itself, or R does not fit the kernel.
    """
    made = ChartConv(
        layer.in_type,
        layer.out_type,
        size=size,
        lattice=lattice,
        bias=layer.bias is not None,
        values=values,
        corners=corners,
    )
    parameter = layer.coefficients
    made = made.to(device=parameter.device, dtype=parameter.dtype)
    with torch.no_grad():
        kernel = _at_pixels(layer, made.places, _radius(radius, size, lattice), radius is None)
        made.coefficients.copy_(made.blocks.project(kernel[:, None]).to(parameter))
        if layer.bias is not None and made.bias is not None:
            made.bias.value.copy_(layer.bias.value)
    return made


def _at_pixels(layer: GaugeConv, places: Tensor, radius: float, equal: bool) -> Tensor:
    """K [T, C_out, C_in] float64."""
    r = places.norm(dim=1)
    around = r > 1e-9
    window = around.double() if equal else torch.where(around, (1 - (r / radius).square()).square(), 0.0)
    theta = torch.atan2(places[:, 1], places[:, 0])
    scalars = layer.basis.angular(theta)[:, :, None] * layer.radial(r / radius)[:, None, :]
    # a kernel of one pixel has no neighbours
    scalars = scalars.flatten(1) * (window / window.sum().clamp_min(1e-300))[:, None]
    weight = layer.basis.expand(layer.coefficients).double().cpu()
    kernel = torch.einsum("tb,bij->tij", scalars, weight)
    if layer.self_interaction is not None:
        kernel[~around] += layer.self_interaction.weight.double().cpu()
    return kernel


def _radius(radius: float | None, size: int, lattice: Lattice) -> float:
    inside = taps(size, lattice)[1].norm(dim=1)
    farthest = float(inside.max())
    if radius is None:
        return farthest or 1.0
    wider = taps(size + 4, lattice)[1]
    apart = torch.cdist(wider, taps(size, lattice)[1]).amin(1) > 1e-9
    nearest = float(wider[apart].norm(dim=1).min())
    if not farthest < radius < nearest:
        raise ValueError(
            f"expected a radius above {farthest:.3f} and below {nearest:.3f} sides of a cell, where the neighbours are "
            f"the pixels of a {size} × {size} kernel of the {lattice} lattice, got {radius}"
        )
    return radius
