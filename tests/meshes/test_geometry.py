"""MeshGeometry: gauge transformations are a group action; disjoint unions; conversions."""

import copy
import dataclasses
import math

import pytest
import torch

from gaugenet.meshes.geometry import MeshGeometry, batch_geometries


def random_geometry(n: int = 12, seed: int = 0, dtype: torch.dtype = torch.float64) -> MeshGeometry:
    g = torch.Generator().manual_seed(seed)
    degree = torch.randint(0, 5, (n,), generator=g)
    row_ptr = torch.cat([torch.zeros(1, dtype=torch.long), degree.cumsum(0)]).to(torch.int32)
    e = int(row_ptr[-1])
    frame = torch.linalg.qr(torch.randn(n, 3, 3, generator=g, dtype=dtype))[0]
    return MeshGeometry(
        row_ptr=row_ptr,
        source=torch.randint(0, n, (e,), generator=g, dtype=torch.int32),
        r=torch.rand(e, generator=g, dtype=dtype),
        theta=torch.rand(e, generator=g, dtype=dtype) * 6,
        phi=torch.rand(e, generator=g, dtype=dtype) * 6,
        flip=(torch.randint(0, 2, (e,), generator=g) * 2 - 1).to(torch.int8),
        weight=torch.rand(e, generator=g, dtype=dtype),
        radius=torch.ones(n, dtype=dtype),
        area=torch.rand(n, generator=g, dtype=dtype),
        boundary=torch.zeros(n, dtype=torch.bool),
        mesh_ptr=torch.tensor([0, n]),
        frame=frame,
    )


def random_cross_level(n_targets: int = 7, n_sources: int = 11, seed: int = 0) -> MeshGeometry:
    """Edges from other vertices than the targets, the first edge of each row with r = 0."""
    geometry = random_geometry(n_targets, seed)
    g = torch.Generator().manual_seed(seed + 100)
    r, theta = geometry.r.clone(), geometry.theta.clone()
    first = geometry.row_ptr[:-1][geometry.row_ptr[1:] > geometry.row_ptr[:-1]].long()
    r[first], theta[first] = 0.0, 0.0
    return geometry.replace(
        source=torch.randint(0, n_sources, (geometry.n_edges,), generator=g, dtype=torch.int32),
        r=r,
        theta=theta,
        source_ptr=torch.tensor([0, n_sources]),
    )


def element(angle: torch.Tensor, flip: torch.Tensor) -> torch.Tensor:
    """R(angle) diag(1, flip) as [..., 2, 2]."""
    c, s = angle.cos(), angle.sin()
    return torch.stack([torch.stack([c, -s * flip], -1), torch.stack([s, c * flip], -1)], -2)


def random_element(n: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    g = torch.Generator().manual_seed(seed)
    return torch.rand(n, generator=g, dtype=torch.float64) * 7, torch.randint(0, 2, (n,), generator=g) * 2 - 1


def test_transform_is_conjugation_of_the_transporter_by_matrices():
    geometry = random_geometry()
    angle, flip = random_element(12, 1)
    moved = geometry.transform(angle, flip)
    h = element(angle, flip.double())
    p, q = geometry.target, geometry.source.long()
    expected = h[p] @ element(geometry.phi, geometry.flip.double()) @ h[q].mT
    torch.testing.assert_close(element(moved.phi, moved.flip.double()), expected, atol=1e-14, rtol=0)
    log = torch.stack([geometry.theta.cos(), geometry.theta.sin()], -1)
    turned = torch.stack([moved.theta.cos(), moved.theta.sin()], -1)
    torch.testing.assert_close(turned, (h[p] @ log[..., None])[..., 0], atol=1e-14, rtol=0)


def test_logarithmic_map_in_space_does_not_depend_on_the_gauge():
    geometry = random_geometry()
    moved = geometry.transform(*random_element(12, 2))

    def log_in_space(g: MeshGeometry) -> torch.Tensor:
        assert g.frame is not None
        x, y = g.frame[g.target, 0], g.frame[g.target, 1]
        return g.r[:, None] * (g.theta.cos()[:, None] * x + g.theta.sin()[:, None] * y)

    torch.testing.assert_close(log_in_space(moved), log_in_space(geometry), atol=1e-13, rtol=0)


def test_a_wrong_sign_in_the_gauge_transformation_is_noticed():
    geometry = random_geometry()
    angle, flip = random_element(12, 1)
    right = geometry.transform(angle, flip)
    wrong = geometry.transform(-angle, flip)
    assert float((right.phi - wrong.phi).abs().max()) > 0.1


def test_transforming_back_gives_the_same_geometry():
    geometry = random_geometry()
    angle, flip = random_element(12, 3)
    back = geometry.transform(angle, flip).transform(-flip * angle, flip)
    difference = torch.remainder(back.phi - geometry.phi + math.pi, 2 * math.pi) - math.pi
    assert float(difference.abs().max()) < 1e-13
    assert torch.equal(back.flip, geometry.flip)
    torch.testing.assert_close(back.frame, geometry.frame, atol=1e-14, rtol=0)


def test_disjoint_union_keeps_every_row():
    parts = [random_geometry(n, seed) for n, seed in ((5, 1), (9, 2), (3, 3))]
    union = batch_geometries(parts)
    assert union.mesh_ptr.tolist() == [0, 5, 14, 17]
    assert union.n_meshes == 3
    for m, part in enumerate(parts):
        start = int(union.mesh_ptr[m])
        for v in range(part.n_vertices):
            row = slice(int(union.row_ptr[start + v]), int(union.row_ptr[start + v + 1]))
            own = slice(int(part.row_ptr[v]), int(part.row_ptr[v + 1]))
            assert torch.equal(union.source[row] - start, part.source[own])
            assert torch.equal(union.phi[row], part.phi[own])


@pytest.mark.parametrize(
    ("order", "flips", "name"),
    [
        (0, False, "SO(2)"),
        (0, True, "O(2)"),
        (1, False, "trivial"),
        (1, True, "reflection"),
        (6, False, "C6"),
        (4, True, "D4"),
    ],
)
def test_structure_group_is_named(order: int, flips: bool, name: str):
    geometry = random_geometry()
    if not flips:
        geometry = geometry.replace(flip=torch.ones_like(geometry.flip))
    assert geometry.replace(rotation_order=order).structure_group == name


def test_what_is_remembered_is_not_copied():
    geometry = random_geometry()
    assert geometry.remember("answer", lambda: 42) == 42
    assert geometry.remember("answer", lambda: 43) == 42
    assert "answer" not in geometry.to(dtype=torch.float32).memo
    assert "answer" not in dataclasses.replace(geometry, r=2 * geometry.r).memo
    assert "answer" not in copy.deepcopy(geometry).memo
    assert "answer" in geometry.memo


def test_conversion_keeps_indices():
    geometry = random_geometry().to(dtype=torch.float32)
    assert geometry.dtype == torch.float32
    assert geometry.source.dtype == torch.int32
    assert geometry.flip.dtype == torch.int8


def test_errors_say_what_was_expected():
    geometry = random_geometry()
    with pytest.raises(ValueError, match=r"expected \[12\]"):
        geometry.transform(torch.zeros(3))
    with pytest.raises(ValueError, match=r"\+1 and -1"):
        geometry.transform(torch.zeros(12), torch.zeros(12))
    with pytest.raises(ValueError, match="at least one"):
        batch_geometries([])
    with pytest.raises(ValueError, match="share dtype"):
        batch_geometries([geometry, geometry.to(dtype=torch.float32)])


def test_more_edges_than_int32_counts_are_refused():
    geometry = random_geometry()
    per_edge = ("source", "r", "theta", "phi", "flip", "weight")
    huge = geometry.replace(**{name: getattr(geometry, name)[:1].expand(2**30) for name in per_edge})
    with pytest.raises(ValueError, match="batch fewer"):
        batch_geometries([huge, huge])


def test_between_levels_sources_have_a_gauge_of_their_own():
    geometry = random_cross_level()
    angle, flip = random_element(7, 1)
    source_angle, source_flip = random_element(11, 2)
    moved = geometry.transform(angle, flip, source_angle, source_flip)
    h, h_source = element(angle, flip.double()), element(source_angle, source_flip.double())
    p, q = geometry.target, geometry.source.long()
    expected = h[p] @ element(geometry.phi, geometry.flip.double()) @ h_source[q].mT
    torch.testing.assert_close(element(moved.phi, moved.flip.double()), expected, atol=1e-14, rtol=0)
    only_targets = geometry.transform(angle, flip)
    expected = h[p] @ element(geometry.phi, geometry.flip.double())
    torch.testing.assert_close(element(only_targets.phi, only_targets.flip.double()), expected, atol=1e-14, rtol=0)


def test_where_r_is_0_there_is_no_direction_in_any_gauge():
    geometry = random_cross_level()
    assert geometry.has_coincident
    moved = geometry.transform(*random_element(7, 1), *random_element(11, 2))
    assert (moved.theta[geometry.r == 0] == 0).all()
    assert (moved.theta[geometry.r > 0] != geometry.theta[geometry.r > 0]).all()


def test_union_of_geometries_between_levels():
    parts = [random_cross_level(5, 8, 1), random_cross_level(4, 3, 2)]
    union = batch_geometries(parts)
    assert union.mesh_ptr.tolist() == [0, 5, 9]
    assert union.source_ptr.tolist() == [0, 8, 11]
    assert union.n_sources == 11
    assert torch.equal(union.source[parts[0].n_edges :] - 8, parts[1].source)
    assert torch.equal(union.target[parts[0].n_edges :] - 5, parts[1].target)
    assert "11 sources, 9 targets" in repr(union)
    with pytest.raises(ValueError, match="two levels"):
        batch_geometries([parts[0], random_geometry()])


def test_shapes_are_checked_where_a_geometry_is_made():
    geometry = random_geometry()
    for name in ("theta", "flip", "radius", "boundary", "frame"):
        with pytest.raises(ValueError, match=f"{name}: expected"):
            geometry.replace(**{name: getattr(geometry, name)[:-1]})
    with pytest.raises(ValueError, match="source_ptr: expected"):
        geometry.replace(source_ptr=torch.tensor([0, 1, 2]))
    with pytest.raises(ValueError, match="float64 like r"):
        geometry.replace(area=geometry.area.float())
    with pytest.raises(ValueError, match="angle and flip only"):
        geometry.transform(torch.zeros(12), source_angle=torch.zeros(12))
    with pytest.raises(ValueError, match=r"per source: expected \[11\]"):
        random_cross_level().transform(torch.zeros(7), None, torch.zeros(7))
