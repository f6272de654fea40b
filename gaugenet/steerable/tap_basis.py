"""Steerable kernels on the pixels of a lattice, exactly: no radial functions, no sampling."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

from gaugenet.representations import Irrep

Lattice = Literal["square", "hexagonal"]


def taps(size: int, lattice: Lattice = "square") -> tuple[Tensor, Tensor]:
    """(index, place) of the pixels of a kernel of odd `size`: int64 [T, 2] row and column from 0, and float64 [T, 2]
    their points (x, y) relative to the centre, in the frame of `gaugenet.meshes.charts`.

    All size² pixels of the square lattice; of the hexagonal one the hexagon of radius size // 2: 7 of 3 × 3.

    Raises:
        ValueError: the size is even, which leaves no pixel in the centre.
    """
    if size < 1 or size % 2 == 0:
        raise ValueError(f"expected a kernel of odd size, got {size}")
    n = size // 2
    index = torch.cartesian_prod(torch.arange(size), torch.arange(size))
    di, dj = (index - n).double().unbind(1)
    if lattice == "square":
        return index, torch.stack([dj, di], 1)
    index_in = (di + dj).abs() <= n
    place = torch.stack([dj + 0.5 * di, math.sqrt(0.75) * di], 1)
    return index[index_in], place[index_in]


def tap_basis(in_irrep: Irrep, out_irrep: Irrep, places: Tensor) -> Tensor:
    """All kernels on a set of points with K(g v) = rho_out(g) K(v) rho_in(g)^-1: [n, T, d_out, d_in] float64.

    Each is the mean over the group of a matrix unit at one point; one orbit of points after the other, orthogonal to
    each other. Entries are 0 or ±1 up to a factor wherever both irreps are one-dimensional. ``places`` [T, 2].

    Raises:
        ValueError: the groups differ, are continuous, or move a point to where there is none.
    """
    group = in_irrep.group
    if group != out_irrep.group:
        raise ValueError(f"a steerable kernel maps between fields of one group, not {group} and {out_irrep.group}")
    if group.is_continuous:
        raise ValueError(f"{group.name} is continuous and moves pixels off the lattice: take a finite group, e.g. D4")
    angle, flip = group.elements()
    cos, sin, s = angle.cos(), angle.sin(), flip.double()
    turn = torch.stack([torch.stack([cos, -sin * s], -1), torch.stack([sin, cos * s], -1)], -2)
    moved = torch.einsum("gij,tj->gti", turn, places)
    distance, image = torch.cdist(moved, places.expand(len(turn), -1, -1)).min(2)
    if distance.max() > 1e-6:
        raise ValueError(f"{group.name} moves these pixels off the lattice: square ones have D4, hexagonal ones D6")
    rho_out, rho_in = out_irrep.matrix(angle, flip), in_irrep.matrix(angle, flip)
    found: list[Tensor] = []
    for first in torch.unique(image.min(0).values).tolist():
        of_orbit: list[Tensor] = []
        for a in range(out_irrep.dim):
            for b in range(in_irrep.dim):
                # (g K)(g v) = rho_out(g) K(v) rho_in(g)^-1 on the matrix unit E_ab at v
                images = rho_out[:, :, a, None] * rho_in[:, None, :, b]
                kernel = torch.zeros(len(places), out_irrep.dim, in_irrep.dim, dtype=torch.float64)
                kernel.index_put_((image[:, first],), images, accumulate=True)
                for other in of_orbit:
                    kernel = kernel - (kernel * other).sum() * other
                norm = kernel.norm()
                if norm > 1e-9:
                    of_orbit.append(kernel / norm)
        found += of_orbit
    if not found:
        return torch.zeros(0, len(places), out_irrep.dim, in_irrep.dim, dtype=torch.float64)
    basis = torch.stack(found)
    return torch.where(basis.abs() < 1e-12, 0.0, basis)
