"""Packing against slices of numpy arrays; the laws that tie it to a plan are in test_plan.py."""

import numpy as np
import pytest

from gaugenet.kernels import _packing
from gaugenet.kernels._plan import make_plan
from gaugenet.kernels.transport_conv import TransportBlock

B, PADDED, COLUMNS = 2, 48, 64


def _strided(weight, transposed):
    """Flat numbers of [B, C_out, C_in] and their strides, those of a transposed weight or not."""
    given = np.ascontiguousarray(weight.swapaxes(1, 2)).swapaxes(1, 2) if transposed else weight
    flat = np.ascontiguousarray(given.swapaxes(1, 2) if transposed else given).ravel()
    return flat, np.array(given.strides, np.int64) // weight.itemsize


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize(("c_in", "width"), [(1, 1), (16, 16), (37, 21), (48, 32)])
def test_parts_stand_where_the_table_says(dtype, transposed, c_in, width):
    """Rows [3, 3 + width) less rows [0, width) at column 2, the latter alone in a second matrix; zero elsewhere. Whole
    tiles and what is left of them; what was in memory before does not matter."""
    rng = np.random.default_rng(c_in)
    weight = rng.integers(-9, 9, (B, width + 3, c_in)).astype(dtype)
    size = B * PADDED * COLUMNS
    table = [[2, COLUMNS, 3, width, 1, 0, 0], [2, COLUMNS, 0, width, -1, 1, 0], [size, COLUMNS, 0, width, 1, 0, 1]]
    expected = np.zeros((2, B, PADDED, COLUMNS), dtype)
    expected[0, :, :c_in, 2 : 2 + width] = (weight[:, 3:] - weight[:, :width]).swapaxes(1, 2)
    expected[1, :, :c_in, :width] = weight[:, :width].swapaxes(1, 2)
    packed = np.full(2 * size, np.nan, dtype)
    flat, strides = _strided(weight, transposed)
    _packing.pack(flat, strides, B, c_in, PADDED, np.array(table), packed)
    np.testing.assert_array_equal(packed.reshape(expected.shape), expected)


@pytest.mark.parametrize("transposed", [False, True])
def test_the_way_back_adds_parts_of_the_same_rows(transposed):
    """Rows of width 24 that stand in two places, once with a minus; two summands, which come first."""
    rng = np.random.default_rng(0)
    c_in, width, size = 37, 24, B * PADDED * COLUMNS
    partial = rng.integers(-9, 9, (2, 2 * size)).astype(np.float32)
    one, other = partial.sum(0).reshape(2, B, PADDED, COLUMNS)[:, :, :c_in].swapaxes(2, 3)
    weight = np.full((B, width, c_in), np.nan, np.float32)
    flat, strides = _strided(weight, transposed)
    table = [[5, COLUMNS, 0, width, 1, 0, 0], [size, COLUMNS, 0, width, -1, 0, 1]]
    _packing.unpack(partial, strides, B, c_in, PADDED, np.array(table), flat)
    found = flat.reshape(B, c_in, width).swapaxes(1, 2) if transposed else flat.reshape(B, width, c_in)
    np.testing.assert_array_equal(found, one[:, 5 : 5 + width] - other[:, :width])


@pytest.mark.parametrize("has_post", [False, True])
@pytest.mark.parametrize("has_post_flip", [False, True])
def test_parts_of_a_plan_overlap_wholly_or_not_at_all(has_post, has_post_flip):
    """The marks of the table rest on it; and every row of the weight has its first part."""
    rng = np.random.default_rng(0)
    for _ in range(40):
        kinds = rng.integers(0, [3, 2, 2, 20], (rng.integers(1, 6), 4)).tolist()
        blocks = tuple(TransportBlock(m, parity, 1 + two, copies) for m, parity, two, copies in kinds)
        plan = make_plan(blocks, blocks, 2, has_post, has_post_flip, 8)
        rows: set[tuple[int, int]] = set()
        places: set[tuple[int, int]] = set()
        firsts: list[int] = []
        for to, _, row, width, _, same_place, same_rows in plan.part_table.tolist():
            assert (same_place, same_rows) == ((to, width) in places, (row, width) in rows)
            firsts += [] if same_rows else range(row, row + width)
            places.add((to, width))
            rows.add((row, width))
        assert sorted(firsts) == list(range(plan.c_out))
