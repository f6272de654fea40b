"""`StructureGroup`: the closed subgroups of O(2) that a coordinate-independent network can be built on."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from gaugenet.representations import Irrep

ALLOWED_GROUPS = '"trivial", "reflection", "C<N>" (C2, C6, ...), "D<N>" (D2, D4, ...), "SO(2)", "O(2)"'

Element = tuple[float, int]
"""A group element (angle in radians, flip +1 or -1)."""


def compose(first: tuple[Tensor, Tensor], second: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """(a1, s1) (a2, s2) = (a1 + s1 a2, s1 s2): the element that acts like ``second``, then ``first``.

    Angles in radians (floating), flips +1 / -1 (any dtype), shapes that broadcast.
    """
    (a1, s1), (a2, s2) = first, second
    return a1 + s1.to(a1.dtype) * a2, s1 * s2


def inverse(element: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """(a, s)^-1 = (-s a, s)."""
    angle, flip = element
    return -flip.to(angle.dtype) * angle, flip


@dataclass(frozen=True)
class StructureGroup:
    """A closed subgroup of O(2) whose elements (a, s) act on tangent coefficients as R(a) diag(1, s).

    ``rotation_order`` N says which angles occur: multiples of 2 pi / N; 0 stands for all of them, 1 for none.
    Where ``has_reflections`` is set, s = -1 occurs with each of those angles; the reflection (0, -1) keeps
    the frame's first axis. Law: `elements` is closed under `compose` and `inverse`. Build it with `parse`.
    """

    rotation_order: int
    has_reflections: bool

    def __post_init__(self) -> None:
        if self.rotation_order < 0:
            raise ValueError(f"rotation_order must be 0 (continuous) or positive, not {self.rotation_order}")

    @classmethod
    def parse(cls, text: str | StructureGroup) -> StructureGroup:
        """The group that a person calls ``text``; case, blanks and brackets do not matter. C1 is trivial, D1
        reflection.

        Raises ValueError, listing what is allowed, for anything else.
        """
        if isinstance(text, StructureGroup):
            return text
        if isinstance(text, str):
            key = re.sub(r"[\s()_]", "", text).lower()
            named = {"trivial": (1, False), "reflection": (1, True), "so2": (0, False), "o2": (0, True)}
            if key in named:
                return cls(*named[key])
            match = re.fullmatch(r"([cd])([1-9]\d*)", key)
            if match:
                return cls(int(match[2]), match[1] == "d")
        raise ValueError(f"unknown structure group {text!r}: expected one of {ALLOWED_GROUPS}")

    @property
    def name(self) -> str:
        """As a person types it: ``"SO(2)"``, ``"D4"``, ``"reflection"``, ..."""
        if self.rotation_order == 0:
            return "O(2)" if self.has_reflections else "SO(2)"
        if self.rotation_order == 1:
            return "reflection" if self.has_reflections else "trivial"
        return f"{'D' if self.has_reflections else 'C'}{self.rotation_order}"

    def __str__(self) -> str:
        return self.name

    def __repr__(self) -> str:
        return f"StructureGroup.parse({self.name!r})"

    @property
    def is_continuous(self) -> bool:
        """Whether it is SO(2) or O(2)."""
        return self.rotation_order == 0

    @property
    def order(self) -> int | None:
        """Number of elements; None for SO(2) and O(2)."""
        return None if self.is_continuous else self.rotation_order * (2 if self.has_reflections else 1)

    def elements(self) -> tuple[Tensor, Tensor]:
        """(angles [order] float64, flips [order] int8): the rotations by 2 pi k / N, k = 0..N-1, then (where
        there are reflections) the same angles with flip -1. The identity comes first. Raises ValueError for
        SO(2), O(2).
        """
        if self.is_continuous:
            raise ValueError(f"{self.name} has infinitely many elements: use sample(n) for random ones")
        angles = 2 * math.pi / self.rotation_order * torch.arange(self.rotation_order, dtype=torch.float64)
        flips = torch.ones(self.rotation_order, dtype=torch.int8)
        if self.has_reflections:
            angles, flips = angles.repeat(2), torch.cat([flips, -flips])
        return angles, flips

    def generators(self) -> tuple[Element, ...]:
        """Elements that generate the group; for SO(2) and O(2) topologically (two angles whose ratio is irrational)."""
        if self.is_continuous:
            rotations: tuple[Element, ...] = ((1.0, 1), (math.sqrt(2.0), 1))
        elif self.rotation_order == 1:
            rotations = ()
        else:
            rotations = ((2 * math.pi / self.rotation_order, 1),)
        return rotations + (((0.0, -1),) if self.has_reflections else ())

    def sample(
        self, n: int, generator: torch.Generator | None = None, dtype: torch.dtype = torch.float64
    ) -> tuple[Tensor, Tensor]:
        """n independent random elements, uniform: (angle [n] ``dtype``, flip [n] int8), on the CPU."""
        if self.is_continuous:
            angle = 2 * math.pi * torch.rand(n, generator=generator, dtype=torch.float64)
        else:
            steps = torch.randint(self.rotation_order, (n,), generator=generator)
            angle = 2 * math.pi / self.rotation_order * steps.double()
        flip = torch.ones(n, dtype=torch.int8)
        if self.has_reflections:
            flip -= 2 * torch.randint(2, (n,), generator=generator, dtype=torch.int8)
        return angle.to(dtype), flip

    def contains(self, other: StructureGroup | str) -> bool:
        """Whether every element of ``other`` is an element of this group."""
        other = StructureGroup.parse(other)
        if other.has_reflections and not self.has_reflections:
            return False
        if self.is_continuous:
            return True
        return not other.is_continuous and self.rotation_order % other.rotation_order == 0

    @property
    def max_frequency(self) -> int | None:
        """Highest frequency of an irrep: N // 2, or None where there is no highest one."""
        return None if self.is_continuous else self.rotation_order // 2

    def irreps(self, max_frequency: int | None = None) -> tuple[Irrep, ...]:
        """All irreps of frequency 0..max_frequency, even before odd; for C_N, D_N never above N / 2.

        None means all of them and is an error for SO(2) and O(2), which have infinitely many.
        """
        from gaugenet.representations import Irrep  # representations are built on groups

        highest = self.max_frequency
        if max_frequency is None and highest is None:
            raise ValueError(f"{self.name} has an irrep of every frequency: give max_frequency")
        if max_frequency is not None and max_frequency < 0:
            raise ValueError(f"max_frequency must be 0 or more, not {max_frequency}")
        bounds = [bound for bound in (max_frequency, highest) if bound is not None]
        found = []
        for frequency in range(min(bounds) + 1):
            both_parities = self.has_reflections and frequency in self.real_frequencies
            found += [Irrep(self, frequency, parity) for parity in ((0, 1) if both_parities else (0,))]
        return tuple(found)

    @property
    def real_frequencies(self) -> tuple[int, ...]:
        """Frequencies whose irreps are one-dimensional: 0, and N / 2 where N is even."""
        even = self.rotation_order > 0 and self.rotation_order % 2 == 0
        return (0, self.rotation_order // 2) if even else (0,)
