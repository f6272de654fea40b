"""Kernels on pixels against the constraint and a count of its solutions."""

import pytest
import torch

from gaugenet.groups import StructureGroup
from gaugenet.representations import parse_representation
from gaugenet.steerable.tap_basis import tap_basis, taps


def act(angle, flip, places):
    c, s = torch.cos(angle), torch.sin(angle)
    turn = torch.stack([torch.stack([c, -s * flip]), torch.stack([s, c * flip])])
    return places @ turn.T


CASES = [
    ("reflection", 5, "square"),
    ("C2", 3, "square"),
    ("C4", 5, "square"),
    ("D4", 5, "square"),
    ("C6", 3, "hexagonal"),
    ("D6", 5, "hexagonal"),
    ("C3", 3, "hexagonal"),
    ("trivial", 3, "square"),
]


@pytest.mark.parametrize(("name", "size", "lattice"), CASES)
def test_constraint_and_completeness(name, size, lattice):
    group = StructureGroup.parse(name)
    _, places = taps(size, lattice)
    angles, flips = group.elements()
    for a in group.irreps():
        for b in group.irreps():
            basis = tap_basis(a, b, places)
            # Burnside: solutions = mean over g of (fixed places) tr rho_in tr rho_out
            count = 0.0
            for angle, flip in zip(angles, flips.double()):
                moved = act(angle, flip, places)
                image = torch.cdist(moved, places).argmin(1)
                fixed = (image == torch.arange(len(places))).sum()
                rho_in, rho_out = a.matrix(angle, flip), b.matrix(angle, flip)
                count += float(fixed * rho_in.trace() * rho_out.trace()) / len(angles)
                off = basis[:, image] - torch.einsum("ij,ntjk,lk->ntil", rho_out, basis, rho_in)
                assert off.abs().max() < 1e-12 if len(basis) else True
            assert len(basis) == round(count)
            gram = basis.flatten(1) @ basis.flatten(1).T
            assert (gram - torch.eye(len(basis))).abs().max() < 1e-12 if len(basis) else True


def test_kernels_of_the_strip_are_even_or_odd_across_it():
    _, places = taps(5)
    trivial, sign = (parse_representation(StructureGroup.parse("reflection"), n).irreps[0][0] for n in ("0", "0-"))
    even, odd = tap_basis(trivial, trivial, places), tap_basis(trivial, sign, places)
    assert (len(even), len(odd)) == (15, 10)
    grid = even.view(15, 5, 5)
    assert torch.equal(grid, grid.flip(1))
    grid = odd.view(10, 5, 5)
    assert torch.equal(grid, -grid.flip(1))


def test_a_group_that_leaves_the_lattice_is_refused():
    _, places = taps(3)
    c6 = StructureGroup.parse("C6").irreps()[0]
    with pytest.raises(ValueError, match="off the lattice"):
        tap_basis(c6, c6, places)
    so2 = StructureGroup.parse("SO(2)").irreps(1)[0]
    with pytest.raises(ValueError, match="continuous"):
        tap_basis(so2, so2, places)
    with pytest.raises(ValueError, match="odd size"):
        taps(4)
    assert len(taps(3, "hexagonal")[1]) == 7
