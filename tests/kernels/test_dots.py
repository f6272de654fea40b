"""Inner products with stored rows, against numpy."""

import numpy as np
import pytest

from gaugenet.kernels import _dots, _tiles


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n", [1, 4, 7, 50])
@pytest.mark.parametrize("m", [1, 2, 3, 4, 9])
@pytest.mark.parametrize("vectors", [3, 30, 130])
def test_every_tile(n, m, vectors, dtype):
    """Parts that do not lie one after the other, all in one piece, two of three, or each in several; nothing beside the
    result is written."""
    rng = np.random.default_rng(n)
    k, parts = vectors * _tiles.lanes(np.dtype(dtype).itemsize), 3
    x, w = rng.standard_normal((n, parts, k)).astype(dtype), rng.standard_normal((parts, m, k)).astype(dtype)
    out = np.full((n, m + 2), 7, dtype)
    _dots.dots(*(n, m, parts, k, x.ravel(), 0, parts * k, k, w.ravel(), 0, k, m * k), out.reshape(-1), 1, out.shape[1])
    tolerance = 1e-3 if dtype == np.float32 else 1e-12
    np.testing.assert_allclose(out[:, 1:-1], np.einsum("npk,pmk->nm", x, w), atol=tolerance)
    assert (out[:, [0, -1]] == 7).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_bits_do_not_depend_on_the_tile(dtype):
    """Rows one by one and together."""
    rng = np.random.default_rng(0)
    k = 75 * _tiles.lanes(np.dtype(dtype).itemsize)
    x, w = rng.standard_normal((7, k)).astype(dtype), rng.standard_normal((6, k)).astype(dtype)
    together, alone = np.empty((7, 6), dtype), np.empty((7, 6), dtype)
    _dots.dots(7, 6, 1, k, x.ravel(), 0, k, 0, w.ravel(), 0, k, 0, together.reshape(-1), 0, 6)
    for i in range(7):
        for j in range(6):
            _dots.dots(1, 1, 1, k, x[i], 0, k, 0, w[j], 0, k, 0, alone.reshape(-1), 6 * i + j, 6)
    np.testing.assert_array_equal(together, alone)
