"""The product non-linearity against complex numbers."""

import pytest
import torch

from gaugenet.field_type import FieldType
from gaugenet.nn.tensor_product import TensorProductNonlinearity


def test_vectors_multiply_as_complex_numbers():
    """z and w of frequency 1 give zw of frequency 2 and z w̄ of frequency 0, and nothing else of degree two."""
    vector, out = FieldType.parse("SO(2): 1x1"), FieldType.parse("SO(2): 1x0 + 1x2")
    layer = TensorProductNonlinearity(vector, out, bounded=False, generator=torch.Generator().manual_seed(0)).double()
    x = torch.randn(50, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    z = torch.complex(*x.unbind(1))
    with torch.no_grad():
        y = layer(x)
    scalar, tensor = y[:, 0], torch.complex(y[:, 1], y[:, 2])
    for found, expected in ((scalar.to(z), (z * z.conj())), (tensor, z * z)):
        ratio = found / expected
        torch.testing.assert_close(ratio, ratio[:1].expand_as(ratio), rtol=1e-12, atol=1e-12)
        assert ratio[0].abs() > 1e-3
    # the twin: a different frequency
    ratio = tensor / z.conj().square()
    assert (ratio - ratio[0]).abs().max() > 0.1


def test_the_bounded_form_grows_linearly():
    field = FieldType.parse("SO(2): 2x0 + 2x1")
    x = torch.randn(20, field.dim, generator=torch.Generator().manual_seed(0))
    for bounded, power in ((True, 1.0), (False, 2.0)):
        layer = TensorProductNonlinearity(field, bounded=bounded, generator=torch.Generator().manual_seed(1))
        with torch.no_grad():
            growth = torch.log10(layer(1e5 * x).norm() / layer(1e4 * x).norm())
        assert abs(float(growth) - power) < 0.02


def test_it_tells_a_field_from_its_mirror_only_where_the_group_may():
    """cos and sin of the angle between two vectors: both for SO(2), the cosine alone for O(2)."""
    angle = torch.tensor([0.7, -0.7], dtype=torch.float64)
    one = torch.ones_like(angle)
    x = torch.stack([one, angle.cos(), 0 * one, angle.sin()], 1)
    for group, same in (("SO(2)", False), ("O(2)", True)):
        layer = TensorProductNonlinearity(FieldType.parse(f"{group}: 2x1"), FieldType.parse(f"{group}: 3x0")).double()
        with torch.no_grad():
            left, right = layer(x)
        assert torch.allclose(left, right, rtol=0, atol=1e-12) == same


def test_without_products_it_is_linear_and_errors_say_why():
    far = TensorProductNonlinearity(FieldType.parse("SO(2): 2x1"), FieldType.parse("SO(2): 1x1"))
    assert far.mix is None
    assert "0 products" in repr(far)
    with pytest.raises(ValueError, match="one structure group"):
        TensorProductNonlinearity(FieldType.parse("SO(2): 2x1"), FieldType.parse("O(2): 1x1"))
    with pytest.raises(ValueError, match="rank must be at least 1"):
        TensorProductNonlinearity(FieldType.parse("SO(2): 2x1"), rank=0)
