import math

import pytest
import torch

from gaugenet.groups import StructureGroup, compose, inverse
from gaugenet.representations import Irrep, parse_representation, quotient_representation

FINITE = ["trivial", "reflection", "C2", "C3", "C4", "C6", "C7", "D2", "D3", "D4", "D5", "D6"]
ALL = [*FINITE, "SO(2)", "O(2)"]
QUOTIENTS = [
    ("C6", "C2"),
    ("C6", "C3"),
    ("C6", "C6"),
    ("C8", "C4"),
    ("D4", "reflection"),
    ("D4", "C2"),
    ("D4", "C4"),
    ("D4", "D2"),
    ("D6", "D3"),
    ("D6", "D2"),
    ("D6", "reflection"),
    ("D5", "C5"),
    ("reflection", "reflection"),
]
CONTINUOUS = [
    ("SO(2)", "regular[0]"),
    ("SO(2)", "regular[3]"),
    ("SO(2)", "quotient[C3,6]"),
    ("O(2)", "regular[2]"),
    ("O(2)", "quotient[reflection,3]"),
    ("O(2)", "quotient[C2,4]"),
    ("O(2)", "quotient[D2,4]"),
]


def circle(group):
    """Elements whose average is the average over the group, exactly for frequencies below 64."""
    if not group.is_continuous:
        return group.elements()
    angle = 2 * math.pi * torch.arange(64, dtype=torch.float64) / 64
    flip = torch.ones(64, dtype=torch.int8)
    return (angle.repeat(2), torch.cat([flip, -flip])) if group.has_reflections else (angle, flip)


def function_spaces():
    for name in FINITE:
        yield parse_representation(StructureGroup.parse(name), "regular")
    for group, stabilizer in QUOTIENTS:
        yield quotient_representation(StructureGroup.parse(group), StructureGroup.parse(stabilizer))
    for group, name in CONTINUOUS:
        yield parse_representation(StructureGroup.parse(group), name)


SPACES = [pytest.param(space, id=f"{space.group}-{space.name}") for space in function_spaces()]


def check_law(matrix_of, group):
    seeded = torch.Generator().manual_seed(1)
    g, h = group.sample(30, seeded), group.sample(30, seeded)
    atol = 1e-12
    torch.testing.assert_close(matrix_of(*compose(g, h)), matrix_of(*g) @ matrix_of(*h), rtol=0, atol=atol)
    torch.testing.assert_close(matrix_of(*inverse(g)), matrix_of(*g).mT, rtol=0, atol=atol)
    one = matrix_of(torch.zeros(1, dtype=torch.float64), torch.ones(1))
    torch.testing.assert_close(one[0], torch.eye(one.shape[-1], dtype=torch.float64), rtol=0, atol=atol)


@pytest.mark.parametrize("name", ALL)
def test_irreps_are_orthogonal_homomorphisms(name):
    group = StructureGroup.parse(name)
    for irrep in group.irreps(4):
        check_law(irrep.matrix, group)


def test_the_law_notices_a_wrong_sign():
    group = StructureGroup.parse("O(2)")
    irrep = Irrep(group, 1)

    def flipped_on_the_wrong_side(angle, flip):
        return irrep.matrix(angle) @ irrep.matrix(angle * 0, flip) @ irrep.matrix(angle)

    with pytest.raises(AssertionError):
        check_law(flipped_on_the_wrong_side, group)


def test_the_irrep_of_frequency_one_is_the_tangent_action():
    angle = torch.tensor(0.3, dtype=torch.float64)
    rotation = torch.tensor([[math.cos(0.3), -math.sin(0.3)], [math.sin(0.3), math.cos(0.3)]], dtype=torch.float64)
    expected = rotation @ torch.diag(torch.tensor([1.0, -1.0], dtype=torch.float64))
    torch.testing.assert_close(Irrep(StructureGroup.parse("O(2)"), 1).matrix(angle, -1), expected, rtol=0, atol=1e-15)


@pytest.mark.parametrize("name", ALL)
def test_characters_are_orthogonal(name):
    """<chi_i, chi_j> = 0 for different irreps; 1 for an irrep of real type, 2 for one of complex type."""
    group = StructureGroup.parse(name)
    irreps = group.irreps(4)
    characters = torch.stack([i.matrix(*circle(group)).diagonal(dim1=-2, dim2=-1).sum(-1) for i in irreps])
    gram = characters @ characters.T / characters.shape[1]
    expected = torch.tensor([2.0 if i.dim == 2 and not group.has_reflections else 1.0 for i in irreps]).double()
    torch.testing.assert_close(gram, torch.diag(expected), rtol=0, atol=1e-12)


@pytest.mark.parametrize(("group", "frequency", "parity"), [("C4", 3, 0), ("SO(2)", 0, 1), ("D4", 1, 1), ("C4", -1, 0)])
def test_an_irrep_that_does_not_exist(group, frequency, parity):
    with pytest.raises(ValueError, match=r'it has "0", .*"1"'):
        Irrep(StructureGroup.parse(group), frequency, parity)


def test_irrep_matrix_keeps_dtype_and_is_differentiable():
    irrep = Irrep(StructureGroup.parse("SO(2)"), 2)
    angle = torch.tensor([0.1, 0.7], dtype=torch.float32, requires_grad=True)
    matrix = irrep.matrix(angle)
    assert matrix.dtype == torch.float32
    matrix[:, 1, 0].sum().backward()
    torch.testing.assert_close(angle.grad, 2 * torch.cos(2 * angle.detach()))


@pytest.mark.parametrize("space", SPACES)
def test_function_spaces_are_orthogonal_homomorphisms(space):
    check_law(space.matrix, space.group)
    check_law(space.diagonal, space.group)
    basis = space.change_of_basis
    torch.testing.assert_close(basis @ basis.T, torch.eye(space.dim, dtype=torch.float64), rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", FINITE)
def test_the_regular_representation_permutes_the_elements(name):
    """rho(g) e_h = e_{g h}, with the position of g h found by composing elements."""
    group = StructureGroup.parse(name)
    regular = parse_representation(group, "regular")
    angles, flips = group.elements()
    assert regular.dim == group.order
    for a, s in zip(angles, flips):
        expected = torch.zeros(regular.dim, regular.dim, dtype=torch.float64)
        for column, product in enumerate(zip(*compose((a, s), (angles, flips)))):
            distance = 1 - torch.cos(angles - product[0]) + (flips != product[1])
            expected[distance.argmin(), column] = 1
        torch.testing.assert_close(regular.matrix(a, s), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("group", "stabilizer"), QUOTIENTS)
def test_quotients_permute_the_cosets(group, stabilizer):
    group, stabilizer = StructureGroup.parse(group), StructureGroup.parse(stabilizer)
    quotient = quotient_representation(group, stabilizer)
    assert quotient.dim == group.order // stabilizer.order
    assert parse_representation(group, quotient.name) == quotient
    matrices = quotient.matrix(*group.elements())
    torch.testing.assert_close(matrices, matrices.round(), rtol=0, atol=1e-12)
    assert (matrices.round().sum(-1) == 1).all()
    assert (matrices.round() >= 0).all()
    # the first coset is H: exactly its elements keep it, and the group moves it everywhere
    keeps = matrices[:, 0, 0].round() == 1
    assert keeps.sum() == stabilizer.order
    kept = torch.stack([group.elements()[0][keeps], group.elements()[1][keeps].double()])
    turns = kept[0] * stabilizer.rotation_order / (2 * math.pi)
    assert (turns - turns.round()).abs().max() < 1e-9
    assert (matrices[:, :, 0].round().sum(0) == stabilizer.order).all()


@pytest.mark.parametrize("space", SPACES)
def test_decomposition_counts_are_those_of_the_characters(space):
    """Irrep i occurs <chi, chi_i> / <chi_i, chi_i> times."""
    angle, flip = circle(space.group)
    character = space.matrix(angle, flip).diagonal(dim1=-2, dim2=-1).sum(-1)
    found = dict(space.irreps)
    for irrep in space.group.irreps(6):
        own = irrep.matrix(angle, flip).diagonal(dim1=-2, dim2=-1).sum(-1)
        times = float((character @ own) / (own @ own))
        assert times == pytest.approx(found.get(irrep, 0), abs=1e-10)


def test_the_band_limited_regular_representations():
    so2 = parse_representation(StructureGroup.parse("SO(2)"), "regular[2]")
    o2 = parse_representation(StructureGroup.parse("O(2)"), "regular[2]")
    assert [(irrep.name, times) for irrep, times in so2.irreps] == [("0", 1), ("1", 1), ("2", 1)]
    assert [(irrep.name, times) for irrep, times in o2.irreps] == [("0", 1), ("0-", 1), ("1", 2), ("2", 2)]


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("extra", [0, 2, 6])
def test_samples_and_back(space, extra):
    n = space.min_samples + (extra if space.group.is_continuous else 0)
    to_samples, from_samples = space.sampling(n)
    assert to_samples.shape == (n, space.dim)
    identity = torch.eye(space.dim, dtype=torch.float64)
    torch.testing.assert_close(from_samples @ to_samples, identity, rtol=0, atol=1e-12)
    # from_samples is the pseudo-inverse (samples that no coefficients have are projected away orthogonally), and unit
    # variance of the coefficients is unit variance of every sample
    torch.testing.assert_close(from_samples, torch.linalg.pinv(to_samples), rtol=0, atol=1e-12)
    torch.testing.assert_close((to_samples**2).sum(1), torch.ones(n, dtype=torch.float64), rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", ["regular[2]", "quotient[C3,6]"])
def test_turning_by_one_sample_rolls_the_samples(name):
    """(rho(g) f)(h) = f(g^-1 h)."""
    space = parse_representation(StructureGroup.parse("SO(2)"), name)
    to_samples, _ = space.sampling(8)
    x = torch.randn(space.dim, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    step = 2 * math.pi / (8 * space.stabilizer.rotation_order)
    torch.testing.assert_close(to_samples @ (space.diagonal(3 * step) @ x), (to_samples @ x).roll(3))


@pytest.mark.parametrize(("group", "name"), CONTINUOUS[1:])
def test_aliasing_of_a_pointwise_map_falls_with_the_samples(group, name):
    space = parse_representation(StructureGroup.parse(group), name)
    seeded = torch.Generator().manual_seed(0)
    x = torch.randn(space.dim, 50, dtype=torch.float64, generator=seeded)
    angle, flip = space.group.sample(20, seeded)
    errors = []
    for n in (space.min_samples + space.min_samples % 2, 64, 512):
        to_samples, from_samples = space.sampling(n)
        rho = space.diagonal(angle, flip)

        def relu(y, to_samples=to_samples, from_samples=from_samples):
            return from_samples @ (to_samples @ y).relu()

        errors.append(float((relu(rho @ x) - rho @ relu(x)).norm() / relu(x).norm()))
    assert errors[0] > 10 * errors[1] > 50 * errors[2]
    assert errors[2] < 1e-3


@pytest.mark.parametrize(
    ("group", "name", "message"),
    [
        ("SO(2)", "regular", r"regular\[2\]"),
        ("C6", "regular[2]", "finite"),
        ("C6", "quotient[C4]", "subgroup"),
        ("C6", "quotient[SO(2)]", "subgroup"),
        ("C6", "quotient", "quotient\\[H\\]"),
        ("SO(2)", "0-", '"0", "1"'),
        ("D4", "vector", '"2-"'),
        ("reflection", "1", '"trivial", "sign"'),
    ],
)
def test_a_representation_that_does_not_exist(group, name, message):
    with pytest.raises(ValueError, match=message):
        parse_representation(StructureGroup.parse(group), name)


def test_too_few_samples():
    with pytest.raises(ValueError, match="at least 7"):
        parse_representation(StructureGroup.parse("SO(2)"), "regular[3]").sampling(6)
    with pytest.raises(ValueError, match="even"):
        parse_representation(StructureGroup.parse("O(2)"), "regular[1]").sampling(9)
    with pytest.raises(ValueError, match="no samples"):
        parse_representation(StructureGroup.parse("SO(2)"), "1").sampling(8)
