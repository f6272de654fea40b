"""The weight in the layout that the CPU loops read, and back: `pack` and `unpack` of a plan, in numba.

A weight [B, C_out, C_in] is flat here, with its three strides, so that a transposed one needs no copy. Each row of
`parts` is some rows of the weight with a sign, and where they stand: place of the first number, columns of its matrix,
first row, number of rows, sign. The b-th matrix of a part has `padded` rows, of which the first `c_in` are used.
"""

from __future__ import annotations

from numba import njit

from gaugenet.kernels._windows import Int64, Real


@njit(cache=True, nogil=True)
def pack(weight: Real, strides: Int64, n_scalars: int, c_in: int, padded: int, parts: Int64, packed: Real) -> None:
    """packed = the sum of all parts; zero elsewhere."""
    packed[:] = 0
    by_b, by_row, by_column = strides
    for r in range(parts.shape[0]):
        to, columns, row, width, sign = parts[r]
        factor = packed.dtype.type(sign)
        for b in range(n_scalars):
            for i in range(c_in):
                at, start = b * by_b + row * by_row + i * by_column, to + (b * padded + i) * columns
                if by_row == 1:  # said apart, so that it runs in vectors
                    for j in range(width):
                        packed[start + j] += factor * weight[at + j]
                else:
                    for j in range(width):
                        packed[start + j] += factor * weight[at + j * by_row]


@njit(cache=True, nogil=True)
def unpack(partial: Real, strides: Int64, n_scalars: int, c_in: int, padded: int, parts: Int64, weight: Real) -> None:
    """The transpose of `pack`, of the sum of the rows of `partial` in their order, which the first of them becomes."""
    size = partial.shape[1]
    total = partial[0]
    for k in range(1, partial.shape[0]):
        other = partial[k]
        for j in range(size):
            total[j] += other[j]
    weight[:] = 0
    by_b, by_row, by_column = strides
    for r in range(parts.shape[0]):
        to, columns, row, width, sign = parts[r]
        factor = weight.dtype.type(sign)
        for b in range(n_scalars):
            for i in range(c_in):
                at, start = b * by_b + row * by_row + i * by_column, to + (b * padded + i) * columns
                if by_row == 1:
                    for j in range(width):
                        weight[at + j] += factor * total[start + j]
                else:
                    for j in range(width):
                        weight[at + j * by_row] += factor * total[start + j]
