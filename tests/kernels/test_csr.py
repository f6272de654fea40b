import numpy as np
import pytest
import scipy.sparse
import torch

from gaugenet.kernels.csr import check_csr, check_permutation, reverse_csr, row_of_each_edge


def random_csr(seed=0, n_target=30, n_source=21):
    rng = np.random.default_rng(seed)
    degrees = rng.integers(0, 6, n_target)
    row_ptr = torch.from_numpy(np.concatenate([[0], degrees.cumsum()])).int()
    return row_ptr, torch.from_numpy(rng.integers(0, n_source, degrees.sum())).int(), n_source


def test_rows():
    assert row_of_each_edge(torch.tensor([0, 2, 2, 3]), 3).tolist() == [0, 0, 2]
    assert row_of_each_edge(torch.tensor([0]), 0).tolist() == []


@pytest.mark.parametrize("seed", range(3))
def test_reversed_rows_are_the_transpose(seed):
    """Against scipy's transpose, with the number of the edge as the entry (repeated edges kept apart by a loop)."""
    row_ptr, source, n_source = random_csr(seed)
    reverse_row_ptr, reverse_target, reverse_edge = reverse_csr(row_ptr, source, n_source)
    assert all(t.dtype == torch.int32 for t in (reverse_row_ptr, reverse_target, reverse_edge))
    matrix = scipy.sparse.csr_matrix(
        (np.arange(len(source)) + 1, source.numpy(), row_ptr.numpy()), shape=(len(row_ptr) - 1, n_source)
    )
    transposed = matrix.tocsc()  # compressed columns are the rows of the transpose; stable, nothing summed
    np.testing.assert_array_equal(reverse_row_ptr, transposed.indptr)
    np.testing.assert_array_equal(reverse_target, transposed.indices)
    np.testing.assert_array_equal(reverse_edge, transposed.data - 1)


def test_no_sources():
    reverse_row_ptr, reverse_target, reverse_edge = reverse_csr(torch.zeros(3).int(), torch.zeros(0).int(), 0)
    assert reverse_row_ptr.tolist() == [0]
    assert len(reverse_target) == len(reverse_edge) == 0


@pytest.mark.parametrize(
    ("row_ptr", "source", "n_source", "says"),
    [
        ([1, 2], [0, 0], 1, "start at 0"),
        ([0, 3], [0, 0], 1, "end at the number of edges 2"),
        ([0, 2, 1, 2], [0, 0], 1, "must not decrease"),
        ([0, 2], [0, 1], 1, "0 .. 0, got 0 .. 1"),
        ([0, 2], [0, -1], 1, "got -1 .. 0"),
        ([[0, 2]], [0, 0], 1, "expected row_ptr"),
        ([0.0, 2.0], [0, 0], 1, "expected int32 or int64"),
        ([0, 1], [0], 2**31, "counted in int32"),
    ],
)
def test_bad_rows(row_ptr, source, n_source, says):
    with pytest.raises(ValueError, match=says):
        check_csr(torch.tensor(row_ptr), torch.tensor(source), n_source)


@pytest.mark.parametrize(
    ("order", "says"),
    [
        (torch.tensor([0, 1]), r"order: expected int32 or int64 \[3\], got torch.int64 \(2,\)"),
        (torch.tensor([0.0, 1.0, 2.0]), "got torch.float32"),
        (torch.tensor([0, 2, 2]), "expected a permutation, each of 0 .. 2 once"),
        (torch.tensor([1, 2, 3]), "expected a permutation"),
    ],
)
def test_orders_of_visiting_are_checked(order, says):
    check_permutation(torch.tensor([2, 0, 1]).int(), 3, "order")
    check_permutation(None, 3, "order")
    with pytest.raises(ValueError, match=says):
        check_permutation(order, 3, "order")
