import pytest
import torch

from gaugenet.field_type import FieldType
from gaugenet.steerable.block_expansion import BlockExpansion

IN, OUT = FieldType.parse("SO(2): 2x0 + 3x1"), FieldType.parse("SO(2): 4x1 + 1x0")


def one_for_vectors_to_vectors(in_irrep, out_irrep):
    """A made-up basis: two elements from vectors to vectors, told apart by their entries, and none elsewhere."""
    if in_irrep.dim == out_irrep.dim == 2:
        first = torch.tensor([[0.0, 0.5], [0.0, 0.0]])
        second = torch.tensor([[0.0, 0.0], [0.0, -0.5]])
        return torch.stack([first, second])[:, None].double()
    return torch.zeros(0, 1, out_irrep.dim, in_irrep.dim, dtype=torch.float64)


@pytest.fixture
def blocks():
    return BlockExpansion(IN, OUT, one_for_vectors_to_vectors, torch.ones(1, dtype=torch.float64))


def test_where_each_coefficient_goes(blocks):
    """Coefficients (element, output copy, input copy), columns component-major."""
    assert blocks.n_coefficients == 2 * 4 * 3
    coefficients = torch.arange(1.0, 25.0)[:, None].repeat(1, 2)
    coefficients[:, 1] *= 100
    weight = blocks.expand(coefficients)
    assert weight.shape == (1, 2, OUT.dim, IN.dim)
    expected = torch.zeros(OUT.dim, IN.dim)
    for out_copy in range(4):
        for in_copy in range(3):
            expected[0 * 4 + out_copy, 2 + 1 * 3 + in_copy] = 1 + out_copy * 3 + in_copy
            expected[1 * 4 + out_copy, 2 + 1 * 3 + in_copy] = -(1 + 12 + out_copy * 3 + in_copy)
    assert torch.equal(weight[0, 0], expected)
    assert torch.equal(weight[0, 1], 100 * expected)


def test_initial_variance_per_output_block(blocks):
    """Two elements with one entry each, three input copies, two output components: 3 coefficients per output column."""
    draws = [blocks.initial(50, torch.Generator().manual_seed(seed), 2.0, 1.0, torch.float64) for seed in range(20)]
    assert float(torch.stack(draws).var()) == pytest.approx(2.0**2 / 3, rel=0.05)


def test_types_of_different_groups_are_refused():
    with pytest.raises(ValueError, match="one structure group"):
        BlockExpansion(IN, FieldType.parse("O(2): 1x0"), one_for_vectors_to_vectors, torch.ones(1))


def test_projection_is_the_inverse_and_takes_the_nearest(blocks):
    coefficients = torch.randn(24, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    weight = blocks.double().expand(coefficients)
    assert (blocks.project(weight) - coefficients).abs().max() < 1e-12
    # what no element reaches is dropped
    beside = torch.zeros_like(weight)
    beside[..., 0, 0] = 5.0
    assert (blocks.project(weight + beside) - coefficients).abs().max() < 1e-12
