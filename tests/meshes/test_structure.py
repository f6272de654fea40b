import math

import numpy as np
import pytest
import torch

from gaugenet.meshes import shapes
from gaugenet.meshes.frame_fields import smoothest_frame_field
from gaugenet.meshes.given_fields import direction_field
from gaugenet.meshes.neighborhoods import Nearest
from gaugenet.meshes.precompute import compute_geometry
from gaugenet.meshes.structure import reduce_structure_group

SPHERE = shapes.sphere(subdivisions=2).mesh
TORUS = shapes.torus(24, 12, jitter=0.2).mesh


def geometry_of(mesh, k=12, **options):
    return compute_geometry(mesh, Nearest(k), dtype=options.pop("dtype", torch.float64), **options)


def circle(a, b):
    return float(torch.sin((a - b) / 2).abs().max()) * 2


@pytest.mark.parametrize(
    ("shape", "n", "group"),
    [
        (shapes.flat_torus(12, 12, jitter=0.2), 1, "trivial"),
        (shapes.flat_torus(12, 12, jitter=0.2), 4, "C4"),
        (shapes.mobius_strip(24, 6, developed=True, jitter=0.2), 1, "reflection"),
        (shapes.klein_bottle(24, 10, developed=True, jitter=0.2), 4, "D4"),
    ],
    ids=["trivial", "C4", "reflection", "D4"],
)
def test_flat_surfaces_lose_nothing(shape, n, group):
    g = geometry_of(shape.mesh)
    assert g.rotation_order == 0
    field = smoothest_frame_field(shape.mesh, n, geometry=g)
    reduced, found = reduce_structure_group(g, field, reflections=True)
    assert reduced.structure_group == group
    assert found.max < 1e-12
    # nothing but the gauge has changed: going back gives the old transporters and directions
    back = reduced.transform(torch.from_numpy(field.angle))
    assert circle(back.phi, g.phi) < 1e-12
    assert circle(back.theta, g.theta) < 1e-12
    rng = np.random.default_rng(0)
    broken = reduce_structure_group(g, rng.uniform(-3, 3, g.n_vertices), n, reflections=True).compatibility
    assert broken.rms > 0.2


@pytest.mark.parametrize("n", [1, 2, 4, 6])
@pytest.mark.parametrize("mesh", [SPHERE, TORUS], ids=["sphere", "torus"])
def test_curved_surfaces_have_the_nearest_transporters(mesh, n):
    g = geometry_of(mesh)
    field = smoothest_frame_field(mesh, n, geometry=g)
    reduced, found = reduce_structure_group(g, field)
    assert reduced.structure_group == ("trivial" if n == 1 else f"C{n}")
    turns = reduced.phi * n / (2 * math.pi)
    assert (turns - turns.round()).abs().max() < 1e-14
    # no element of the group is nearer to the transporter of Levi-Civita
    exact = g.transform(-torch.from_numpy(field.angle)).phi
    off = torch.sin((exact - reduced.phi) / 2).abs()
    for k in range(1, n):
        assert (torch.sin((exact - reduced.phi - 2 * math.pi * k / n) / 2).abs() > off - 1e-12).all()
    moved = 2 * torch.asin(off)
    assert found.max == pytest.approx(float(moved.max()), abs=1e-10)
    assert found.rms == pytest.approx(float(moved.square().mean().sqrt()), abs=1e-10)
    assert found.max <= math.pi / n + 1e-12
    for name in ("r", "weight", "area", "source", "flip"):
        assert torch.equal(getattr(reduced, name), getattr(g, name))
    assert reduced.frame is not None
    # the x axis in space is along the field
    x = torch.from_numpy(np.cos(field.angle)[:, None]) * g.frame[:, 0]
    x += torch.from_numpy(np.sin(field.angle)[:, None]) * g.frame[:, 1]
    assert (reduced.frame[:, 0] - x).abs().max() < 1e-12


def test_transporters_there_and_back_are_inverse():
    g = geometry_of(TORUS)
    reduced = reduce_structure_group(g, smoothest_frame_field(TORUS, 4, geometry=g)).geometry
    there = {(p, q): k for p, q, k in zip(reduced.target.tolist(), reduced.source.tolist(), reduced.phi.tolist())}
    pairs = [(k, there[q, p]) for (p, q), k in there.items() if (q, p) in there]
    assert len(pairs) > 1000
    assert max(abs(math.sin((a + b) / 2)) for a, b in pairs) < 1e-12


def test_finer_groups_are_nearer_and_smooth_fields_are_better():
    g = geometry_of(SPHERE)
    by_order = [
        reduce_structure_group(g, smoothest_frame_field(SPHERE, n, geometry=g)).compatibility.rms for n in (1, 2, 4, 8)
    ]
    assert by_order == sorted(by_order, reverse=True)
    rng = np.random.default_rng(1)
    noise = reduce_structure_group(g, direction_field(SPHERE, rng.standard_normal((len(SPHERE.vertices), 3)), 4))
    assert noise.compatibility.rms > 2 * by_order[2]


def test_a_group_with_more_rotations_than_the_field_has_arms():
    g = geometry_of(TORUS)
    field = smoothest_frame_field(TORUS, 1, geometry=g)
    assert reduce_structure_group(g, field, 6).geometry.structure_group == "C6"
    with pytest.raises(ValueError, match="multiple of the arms"):
        reduce_structure_group(g, smoothest_frame_field(TORUS, 4, geometry=g), 2)


def test_masked_edges_have_no_weight():
    g = geometry_of(SPHERE)
    field = smoothest_frame_field(SPHERE, 4, geometry=g)
    plain = reduce_structure_group(g, field)
    masked, found = reduce_structure_group(g, field, mask_singular=True)
    near = torch.from_numpy(field.near_singularity)
    ends = near[g.target] | near[g.source.long()]
    gone = masked.weight == 0
    assert (gone | ~ends).all()
    assert found.masked_edges == int(gone.sum()) > int(ends.sum()) > 0
    assert plain.compatibility.masked_edges == 0
    total = torch.zeros(g.n_vertices, dtype=g.dtype).index_add(0, g.target, masked.weight)
    assert torch.allclose(total[~near], torch.ones_like(total[~near]))
    assert (total[near] == 0).all()
    assert found.rms < plain.compatibility.rms


def test_the_dtype_stays_and_the_input_is_not_touched():
    g = geometry_of(SPHERE, dtype=torch.float32)
    before = g.phi.clone()
    reduced, _ = reduce_structure_group(g, smoothest_frame_field(SPHERE, 4, geometry=g))
    assert reduced.dtype == torch.float32
    assert reduced.structure_group == "C4"
    assert torch.equal(g.phi, before)
    assert g.structure_group == "SO(2)"


def test_errors_say_what_to_do():
    mobius = shapes.mobius_strip(24, 6).mesh
    one_sided, g = geometry_of(mobius), geometry_of(SPHERE)
    with pytest.raises(ValueError, match="reduce it to D4"):
        reduce_structure_group(one_sided, smoothest_frame_field(mobius, 4, geometry=one_sided))
    with pytest.raises(ValueError, match="give rotation_order"):
        reduce_structure_group(g, np.zeros(g.n_vertices))
    with pytest.raises(ValueError, match="needs a FrameField"):
        reduce_structure_group(g, np.zeros(g.n_vertices), 4, mask_singular=True)
    with pytest.raises(ValueError, match="finite angle for each"):
        reduce_structure_group(g, np.zeros(3), 4)
    with pytest.raises(ValueError, match="must be positive"):
        reduce_structure_group(g, np.zeros(g.n_vertices), 0)
