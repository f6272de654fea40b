import pytest
import torch

from gaugenet.groups import StructureGroup
from gaugenet.representations import Irrep
from gaugenet.steerable.harmonic import angular_functions, harmonic_basis, lowest_harmonics
from gaugenet.steerable.null_space import kernel_null_space, subspace_distance

GROUPS = [
    "trivial",
    "reflection",
    *(f"C{n}" for n in range(2, 9)),
    *(f"D{n}" for n in range(2, 7)),
    "SO(2)",
    "O(2)",
]
SAME_SPACE = 1e-10


def pairs(group, max_frequency=3):
    irreps = group.irreps(max_frequency)
    return [(i, o) for i in irreps for o in irreps]


@pytest.mark.parametrize("max_harmonic", [0, 3, 6])
@pytest.mark.parametrize("name", GROUPS)
def test_every_pair_of_irreps_spans_the_null_space(name, max_harmonic):
    group = StructureGroup.parse(name)
    for in_irrep, out_irrep in pairs(group):
        basis = harmonic_basis(in_irrep, out_irrep, max_harmonic)
        judge = kernel_null_space(group, in_irrep.matrix, out_irrep.matrix, max_harmonic)
        assert basis.shape == judge.shape
        assert subspace_distance(basis, judge) <= SAME_SPACE


@pytest.mark.parametrize("name", GROUPS)
def test_orthonormal(name):
    for in_irrep, out_irrep in pairs(StructureGroup.parse(name)):
        flat = harmonic_basis(in_irrep, out_irrep, 6).flatten(1)
        torch.testing.assert_close(flat @ flat.T, torch.eye(len(flat), dtype=torch.float64), rtol=0, atol=1e-14)


COUNTS = {
    "SO(2)": (1, 2, 4, 4, 4),
    "O(2)": (1, 1, 2, 2, 2),
    "C4": (3, 4, 10, 8, 12),
    "D4": (2, 2, 5, 4, 6),
    "reflection": (5, 9, 18, 18, 18),
    "trivial": (9, 18, 36, 36, 36),
}


@pytest.mark.parametrize("name", ["SO(2)", "O(2)"])
def test_numbers_of_solutions_up_to_harmonic_four(name):
    group = StructureGroup.parse(name)
    frequencies = [(0, 0), (0, 1), (1, 1), (1, 2), (2, 2)]
    counts = tuple(len(harmonic_basis(Irrep(group, m), Irrep(group, n), 4)) for m, n in frequencies)
    assert counts == COUNTS[name]


@pytest.mark.parametrize("name", list(COUNTS))
def test_numbers_of_solutions_on_restricted_fields(name):
    """The same table for every group: fields of O(2) (frequencies 0, 1, 2), of which only the group's gauges
    are used.

    Their frequency-two (and for the trivial group and the reflection frequency-one) fields are reducible, so
    the numbers are sums over pairs of the irreps that they fall into.
    """
    group = StructureGroup.parse(name)
    restricted = {}
    o2 = StructureGroup.parse("O(2)")
    elements = group.elements() if not group.is_continuous else group.sample(200, torch.Generator().manual_seed(0))
    for frequency in range(3):
        character = Irrep(o2, frequency).matrix(*elements).diagonal(dim1=-2, dim2=-1).sum(-1)
        found = []
        for irrep in group.irreps(2):
            own = irrep.matrix(*elements).diagonal(dim1=-2, dim2=-1).sum(-1)
            if group.is_continuous:
                found += [irrep] * (irrep.frequency == frequency and irrep.parity == 0)
            else:
                found += [irrep] * round(float((character @ own) / (own @ own)))
        restricted[frequency] = found
    counts = tuple(
        sum(len(harmonic_basis(i, o, 4)) for i in restricted[m] for o in restricted[n])
        for m, n in [(0, 0), (0, 1), (1, 1), (1, 2), (2, 2)]
    )
    assert counts == COUNTS[name]


@pytest.mark.parametrize("name", GROUPS)
def test_a_larger_basis_begins_with_the_smaller_one(name):
    for in_irrep, out_irrep in pairs(StructureGroup.parse(name)):
        small, large = (harmonic_basis(in_irrep, out_irrep, harmonic) for harmonic in (2, 5))
        assert torch.equal(large[: len(small), :5], small)
        assert not large[: len(small), 5:].any()
        assert torch.equal(large, harmonic_basis(in_irrep, out_irrep, 5))


@pytest.mark.parametrize("name", GROUPS)
def test_lowest_harmonics_are_where_solutions_begin(name):
    group = StructureGroup.parse(name)
    for in_irrep, out_irrep in pairs(group):
        lowest = lowest_harmonics(in_irrep, out_irrep)
        dims = [len(harmonic_basis(in_irrep, out_irrep, harmonic)) for harmonic in range(9)]
        first = next((harmonic for harmonic, dim in enumerate(dims) if dim), None)
        assert first == (min(lowest) if lowest else None)


@pytest.mark.parametrize("name", ["C3", "C4", "C7", "D3", "D4", "D6", "SO(2)", "O(2)"])
def test_one_wrong_sign_is_noticed(name):
    """Broken twin: the sine of one basis element with the wrong sign is no solution of the constraint any more."""
    group = StructureGroup.parse(name)
    scalar, vector = Irrep(group, 0), Irrep(group, 1)
    broken = harmonic_basis(scalar, vector, 4).clone()
    sines = broken[0, 2::2]
    sines *= -1
    assert sines.any()
    judge = kernel_null_space(group, scalar.matrix, vector.matrix, 4)
    assert broken.shape == judge.shape
    assert subspace_distance(broken, judge) > 0.1


@pytest.mark.parametrize("name", ["reflection", "C2", "D2"])
def test_a_wrong_angular_function_is_noticed(name):
    """Broken twin for groups whose irreps are all one-dimensional: cosine and constant exchanged, or sine and
    cosine."""
    group = StructureGroup.parse(name)
    scalar = Irrep(group, 0)
    broken = harmonic_basis(scalar, scalar, 4)[:, [1, 0, *range(3, 9), 2]]
    judge = kernel_null_space(group, scalar.matrix, scalar.matrix, 4)
    assert subspace_distance(broken, judge) > 0.1


def test_angular_functions():
    theta = torch.tensor([0.0, 0.4], dtype=torch.float64)
    expected = [torch.ones(2).double(), theta.cos(), theta.sin(), (2 * theta).cos(), (2 * theta).sin()]
    torch.testing.assert_close(angular_functions(theta, 2), torch.stack(expected, 1))


def test_errors():
    scalar = Irrep(StructureGroup.parse("C4"), 0)
    with pytest.raises(ValueError, match="one group"):
        harmonic_basis(scalar, Irrep(StructureGroup.parse("D4"), 0), 2)
    with pytest.raises(ValueError, match="0 or more"):
        harmonic_basis(scalar, scalar, -1)
