"""Where the CPU works edge by edge, and what it shares with the other way; its results are those of test_cpu.py."""

import pytest
import torch

from gaugenet.kernels import _cpu, _cpu_edgewise
from gaugenet.kernels._reference import EdgeArrays
from gaugenet.kernels.transport_conv import TransportBlock


def pays(n_target, degree, copies, post):
    blocks = (TransportBlock(0, 0, 1, copies), TransportBlock(1, 0, 2, copies), TransportBlock(2, 0, 2, copies))
    n_edges = n_target * degree
    angle = torch.ones(n_edges, 2)
    row_ptr = degree * torch.arange(n_target + 1, dtype=torch.int32)
    source = torch.zeros(n_edges, dtype=torch.int32)
    edges = EdgeArrays(torch.ones(n_edges, 3), angle, None, angle if post else None, None, row_ptr, source, None, False)
    return _cpu_edgewise.pays(edges, _cpu._plan(edges, blocks, blocks), False)


@pytest.mark.parametrize("post", [False, True])
def test_it_pays_for_few_edges_of_a_large_weight(post):
    assert pays(1, 1, 128, post)
    assert pays(1, 7, 128, post)
    assert not pays(1000, 7, 128, post)
    assert not pays(1, 1000, 128, post)


def test_it_pays_at_any_size_where_each_target_has_one_edge_to_turn():
    assert pays(10_000, 1, 128, True)
    assert not pays(10_000, 1, 16, True)  # short inner products run badly, and a small weight is soon packed


def test_nothing_to_do_is_left_to_the_other_way():
    assert not pays(0, 1, 16, True)
    assert not pays(5, 0, 16, True)
    assert not pays(5, 1, 0, True)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_both_ways_agree(case, dtype, error, tolerance, monkeypatch):
    """To rounding; and they are two: some bit differs."""
    problem = case("wide", [3, 0, 1, 9], n_source=5, dtype=dtype)
    found = []
    for packing in (10**9, -(10**9)):
        monkeypatch.setattr(_cpu_edgewise, "_PACKING", packing)
        found.append(problem.all("cpu"))
    assert any(not torch.equal(a, b) for a, b in zip(*found))
    for a, b in zip(*found):
        assert error(a, b) < tolerance[str(dtype).removeprefix("torch.")]


def test_rows_longer_than_a_chunk(case, error, tolerance, monkeypatch):
    monkeypatch.setattr(_cpu_edgewise, "_PACKING", 10**9)
    monkeypatch.setattr(_cpu_edgewise, "_FEW", 10**9)
    problem = case("parities, odd widths", [0, 300, 0, 700, 2], n_source=40)
    for found, expected in zip(problem.all("cpu"), problem.all("reference")):
        assert error(found, expected) < tolerance["float64"]
