"""Backbones: equivariant with a gauge of its own on every level, on surfaces with two sides and with one."""

import copy

import pytest
import torch

from gaugenet.equivariance import audit
from gaugenet.field_type import FieldType
from gaugenet.meshes.hierarchy import Hierarchy, batch_hierarchies
from gaugenet.models.backbones import SAMPLINGS, ResidualBackbone, UNetBackbone, finest, make_backbone

CASES = [("sphere", "SO(2)"), ("sphere", "O(2)"), ("klein", "O(2)")]


def unet(group: str, **options) -> UNetBackbone:
    generator = torch.Generator().manual_seed(0)
    return UNetBackbone(
        FieldType.parse(f"{group}: 2x0 + 1x1"), **{"width": 2, "max_frequency": 1, "generator": generator, **options}
    )


@pytest.mark.parametrize(("name", "group"), CASES)
@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_unet_is_equivariant_with_independent_gauges(name, group, sampling, hierarchies, audited):
    model = unet(group, sampling=sampling)
    assert audited(model, hierarchies[name], model.in_type, model.out_type).passed


@pytest.mark.parametrize(("name", "group"), CASES)
def test_broken_unets_are_caught(name, group, hierarchies, audited):
    """Without transport between two levels, and with a bias on vectors of the middle level."""
    broken = unet(group, sampling="mean")
    carry = broken.up[0].carry.forward
    broken.up[0].carry.forward = lambda x, g: carry(x, g.replace(phi=torch.zeros_like(g.phi)))
    assert audited(broken, hierarchies[name], broken.in_type, broken.out_type).error > 1e-4
    broken = unet(group)
    shift = torch.zeros(broken.types[1].dim, dtype=torch.float64)
    shift[-1] = 0.1
    broken.down[0].register_forward_hook(lambda module, args, out: out + shift)
    assert audited(broken, hierarchies[name], broken.in_type, broken.out_type).error > 1e-4


@pytest.mark.parametrize("group", ["C4", "D4", "reflection"])
def test_unet_of_finite_groups(group, random_geometry, cross_level, hierarchies):
    """Random geometries of the group within and between two levels of 15 and 24 vertices."""
    fine, coarse = random_geometry(group, 24), random_geometry(group, 15, seed=1)
    surface = Hierarchy(
        (fine, coarse),
        (cross_level(group, 15, 24),),
        (cross_level(group, 24, 15, seed=2),),
        (torch.arange(15),),
        (torch.arange(24) % 15,),
    )
    model = UNetBackbone(FieldType.parse(f"{group}: 2x0"), width=2, levels=2, nonlinearity="regular")
    report = audit(model, model.in_type, model.out_type, surface, trials=2)
    assert report.passed
    assert report.conclusive


def test_a_batch_gives_what_its_parts_give(hierarchies):
    model = unet("O(2)").double()
    parts = list(hierarchies.values())
    x = [torch.randn(h.levels[0].n_vertices, model.in_type.dim, dtype=torch.float64) for h in parts]
    with torch.no_grad():
        joint = model(torch.cat(x), batch_hierarchies(parts))
        torch.testing.assert_close(joint, torch.cat([model(*pair) for pair in zip(x, parts)]), rtol=1e-12, atol=1e-12)


def test_every_level_takes_part(hierarchies):
    """What a vertex far away says arrives by the coarsest level, and only by it."""
    surface = hierarchies["sphere"]
    model = unet("SO(2)").double()
    x = torch.randn(surface.levels[0].n_vertices, model.in_type.dim, dtype=torch.float64, requires_grad=True)
    reached = []
    for part in (model, copy.deepcopy(model)):
        if part is not model:
            part.up[0].register_forward_hook(lambda module, args, out: 0 * out)
        part(x, surface)[0].square().sum().backward()
        reached.append(int((x.grad.abs().sum(1) > 0).sum()))
        x.grad = None
    assert reached[0] == surface.levels[0].n_vertices
    assert reached[1] < reached[0] / 2


def test_residual_backbone_reads_the_finest_level(hierarchies):
    surface = hierarchies["klein"]
    model = ResidualBackbone(FieldType.parse("O(2): 2x0"), width=2, blocks=1).double()
    x = torch.randn(finest(surface).n_vertices, 2, dtype=torch.float64)
    with torch.no_grad():
        assert torch.equal(model(x, surface), model(x, finest(surface)))


def test_errors_say_what_was_expected(hierarchies):
    field = FieldType.parse("SO(2): 1x0")
    surface = hierarchies["sphere"]
    with pytest.raises(ValueError, match=r"Hierarchy of 2 levels .* got one of 3 levels"):
        UNetBackbone(field, width=2, levels=2).double()(torch.zeros(162, 1, dtype=torch.float64), surface)
    with pytest.raises(ValueError, match="got MeshGeometry"):
        UNetBackbone(field, width=2).double()(torch.zeros(162, 1, dtype=torch.float64), finest(surface))
    with pytest.raises(ValueError, match="unknown backbone 'net'"):
        make_backbone("net", field)
    with pytest.raises(ValueError, match="unknown sampling"):
        UNetBackbone(field, sampling="median")
    with pytest.raises(ValueError, match="unknown non-linearity"):
        make_backbone("unet", field, nonlinearity="tanh")
    with pytest.raises(ValueError, match="width must be at least 1"):
        UNetBackbone(field, width=(4, 0))
    with pytest.raises(ValueError, match="levels must be at least 1"):
        UNetBackbone(field, levels=0)
