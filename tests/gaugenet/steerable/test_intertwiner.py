import pytest
import torch

from gaugenet.groups import StructureGroup
from gaugenet.representations import Irrep
from gaugenet.steerable.intertwiner import intertwiner_basis
from gaugenet.steerable.null_space import intertwiner_null_space, subspace_distance

GROUPS = [
    "trivial",
    "reflection",
    *(f"C{n}" for n in range(2, 9)),
    *(f"D{n}" for n in range(2, 7)),
    "SO(2)",
    "O(2)",
]


@pytest.mark.parametrize("name", GROUPS)
def test_every_pair_of_irreps_spans_the_null_space(name):
    group = StructureGroup.parse(name)
    for in_irrep in group.irreps(3):
        for out_irrep in group.irreps(3):
            basis = intertwiner_basis(in_irrep, out_irrep)
            judge = intertwiner_null_space(group, in_irrep.matrix, out_irrep.matrix)
            assert basis.shape == judge.shape
            assert subspace_distance(basis, judge) <= 1e-10


@pytest.mark.parametrize("name", GROUPS)
def test_schur(name):
    """None between different irreps; the identity, and J for two-dimensional irreps without reflections."""
    group = StructureGroup.parse(name)
    for in_irrep in group.irreps(3):
        for out_irrep in group.irreps(3):
            basis = intertwiner_basis(in_irrep, out_irrep)
            if in_irrep != out_irrep:
                assert len(basis) == 0
                continue
            eye = torch.eye(in_irrep.dim, dtype=torch.float64)
            torch.testing.assert_close(basis[0], eye / in_irrep.dim**0.5)
            complex_type = in_irrep.dim == 2 and not group.has_reflections
            assert len(basis) == (2 if complex_type else 1)
            if complex_type:
                quarter_turn = torch.tensor([[0.0, -1.0], [1.0, 0.0]], dtype=torch.float64)
                torch.testing.assert_close(basis[1], quarter_turn / 2**0.5)


def test_one_wrong_sign_is_noticed():
    vector = Irrep(StructureGroup.parse("C5"), 1)
    broken = intertwiner_basis(vector, vector).clone()
    broken[1, 0, 1] *= -1
    judge = intertwiner_null_space(vector.group, vector.matrix, vector.matrix)
    assert subspace_distance(broken, judge) > 0.1
