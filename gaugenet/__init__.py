"""Coordinate-independent (gauge-equivariant) convolution on surfaces, in PyTorch.

    out[p] = Σ_q w_q K(log_p q) ρ(g_{p←q}) f[q]

A mesh file becomes a `TriangleMesh`, that a `MeshGeometry` (logarithmic maps, transporters, quadrature): all that
a layer sees of a surface. The public names:
"""

from gaugenet.equivariance import EquivarianceReport, audit, random_gauge
from gaugenet.field_type import FieldType
from gaugenet.groups import StructureGroup
from gaugenet.kernels.transport_conv import ConvEdges, transport_conv
from gaugenet.meshes.geometry import MeshGeometry, batch_geometries
from gaugenet.meshes.io import load_mesh, save_ply
from gaugenet.meshes.mesh import MeshError, Repair, TriangleMesh
from gaugenet.meshes.neighborhoods import Nearest, Radius
from gaugenet.meshes.precompute import compute_geometry
from gaugenet.meshes.repair import mesh_from_arrays, mesh_from_edge_lengths
from gaugenet.meshes.shapes import named_surface
from gaugenet.models.segmentation import SegmentationNetwork
from gaugenet.nn.block import ResidualBlock
from gaugenet.nn.convolution import GaugeConv
from gaugenet.nn.self_interaction import SelfInteraction

__version__ = "0.1.0"

__all__ = [
    "ConvEdges",
    "EquivarianceReport",
    "FieldType",
    "GaugeConv",
    "MeshError",
    "MeshGeometry",
    "Nearest",
    "Radius",
    "Repair",
    "ResidualBlock",
    "SegmentationNetwork",
    "SelfInteraction",
    "StructureGroup",
    "TriangleMesh",
    "audit",
    "batch_geometries",
    "compute_geometry",
    "load_mesh",
    "mesh_from_arrays",
    "mesh_from_edge_lengths",
    "named_surface",
    "random_gauge",
    "save_ply",
    "transport_conv",
]
