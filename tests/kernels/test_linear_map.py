"""A linear map and its transpose: a product with a matrix some of whose columns are chosen."""

import pytest
import torch
from torch.autograd.gradcheck import GradcheckError
from torch.func import grad, jvp, vmap

from gaugenet.kernels.linear_map import LinearMap

MATRIX = torch.randn(4, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def there(x, m):
    return MATRIX @ (x if m is None else x * m)


def back(y, m):
    found = MATRIX.T @ y
    return found if m is None else found * m


X = torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64)
CHOSEN = torch.tensor([True, False, True])


@pytest.mark.parametrize("m", [None, CHOSEN])
def test_all_derivatives_are_those_of_the_matrix(m):
    of = LinearMap(there, back)
    matrix = MATRIX if m is None else MATRIX * m
    close = torch.testing.assert_close
    close(of(X, m), matrix @ X)
    close(of.transposed(matrix @ X, m), matrix.T @ matrix @ X)
    assert torch.autograd.gradcheck(lambda x: of(x, m), X.clone().requires_grad_(), check_forward_ad=True)
    assert torch.autograd.gradgradcheck(lambda x: of(x, m).pow(3), X.clone().requires_grad_())
    close(grad(lambda x: of(x, m).square().sum())(X), 2 * matrix.T @ matrix @ X)
    close(jvp(lambda x: of(x, m), (X,), (2 * X,))[1], 2 * matrix @ X)
    xs = torch.stack([X, -X, 3 * X], 1)
    close(vmap(lambda x: of(x, m), 1)(xs), (matrix @ xs).T)


def test_both_arguments_may_be_a_batch():
    of, chosen = LinearMap(there, back), torch.stack([CHOSEN, ~CHOSEN])
    expected = torch.stack([MATRIX @ (X * m) for m in chosen])
    assert torch.equal(vmap(of, (None, 0))(X, chosen), expected)
    assert torch.equal(vmap(of)(torch.stack([X, X]), chosen), expected)


def test_a_wrong_transpose_is_found():
    with pytest.raises(GradcheckError):
        torch.autograd.gradcheck(LinearMap(there, lambda y, m: 2 * back(y, m)), X.clone().requires_grad_())
