"""Layers of small structure groups on curved surfaces: refused as they come, equivariant after reduction."""

import pytest
import torch

from gaugenet.equivariance import audit
from gaugenet.field_type import FieldType
from gaugenet.meshes import shapes
from gaugenet.meshes.frame_fields import smoothest_frame_field
from gaugenet.meshes.neighborhoods import Nearest
from gaugenet.meshes.precompute import compute_geometry
from gaugenet.meshes.structure import reduce_structure_group
from gaugenet.nn.convolution import GaugeConv

CASES = [
    ("C4: 2xregular", shapes.sphere(subdivisions=1)),
    ("C6: 2x0 + 2x1 + 1x3", shapes.sphere(subdivisions=1)),
    ("trivial: 4x0", shapes.torus(16, 8, jitter=0.2)),
    ("D4: 1xregular", shapes.klein_bottle(16, 10)),
    ("reflection: 2xtrivial + 2xsign", shapes.projective_plane(2)),
]


@pytest.mark.parametrize(("fields", "shape"), CASES, ids=[name.split(":")[0] for name, _ in CASES])
def test_a_layer_runs_on_the_reduced_surface(fields, shape):
    kind = FieldType.parse(fields)
    order = kind.group.rotation_order
    geometry = compute_geometry(shape.mesh, Nearest(10), dtype=torch.float64)
    layer = GaugeConv(kind, kind, generator=torch.Generator().manual_seed(0)).double()
    x = torch.randn(geometry.n_vertices, kind.dim, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    with pytest.raises(ValueError, match="does not admit this surface"):
        layer(x, geometry)
    field = smoothest_frame_field(shape.mesh, order, geometry=geometry)
    for mask in (False, True):
        reduced = reduce_structure_group(
            geometry, field, reflections=kind.group.has_reflections, mask_singular=mask
        ).geometry
        assert torch.isfinite(layer(x, reduced)).all()
        report = audit(layer, kind, kind, reduced)
        assert report.passed, str(report)
        # the trivial group has one gauge only
        assert report.conclusive or kind.group.name == "trivial"


def test_a_gauge_outside_the_group_is_noticed():
    kind = FieldType.parse("C4: 2xregular")
    mesh = shapes.sphere(subdivisions=1).mesh
    geometry = compute_geometry(mesh, Nearest(10), dtype=torch.float64)
    reduced = reduce_structure_group(geometry, smoothest_frame_field(mesh, 4, geometry=geometry)).geometry
    layer = GaugeConv(kind, kind, generator=torch.Generator().manual_seed(0)).double()
    generator = torch.Generator().manual_seed(2)
    x = torch.randn(geometry.n_vertices, kind.dim, dtype=torch.float64, generator=generator)
    angle = torch.rand(geometry.n_vertices, dtype=torch.float64, generator=generator) * 6.28
    moved = reduced.transform(angle)
    with pytest.raises(ValueError, match="does not admit this surface"):
        layer(x, moved)
    # and if the surface lies about its group, the layer is not equivariant
    one = torch.ones_like(angle)
    lie = layer(kind.transform(x, angle, one), moved.replace(rotation_order=4))
    truth = kind.transform(layer(x, reduced), angle, one)
    assert (lie - truth).abs().max() > 1e-2 * truth.abs().max()
