"""`FieldType`: what a feature field is made of, and how a change of gauge acts on it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from gaugenet.groups import StructureGroup
from gaugenet.meshes.kinds import check_kind
from gaugenet.representations import Irrep, Representation, parse_representation


@dataclass(frozen=True)
class Term:
    """``multiplicity`` copies of one representation, in columns start:stop of a field."""

    representation: Representation
    multiplicity: int
    start: int
    stop: int

    def __str__(self) -> str:
        return f"{self.multiplicity}x{self.representation.name}"


@dataclass(frozen=True)
class Block:
    """All copies of one irrep inside one term, in columns start:stop: column start + i * multiplicity + c is
    component i of copy c."""

    irrep: Irrep
    multiplicity: int
    start: int
    stop: int
    term: int
    """Index in `FieldType.terms`."""


class FieldType:
    """A direct sum of representations of one structure group: the type of a feature field. It carries no
    data.

    A field is a tensor [V, dim]. Its columns run term after term. A term of multiplicity M holds
    representation coefficient k of copy c in column ``start + k * M + c``: ``x[:,
    term.start:term.stop].unflatten(1, (-1, M))`` is [V, representation.dim, M], and applying
    ``representation.change_of_basis`` (or ``sampling``) to its middle axis gives the values on group
    elements. The coefficients of a representation run irrep by irrep and inside one component by component
    (see `Representation`), so that each irrep that occurs t times makes one `Block` of multiplicity t M,
    component-major, copy ``j * M + c`` being occurrence j of copy c.

    Two field types are equal when they print alike. ``FieldType.parse(str(t)) == t``.

    Args:
        group: the structure group, or its name.
        terms: (representation, multiplicity) in column order; a representation may be given by its name.

    Raises:
        ValueError: the group does not have a representation, a multiplicity is below 1, or there is no term.
    """

    group: StructureGroup
    terms: tuple[Term, ...]
    blocks: tuple[Block, ...]
    """One per irrep of each term, in column order."""
    dim: int
    """Number of columns."""
    transport_blocks: tuple[tuple[int, int, int, int], ...]
    """(order, parity, dim, multiplicity) of every block, as the operator's kernels take them."""
    invariant: tuple[slice, ...]
    """Column ranges that no gauge changes (even blocks of frequency 0): where a bias may be added."""

    def __init__(self, group: StructureGroup | str, terms: Iterable[tuple[str | Irrep | Representation, int]]) -> None:
        self.group = StructureGroup.parse(group)
        found_terms: list[Term] = []
        blocks: list[Block] = []
        column = 0
        for name, multiplicity in terms:
            representation = parse_representation(self.group, name if isinstance(name, str) else name.name)
            if not isinstance(name, str) and name.group != self.group:
                raise ValueError(f"a field type of {self.group} cannot hold {name.name!r} of {name.group}")
            if isinstance(multiplicity, bool) or not isinstance(multiplicity, int) or multiplicity < 1:
                raise ValueError(
                    f"multiplicity of {representation.name!r} must be an integer >= 1, not {multiplicity!r}"
                )
            start = column
            for irrep, times in representation.irreps:
                stop = column + irrep.dim * times * multiplicity
                blocks.append(Block(irrep, times * multiplicity, column, stop, len(found_terms)))
                column = stop
            found_terms.append(Term(representation, multiplicity, start, column))
        if not found_terms:
            raise ValueError('a field type needs at least one term, e.g. "SO(2): 16x0 + 8x1"')
        self.terms = tuple(found_terms)
        self.blocks = tuple(blocks)
        self.dim = column
        self.transport_blocks = tuple(
            (b.irrep.frequency, b.irrep.parity, b.irrep.dim, b.multiplicity) for b in self.blocks
        )
        self.invariant = tuple(slice(b.start, b.stop) for b in self.blocks if b.irrep.is_invariant)

    @classmethod
    def parse(cls, text: str | FieldType) -> FieldType:
        """From what a person writes: ``"SO(2): 16x0 + 16x1 + 8x2"``, ``"D4: 8xregular"``, ``"SO(2):
        8xregular[2]"``.

        Blanks do not matter; a term without "<number>x" counts once. Raises ValueError that says what was
        expected.
        """
        if isinstance(text, FieldType):
            return text
        group, colon, sum_of_terms = text.partition(":")
        if not colon:
            raise ValueError(f'expected a field type "<group>: <n>x<representation> + ...", got {text!r}')
        terms: list[tuple[str, int]] = []
        for term in sum_of_terms.split("+"):
            match = re.fullmatch(r"\s*(?:(\d+)\s*[x×*]\s*)?([^\sx×*].*?)\s*", term)
            if not match:
                raise ValueError(f'expected terms like "16x0" or "8xregular" after "{group}:", got {term.strip()!r}')
            terms.append((match[2], int(match[1] or 1)))
        return cls(StructureGroup.parse(group), terms)

    def transform(self, x: Tensor, angle: Tensor, flip: Tensor | None = None) -> Tensor:
        """x'[v] = rho(angle_v, flip_v) x[v]: the field's coefficients after the gauge transformation h_v.

        x [V, dim] floating, any device; angle [V] radians and flip [V] +1 / -1 (None: no flips) of elements
        of the group, on the same device. Frame: h_v maps old to new tangent coefficients. Differentiable in x
        and angle.
        """
        if x.ndim != 2 or x.shape[1] != self.dim:
            raise ValueError(f"expected a field [V, {self.dim}] of type {self}, got shape {tuple(x.shape)}")
        sign = None if flip is None else flip.to(x.dtype)[:, None]
        turns: dict[int, tuple[Tensor, Tensor]] = {}
        parts = []
        for block in self.blocks:
            part = x[:, block.start : block.stop]
            order = block.irrep.frequency
            if order and order not in turns:
                cos, sin = torch.cos(order * angle), torch.sin(order * angle)
                turns[order] = cos.to(x.dtype)[:, None], sin.to(x.dtype)[:, None]
            if block.irrep.dim == 1:
                part = part * turns[order][0] if order else part
                parts.append(part * sign if block.irrep.parity and sign is not None else part)
            else:
                cos, sin = turns[order]
                first, second = part[:, : block.multiplicity], part[:, block.multiplicity :]
                second = second if sign is None else second * sign
                parts += [cos * first - sin * second, sin * first + cos * second]
        return torch.cat(parts, 1)

    def matrix(self, angle: Tensor | float, flip: Tensor | int | None = None) -> Tensor:
        """rho(angle, flip) [..., dim, dim], dense: for tests and small problems; see `transform`."""
        parts = []
        for block in self.blocks:
            part = block.irrep.matrix(angle, flip)
            eye = torch.eye(block.multiplicity, dtype=part.dtype, device=part.device)
            parts.append(torch.einsum("...ij,cd->...icjd", part, eye).flatten(-4, -3).flatten(-2, -1))
        out = parts[0].new_zeros(*parts[0].shape[:-2], self.dim, self.dim)
        for block, part in zip(self.blocks, parts, strict=True):
            out[..., block.start : block.stop, block.start : block.stop] = part
        return out

    def __add__(self, other: FieldType) -> FieldType:
        if not isinstance(other, FieldType):
            return NotImplemented
        if other.group != self.group:
            raise ValueError(f"cannot add a field type of {other.group} to one of {self.group}: the groups differ")
        return FieldType(self.group, [(t.representation, t.multiplicity) for t in self.terms + other.terms])

    def __str__(self) -> str:
        return f"{self.group.name}: " + " + ".join(str(term) for term in self.terms)

    def __repr__(self) -> str:
        return f"FieldType.parse({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        return str(self) == str(other) if isinstance(other, FieldType) else NotImplemented

    def __hash__(self) -> int:
        return hash(str(self))


def check_field_types(*given: object) -> None:
    """Raise a ValueError unless all are field types."""
    for one in given:
        check_kind(one, FieldType, 'FieldType.parse("SO(2): 16x0 + 16x1") makes one of a string')
