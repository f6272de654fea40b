import math

import pytest
import torch

from gaugenet.field_type import FieldType
from gaugenet.steerable.harmonic import angular_functions
from gaugenet.steerable.kernel_basis import IntertwinerBasis, KernelBasis, default_max_harmonic
from gaugenet.steerable.null_space import intertwiner_null_space, kernel_null_space, subspace_distance

FINITE = ["trivial", "reflection", *(f"C{n}" for n in range(2, 9)), *(f"D{n}" for n in range(2, 7))]
REGULAR = [f"{name}: 1xregular" for name in FINITE]
MAPS = [
    ("SO(2): 3x0 + 2x1 + 1x2", "SO(2): 2x0 + 3x1"),
    ("SO(2): 2xregular[2]", "SO(2): 3xregular[1] + 1x3"),
    ("O(2): 2x0 + 3x0- + 2x1 + 1x2", "O(2): 1x0 + 2x0- + 2x1 + 1x3"),
    ("O(2): 2xregular[1]", "O(2): 1xregular[2] + 1xquotient[reflection,1]"),
    ("C4: 2xregular + 1x1", "C4: 3x0 + 2x2"),
    ("C6: 1xregular", "C6: 2xquotient[C2] + 1x3"),
    ("D3: 2xregular", "D3: 2x0- + 1x1"),
    ("D4: 2xregular + 1x2-", "D4: 2x1 + 3x0- + 1xregular"),
    ("reflection: 2xregular + 3xsign", "reflection: 2xtrivial + 1xregular"),
    ("trivial: 3x0", "trivial: 2x0"),
]


def forms(text):
    return ["aligned", "harmonic"] if "O(2)" in text else ["harmonic"]


CASES = [(*texts, form) for texts in MAPS for form in forms(texts[0])]


def kernel_at(basis, weight, theta):
    """K at angles [N], by its definition, for one radial function of value 1: [N, C_out, C_in]."""
    summed = torch.einsum("nb,boi->noi", basis.scalars(theta, torch.ones(len(theta), 1, dtype=theta.dtype)), weight)
    if basis.form == "aligned":
        return basis.out_type.matrix(theta) @ summed @ basis.in_type.matrix(-theta)
    return summed


def steerability_error(basis, weight):
    seeded = torch.Generator().manual_seed(0)
    theta = 2 * math.pi * torch.rand(25, generator=seeded, dtype=torch.float64)
    angle, flip = basis.in_type.group.sample(25, seeded)
    left = kernel_at(basis, weight, angle + flip * theta)
    inverse = basis.in_type.matrix(angle, flip).mT
    right = basis.out_type.matrix(angle, flip) @ kernel_at(basis, weight, theta) @ inverse
    return float((left - right).abs().max() / right.abs().max())


def elements(basis, n):
    """Every basis kernel of a map between field types as a weight of its own: [n, T, C_out, C_in]."""
    weight = basis.expand(torch.eye(n, dtype=torch.float64))
    return weight.unflatten(0, (-1, n)).transpose(0, 1)


def random_weight(basis, n_radial=1):
    return basis.expand(basis.initial(n_radial, generator=torch.Generator().manual_seed(1), dtype=torch.float64))


def check_regular_harmonic(in_text, out_text, max_harmonic):
    """Kernels between whole types, carried into the bases of their terms, against the judge on those bases."""
    in_type, out_type = FieldType.parse(in_text), FieldType.parse(out_text)
    basis = KernelBasis(in_type, out_type, max_harmonic=max_harmonic, form="harmonic")
    (source,), (target,) = in_type.terms, out_type.terms
    rho_in, rho_out = source.representation, target.representation
    kernels = elements(basis, basis.n_coefficients_per_radius)
    kernels = rho_out.change_of_basis @ kernels @ rho_in.change_of_basis.T
    judge = kernel_null_space(in_type.group, rho_in.matrix, rho_out.matrix, max_harmonic)
    assert kernels.shape == judge.shape
    assert subspace_distance(kernels, judge) <= 1e-10


@pytest.mark.parametrize("text", REGULAR)
def test_regular_representations_span_the_null_space(text):
    """The judge sees permutation matrices only."""
    check_regular_harmonic(text, text, 3)


@pytest.mark.parametrize("text", [*REGULAR, "SO(2): 1xregular[3]", "O(2): 1xregular[3]"])
def test_regular_representations_to_and_from_every_irrep(text):
    group = FieldType.parse(text).group
    for irrep in group.irreps(3):
        check_regular_harmonic(text, f"{group}: 1x{irrep}", 3)
        check_regular_harmonic(f"{group}: 1x{irrep}", text, 3)


@pytest.mark.parametrize("text", ["SO(2): 1xregular[3]", "O(2): 1xregular[2]"])
def test_band_limited_regular_representations_span_the_null_space(text):
    check_regular_harmonic(text, text, 4)


@pytest.mark.parametrize(
    ("in_text", "out_text"),
    [
        ("D4: 1xregular", "D4: 1xquotient[reflection]"),
        ("D6: 1xquotient[C2]", "D6: 1xquotient[D2]"),
        ("C6: 1xquotient[C3]", "C6: 1xregular"),
        ("D5: 1xregular", "D5: 1x2"),
        ("D4: 1x2-", "D4: 1xregular"),
        ("C8: 1xregular", "C8: 1x3"),
        ("O(2): 1xquotient[reflection,3]", "O(2): 1xregular[1]"),
    ],
)
def test_mixed_representations_span_the_null_space(in_text, out_text):
    check_regular_harmonic(in_text, out_text, 4)


@pytest.mark.parametrize("text", ["SO(2): 1xregular[3]", "O(2): 1xregular[2]"])
def test_the_aligned_form_spans_the_same_kernels(text):
    field_type = FieldType.parse(text)
    aligned = KernelBasis(field_type, field_type)
    assert aligned.form == "aligned"
    matrices = elements(aligned, aligned.n_coefficients_per_radius)
    level = default_max_harmonic(field_type, field_type)
    theta = 2 * math.pi / (2 * level + 1) * torch.arange(2 * level + 1, dtype=torch.float64)
    values = torch.stack([kernel_at(aligned, matrix, theta) for matrix in matrices])
    coefficients = torch.einsum("bt,ntoi->nboi", torch.linalg.inv(angular_functions(theta, level)), values)
    harmonic = KernelBasis(field_type, field_type, form="harmonic")
    assert harmonic.max_harmonic == level
    kernels = elements(harmonic, harmonic.n_coefficients_per_radius)
    assert subspace_distance(coefficients, kernels) <= 1e-10


@pytest.mark.parametrize(("in_text", "out_text", "form"), CASES)
def test_steerable(in_text, out_text, form):
    basis = KernelBasis(FieldType.parse(in_text), FieldType.parse(out_text), form=form)
    weight = random_weight(basis)
    assert weight.abs().max() > 0
    assert steerability_error(basis, weight) < 1e-13


@pytest.mark.parametrize(
    ("in_text", "out_text", "form"), [case for case in CASES if not case[0].startswith(("trivial", "SO(2)"))]
)
def test_a_disturbed_weight_is_not_steerable(in_text, out_text, form):
    basis = KernelBasis(FieldType.parse(in_text), FieldType.parse(out_text), form=form)
    weight = random_weight(basis)
    disturbed = weight + 1e-3 * torch.randn(
        weight.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(2)
    )
    assert steerability_error(basis, disturbed) > 1e-5


def test_a_wrong_column_order_is_not_steerable():
    """Broken twin for SO(2), whose aligned weights are free: components of copies interleaved the other way."""
    field_type = FieldType.parse("SO(2): 2x0 + 3x1")
    basis = KernelBasis(field_type, field_type, form="harmonic")
    weight = random_weight(basis)
    wrong = torch.cat([weight[:, :, :2], weight[:, :, 2:].unflatten(2, (2, 3)).transpose(2, 3).flatten(2)], 2)
    assert steerability_error(basis, wrong) > 0.1


def test_dense_weights_of_so2_are_the_coefficients():
    basis = KernelBasis(FieldType.parse("SO(2): 2x0 + 1x1"), FieldType.parse("SO(2): 1x1 + 3x0"))
    coefficients = torch.randn(basis.n_coefficients_per_radius, 3, generator=torch.Generator().manual_seed(0))
    weight = basis.expand(coefficients)
    assert weight.shape == (3, 5, 4)
    assert weight[2, 4, 1] == coefficients[4 * 4 + 1, 2]


@pytest.mark.parametrize(("in_text", "out_text", "form"), CASES)
def test_radial_index_is_fastest_and_radii_do_not_mix(in_text, out_text, form):
    basis = KernelBasis(FieldType.parse(in_text), FieldType.parse(out_text), form=form)
    coefficients = basis.initial(3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    weight = basis.expand(coefficients)
    assert weight.shape == (basis.n_angular * 3, basis.out_type.dim, basis.in_type.dim)
    for radius in range(3):
        alone = basis.expand(coefficients[:, radius : radius + 1])
        torch.testing.assert_close(weight.unflatten(0, (-1, 3))[:, radius], alone)
    theta, radial = torch.tensor([0.3, 1.2]), torch.tensor([[0.1, 0.2, 0.7], [0.5, 0.5, 0.0]])
    scalars = basis.scalars(theta, radial)
    assert scalars.shape == (2, basis.n_angular * 3)
    torch.testing.assert_close(scalars[:, 1], radial[:, 1] * 1)
    if form == "harmonic" and basis.n_angular > 1:
        torch.testing.assert_close(scalars[:, 3 + 2], radial[:, 2] * theta.cos())


@pytest.mark.parametrize(("in_text", "out_text", "form"), [CASES[1], CASES[5], CASES[-3]])
def test_expand_is_linear_and_differentiable(in_text, out_text, form):
    basis = KernelBasis(FieldType.parse(in_text), FieldType.parse(out_text), form=form)
    coefficients = basis.initial(2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    torch.testing.assert_close(basis.expand(2 * coefficients), 2 * basis.expand(coefficients))
    weight = basis.expand(coefficients.requires_grad_())
    cotangent = torch.randn(weight.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    (weight * cotangent).sum().backward()
    # the map is linear, so its transpose satisfies <W(c), g> = <c, W^T g>
    torch.testing.assert_close((coefficients.grad * coefficients).sum(), (weight * cotangent).sum())
    assert basis.expand(coefficients.float()).dtype == torch.float32


@pytest.mark.parametrize(("in_text", "out_text", "form"), CASES)
def test_initial_coefficients_keep_the_variance(in_text, out_text, form):
    """One edge, scalar energy 1: independent sources of unit variance give outputs of variance gain^2 per block."""
    basis = KernelBasis(FieldType.parse(in_text), FieldType.parse(out_text), form=form)
    seeded = torch.Generator().manual_seed(0)
    n_radial, n_theta, n_draws = 3, 16, 200
    theta = 2 * math.pi / n_theta * torch.arange(n_theta, dtype=torch.float64)
    scalars = basis.scalars(theta, torch.full((n_theta, n_radial), n_radial**-0.5, dtype=torch.float64))
    total = torch.zeros(basis.out_type.dim, dtype=torch.float64)
    for _ in range(n_draws):
        weight = basis.expand(basis.initial(n_radial, generator=seeded, gain=1.5, dtype=torch.float64))
        kernel = torch.einsum("nb,boi->noi", scalars, weight)
        if form == "aligned":
            kernel = basis.out_type.matrix(theta) @ kernel
        # the variance of an output for independent inputs of unit variance
        total += (kernel**2).sum(2).mean(0) / n_draws
    for block in basis.out_type.blocks:
        found = float(total[block.start : block.stop].mean())
        assert found == pytest.approx(1.5**2, rel=0.25)


def test_scalar_energy_divides_the_variance():
    basis = KernelBasis(FieldType.parse("D4: 2xregular"), FieldType.parse("D4: 2xregular"))
    one, four = (
        basis.initial(2, generator=torch.Generator().manual_seed(0), scalar_energy=energy) for energy in (1.0, 4.0)
    )
    torch.testing.assert_close(one, 2 * four)


@pytest.mark.parametrize(
    ("in_text", "out_text", "expected"),
    [
        ("SO(2): 1x0 + 1x2", "SO(2): 1x3", 5),
        ("trivial: 1x0", "trivial: 1x0", 2),
        ("reflection: 1xregular", "reflection: 1xregular", 2),
        ("D4: 1xregular", "D4: 1xregular", 2),
        ("D6: 1xregular", "D6: 1xregular", 3),
        ("C8: 1xregular", "C8: 1xregular", 4),
        ("D5: 1x0", "D5: 1x0-", 5),
    ],
)
def test_default_max_harmonic(in_text, out_text, expected):
    in_type, out_type = FieldType.parse(in_text), FieldType.parse(out_text)
    assert default_max_harmonic(in_type, out_type) == expected
    basis = KernelBasis(in_type, out_type, form="harmonic")
    assert basis.n_angular == 2 * expected + 1
    weight = random_weight(basis)
    assert (weight.abs().amax((0, 2)) > 0).all(), "an output column that no input reaches"


@pytest.mark.parametrize(("in_text", "out_text"), [*MAPS, *((text, text) for text in REGULAR)])
def test_intertwiners_span_the_null_space(in_text, out_text):
    in_type, out_type = FieldType.parse(in_text), FieldType.parse(out_text)
    basis = IntertwinerBasis(in_type, out_type)
    eye = torch.eye(basis.n_coefficients, dtype=torch.float64)
    found = [basis.expand(row) for row in eye]
    found = torch.stack(found) if found else torch.zeros(0, out_type.dim, in_type.dim)
    judge = intertwiner_null_space(in_type.group, in_type.matrix, out_type.matrix)
    assert found.shape == judge.shape
    assert subspace_distance(found, judge) <= 1e-10


def test_intertwiners_keep_the_variance():
    in_type, out_type = FieldType.parse("D4: 30xregular"), FieldType.parse("D4: 20xregular")
    basis = IntertwinerBasis(in_type, out_type)
    weight = basis.expand(basis.initial(generator=torch.Generator().manual_seed(0), dtype=torch.float64))
    for block in out_type.blocks:
        assert float((weight[block.start : block.stop] ** 2).sum(1).mean()) == pytest.approx(1, rel=0.2)


def test_nothing_is_saved_and_casts_are_exact():
    basis = KernelBasis(FieldType.parse("D4: 2xregular"), FieldType.parse("D4: 2xregular"))
    assert not basis.state_dict()
    assert not list(basis.parameters())
    coefficients = basis.initial(2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    before = basis.expand(coefficients)
    assert torch.equal(basis.bfloat16().double().expand(coefficients), before)


def test_errors():
    so2, d4 = FieldType.parse("SO(2): 1x0 + 1x1"), FieldType.parse("D4: 1x0 + 1x1")
    with pytest.raises(ValueError, match="one structure group"):
        KernelBasis(so2, d4)
    with pytest.raises(ValueError, match="one structure group"):
        IntertwinerBasis(so2, d4)
    with pytest.raises(ValueError, match="harmonic form"):
        KernelBasis(d4, d4, form="aligned")
    with pytest.raises(ValueError, match="leave out max_harmonic"):
        KernelBasis(so2, so2, max_harmonic=2, form="aligned")
    with pytest.raises(ValueError, match='"auto"'):
        KernelBasis(so2, so2, form="dense")
    with pytest.raises(ValueError, match="0 or more"):
        KernelBasis(d4, d4, max_harmonic=-1)
    with pytest.raises(ValueError, match=r"coefficients \[9, R\]"):
        KernelBasis(so2, so2).expand(torch.zeros(4, 2))
