"""One kind of object where another is meant, anywhere a user may confuse them."""

import numpy as np
import pytest
import torch

import gaugenet as gn
from gaugenet.meshes.kinds import check_kind

SURFACE = gn.named_surface("sphere")
GEOMETRY = gn.compute_geometry(SURFACE.mesh, gn.Nearest(8))
ATLAS = gn.icosahedral_atlas(1)
ON_MESH, ON_CHARTS = gn.FieldType.parse("SO(2): 2x0 + 1x1"), gn.FieldType.parse("C6: 1xregular")
X, Y = torch.zeros(GEOMETRY.n_vertices, ON_MESH.dim), torch.zeros(ATLAS.n_pixels, 1, ON_CHARTS.dim)


def conv():
    return gn.GaugeConv(ON_MESH, ON_MESH)


def chart_conv():
    return gn.ChartConv(ON_CHARTS, ON_CHARTS, lattice="hexagonal")


MISTAKES = {
    "a path": (lambda: gn.compute_geometry("x.obj", gn.Nearest(8)), "expected a TriangleMesh, got 'x.obj': load_mesh"),
    "a named surface": (lambda: gn.compute_geometry(SURFACE, gn.Nearest(8)), "got Shape: .* has it as .mesh"),
    "no geometry": (lambda: conv()(X, SURFACE.mesh), "expected a MeshGeometry, got TriangleMesh: compute_geometry"),
    "nor to prepare": (lambda: gn.prepare(conv(), SURFACE.mesh), "expected a MeshGeometry or a Hierarchy"),
    "nor to batch": (lambda: gn.batch_geometries([SURFACE.mesh] * 2), "expected a MeshGeometry, got TriangleMesh"),
    "nor to pool": (lambda: gn.TransportMean(ON_MESH)(X, SURFACE.mesh), "expected a MeshGeometry, got TriangleMesh"),
    "an atlas": (lambda: conv()(X, ATLAS), "expected a MeshGeometry, got ChartAtlas"),
    "no atlas": (lambda: chart_conv()(Y, GEOMETRY), "expected a ChartAtlas, got MeshGeometry"),
    "an array": (lambda: conv()(X.numpy(), GEOMETRY), "expected a Tensor, got ndarray: torch.as_tensor"),
    "one on charts": (lambda: chart_conv()(Y.numpy(), ATLAS), "expected a Tensor, got ndarray: torch.as_tensor"),
    "a string": (
        lambda: gn.GaugeConv("SO(2): 1x0", ON_MESH),
        "expected a FieldType, got 'SO.2.: 1x0': FieldType.parse",
    ),
    "one for charts": (lambda: gn.ChartConv(ON_CHARTS, "C6: 1x0"), "expected a FieldType, got 'C6: 1x0'"),
    "one for a vertex": (lambda: gn.SelfInteraction(ON_MESH, "C6: 1x0"), "expected a FieldType, got 'C6: 1x0'"),
    "float64": (lambda: chart_conv()(Y.double(), ATLAS), "got torch.float64 and torch.float32; use .to"),
    "integers": (lambda: chart_conv()(Y.long(), ATLAS), "got torch.int64 and torch.float32; use .to"),
    "half": (lambda: chart_conv().double()(Y.half(), ATLAS), "got torch.float16 and torch.float64; use .to"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_the_error_says_what_came_and_how_to_make_what_was_expected(mistake):
    make, message = MISTAKES[mistake]
    with pytest.raises(ValueError, match=message):
        make()


def test_what_is_right_passes():
    check_kind(np.zeros(1), np.ndarray, "")
    check_kind(1, (str, int), "")
    assert conv()(X, GEOMETRY).shape == X.shape
    assert chart_conv()(Y, ATLAS).shape == Y.shape
    assert chart_conv()(Y.bfloat16(), ATLAS).dtype == torch.bfloat16
