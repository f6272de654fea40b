import math

import pytest
import torch

from gaugenet.groups import StructureGroup
from gaugenet.representations import Irrep
from gaugenet.steerable.edge_aligned import aligned_basis
from gaugenet.steerable.harmonic import angular_functions
from gaugenet.steerable.null_space import kernel_null_space, subspace_distance


def as_harmonics(matrices, in_irrep, out_irrep, max_harmonic):
    """Coefficients on the angular functions of t -> rho_out(t) W rho_in(-t), from its values at 2 L + 1 angles."""
    n = 2 * max_harmonic + 1
    theta = 2 * math.pi / n * torch.arange(n, dtype=torch.float64)
    values = torch.einsum("toi,nij,tjk->ntok", out_irrep.matrix(theta), matrices, in_irrep.matrix(-theta))
    inverse = torch.linalg.inv(angular_functions(theta, max_harmonic))
    return torch.einsum("bt,ntok->nbok", inverse, values)


@pytest.mark.parametrize("name", ["SO(2)", "O(2)"])
def test_every_pair_of_irreps_spans_the_null_space(name):
    group = StructureGroup.parse(name)
    for in_irrep in group.irreps(3):
        for out_irrep in group.irreps(3):
            level = in_irrep.frequency + out_irrep.frequency
            basis = aligned_basis(in_irrep, out_irrep)
            judge = kernel_null_space(group, in_irrep.matrix, out_irrep.matrix, level)
            assert len(basis) == len(judge)
            assert subspace_distance(as_harmonics(basis, in_irrep, out_irrep, level), judge) <= 1e-10
            # no solutions are missed by stopping at this level
            assert len(kernel_null_space(group, in_irrep.matrix, out_irrep.matrix, level + 2)) == len(basis)


@pytest.mark.parametrize(("parity", "count"), [(0, 1), (1, 1)])
def test_o2_scalars_to_vectors(parity, count):
    """Even scalars make vectors along the edge, odd ones vectors across it."""
    group = StructureGroup.parse("O(2)")
    basis = aligned_basis(Irrep(group, 0, parity), Irrep(group, 1))
    assert len(basis) == count
    assert basis[0, parity, 0] == 1
    assert not aligned_basis(Irrep(group, 0), Irrep(group, 0, 1)).any()


def test_a_matrix_that_does_not_commute_with_the_reflection_is_noticed():
    """Broken twin: one matrix of O(2) replaced by the quarter turn, which is allowed for SO(2) only."""
    group = StructureGroup.parse("O(2)")
    vector = Irrep(group, 1)
    broken = aligned_basis(vector, vector)
    broken[0] = torch.tensor([[0.0, -1.0], [1.0, 0.0]])
    judge = kernel_null_space(group, vector.matrix, vector.matrix, 2)
    assert len(broken) == len(judge)
    assert subspace_distance(as_harmonics(broken, vector, vector, 2), judge) > 0.1


def test_errors():
    c4, so2 = (Irrep(StructureGroup.parse(name), 1) for name in ("C4", "SO(2)"))
    with pytest.raises(ValueError, match="harmonic form"):
        aligned_basis(c4, c4)
    with pytest.raises(ValueError, match="one group"):
        aligned_basis(c4, so2)
