"""The weight in one product against the one pair by pair, and where it is not offered."""

import pytest
import torch

from gaugenet.field_type import FieldType
from gaugenet.nn.chart_conv import ChartConv
from gaugenet.nn.value_basis import to_values
from gaugenet.steerable.block_expansion import BlockExpansion
from gaugenet.steerable.tap_basis import tap_basis, taps
from gaugenet.steerable.term_expansion import TermExpansion, joint_basis

CASES = [
    ("C6: 3xregular", "C6: 2xregular", "hexagonal"),
    ("C6: 1x1", "C6: 2xregular", "hexagonal"),
    ("C4: 2xregular", "C4: 3x0", "square"),
    ("reflection: 2xregular", "reflection: 3xregular", "square"),
]


@pytest.mark.parametrize(("source", "target", "lattice"), CASES)
def test_one_product_is_all_pairs(source, target, lattice):
    in_type, out_type = FieldType.parse(source), FieldType.parse(target)
    index, places = taps(3, lattice)
    bases = {(i.irrep, o.irrep): tap_basis(i.irrep, o.irrep, places) for i in in_type.blocks for o in out_type.blocks}
    bases = {k: b / b.abs().amax((1, 2, 3), keepdim=True) if len(b) else b for k, b in bases.items()}
    pairs = BlockExpansion(in_type, out_type, lambda i, o: bases[i, o], torch.ones(len(places))).double()
    for k, basis in enumerate(bases[key] for key in _order(in_type, out_type)):
        setattr(pairs, f"basis_{k}", basis)
    c = torch.randn(pairs.n_coefficients, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    copies = (out_type.terms[0].multiplicity, in_type.terms[0].multiplicity)
    expansion = TermExpansion(joint_basis(in_type, out_type, bases), copies, [3 * a + b for a, b in index.tolist()], 3)
    got = expansion.expand(c)
    expected = pairs.expand(c)[:, 0].transpose(1, 2)
    assert got.shape == expected.shape
    assert (got - expected).abs().max() < 1e-13
    square = torch.zeros(3, 3, *expected.shape[1:], dtype=torch.float64)
    square[index[:, 0], index[:, 1]] = expected
    assert (expansion.square(c) - square).abs().max() < 1e-13
    assert expansion.square(c).permute(3, 2, 0, 1).is_contiguous(memory_format=torch.channels_last)


def _order(in_type, out_type):
    return list(dict.fromkeys((i.irrep, o.irrep) for o in out_type.blocks for i in in_type.blocks))


@pytest.mark.parametrize(("source", "target", "lattice"), CASES)
def test_values_are_the_change_of_basis(source, target, lattice):
    in_type, out_type = FieldType.parse(source), FieldType.parse(target)
    g = torch.Generator().manual_seed(0)
    layer = ChartConv(in_type, out_type, lattice=lattice, values=True, generator=g).double()
    assert layer._at_once is not None
    by_hand = to_values(in_type, to_values(out_type, layer.kernel()).transpose(1, 2))
    assert (layer._weight() - by_hand).abs().max() < 1e-13


def test_only_where_irreps_occur_once():
    plain, twice = FieldType.parse("D4: 2xregular"), FieldType.parse("C6: 1x0 + 1xregular")
    assert ChartConv(plain, plain)._at_once is None
    assert ChartConv(twice, twice, lattice="hexagonal")._at_once is None
