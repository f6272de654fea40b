"""Every layer, on six structure groups, several field types and four surfaces: exact in float64; broken twins fail.

Random gauges at every vertex and non-zero parameters, by `gaugenet.equivariance.audit`. Curved surfaces admit the small
groups through a frame field; surfaces with one side admit groups with reflections only.
"""

import importlib
import inspect
import pkgutil
from functools import cache

import pytest
import torch
from torch import nn

import gaugenet.nn
from gaugenet.equivariance import audit
from gaugenet.field_type import FieldType
from gaugenet.groups import StructureGroup
from gaugenet.meshes import shapes
from gaugenet.meshes.frame_fields import smoothest_frame_field
from gaugenet.meshes.io import load_mesh
from gaugenet.meshes.neighborhoods import Nearest
from gaugenet.meshes.precompute import compute_geometry
from gaugenet.meshes.structure import reduce_structure_group
from gaugenet.nn.attention import GaugeAttention
from gaugenet.nn.batch_norm import BatchNorm
from gaugenet.nn.bias import InvariantBias
from gaugenet.nn.block import ResidualBlock
from gaugenet.nn.convolution import GaugeConv
from gaugenet.nn.differential import ConnectionLaplacian, Curl, Divergence, Gradient
from gaugenet.nn.dropout import FieldDropout
from gaugenet.nn.global_pooling import GlobalPooling
from gaugenet.nn.group_norm import GroupNorm
from gaugenet.nn.instance_norm import InstanceNorm
from gaugenet.nn.invariants import Invariants
from gaugenet.nn.max_pooling import TransportMax
from gaugenet.nn.message_passing import GaugeMessagePassing
from gaugenet.nn.multi_scale import MultiScaleConv
from gaugenet.nn.nonlinearity import GatedNonlinearity, NormNonlinearity
from gaugenet.nn.normalization import FieldNorm
from gaugenet.nn.pooling import TransportMean
from gaugenet.nn.regular import RegularNonlinearity
from gaugenet.nn.self_interaction import SelfInteraction
from gaugenet.nn.sign_aware import SignNonlinearity
from gaugenet.nn.steerable_derivative import DifferentialConv
from gaugenet.nn.tangent import pseudo_scalar_type, scalar_type, tangent_type
from gaugenet.nn.tensor_product import TensorProductNonlinearity
from gaugenet.nn.value_basis import ValueNonlinearity, from_values, has_values, to_values

FIELDS = {
    "trivial": ["4x0"],
    "reflection": ["2xtrivial + 2xsign + 2xregular", "4xsign"],
    "C6": ["2xregular + 2xquotient[C2]", "2x0 + 2x1 + 2x2 + 2x3"],
    "D4": ["2xregular", "2x0 + 2x0- + 2x1 + 2x2 + 2x2-"],
    "SO(2)": ["2x0 + 2x1 + 2x2", "2xregular[1]"],
    "O(2)": ["2x0 + 2x0- + 2x1", "2xregular[1] + 2x2"],
}
ONE_SIDED = ["reflection", "D4", "O(2)"]
CASES = [
    *(("sphere", group) for group in FIELDS),
    *(("spot", group) for group in FIELDS),
    *(("Möbius", group) for group in ONE_SIDED),
    *(("Klein", group) for group in ONE_SIDED),
]

AT_NEIGHBOURS = {
    "GaugeConv": lambda f: GaugeConv(f, f),
    "GaugeConv, harmonic": lambda f: GaugeConv(f, f, max_harmonic=3),
    "MultiScaleConv": lambda f: MultiScaleConv(f, f, (1.0, 0.7)),
    "GaugeAttention": lambda f: GaugeAttention(f, f, heads=2),
    "GaugeAttention, chunks": lambda f: GaugeAttention(f, f, heads=2, edges_per_chunk=500),
    "GaugeMessagePassing": lambda f: GaugeMessagePassing(f, f, edge_layers=2),
    "TransportMean": TransportMean,
    "TransportMax": TransportMax,
    "ConnectionLaplacian": ConnectionLaplacian,
    "DifferentialConv": lambda f: DifferentialConv(f, f, length=0.3),
    "ResidualBlock": ResidualBlock,
    "ResidualBlock, tensor product": lambda f: ResidualBlock(f, nonlinearity="tensor-product"),
}
AT_VERTICES = {
    "SelfInteraction": lambda f: SelfInteraction(f, f),
    "InvariantBias": InvariantBias,
    "GatedNonlinearity": GatedNonlinearity,
    "NormNonlinearity": NormNonlinearity,
    "TensorProductNonlinearity": TensorProductNonlinearity,
    "RegularNonlinearity": RegularNonlinearity,
    "SignNonlinearity": SignNonlinearity,
    "ValueNonlinearity": lambda f: OnValues(ValueNonlinearity(f)),
    "FieldNorm": FieldNorm,
    "GroupNorm": lambda f: GroupNorm(f, 2),
    "InstanceNorm": InstanceNorm,
    "BatchNorm": BatchNorm,
    "FieldDropout": FieldDropout,
}
OPERATORS = {
    "Gradient": (lambda g: Gradient(g, 2), scalar_type, tangent_type),
    "Gradient, degree 1": (lambda g: Gradient(g, 2, degree=1), scalar_type, tangent_type),
    "Gradient, rotated": (lambda g: Gradient(g, 2, rotated=True), pseudo_scalar_type, tangent_type),
    "Divergence": (lambda g: Divergence(g, 2), tangent_type, scalar_type),
    "Curl": (lambda g: Curl(g, 2), tangent_type, pseudo_scalar_type),
}
# layers on atlases: a gauge at every pixel or the rotations of the icosahedron, in their own tests
ON_ATLASES = {"ChartConv", "ChartMaxPool", "SublatticePool", "ValueBatchNorm"}
NEEDS_GEOMETRY = (InstanceNorm,)


class OnValues(nn.Module):
    """A layer on values, between coefficients."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, x):
        field = self.layer.field_type
        return from_values(field, self.layer(to_values(field, x[..., None])[..., 0])[..., None])[..., 0]


class AtVertices(nn.Module):
    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, x, geometry):
        return self.layer(x, geometry) if isinstance(self.layer, NEEDS_GEOMETRY) else self.layer(x)


class Broken(nn.Module):
    """The layer without transport; or after a non-linearity on single components."""

    def __init__(self, layer, transport):
        super().__init__()
        self.layer, self.transport = layer, transport

    def forward(self, x, geometry):
        if self.transport:
            flip = torch.ones_like(geometry.flip)
            return self.layer(x, geometry.replace(phi=torch.zeros_like(geometry.phi), flip=flip))
        return self.layer(x + 0.1 * x.abs(), geometry)


@cache
def surface(name, group, data=None):
    group = StructureGroup.parse(group)
    if name == "spot":
        mesh = load_mesh(data / "meshes_clean" / "spot" / "spot_control_mesh.obj")
    else:
        mesh = {
            "sphere": lambda: shapes.sphere(sampling="fibonacci", n=90),
            "Möbius": lambda: shapes.mobius_strip(20, 5, jitter=0.1),
            "Klein": lambda: shapes.klein_bottle(12, 7, jitter=0.1),
        }[name]().mesh
    geometry = compute_geometry(mesh, Nearest(10), dtype=torch.float64)
    if group.is_continuous:
        return geometry
    field = smoothest_frame_field(mesh, group.rotation_order, geometry=geometry)
    return reduce_structure_group(geometry, field, reflections=group.has_reflections).geometry


def can_take(name, field):
    if name == "RegularNonlinearity":
        # for continuous groups up to aliasing only: see test_regular.py
        samples = all(t.representation.stabilizer or t.representation.name in ("0", "trivial") for t in field.terms)
        return samples and not field.group.is_continuous
    if name == "ValueNonlinearity":
        return all(has_values(t) or t.representation.dim == 1 for t in field.terms)
    return name != "SignNonlinearity" or all(b.irrep.dim == 1 for b in field.blocks)


def layers(group):
    """(name, module, input type, output type, whether it transports) of every layer that takes such fields."""
    for text in FIELDS[group]:
        field = FieldType.parse(f"{group}: {text}")
        for name, make in AT_NEIGHBOURS.items():
            yield f"{name}({field})", make(field), field, field, True
        for name, make in AT_VERTICES.items():
            if can_take(name, field):
                yield f"{name}({field})", AtVertices(make(field)), field, field, False
        invariants = Invariants(field)
        yield f"Invariants({field})", AtVertices(invariants), field, scalar_type(group, invariants.n_out), False
        pool = GlobalPooling(field, ("area", "mean", "max"))
        yield f"GlobalPooling({field})", pool, field, scalar_type(group, pool.n_out), False
    for name, (make, in_type, out_type) in OPERATORS.items():
        yield f"{name}({group})", make(group), in_type(group, 2), out_type(group, 2), "Grad" not in name


@pytest.mark.parametrize(("name", "group"), CASES)
def test_every_layer_is_exactly_equivariant(name, group, request):
    data = request.getfixturevalue("shared_data") if name == "spot" else None
    geometry, failed = surface(name, group, data), []
    for text, layer, in_type, out_type, _ in layers(group):
        report = audit(layer, in_type, out_type, geometry, trials=1)
        if not report.passed or not (report.conclusive or group == "trivial"):
            failed.append(f"{text}: {report}")
    assert not failed, "\n".join(failed)


@pytest.mark.parametrize("group", [group for group in FIELDS if group != "trivial"])
def test_broken_twins_fail(group):
    geometry, unnoticed = surface("sphere", group), []
    for text, layer, in_type, out_type, transport in layers(group):
        if in_type == scalar_type(group, 2):
            continue  # a gradient of scalars transports nothing
        if audit(Broken(layer, transport), in_type, out_type, geometry, trials=1).passed:
            unnoticed.append(text)
    assert not unnoticed, "\n".join(unnoticed)


def test_no_layer_is_left_out():
    found = set()
    for module in pkgutil.iter_modules(gaugenet.nn.__path__, "gaugenet.nn."):
        for name, cls in inspect.getmembers(importlib.import_module(module.name), inspect.isclass):
            protocol = getattr(cls, "_is_protocol", False)
            if issubclass(cls, nn.Module) and cls.__module__ == module.name and not (name.startswith("_") or protocol):
                found.add(name)
    audited = {name.split(",")[0] for name in (*AT_NEIGHBOURS, *AT_VERTICES, *OPERATORS)}
    # the base of the operators, and two that `layers` adds
    assert found - audited - ON_ATLASES == {"DifferentialOperator", "GlobalPooling", "Invariants"}
    assert audited | ON_ATLASES <= found
