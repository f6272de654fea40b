import pytest
import torch

from gaugenet.field_type import FieldType
from gaugenet.groups import StructureGroup, compose
from gaugenet.representations import parse_representation

TYPES = [
    "SO(2): 16x0 + 16x1 + 8x2",
    "O(2): 3x0 + 2x0- + 2x1 + 5x3",
    "D4: 8xregular",
    "D6: 2xregular + 3x3- + 1x2",
    "reflection: 4xtrivial + 4xsign + 4xregular",
    "SO(2): 8xregular[2]",
    "O(2): 2xregular[2] + 1x0",
    "O(2): 2xquotient[reflection,3]",
    "C6: 4xquotient[C2] + 3x1",
    "C2: 3x0 + 2x1",
    "trivial: 7x0",
]


def random_field(field_type, n=40, seed=0):
    seeded = torch.Generator().manual_seed(seed)
    x = torch.randn(n, field_type.dim, dtype=torch.float64, generator=seeded)
    return x, *field_type.group.sample(n, seeded)


@pytest.mark.parametrize("text", TYPES)
def test_parse_and_print_round_trip(text):
    field_type = FieldType.parse(text)
    assert str(field_type) == text
    assert FieldType.parse(str(field_type)) == field_type
    assert hash(FieldType.parse(text)) == hash(field_type)
    assert eval(repr(field_type)) == field_type
    pairs = [(term.representation.name, term.multiplicity) for term in field_type.terms]
    assert FieldType(field_type.group.name, pairs) == field_type


def test_parse_is_tolerant_and_prints_the_usual_form():
    assert str(FieldType.parse(" so2:16 x 0+1 + 8×2")) == "SO(2): 16x0 + 1x1 + 8x2"
    assert str(FieldType.parse("D1: 2x0 + 3x0-")) == "reflection: 2xtrivial + 3xsign"
    assert str(FieldType.parse("trivial: 3xtrivial")) == "trivial: 3x0"
    assert str(FieldType.parse("D4: 2xquotient[ c2 ]")) == "D4: 2xquotient[C2]"


@pytest.mark.parametrize("text", TYPES)
def test_transform_is_the_dense_matrix(text):
    field_type = FieldType.parse(text)
    x, angle, flip = random_field(field_type)
    expected = (field_type.matrix(angle, flip) @ x[:, :, None])[:, :, 0]
    torch.testing.assert_close(field_type.transform(x, angle, flip), expected, rtol=0, atol=1e-13)
    if not field_type.group.has_reflections:
        torch.testing.assert_close(field_type.transform(x, angle), expected, rtol=0, atol=1e-13)


@pytest.mark.parametrize("text", TYPES)
def test_transform_is_a_homomorphism(text):
    field_type = FieldType.parse(text)
    x, *first = random_field(field_type)
    _, *second = random_field(field_type, seed=1)
    twice = field_type.transform(field_type.transform(x, *second), *first)
    once = field_type.transform(x, *compose(tuple(first), tuple(second)))
    torch.testing.assert_close(once, twice, rtol=0, atol=1e-12)


@pytest.mark.parametrize("text", TYPES)
def test_the_documented_layout(text):
    """Each copy of each term, its middle axis read as documented, transforms by the term's own representation."""
    field_type = FieldType.parse(text)
    x, angle, flip = random_field(field_type)
    moved = field_type.transform(x, angle, flip)
    assert field_type.terms[0].start == 0
    assert field_type.terms[-1].stop == field_type.dim
    for term in field_type.terms:
        rho = term.representation.matrix(angle, flip)
        basis = term.representation.change_of_basis
        before = basis @ x[:, term.start : term.stop].unflatten(1, (-1, term.multiplicity))
        after = basis @ moved[:, term.start : term.stop].unflatten(1, (-1, term.multiplicity))
        torch.testing.assert_close(after, rho @ before, rtol=0, atol=1e-12)


@pytest.mark.parametrize("text", TYPES)
def test_blocks_are_component_major(text):
    field_type = FieldType.parse(text)
    x, angle, flip = random_field(field_type)
    moved = field_type.transform(x, angle, flip)
    column = 0
    for block, quadruple in zip(field_type.blocks, field_type.transport_blocks, strict=True):
        irrep = block.irrep
        assert (block.start, block.stop) == (column, column + irrep.dim * block.multiplicity)
        assert quadruple == (irrep.frequency, irrep.parity, irrep.dim, block.multiplicity)
        column = block.stop
        before, after = (f[:, block.start : block.stop].unflatten(1, (irrep.dim, -1)) for f in (x, moved))
        torch.testing.assert_close(after, irrep.matrix(angle, flip) @ before, rtol=0, atol=1e-13)
        term = field_type.terms[block.term]
        assert term.start <= block.start < block.stop <= term.stop
    assert column == field_type.dim


@pytest.mark.parametrize("text", TYPES)
def test_invariant_columns_are_exactly_those_no_gauge_changes(text):
    field_type = FieldType.parse(text)
    x, angle, flip = random_field(field_type, n=200)
    unchanged = (field_type.transform(x, angle, flip) - x).abs().amax(0) < 1e-12
    listed = torch.zeros(field_type.dim, dtype=torch.bool)
    for columns in field_type.invariant:
        listed[columns] = True
    assert torch.equal(unchanged, listed)


def test_a_regular_term_expands_into_its_irreps():
    blocks = FieldType.parse("D4: 8xregular").blocks
    assert [(b.irrep.name, b.multiplicity) for b in blocks] == [
        ("0", 8),
        ("0-", 8),
        ("1", 16),
        ("2", 8),
        ("2-", 8),
    ]


def test_transform_dtypes_and_gradients():
    field_type = FieldType.parse("O(2): 2x0- + 1x1 + 2x2")
    x, angle, flip = random_field(field_type, n=3)
    for dtype in (torch.float32, torch.bfloat16):
        assert field_type.transform(x.to(dtype), angle, flip).dtype == dtype
    assert torch.autograd.gradcheck(
        lambda x, angle: field_type.transform(x, angle, flip), (x.requires_grad_(), angle.requires_grad_())
    )


def test_direct_sum():
    first, second = FieldType.parse("SO(2): 2x0 + 1x1"), FieldType.parse("SO(2): 3x2")
    assert str(first + second) == "SO(2): 2x0 + 1x1 + 3x2"
    assert (first + second).dim == first.dim + second.dim
    with pytest.raises(ValueError, match="groups differ"):
        first + FieldType.parse("C4: 1x0")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("16x0 + 8x1", "<group>"),
        ("SO(2): ", "16x0"),
        ("SO(2): 4x0 +", "16x0"),
        ("SO(2): 4x0-", '"0", "1", "2"'),
        ("D4: 4x3", '"2-"'),
        ("D4: 0x1", "multiplicity"),
        ("SO(3): 1x0", "unknown structure group"),
        ("D4: 3xregula", '"regular"'),
    ],
)
def test_errors_say_what_was_expected(text, message):
    with pytest.raises(ValueError, match=message):
        FieldType.parse(text)


def test_a_representation_of_another_group_is_refused():
    vector = parse_representation(StructureGroup.parse("SO(2)"), "1")
    with pytest.raises(ValueError, match="cannot hold"):
        FieldType("O(2)", [(vector, 1)])


def test_a_field_of_the_wrong_width_is_refused():
    with pytest.raises(ValueError, match=r"\[V, 3\]"):
        FieldType.parse("SO(2): 1x0 + 1x1").transform(torch.zeros(5, 4), torch.zeros(5))
