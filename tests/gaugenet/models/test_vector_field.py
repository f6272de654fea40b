"""Vector fields: equivariant, the same vectors in space in every gauge, and learnable."""

import pytest
import torch

from gaugenet.equivariance import audit, gauge_transform, random_gauge
from gaugenet.field_type import FieldType
from gaugenet.meshes import shapes
from gaugenet.meshes.neighborhoods import Nearest
from gaugenet.meshes.precompute import compute_geometry
from gaugenet.models.backbones import finest
from gaugenet.models.vector_field import VectorFieldRegression, tangent_coefficients, vectors_in_space

OPTIONS = {"width": 2, "max_frequency": 1, "blocks": 1}


@pytest.mark.parametrize(("name", "group"), [("sphere", "SO(2)"), ("sphere", "O(2)"), ("klein", "O(2)")])
@pytest.mark.parametrize("backbone", ["residual", "unet"])
def test_vectors_turn_with_the_frames(name, group, backbone, hierarchies, audited):
    model = VectorFieldRegression(f"{group}: 2x0 + 1x1", 2, 1, backbone=backbone, **OPTIONS)
    assert audited(model, hierarchies[name], model.backbone.in_type, model.out_type).passed
    model.head.register_forward_hook(lambda module, args, out: out + out.new_tensor([0.0, 0.0, 0.1]))
    assert audited(model, hierarchies[name], model.backbone.in_type, model.out_type).passed
    model.vectors.register_forward_hook(lambda module, args, out: out + 0.1)
    assert audited(model, hierarchies[name], model.backbone.in_type, model.out_type).error > 1e-4


@pytest.mark.parametrize("group", ["trivial", "reflection", "C2", "D2", "C4", "D4"])
def test_finite_groups(group, random_geometry):
    model, geometry = VectorFieldRegression(f"{group}: 2x0", 2, 1, **OPTIONS), random_geometry(group)
    assert audit(model, model.backbone.in_type, model.out_type, geometry, trials=2).passed
    if group != "trivial":  # which has one gauge only
        model.vectors.register_forward_hook(lambda module, args, out: out + 0.1)
        assert not audit(model, model.backbone.in_type, model.out_type, geometry, trials=2).passed


def test_vectors_in_space_do_not_depend_on_the_gauge(hierarchies):
    geometry = finest(hierarchies["sphere"])
    model = VectorFieldRegression("O(2): 2x0", 2, 1, **OPTIONS).double()
    x = torch.randn(162, 2, dtype=torch.float64)
    moved = gauge_transform(geometry, "O(2)", *random_gauge("O(2)", geometry, torch.Generator().manual_seed(0)))
    with torch.no_grad():
        found = [vectors_in_space(model.split(model(x, g))[0], g) for g in (geometry, moved)]
    assert found[0].abs().max() > 1e-3
    torch.testing.assert_close(found[1], found[0], rtol=0, atol=1e-12)


def test_coefficients_and_vectors_in_space_are_inverse():
    shape = shapes.sphere(subdivisions=1)
    geometry = compute_geometry(shape.mesh, Nearest(6), dtype=torch.float64)
    points = torch.from_numpy(shape.mesh.vertices.copy())
    # rotation about the z axis is tangent to the sphere; the radius is its normal
    rotation = torch.stack([-points[:, 1], points[:, 0], torch.zeros(len(points))], 1)
    tangent, normal = tangent_coefficients(torch.stack([rotation, points], 1), geometry)
    torch.testing.assert_close(vectors_in_space(tangent, geometry)[:, 0], rotation, rtol=0, atol=0.05)
    assert normal[:, 0].abs().max() < 0.05
    assert (normal[:, 1].abs() > 0.99).all()
    random = torch.randn(geometry.n_vertices, 3, 2, dtype=torch.float64)
    back, along = tangent_coefficients(vectors_in_space(random, geometry), geometry)
    torch.testing.assert_close(back, random, rtol=0, atol=1e-13)
    assert along.abs().max() < 1e-13


def test_a_gradient_is_learned():
    """∇z on a sphere from z."""
    shape = shapes.sphere(subdivisions=2)
    geometry = compute_geometry(shape.mesh, Nearest(8), dtype=torch.float64)
    z = torch.from_numpy(shape.mesh.vertices[:, 2:].copy())
    up = torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64).expand(len(z), 1, 3)
    target = tangent_coefficients(up, geometry)[0][:, 0]
    model = VectorFieldRegression("SO(2): 1x0", width=4, max_frequency=1, blocks=2).double()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    for _ in range(120):
        loss = (model.split(model(z, geometry))[0][:, 0] - target).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert float(loss.detach()) < 0.05 * float(target.square().mean())


def test_errors_say_what_was_expected(hierarchies):
    with pytest.raises(ValueError, match="intrinsic surface"):
        vectors_in_space(torch.zeros(216, 1, 2), finest(hierarchies["klein"]))
    with pytest.raises(ValueError, match=r"expected vectors \[162, n, 2\]"):
        vectors_in_space(torch.zeros(162, 2), finest(hierarchies["sphere"]))
    with pytest.raises(ValueError, match="n_vectors must be at least 1"):
        VectorFieldRegression("SO(2): 1x0", 0)
    with pytest.raises(ValueError, match="max_frequency must be at least 1"):
        VectorFieldRegression(FieldType.parse("SO(2): 1x0"), max_frequency=0)
