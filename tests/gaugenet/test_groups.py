import math

import pytest
import torch

from gaugenet.groups import StructureGroup, compose, inverse

FINITE = ["trivial", "reflection", "C2", "C5", "C6", "D2", "D3", "D4", "D6"]
ALL = [*FINITE, "SO(2)", "O(2)"]


def tangent_matrix(angle, flip):
    """R(a) diag(1, s), the definition of how an element acts."""
    cos, sin, s = math.cos(angle), math.sin(angle), float(flip)
    return torch.tensor([[cos, -sin * s], [sin, cos * s]], dtype=torch.float64)


@pytest.mark.parametrize(
    ("text", "name", "order", "reflections"),
    [
        ("SO(2)", "SO(2)", 0, False),
        (" so2", "SO(2)", 0, False),
        ("O(2)", "O(2)", 0, True),
        ("O2", "O(2)", 0, True),
        ("o( 2 )", "O(2)", 0, True),
        ("C6", "C6", 6, False),
        ("c_6", "C6", 6, False),
        ("D4", "D4", 4, True),
        ("D12", "D12", 12, True),
        ("Reflection", "reflection", 1, True),
        ("D1", "reflection", 1, True),
        ("C1", "trivial", 1, False),
        ("TRIVIAL ", "trivial", 1, False),
    ],
)
def test_parse(text, name, order, reflections):
    group = StructureGroup.parse(text)
    assert (group.name, group.rotation_order, group.has_reflections) == (name, order, reflections)
    assert StructureGroup.parse(group.name) == group
    assert hash(StructureGroup.parse(name)) == hash(group)


@pytest.mark.parametrize("text", ["SO(3)", "C0", "D-2", "", "C", "Z4", 4, None])
def test_an_unknown_group_is_told_what_is_allowed(text):
    with pytest.raises(ValueError, match=r'"reflection".*"O\(2\)"'):
        StructureGroup.parse(text)


@pytest.mark.parametrize("name", ALL)
def test_compose_and_inverse_are_those_of_the_matrices(name):
    group = StructureGroup.parse(name)
    seeded = torch.Generator().manual_seed(0)
    first, second = group.sample(20, seeded), group.sample(20, seeded)
    product, undone = compose(first, second), inverse(first)
    for k in range(20):
        expected = tangent_matrix(first[0][k], first[1][k]) @ tangent_matrix(second[0][k], second[1][k])
        torch.testing.assert_close(tangent_matrix(product[0][k], product[1][k]), expected, rtol=0, atol=1e-14)
        identity = tangent_matrix(first[0][k], first[1][k]) @ tangent_matrix(undone[0][k], undone[1][k])
        torch.testing.assert_close(identity, torch.eye(2, dtype=torch.float64), rtol=0, atol=1e-14)


@pytest.mark.parametrize("name", FINITE)
def test_elements_are_the_closure_of_the_generators(name):
    group = StructureGroup.parse(name)
    elements = [tangent_matrix(a, s) for a, s in zip(*group.elements())]
    assert len(elements) == group.order
    found = [torch.eye(2, dtype=torch.float64)]
    for matrix in found:
        for angle, flip in group.generators():
            new = tangent_matrix(angle, flip) @ matrix
            if not any(torch.allclose(new, old, atol=1e-9) for old in found):
                found.append(new)
    assert len(found) == group.order
    assert all(any(torch.allclose(matrix, old, atol=1e-9) for old in found) for matrix in elements)


@pytest.mark.parametrize("name", ["SO(2)", "O(2)"])
def test_continuous_groups_have_no_order(name):
    group = StructureGroup.parse(name)
    assert group.is_continuous
    assert group.order is None
    with pytest.raises(ValueError, match="infinitely many"):
        group.elements()
    with pytest.raises(ValueError, match="max_frequency"):
        group.irreps()


@pytest.mark.parametrize("outer", FINITE)
@pytest.mark.parametrize("inner", FINITE)
def test_contains_agrees_with_the_elements(outer, inner):
    big, small = StructureGroup.parse(outer), StructureGroup.parse(inner)
    members = [tangent_matrix(a, s) for a, s in zip(*big.elements())]
    included = all(
        any(torch.allclose(tangent_matrix(a, s), member, atol=1e-9) for member in members)
        for a, s in zip(*small.elements())
    )
    assert big.contains(small) == included


def test_contains_with_continuous_groups():
    so2, o2, d6 = (StructureGroup.parse(name) for name in ("SO(2)", "O(2)", "D6"))
    assert all(o2.contains(name) for name in ALL)
    assert so2.contains("C7")
    assert not so2.contains("reflection")
    assert not so2.contains(o2)
    assert not d6.contains(so2)
    assert d6.contains("C3")
    assert d6.contains("reflection")
    assert not d6.contains("C4")


@pytest.mark.parametrize("name", ALL)
def test_samples_are_elements_reproducible_and_cover_the_group(name):
    group = StructureGroup.parse(name)
    angle, flip = group.sample(400, torch.Generator().manual_seed(3), torch.float64)
    again, _ = group.sample(400, torch.Generator().manual_seed(3), torch.float64)
    assert torch.equal(angle, again)
    assert flip.dtype == torch.int8
    assert group.sample(2, dtype=torch.float32)[0].dtype == torch.float32
    assert set(flip.tolist()) == ({1, -1} if group.has_reflections else {1})
    if group.is_continuous:
        assert abs(torch.exp(1j * angle).mean()) < 0.15
    else:
        steps = angle * group.rotation_order / (2 * math.pi)
        assert (steps - steps.round()).abs().max() < 1e-12
        assert len(set(steps.round().int().tolist())) == group.rotation_order


@pytest.mark.parametrize(
    ("name", "names"),
    [
        ("trivial", "0"),
        ("reflection", "trivial sign"),
        ("C2", "0 1"),
        ("C5", "0 1 2"),
        ("C6", "0 1 2 3"),
        ("D2", "0 0- 1 1-"),
        ("D3", "0 0- 1"),
        ("D4", "0 0- 1 2 2-"),
        ("SO(2)", "0 1 2 3"),
        ("O(2)", "0 0- 1 2 3"),
    ],
)
def test_irreps(name, names):
    assert [irrep.name for irrep in StructureGroup.parse(name).irreps(3)] == names.split()
