"""What is done to a window of edges, against numpy."""

import numpy as np
import pytest
from numba import njit

from gaugenet.kernels import _slots, _tiles

N, COLUMN, ROW = 5, 2, 90


@njit
def _turn(n, m, x, at, column, o, o_row, c, s, f):
    _slots.turn(n, m, x, at, column, o, o_row, c, s, f)


@njit
def _spread(n, m, x, at, column, o, o_row, c, f):
    _slots.spread(n, m, x, at, column, o, o_row, c, f)


@njit
def _times(n, a, b, o):
    _slots.times(n, a, b, o)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("m", [0, 1, 7, 16, 35])
def test_blocks_of_all_edges(m, dtype):
    """Two components rotated and reflected, or one scaled; sources in any order, nothing written beside them."""
    rng = np.random.default_rng(m)
    at = np.array([100, 0, 200, 0, 17])
    x = rng.standard_normal(300).astype(dtype)
    c, s = rng.standard_normal((2, N)).astype(dtype)
    f = np.array([1, -1, -1, 1, -1], dtype)
    left, right = (np.stack([x[a + COLUMN + d * m :][:m] for a in at]) for d in (0, 1))
    right = f[:, None] * right
    out = np.full(N * ROW, 7, dtype)
    _turn(N, m, x, at, COLUMN, out, ROW, c, s, f)
    out = out.reshape(N, ROW)
    tolerance = 1e-6 if dtype == np.float32 else 1e-15
    np.testing.assert_allclose(out[:, COLUMN:][:, :m], c[:, None] * left - s[:, None] * right, atol=4 * tolerance)
    np.testing.assert_allclose(out[:, COLUMN + m :][:, :m], s[:, None] * left + c[:, None] * right, atol=4 * tolerance)
    assert (out[:, :COLUMN] == 7).all()
    assert (out[:, COLUMN + 2 * m :] == 7).all()
    out = np.full(N * ROW, 7, dtype)
    _spread(N, m, x, at, COLUMN, out, ROW, c, f)
    out = out.reshape(N, ROW)
    np.testing.assert_allclose(out[:, COLUMN:][:, :m], (c * f)[:, None] * left, atol=tolerance)
    assert (out[:, :COLUMN] == 7).all()
    assert (out[:, COLUMN + m :] == 7).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n", [0, 1, 16, 33])
def test_times(n, dtype):
    """n products, and no more than the rest of a vector after them."""
    a, b = np.random.default_rng(n).standard_normal((2, 64)).astype(dtype)
    out = np.full(64, 7, dtype)
    _times(n, a, b, out)
    np.testing.assert_array_equal(out[:n], a[:n] * b[:n])
    lanes = _tiles.lanes(np.dtype(dtype).itemsize)
    assert (out[-(-n // lanes) * lanes :] == 7).all()
