"""Irreps of the structure groups, and the representations that are sums of them in a rotated basis."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from functools import cache

import torch
from torch import Tensor

from gaugenet.groups import StructureGroup, compose, inverse


@dataclass(frozen=True)
class Irrep:
    """The real irrep of frequency m and parity p of a structure group.

    rho(a, s) = R(m a) diag(1, s)        where it has dimension 2 (parity 0),
    rho(a, s) = cos(m a) s^p             where it has dimension 1: m = 0, or m = N / 2 of C_N and D_N.

    Law: ``matrix(g h) = matrix(g) matrix(h)``, orthogonal. Raises ValueError if the group has no such irrep.
    """

    group: StructureGroup
    frequency: int
    parity: int = 0
    """0 even, 1 odd."""

    def __post_init__(self) -> None:
        highest = self.group.max_frequency
        ok = self.frequency >= 0 and (highest is None or self.frequency <= highest)
        odd_exists = self.group.has_reflections and self.frequency in self.group.real_frequencies
        if not ok or self.parity not in ((0, 1) if odd_exists else (0,)):
            raise ValueError(
                f"{self.group.name} has no irrep of frequency {self.frequency} and parity {self.parity}; "
                f"it has {allowed_irreps(self.group)}"
            )

    @property
    def dim(self) -> int:
        return 1 if self.frequency in self.group.real_frequencies else 2

    @property
    def name(self) -> str:
        """The frequency, with "-" behind it where the parity is odd; of the group "reflection": trivial, sign."""
        if self.group.name == "reflection":
            return "sign" if self.parity else "trivial"
        return f"{self.frequency}{'-' if self.parity else ''}"

    @property
    def is_invariant(self) -> bool:
        """Whether every group element acts as 1."""
        return self.frequency == 0 and self.parity == 0

    def matrix(self, angle: Tensor | float, flip: Tensor | int | None = None) -> Tensor:
        """rho(angle, flip) [..., dim, dim], in the dtype and on the device of ``angle`` (float64 for a
        number).

        angle [...] radians; flip [...] +1 / -1, None for +1 everywhere; the shapes broadcast.
        """
        given = angle if isinstance(angle, Tensor) else torch.tensor(angle, dtype=torch.float64)
        sign = torch.as_tensor(1 if flip is None else flip, device=given.device).to(given.dtype)
        turned = self.frequency * given + torch.zeros_like(sign)
        cos = torch.cos(turned)
        if self.dim == 1:
            return (cos * sign if self.parity else cos)[..., None, None]
        sin = torch.sin(turned)
        return torch.stack([cos, -sin * sign, sin, cos * sign], -1).reshape(*turned.shape, 2, 2)

    def __str__(self) -> str:
        return self.name

    def __repr__(self) -> str:
        return f"Irrep({self.group.name}: {self.name})"


def allowed_irreps(group: StructureGroup) -> str:
    """The irrep names of a group, for error messages."""
    if group.is_continuous:
        return '"0", "0-", "1", "2", ...' if group.has_reflections else '"0", "1", "2", ...'
    return ", ".join(f'"{irrep.name}"' for irrep in group.irreps())


@dataclass(frozen=True)
class Representation:
    """rho(g) = Q D(g) Q^T with D(g) = (+)_k irrep_k(g) (x) I_{t_k}: irrep k occurs t_k times, Q is
    orthogonal.

    Coefficients (the columns of Q) are ordered irrep by irrep and, inside an irrep that occurs t times,
    component by component: component 0 of all t, then component 1 of all t. Two representations are equal
    when group and name are.
    """

    group: StructureGroup
    name: str
    irreps: tuple[tuple[Irrep, int], ...] = field(compare=False)
    """(irrep, how often it occurs), frequencies ascending."""
    change_of_basis: Tensor = field(compare=False, repr=False)
    """Q [dim, dim] float64 on the CPU. Rows are values on group elements (or cosets) for finite groups; the
    identity for irreps and for the band-limited representations of SO(2), O(2), whose values are read with
    `sampling`."""
    stabilizer: StructureGroup | None = field(default=None, compare=False)
    """H where this is a space of functions on G / H (trivial: the regular representation); None for an irrep."""

    @property
    def dim(self) -> int:
        return sum(irrep.dim * times for irrep, times in self.irreps)

    def diagonal(self, angle: Tensor | float, flip: Tensor | int | None = None) -> Tensor:
        """D(g) [..., dim, dim]: the action on coefficients."""
        blocks = []
        for irrep, times in self.irreps:
            matrix = irrep.matrix(angle, flip)
            eye = torch.eye(times, dtype=matrix.dtype, device=matrix.device)
            blocks.append(torch.einsum("...ij,tu->...itju", matrix, eye).flatten(-4, -3).flatten(-2, -1))
        out = blocks[0].new_zeros(*blocks[0].shape[:-2], self.dim, self.dim)
        start = 0
        for block in blocks:
            stop = start + block.shape[-1]
            out[..., start:stop, start:stop] = block
            start = stop
        return out

    def matrix(self, angle: Tensor | float, flip: Tensor | int | None = None) -> Tensor:
        """rho(g) [..., dim, dim]; a permutation matrix for regular and quotient representations of finite groups."""
        diagonal = self.diagonal(angle, flip)
        basis = self.change_of_basis.to(diagonal)
        return basis @ diagonal @ basis.T

    @property
    def min_samples(self) -> int:
        """Fewest samples from which `sampling` can read the coefficients back."""
        return self.dim if self.group.is_continuous else len(self.change_of_basis)

    def sampling(self, n_samples: int | None = None) -> tuple[Tensor, Tensor]:
        """(to_samples [S, dim], from_samples [dim, S]) float64 with from_samples to_samples = identity.

        f(h) = sum_k (to_samples)_hk x_k are the values of the function with coefficients x at S points of G /
        H: all of them for a finite group, equally spaced angles for SO(2) and O(2) (for O(2) with trivial
        stabilizer half of the samples have flip -1). The matrices are scaled alike for all groups: a
        unit-variance coefficient vector has unit-variance samples. An operation applied to every sample is
        exactly equivariant to the elements that permute the samples, and to all others up to aliasing, which
        falls as S grows.

        Raises ValueError where S is below `min_samples` or does not fit the group.
        """
        if self.stabilizer is None:
            raise ValueError(f'"{self.name}" of {self.group.name} is no space of functions, so it has no samples')
        if not self.group.is_continuous:
            if n_samples not in (None, self.dim):
                raise ValueError(f'"{self.name}" of {self.group.name} has {self.dim} samples, not {n_samples}')
            return self.change_of_basis, self.change_of_basis.T.contiguous()
        two_sheets = self.group.has_reflections and not self.stabilizer.has_reflections
        n = self.min_samples if n_samples is None else n_samples
        if n < self.min_samples or (two_sheets and n % 2):
            raise ValueError(
                f'"{self.name}" of {self.group.name} needs at least {self.min_samples} samples'
                f"{', an even number' if two_sheets else ''}; got {n}"
            )
        per_sheet = n // 2 if two_sheets else n
        angle = 2 * math.pi / (per_sheet * self.stabilizer.rotation_order) * torch.arange(per_sheet).double()
        flip = torch.ones(per_sheet)
        if two_sheets:
            angle, flip = angle.repeat(2), torch.cat([flip, -flip])
        to_samples = _function_columns(self.irreps, self.stabilizer, angle, flip) / math.sqrt(self.dim)
        return to_samples, to_samples.T * (self.dim / n)

    def __str__(self) -> str:
        return self.name


def _fixed_components(irrep: Irrep, stabilizer: StructureGroup) -> list[int]:
    """Components j with rho(h) e_j = e_j for all h in the stabilizer; one per occurrence of the irrep on G /
    H.

    For the groups here the average of rho over H is diagonal, so these components span all fixed vectors.
    Without reflections a two-dimensional irrep is of complex type: its two columns span the same functions,
    so one is kept.
    """
    angle, flip = stabilizer.elements()
    average = irrep.matrix(angle, flip).mean(0)
    fixed = [j for j in range(irrep.dim) if average[j, j] > 0.5]
    return fixed if irrep.group.has_reflections else fixed[:1]


def _function_columns(
    irreps: tuple[tuple[Irrep, int], ...], stabilizer: StructureGroup, angle: Tensor, flip: Tensor
) -> Tensor:
    """[S, dim]: column (irrep, component i, occurrence j) is the function sqrt(d) rho(g)_{i j} at the given g."""
    columns = []
    for irrep, _ in irreps:
        picked = irrep.matrix(angle, flip)[..., _fixed_components(irrep, stabilizer)]
        columns.append(math.sqrt(irrep.dim) * picked.flatten(1))
    return torch.cat(columns, 1)


def irrep_representation(irrep: Irrep) -> Representation:
    """The irrep itself."""
    return Representation(irrep.group, irrep.name, ((irrep, 1),), torch.eye(irrep.dim, dtype=torch.float64))


def quotient_representation(
    group: StructureGroup,
    stabilizer: StructureGroup,
    max_frequency: int | None = None,
) -> Representation:
    """Functions on G / H: (rho(g) f)(x) = f(g^-1 x), for a finite subgroup H (trivial: the regular
    representation).

    For finite G the basis is the cosets in the order in which `StructureGroup.elements` meets them, and rho
    permutes it. For SO(2), O(2) ``max_frequency`` limits the band. Raises ValueError where H is not a finite
    subgroup of G.
    """
    if stabilizer.is_continuous or not group.contains(stabilizer):
        raise ValueError(f"a quotient of {group.name} needs a finite subgroup of it, not {stabilizer.name}")
    if group.is_continuous and max_frequency is None:
        raise ValueError(f'functions on {group.name} need a band limit, e.g. "regular[2]" or "quotient[C2,2]"')
    if not group.is_continuous and max_frequency is not None:
        raise ValueError(f'{group.name} is finite: write "regular" or "quotient[H]" without a band limit')
    counts = ((irrep, len(_fixed_components(irrep, stabilizer))) for irrep in group.irreps(max_frequency))
    irreps = tuple((irrep, times) for irrep, times in counts if times)
    inner = [] if stabilizer.order == 1 else [stabilizer.name]
    inner += [] if max_frequency is None else [str(max_frequency)]
    name = ("regular" if stabilizer.order == 1 else "quotient") + (f"[{','.join(inner)}]" if inner else "")
    if group.is_continuous:
        dim = sum(irrep.dim * times for irrep, times in irreps)
        basis = torch.eye(dim, dtype=torch.float64)
    else:
        angle, flip = _coset_representatives(group, stabilizer)
        basis = _function_columns(irreps, stabilizer, angle, flip) / math.sqrt(len(angle))
    return Representation(group, name, irreps, basis, stabilizer)


def _coset_representatives(group: StructureGroup, stabilizer: StructureGroup) -> tuple[Tensor, Tensor]:
    """One (angle, flip) of every coset g H, in the order of `StructureGroup.elements`."""
    angles, flips = group.elements()
    chosen: list[int] = []
    for index in range(len(angles)):
        angle, flip = compose(inverse((angles[chosen], flips[chosen])), (angles[index], flips[index]))
        turns = angle * stabilizer.rotation_order / (2 * math.pi)
        same = (turns - turns.round()).abs() < 1e-6
        if not stabilizer.has_reflections:
            same &= flip == 1
        if not same.any():
            chosen.append(index)
    return angles[chosen], flips[chosen]


def representation_names(group: StructureGroup) -> str:
    """What `parse_representation` accepts for a group, for error messages."""
    others = '"regular[M]" (band limit M)' if group.is_continuous else '"regular", "quotient[H]" (subgroup H)'
    return f"{allowed_irreps(group)}, {others}"


@cache
def parse_representation(group: StructureGroup, name: str) -> Representation:
    """The representation that a person calls ``name``.

    An irrep by its `Irrep.name` ("trivial" and "sign" also stand for "0" and "0-"); "regular" and
    "quotient[H]" for finite groups; "regular[M]" and "quotient[H,M]" with band limit M for SO(2) and O(2).
    Raises ValueError that names what the group allows.
    """
    key = re.sub(r"\s", "", name)
    number = re.fullmatch(r"(\d+)(-?)", {"trivial": "0", "sign": "0-"}.get(key, key))
    function_space = re.fullmatch(r"(regular|quotient)(?:\[([^\[\]]*)\])?", key)
    try:
        if number:
            return irrep_representation(Irrep(group, int(number[1]), int(bool(number[2]))))
        if function_space:
            inner = [part for part in (function_space[2] or "").split(",") if part]
            limit = int(inner.pop()) if inner and inner[-1].isdigit() else None
            if len(inner) == (function_space[1] == "quotient"):
                stabilizer = StructureGroup.parse(inner[0] if inner else "trivial")
                return quotient_representation(group, stabilizer, limit)
    except ValueError as error:
        raise ValueError(f"{group.name}: no representation {name!r}: {error}") from error
    raise ValueError(f"{group.name} has no representation {name!r}; it has {representation_names(group)}")
