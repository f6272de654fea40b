"""Register tiles against numpy."""

import numpy as np
import pytest
from numba import njit

from gaugenet.kernels import _tiles


@njit
def _mix(n, x, x0, x1, o, o0, a, b):
    _tiles.prefetch(x, x0, n)
    _tiles.mix(n, x, x0, x1, o, o0, a, b)


@njit
def _scale(n, x, x0, o, o0, a):
    _tiles.scale(n, x, x0, o, o0, a)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("accumulate", [False, True])
def test_product(dtype, accumulate):
    """Every height of a tile and every number of columns, transposed left factor or not, nothing outside written."""
    rng = np.random.default_rng(0)
    lanes = _tiles.lanes(np.dtype(dtype).itemsize)
    for m in range(1, 20):
        for n_vectors in (1, 2, 3, 4, 5, 6, 9):
            for k in (0, 1, 7):
                n = n_vectors * lanes
                a, w = rng.normal(size=(m, k)).astype(dtype), rng.normal(size=(k, n)).astype(dtype)
                start = rng.normal(size=(m, n)).astype(dtype) if accumulate else np.full((m, n), np.nan, dtype)
                expected = a @ w + (start if accumulate else 0)
                for left, strides in ((a, (k, 1)), (a.T.copy(), (1, m))):
                    out = np.concatenate([[7.0], start.ravel(), [7.0]]).astype(dtype)
                    _tiles.product(
                        m, n_vectors, lanes, k, left.ravel(), 0, *strides, w.ravel(), 0, n, out, 1, n, accumulate
                    )
                    assert out[0] == out[-1] == 7
                    tolerance = 1e-5 if dtype == np.float32 else 1e-13
                    np.testing.assert_allclose(out[1:-1].reshape(m, n), expected, atol=tolerance)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rows(dtype):
    rng = np.random.default_rng(0)
    for n in range(0, 70):
        x = rng.normal(size=2 * n + 3).astype(dtype)
        out = np.full(n + 2, 7, dtype)
        _mix(n, x, 1, n + 2, out, 1, dtype(0.5), dtype(-2))
        np.testing.assert_allclose(out[1:-1], 0.5 * x[1 : n + 1] - 2 * x[n + 2 : 2 * n + 2], atol=1e-6)
        assert out[0] == out[-1] == 7
        _scale(n, x, 1, out, 1, dtype(3))
        np.testing.assert_array_equal(out[1:-1], 3 * x[1 : n + 1])
        assert out[0] == out[-1] == 7
