"""Products of irreps against the group itself, and their number against the null space of the constraint."""

import pytest
import torch

from gaugenet.groups import StructureGroup
from gaugenet.representations import Irrep
from gaugenet.steerable.clebsch_gordan import clebsch_gordan
from gaugenet.steerable.null_space import intertwiner_null_space

GROUPS = ["trivial", "reflection", "C2", "C4", "C5", "C6", "D2", "D3", "D4", "SO(2)", "O(2)"]


def pairs(name):
    irreps = StructureGroup.parse(name).irreps(2 if name.endswith("(2)") else None)
    return [(first, second) for first in irreps for second in irreps]


@pytest.mark.parametrize("name", GROUPS)
def test_products_transform_as_their_irrep(name):
    group = StructureGroup.parse(name)
    angles, flips = group.sample(8, torch.Generator().manual_seed(0))
    for first, second in pairs(name):
        found = clebsch_gordan(first, second)
        assert sum(irrep.dim for irrep, _ in found) == first.dim * second.dim
        for irrep, c in found:
            moved = torch.einsum("kij,nil,njm->nklm", c, first.matrix(angles, flips), second.matrix(angles, flips))
            torch.testing.assert_close(moved, torch.einsum("nkl,lij->nkij", irrep.matrix(angles, flips), c))
        # nothing of the product is lost: together they are an orthogonal basis
        rows = torch.cat([c.flatten(1) for _, c in found])
        gram = rows @ rows.T
        torch.testing.assert_close(gram, torch.diag(gram.diagonal()), rtol=0, atol=1e-14)
        assert (gram.diagonal() > 0.5).all()


@pytest.mark.parametrize("name", ["C4", "D3", "SO(2)", "O(2)"])
def test_no_irrep_is_missing(name):
    """As many maps to every irrep as the null space finds, once the maps from that irrep to itself are counted."""
    group = StructureGroup.parse(name)
    for first, second in pairs(name):
        found = clebsch_gordan(first, second)
        for irrep in group.irreps(4 if group.is_continuous else None):

            def product(angle, flip, first=first, second=second):
                return torch.kron(first.matrix(angle, flip), second.matrix(angle, flip))

            expected = len(intertwiner_null_space(group, product, irrep.matrix))
            itself = len(intertwiner_null_space(group, irrep.matrix, irrep.matrix))
            assert expected == itself * sum(other == irrep for other, _ in found), (first, second, irrep)


def test_irreps_of_two_groups_are_refused():
    with pytest.raises(ValueError, match="of one group"):
        clebsch_gordan(Irrep(StructureGroup.parse("C4"), 1), Irrep(StructureGroup.parse("SO(2)"), 1))
