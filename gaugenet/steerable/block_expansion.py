"""From free coefficients to the weight of a map between whole field types, one irrep pair at a time."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from gaugenet.field_type import FieldType
from gaugenet.representations import Irrep


class _Pair(NamedTuple):
    """The coefficients start:stop that fill the weight between one block of the input and one of the output."""

    buffer: str
    n_basis: int
    out_multiplicity: int
    in_multiplicity: int
    start: int
    stop: int
    energy: float


class BlockExpansion(nn.Module):
    """W[t, r] = sum_k c_k[r] B_k[t] for every pair of copies of every pair of irreps.

    Coefficients run over pairs of blocks (output block slow, input block fast) and, inside a pair, over
    (basis element k, output copy, input copy), last one fastest. The weight keeps the column layout of the
    two `FieldType`s. The bases are kept as buffers that are no part of a checkpoint; they are scaled so that
    entries are 0 or +-1, which every dtype represents exactly.

    basis_of: (input irrep, output irrep) -> [n, T, d_out, d_in] float64.
    angular_energy: [T] mean of the squared angular functions over the circle.
    """

    def __init__(
        self,
        in_type: FieldType,
        out_type: FieldType,
        basis_of: Callable[[Irrep, Irrep], Tensor],
        angular_energy: Tensor,
    ) -> None:
        super().__init__()
        if in_type.group != out_type.group:
            raise ValueError(
                f"input and output must have one structure group, got {in_type.group} and {out_type.group}: "
                f"write both field types for the same group"
            )
        self.in_type, self.out_type = in_type, out_type
        self.n_angular = len(angular_energy)
        names: dict[tuple[Irrep, Irrep], str] = {}
        self._pairs: list[list[_Pair]] = []
        start = 0
        for out_block in out_type.blocks:
            row = []
            for in_block in in_type.blocks:
                key = (in_block.irrep, out_block.irrep)
                if key not in names:
                    names[key] = f"basis_{len(names)}"
                    basis = basis_of(*key)
                    if len(basis):
                        basis = basis / basis.abs().amax((1, 2, 3), keepdim=True)
                    self.register_buffer(names[key], basis.to(torch.get_default_dtype()), persistent=False)
                basis = self.get_buffer(names[key])
                energy = float((basis.double() ** 2).sum((0, 2, 3)) @ angular_energy.double()) / out_block.irrep.dim
                stop = start + len(basis) * out_block.multiplicity * in_block.multiplicity
                row.append(
                    _Pair(
                        names[key],
                        len(basis),
                        out_block.multiplicity,
                        in_block.multiplicity,
                        start,
                        stop,
                        energy,
                    )
                )
                start = stop
            self._pairs.append(row)
        self.n_coefficients = start

    def expand(self, coefficients: Tensor) -> Tensor:
        """[n_coefficients, R] -> weight [T, R, C_out, C_in], in the dtype of the coefficients; differentiable.

        Autocast changes nothing: sums of basis elements that were rounded would no longer be steerable.
        """
        with torch.autocast(coefficients.device.type, enabled=False):
            return self._expand(coefficients)

    def _expand(self, coefficients: Tensor) -> Tensor:
        n_radial = coefficients.shape[1]
        rows = []
        for row in self._pairs:
            blocks = []
            for pair in row:
                basis: Tensor = getattr(self, pair.buffer)
                _, t, d_out, d_in = basis.shape
                m_out, m_in = pair.out_multiplicity, pair.in_multiplicity
                free = coefficients[pair.start : pair.stop].reshape(pair.n_basis, m_out * m_in * n_radial)
                block = basis.to(coefficients.dtype).flatten(1).T @ free
                block = block.reshape(t, d_out, d_in, m_out, m_in, n_radial).permute(0, 5, 1, 3, 2, 4)
                blocks.append(block.reshape(t, n_radial, d_out * m_out, d_in * m_in))
            rows.append(torch.cat(blocks, 3))
        return torch.cat(rows, 2)

    def project(self, weight: Tensor) -> Tensor:
        """The coefficients [n_coefficients, R] float64 whose `expand` is closest to a weight [T, R, C_out, C_in], which
        it is where that weight is in the span: the inverse of `expand`."""
        weight = weight.detach().double().cpu()
        n_radial = weight.shape[1]
        found = []
        for out_block, row in zip(self.out_type.blocks, self._pairs):
            for in_block, pair in zip(self.in_type.blocks, row):
                if not pair.n_basis:
                    continue
                basis = self.get_buffer(pair.buffer).double().cpu()
                _, t, d_out, d_in = basis.shape
                m_out, m_in = pair.out_multiplicity, pair.in_multiplicity
                part = weight[:, :, out_block.start : out_block.stop, in_block.start : in_block.stop]
                part = part.reshape(t, n_radial, d_out, m_out, d_in, m_in).permute(0, 2, 4, 3, 5, 1)
                free = torch.linalg.pinv(basis.flatten(1).T) @ part.reshape(t * d_out * d_in, -1)
                found.append(free.reshape(pair.stop - pair.start, n_radial))
        return torch.cat(found) if found else weight.new_zeros(0, n_radial)

    def initial(
        self,
        n_radial: int,
        generator: torch.Generator | None,
        gain: float,
        scalar_energy: float,
        dtype: torch.dtype,
    ) -> Tensor:
        """[n_coefficients, R] normal; per output block one standard deviation, from the sum of its rows' energies."""
        values = torch.randn(self.n_coefficients, n_radial, generator=generator, dtype=torch.float64)
        for row in self._pairs:
            total = scalar_energy * sum(pair.in_multiplicity * pair.energy for pair in row)
            if total > 0:
                values[row[0].start : row[-1].stop] *= gain / math.sqrt(total)
        return values.to(dtype)
