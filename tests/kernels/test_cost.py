"""Counts against a person's own, on the layer of the published edge-aligned convolution."""

import pytest

from gaugenet.kernels import cost

FIELD = [(0, 0, 1, 32), (1, 0, 2, 32), (2, 0, 2, 32)]


@pytest.fixture
def work():
    return cost.workload((6890, 160), 6890, 7 * 6890, 3, FIELD, FIELD, ("pre", "post"))


def test_forward_flops(work):
    """5 terms of 3 scalars over 160 columns an edge; products 480 × 32 and twice 960 × 64 a vertex."""
    edges, vertices = 7 * 6890, 6890
    assert cost.forward(work).flops == edges * (2 * 15 * 160 + 3 * 160) + 2 * vertices * (480 * 32 + 2 * 960 * 64)


def test_forward_bytes(work):
    edge = 4 + 3 * 4 + 2 * 8
    assert cost.forward(work).bytes == 2 * 6890 * 160 * 4 + 3 * 160 * 160 * 4 + 7 * 6890 * edge + 4 * 6891


def test_sums_are_the_price_of_two_kernels(work):
    assert cost.sums(work).bytes == 2 * 6890 * 15 * 160 * 4


def test_the_transposed_of_the_transposed_is_itself(work):
    assert work.transposed.transposed == work
    assert work.transposed != cost.workload((6890, 160), 6890, 7 * 6890, 3, FIELD, FIELD, ("pre",))


def test_shared_aggregation_where_it_is_less_work(work):
    """Aligned: both directions have the same terms, so backward is one aggregation and two products."""
    one = cost.forward(work).flops
    product = 2 * 6890 * (480 * 32 + 2 * 960 * 64)
    assert cost.backward(work).flops == one + product
    harmonic = cost.workload((100, 160), 100, 700, 15, FIELD, FIELD, ("pre",))
    apart = cost.forward(harmonic.transposed).flops + cost.forward(harmonic).flops
    assert cost.backward(harmonic).flops == apart


def test_edge_first_costs_more_with_the_degree(work):
    assert cost.edge_first(work).flops == 7 * 6890 * (2 * 3 * 160 * 160 + 3 * 320)
    assert cost.edge_first(work).bytes - cost.forward(work).bytes == 2 * 7 * 6890 * 320 * 4


def test_roofline():
    bound = cost.Cost(flops=2e9, bytes=1e9)
    assert bound.intensity == 2
    assert bound.milliseconds(1e12, 1e12) == 2
    assert bound.milliseconds(1e13, 1e12) == 1
