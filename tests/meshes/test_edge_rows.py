import numpy as np
import pytest

from gaugenet.meshes.edge_rows import EdgeRows

DTYPES = {"source": np.int32, "r": np.float32, "phi": np.float64, "flip": np.int8}


@pytest.mark.parametrize("most", [-1, 9])
@pytest.mark.parametrize("permuted", [False, True])
def test_rows_come_back_in_the_order_asked_for(most, permuted):
    rng = np.random.default_rng(0)
    n = 40_000
    degree = rng.integers(0, 3, n)
    degree[n // 2 :] = rng.integers(0, 10, n - n // 2)
    visited = rng.permutation(n) if permuted else np.arange(n)
    start = np.concatenate([[0], np.cumsum(degree)])
    fields = {name: rng.integers(-100, 100, start[-1]).astype(dtype) for name, dtype in DTYPES.items()}
    rows = EdgeRows(n, most, DTYPES)
    for first in range(0, n, 999):
        chunk = visited[first : first + 999]
        edges = np.concatenate([np.arange(start[v], start[v + 1]) for v in chunk])
        rows.append(degree[chunk], {name: values[edges] for name, values in fields.items()})
    assert rows.n_rows == n
    edges = np.concatenate([np.arange(start[v], start[v + 1]) for v in visited])
    np.testing.assert_array_equal(rows.field("phi"), fields["phi"][edges])
    row_ptr, found = rows.in_order(visited if permuted else None, map)
    np.testing.assert_array_equal(row_ptr, start)
    for name, values in fields.items():
        assert found[name].dtype == values.dtype
        np.testing.assert_array_equal(found[name], values)


def test_no_rows():
    row_ptr, fields = EdgeRows(0, 5, DTYPES).in_order(None, map)
    assert row_ptr.tolist() == [0]
    assert {len(values) for values in fields.values()} == {0}
    assert set(fields) == set(DTYPES)


def test_more_edges_than_int32_counts_are_refused():
    rows = EdgeRows(2, -1, {})
    with pytest.raises(ValueError, match="more than 2³¹"):
        rows.append(np.array([2**30, 2**30]), {})
