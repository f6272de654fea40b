"""Coordinate-independent (gauge-equivariant) convolution on surfaces, in PyTorch.

    out[p] = Σ_q w_q K(log_p q) ρ(g_{p←q}) f[q]

A mesh file becomes a `TriangleMesh`, that a `MeshGeometry` (logarithmic maps, transporters, quadrature): all that
a layer sees of a surface. The public names:
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gaugenet.data.features.spec import FeatureSpec
    from gaugenet.data.folder import FolderDataset
    from gaugenet.data.pyg import from_pyg, to_pyg
    from gaugenet.data.regression import RegressionFolder
    from gaugenet.data.targets import VertexTargets
    from gaugenet.equivariance import EquivarianceReport, audit, random_gauge
    from gaugenet.field_type import FieldType
    from gaugenet.groups import StructureGroup
    from gaugenet.kernels.transport_conv import ConvEdges, transport_conv
    from gaugenet.meshes.chart_geometry import chart_geometry
    from gaugenet.meshes.charts import ChartAtlas
    from gaugenet.meshes.coarsening import build_hierarchy
    from gaugenet.meshes.delaunay import intrinsic_delaunay
    from gaugenet.meshes.exponential import TracedGeodesics, exponential_map
    from gaugenet.meshes.field_export import save_field
    from gaugenet.meshes.frame_field import FrameField
    from gaugenet.meshes.frame_fields import smoothest_frame_field
    from gaugenet.meshes.geometry import MeshGeometry, batch_geometries
    from gaugenet.meshes.given_fields import direction_field, parallel_field, principal_curvature_field
    from gaugenet.meshes.global_log_map import log_map_from
    from gaugenet.meshes.hierarchy import Hierarchy, batch_hierarchies
    from gaugenet.meshes.io import load_mesh, save_ply
    from gaugenet.meshes.mesh import MeshError, Repair, TriangleMesh
    from gaugenet.meshes.neighborhoods import Nearest, Radius
    from gaugenet.meshes.point_cloud import mesh_from_points, point_cloud_geometry
    from gaugenet.meshes.point_files import load_point_cloud
    from gaugenet.meshes.precompute import compute_geometry
    from gaugenet.meshes.repair import mesh_from_arrays, mesh_from_edge_lengths
    from gaugenet.meshes.shapes import named_surface
    from gaugenet.meshes.sphere_atlases import cube_atlas, icosahedral_atlas
    from gaugenet.meshes.sphere_images import icosahedral_rotations, project_image, random_rotations
    from gaugenet.meshes.sphere_sampling import (
        LatLonGrid,
        SphereResampling,
        pixel_areas,
        pixel_directions,
        resample_sphere,
    )
    from gaugenet.meshes.structure import reduce_structure_group
    from gaugenet.meshes.sublattices import sublattice
    from gaugenet.models.classifier import Classifier
    from gaugenet.models.correspondence import CorrespondenceNetwork
    from gaugenet.models.emulator import Emulator
    from gaugenet.models.field_regression import FieldRegression
    from gaugenet.models.segmentation import SegmentationNetwork
    from gaugenet.models.unet import UNet
    from gaugenet.models.vector_field import VectorFieldRegression, tangent_coefficients, vectors_in_space
    from gaugenet.nn.attention import GaugeAttention
    from gaugenet.nn.batch_norm import BatchNorm
    from gaugenet.nn.block import ResidualBlock
    from gaugenet.nn.by_name import make_nonlinearity, make_normalization
    from gaugenet.nn.chart_conv import ChartConv
    from gaugenet.nn.chart_conv_of import chart_conv_of
    from gaugenet.nn.chart_pooling import ChartMaxPool
    from gaugenet.nn.convolution import GaugeConv, prepare
    from gaugenet.nn.differential import ConnectionLaplacian, Curl, Divergence, Gradient
    from gaugenet.nn.dropout import FieldDropout
    from gaugenet.nn.global_pooling import GlobalPooling
    from gaugenet.nn.group_norm import GroupNorm
    from gaugenet.nn.instance_norm import InstanceNorm
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
    from gaugenet.nn.sublattice_pooling import SublatticePool
    from gaugenet.nn.tangent import pseudo_scalar_type, scalar_type, tangent_type
    from gaugenet.nn.tensor_product import TensorProductNonlinearity
    from gaugenet.nn.value_basis import ValueNonlinearity
    from gaugenet.nn.value_batch_norm import ValueBatchNorm

__version__ = "0.1.0"

__all__ = [
    "BatchNorm",
    "ChartAtlas",
    "ChartConv",
    "ChartMaxPool",
    "Classifier",
    "ConnectionLaplacian",
    "ConvEdges",
    "CorrespondenceNetwork",
    "Curl",
    "DifferentialConv",
    "Divergence",
    "Emulator",
    "EquivarianceReport",
    "FeatureSpec",
    "FieldDropout",
    "FieldNorm",
    "FieldRegression",
    "FieldType",
    "FolderDataset",
    "FrameField",
    "GatedNonlinearity",
    "GaugeAttention",
    "GaugeConv",
    "GaugeMessagePassing",
    "GlobalPooling",
    "Gradient",
    "GroupNorm",
    "Hierarchy",
    "InstanceNorm",
    "LatLonGrid",
    "MeshError",
    "MeshGeometry",
    "MultiScaleConv",
    "Nearest",
    "NormNonlinearity",
    "Radius",
    "RegressionFolder",
    "RegularNonlinearity",
    "Repair",
    "ResidualBlock",
    "SegmentationNetwork",
    "SelfInteraction",
    "SignNonlinearity",
    "SphereResampling",
    "StructureGroup",
    "SublatticePool",
    "TensorProductNonlinearity",
    "TracedGeodesics",
    "TransportMax",
    "TransportMean",
    "TriangleMesh",
    "UNet",
    "ValueBatchNorm",
    "ValueNonlinearity",
    "VectorFieldRegression",
    "VertexTargets",
    "audit",
    "batch_geometries",
    "batch_hierarchies",
    "build_hierarchy",
    "chart_conv_of",
    "chart_geometry",
    "compute_geometry",
    "cube_atlas",
    "direction_field",
    "exponential_map",
    "from_pyg",
    "icosahedral_atlas",
    "icosahedral_rotations",
    "intrinsic_delaunay",
    "load_mesh",
    "load_point_cloud",
    "log_map_from",
    "make_nonlinearity",
    "make_normalization",
    "mesh_from_arrays",
    "mesh_from_edge_lengths",
    "mesh_from_points",
    "named_surface",
    "parallel_field",
    "pixel_areas",
    "pixel_directions",
    "point_cloud_geometry",
    "prepare",
    "principal_curvature_field",
    "project_image",
    "pseudo_scalar_type",
    "random_gauge",
    "random_rotations",
    "reduce_structure_group",
    "resample_sphere",
    "save_field",
    "save_ply",
    "scalar_type",
    "smoothest_frame_field",
    "sublattice",
    "tangent_coefficients",
    "tangent_type",
    "to_pyg",
    "transport_conv",
    "vectors_in_space",
]

_HOME = {
    "BatchNorm": "gaugenet.nn.batch_norm",
    "ChartAtlas": "gaugenet.meshes.charts",
    "ChartConv": "gaugenet.nn.chart_conv",
    "ChartMaxPool": "gaugenet.nn.chart_pooling",
    "Classifier": "gaugenet.models.classifier",
    "ConnectionLaplacian": "gaugenet.nn.differential",
    "ConvEdges": "gaugenet.kernels.transport_conv",
    "CorrespondenceNetwork": "gaugenet.models.correspondence",
    "Curl": "gaugenet.nn.differential",
    "DifferentialConv": "gaugenet.nn.steerable_derivative",
    "Divergence": "gaugenet.nn.differential",
    "Emulator": "gaugenet.models.emulator",
    "EquivarianceReport": "gaugenet.equivariance",
    "FeatureSpec": "gaugenet.data.features.spec",
    "FieldDropout": "gaugenet.nn.dropout",
    "FieldNorm": "gaugenet.nn.normalization",
    "FieldRegression": "gaugenet.models.field_regression",
    "FieldType": "gaugenet.field_type",
    "FolderDataset": "gaugenet.data.folder",
    "FrameField": "gaugenet.meshes.frame_field",
    "GatedNonlinearity": "gaugenet.nn.nonlinearity",
    "GaugeAttention": "gaugenet.nn.attention",
    "GaugeConv": "gaugenet.nn.convolution",
    "GaugeMessagePassing": "gaugenet.nn.message_passing",
    "GlobalPooling": "gaugenet.nn.global_pooling",
    "Gradient": "gaugenet.nn.differential",
    "GroupNorm": "gaugenet.nn.group_norm",
    "Hierarchy": "gaugenet.meshes.hierarchy",
    "InstanceNorm": "gaugenet.nn.instance_norm",
    "LatLonGrid": "gaugenet.meshes.sphere_sampling",
    "MeshError": "gaugenet.meshes.mesh",
    "MeshGeometry": "gaugenet.meshes.geometry",
    "MultiScaleConv": "gaugenet.nn.multi_scale",
    "Nearest": "gaugenet.meshes.neighborhoods",
    "NormNonlinearity": "gaugenet.nn.nonlinearity",
    "Radius": "gaugenet.meshes.neighborhoods",
    "RegressionFolder": "gaugenet.data.regression",
    "RegularNonlinearity": "gaugenet.nn.regular",
    "Repair": "gaugenet.meshes.mesh",
    "ResidualBlock": "gaugenet.nn.block",
    "SegmentationNetwork": "gaugenet.models.segmentation",
    "SelfInteraction": "gaugenet.nn.self_interaction",
    "SignNonlinearity": "gaugenet.nn.sign_aware",
    "SphereResampling": "gaugenet.meshes.sphere_sampling",
    "StructureGroup": "gaugenet.groups",
    "SublatticePool": "gaugenet.nn.sublattice_pooling",
    "TensorProductNonlinearity": "gaugenet.nn.tensor_product",
    "TracedGeodesics": "gaugenet.meshes.exponential",
    "TransportMax": "gaugenet.nn.max_pooling",
    "TransportMean": "gaugenet.nn.pooling",
    "TriangleMesh": "gaugenet.meshes.mesh",
    "UNet": "gaugenet.models.unet",
    "ValueBatchNorm": "gaugenet.nn.value_batch_norm",
    "ValueNonlinearity": "gaugenet.nn.value_basis",
    "VectorFieldRegression": "gaugenet.models.vector_field",
    "VertexTargets": "gaugenet.data.targets",
    "audit": "gaugenet.equivariance",
    "batch_geometries": "gaugenet.meshes.geometry",
    "batch_hierarchies": "gaugenet.meshes.hierarchy",
    "build_hierarchy": "gaugenet.meshes.coarsening",
    "chart_conv_of": "gaugenet.nn.chart_conv_of",
    "chart_geometry": "gaugenet.meshes.chart_geometry",
    "compute_geometry": "gaugenet.meshes.precompute",
    "cube_atlas": "gaugenet.meshes.sphere_atlases",
    "direction_field": "gaugenet.meshes.given_fields",
    "exponential_map": "gaugenet.meshes.exponential",
    "from_pyg": "gaugenet.data.pyg",
    "icosahedral_atlas": "gaugenet.meshes.sphere_atlases",
    "icosahedral_rotations": "gaugenet.meshes.sphere_images",
    "intrinsic_delaunay": "gaugenet.meshes.delaunay",
    "load_mesh": "gaugenet.meshes.io",
    "load_point_cloud": "gaugenet.meshes.point_files",
    "log_map_from": "gaugenet.meshes.global_log_map",
    "make_nonlinearity": "gaugenet.nn.by_name",
    "make_normalization": "gaugenet.nn.by_name",
    "mesh_from_arrays": "gaugenet.meshes.repair",
    "mesh_from_edge_lengths": "gaugenet.meshes.repair",
    "mesh_from_points": "gaugenet.meshes.point_cloud",
    "named_surface": "gaugenet.meshes.shapes",
    "parallel_field": "gaugenet.meshes.given_fields",
    "pixel_areas": "gaugenet.meshes.sphere_sampling",
    "pixel_directions": "gaugenet.meshes.sphere_sampling",
    "point_cloud_geometry": "gaugenet.meshes.point_cloud",
    "prepare": "gaugenet.nn.convolution",
    "principal_curvature_field": "gaugenet.meshes.given_fields",
    "project_image": "gaugenet.meshes.sphere_images",
    "pseudo_scalar_type": "gaugenet.nn.tangent",
    "random_gauge": "gaugenet.equivariance",
    "random_rotations": "gaugenet.meshes.sphere_images",
    "reduce_structure_group": "gaugenet.meshes.structure",
    "resample_sphere": "gaugenet.meshes.sphere_sampling",
    "save_field": "gaugenet.meshes.field_export",
    "save_ply": "gaugenet.meshes.io",
    "scalar_type": "gaugenet.nn.tangent",
    "smoothest_frame_field": "gaugenet.meshes.frame_fields",
    "sublattice": "gaugenet.meshes.sublattices",
    "tangent_coefficients": "gaugenet.models.vector_field",
    "tangent_type": "gaugenet.nn.tangent",
    "to_pyg": "gaugenet.data.pyg",
    "transport_conv": "gaugenet.kernels.transport_conv",
    "vectors_in_space": "gaugenet.models.vector_field",
}


def __getattr__(name: str) -> Any:
    # Public names are loaded when they are used (PEP 562): `gaugenet --help` does not wait for torch, and the
    # command line can say how threads wait before torch starts them.
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
