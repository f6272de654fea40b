"""Problems from layers: a convolution on a surface, or all convolutions of a network."""

from __future__ import annotations

import torch
from torch import nn

from gaugenet.kernels.transport_conv import ConvEdges
from gaugenet.meshes.geometry import MeshGeometry
from gaugenet.nn.convolution import GaugeConv
from gaugenet.nn.edges import check_admissible, edge_aligned_edges, harmonic_edges
from gaugenet.profiling.problem import OperatorProblem
from gaugenet.steerable import default_max_harmonic


def problem_of(
    layer: GaugeConv, geometry: MeshGeometry, name: str, dtype: torch.dtype = torch.float32
) -> OperatorProblem:
    """The operator's part of a layer (without self-interaction and bias), with its weights.

    Raises:
        ValueError: the structure group of the layer does not admit the surface.
    """
    check_admissible(layer.in_type.group, geometry)
    with torch.no_grad():
        weight = layer.basis.expand(layer.coefficients.to(geometry.device, geometry.dtype))
    return OperatorProblem.random(
        name,
        _edges(layer, geometry),
        layer.in_type.transport_blocks,
        layer.out_type.transport_blocks,
        dtype,
        weight=weight,
        in_type=str(layer.in_type),
        out_type=str(layer.out_type),
    )


def problems_of(model: nn.Module, geometry: MeshGeometry, dtype: torch.dtype = torch.float32) -> list[OperatorProblem]:
    """One problem per convolution of a network, in the order of its modules.

    Raises:
        ValueError: it has none.
    """
    layers = [(name, module) for name, module in model.named_modules() if isinstance(module, GaugeConv)]
    if not layers:
        raise ValueError(f"{type(model).__name__} has no GaugeConv, so there is nothing to profile")
    return [problem_of(layer, geometry, name, dtype) for name, layer in layers]


def _edges(layer: GaugeConv, geometry: MeshGeometry) -> ConvEdges:
    if layer.basis.max_harmonic is None:
        return edge_aligned_edges(geometry, layer.radial, default_max_harmonic(layer.in_type, layer.out_type))
    return harmonic_edges(geometry, layer.radial, layer.basis.max_harmonic)
